"""How soon the loop follows a saved file, and how much of a plan it has to make again.

With real files, ears and records, on a simulated host that is mounted and on one in memory: from the moment a changed
file is moved into place until the change is applied and verified, less the time that the debounce waits on purpose.
Beside it the bare plan of the same directory: all read, observed and planned from nothing, in the same process.
"""

import gc
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from benchmarks.mounted import mounted
from benchmarks.site import ADAPTER_PAIRS, Site, guest_text, write_site
from reconciler.kernel.sysfs import RealSysfs, Sysfs
from reconciler.manifests.files import CERTAIN_SECONDS
from reconciler.manifests.site import ChangedFiles
from reconciler.model.outcome import Origin, Result
from reconciler.operations.plan import plan
from reconciler.operations.wanted import Manifests
from reconciler.simulator.description import host_of
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.configurations import Configurations
from reconciler.watch.cycle import Cycles
from reconciler.watch.decisions import Policy
from reconciler.watch.file_triggers import FileTriggers
from reconciler.watch.loop_context import EnforcedHost, LoopContext
from reconciler.watch.manifest_sources import FilesSource
from reconciler.watch.triggers import QUIET_SECONDS, Trigger
from testing.event_loops import Noticing
from testing.loops import Unobserved

SIZES: Final = (10, 1000, 10_000)
_START: Final = (Trigger("start"),)
_GUESTS_A_FILE: Final = 100


class Measured(NamedTuple):
    """One size, medians in seconds: the bare plan, the loop's first plan, its next one, and from save to applied."""

    guests: int
    bare: float
    first: float
    again: float
    applied: float


class _Bench:
    """A site, a host and a loop."""

    def __init__(self, directory: Path, site: Site, host: Sysfs, *, applies: bool) -> None:
        state = StateDirectory(directory / "state")
        state.prepare()
        self.site = site
        self.machine = OpenHost(host, time, state, "boot", "bench")
        self.loop = Cycles(
            LoopContext(
                host=EnforcedHost(
                    opened=self._opened,
                    origin=lambda commit: Origin("bench", "bench", time.time(), commit),
                    authorised_since=lambda _uuid, _queues: "",
                ),
                source=FilesSource((str(site.manifests),), str),
                configurations=Configurations(ChangedFiles(), None, None),
                policy=Policy(applies, self_heal=False),
                clock=time,
                observer=Unobserved(),
            )
        )

    @contextmanager
    def _opened(self, _changes: bool) -> Iterator[OpenHost]:
        yield self.machine

    def save(self, number: int, turned: bool) -> None:
        """Have the file of guest `number` leave out one of its two adapters, or not."""
        name = f"guests-{number // _GUESTS_A_FILE * _GUESTS_A_FILE:05}.yaml"
        file = self.site.manifests / name
        text = file.read_text(encoding="utf-8")
        own = guest_text(number)
        pair = 2 * (number % ADAPTER_PAIRS)
        other = own.replace(f"adapters: [{pair}, {pair + 1}]", f"adapters: [{pair}]")
        new = self.site.manifests / f".{name}.new"
        new.write_text(text.replace(own, other) if turned else text.replace(other, own), encoding="utf-8")
        os.replace(new, file)


def measure(guests: int, runs: int, *, on_mount: bool) -> Measured:
    """Measure a site of `guests` guests."""
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        site = write_site(directory, guests, _GUESTS_A_FILE)
        host: Sysfs
        if on_mount:
            host = RealSysfs(stack.enter_context(mounted(site.simulated_host, directory / "sys")))
        else:
            host = host_of(yaml.safe_load(site.simulated_host.read_text(encoding="utf-8")))
        bench = _Bench(directory, site, host, applies=True)
        assert _outcome(bench) is Result.APPLIED
        time.sleep(CERTAIN_SECONDS)
        source = Manifests((site.manifests,))
        bare = statistics.median(
            _timed(lambda: plan(source.read(bench.machine), bench.machine)) for _ in range(min(runs, 3))
        )
        first, again = _plans(directory, site, host, runs)
        applied = statistics.median(_applied(bench, runs))
        return Measured(guests, bare, first, again, applied)


def _outcome(bench: _Bench) -> Result | None:
    outcome = bench.loop.run_cycle(_START).outcome
    return outcome.result if outcome else None


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _plans(directory: Path, site: Site, host: Sysfs, runs: int) -> tuple[float, float]:
    """The first turn of a loop that only reports, and one after a single file has changed."""
    (directory / "reporting").mkdir()
    bench = _Bench(directory / "reporting", site, host, applies=False)
    first = _timed(lambda: bench.loop.run_cycle(_START))
    again = []
    for number in range(runs):
        bench.save(0, turned=number % 2 == 0)
        again.append(_timed(lambda: bench.loop.run_cycle((Trigger("files", "guests"),))))
        time.sleep(CERTAIN_SECONDS)
        bench.loop.run_cycle((Trigger("files", "guests"),))
    if runs % 2:
        bench.save(0, turned=False)
    return first, statistics.median(again)


def _applied(bench: _Bench, runs: int) -> Iterator[float]:
    with Noticing(FileTriggers((str(bench.site.manifests),))) as noticing:
        assert not noticing.limit, noticing.limit
        bench.loop.run_cycle(_START)
        for number in range(2 * (runs // 2)):
            time.sleep(CERTAIN_SECONDS)
            gc.collect()
            began = time.perf_counter()
            bench.save(0, turned=number % 2 == 0)
            triggers = noticing.next(10.0)
            turn = bench.loop.run_cycle(triggers)
            took = time.perf_counter() - began
            assert turn.outcome, turn.ending
            assert turn.outcome.result is Result.APPLIED, turn.outcome
            bench.loop.rest()
            yield took


def report(sizes: Sequence[int], runs: int) -> None:
    """Measure every size and print a table."""
    gc.disable()  # as the command does, and the loop during a turn
    print(f"the loop, medians of {runs} runs, in milliseconds; the debounce of {QUIET_SECONDS:g} s is left out;")
    print(f"{_GUESTS_A_FILE} guests a file")
    if shutil.which("fusermount3"):
        _table("mounted", sizes, runs, on_mount=True)
    else:
        print("NOT MEASURED: the mounted host; fusermount3 is needed")
    _table("in memory", sizes, runs, on_mount=False)


def _table(name: str, sizes: Sequence[int], runs: int, *, on_mount: bool) -> None:
    print(f"\nhost {name}")
    print("guests   bare plan   save to applied   beyond the plan   first plan   plan again   again/first")
    for guests in sizes:
        one = measure(guests, runs, on_mount=on_mount)
        bare, first, again, applied = (1000 * seconds for seconds in one[1:])
        print(
            f"{guests:6,} {bare:11.0f} {applied:17.0f} {applied - bare:17.0f} {first:12.0f} {again:12.0f}"
            f" {again / first:13.2f}",
            flush=True,
        )
