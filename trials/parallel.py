"""Many at once: ten processes apply manifests of their own choice to one host, and others look on.

* A competitor takes the lock of the s390-tools as ap-check does (made anew here from libutil/util_lockfile.c, not with
  the code that it is to judge), and while it has it nobody may write.
* A watcher reads masks and matrices all the time: no queue has two holders, and what nobody manages is left alone.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, NoReturn

from reconciler.kernel.locks import ToolsBusy
from reconciler.kernel.observe import UnreadableHost
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, MATRIX, mdev
from reconciler.kernel.sysfs import RealSysfs
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Origin, Result
from reconciler.model.steps import Holdings
from reconciler.operations.apply import apply
from reconciler.operations.wanted import Manifests
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.lock import Busy
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.holdings import abilities_of, config, held, uuid
from testing.invariants import violations
from testing.mounted_hosts import MountedHost, mounted_host, why_not_mounted
from testing.transitions import CREATES, MIXES, ROTATES, SWAPS
from trials.scenes import BOOT_ID, DONE, manifests_of, unfinished, unsettled

APPLIERS: Final = 10
KERNEL: Final = "6.12"
UNMANAGED: Final = uuid(0xF)
TARGETS: Final = (
    CREATES.target,
    SWAPS.start,
    SWAPS.target,
    ROTATES.start,
    ROTATES.target,
    MIXES.target,
    Holdings(Matrix(ALL_IDS - IdSet([7]), ALL_IDS), {uuid(3): config([7], [4])}),
)
"""What the processes choose from; all leave the queue of the unmanaged device alone."""

_PATIENCE: Final = 180.0
_TRY_AGAIN_SECONDS: Final = 0.01
_TOOL_WAITS_SECONDS: Final = 0.03
_LONGEST_TURN_SECONDS: Final = 0.04
_DESCRIPTION: Final = f"""\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {{name: lpar7}}
spec:
  kernel: "{KERNEL}"
  maxDomain: 255
  adapters: [{{id: 5}}, {{id: 6}}, {{id: 7}}]
  usageDomains: [4, 0x47, 0xab, 0xff]
"""


class Arena(NamedTuple):
    """Where all of it happens, and until when (`time.monotonic`)."""

    folder: Path
    root: Path
    lock: Path
    state: Path
    end: float

    def manifests(self, number: int) -> Path:
        """Those of a target."""
        return self.folder / f"target{number}.yaml"


class Report(NamedTuple):
    """What happened: how often what, and all that must not be."""

    counts: Counter[str]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return f"parallel: {counts}, {len(self.wrong)} violations"


Role = Callable[[Arena, random.Random], tuple[Counter[str], list[str]]]


def report(seconds: float, seed: int) -> Report:
    """What happened in so many seconds of wall-clock time."""
    with TemporaryDirectory(prefix="trials.") as name:
        folder, elsewhere = Path(name), Path(name) / "elsewhere"
        elsewhere.mkdir()
        if why_not := why_not_mounted(elsewhere):
            return Report(Counter(), (f"nothing was tried, since this machine cannot mount: {why_not}",))
        with mounted_host(folder, _DESCRIPTION) as host:
            return _run(folder, host, seconds, seed)


def _run(folder: Path, host: MountedHost, seconds: float, seed: int) -> Report:
    state = folder / "state"
    arena = Arena(folder, host.root, folder / "s390apconfig.lock", state, time.monotonic() + seconds)
    for number, target in enumerate(TARGETS):
        arena.manifests(number).write_text(manifests_of(target), encoding="utf-8")
    _make_unmanaged(host)
    roles: list[Role] = [_compete, _watch, *[_apply] * APPLIERS]
    children = [_started(role, arena, random.Random(f"{seed} {number}")) for number, role in enumerate(roles)]
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for child in children:
        some, others = _ended(child, arena)
        counts += some
        wrong += others
    return Report(counts, (*wrong, *_wrong_in_the_end(arena)))


def _make_unmanaged(host: MountedHost) -> None:
    host.store(AQMASK, "-0xab")
    host.store(CREATE, UNMANAGED)
    host.store(f"{mdev(UNMANAGED)}/assign_adapter", "7")
    host.store(f"{mdev(UNMANAGED)}/assign_domain", "0xab")


def _started(role: Role, arena: Arena, chance: random.Random) -> int:
    child = os.fork()
    return child or _play(role, arena, chance)


def _play(role: Role, arena: Arena, chance: random.Random) -> NoReturn:
    try:
        counts, wrong = role(arena, chance)
        told = json.dumps([counts, wrong])
    except BaseException as error:  # noqa: BLE001  # what it is, the parent tells
        told = json.dumps([{}, [f"{role.__name__.strip('_')} failed: {error!r}"]])
    (arena.folder / f"told.{os.getpid()}").write_text(told)
    sys.stdout.flush()
    os._exit(0)


def _ended(child: int, arena: Arena) -> tuple[Counter[str], list[str]]:
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > arena.end + _PATIENCE:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return Counter(), [f"process {child} did not end"]
        time.sleep(_TRY_AGAIN_SECONDS)
    counts, wrong = json.loads((arena.folder / f"told.{child}").read_text())
    return Counter(counts), wrong


# Roles


def _apply(arena: Arena, chance: random.Random) -> tuple[Counter[str], list[str]]:
    """Apply one of the targets, again and again."""
    machine = OpenHost(RealSysfs(arena.root), time, StateDirectory(arena.state), BOOT_ID, "lpar7", arena.lock)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    while time.monotonic() < arena.end:
        number = chance.randrange(len(TARGETS))
        origin = Origin("root", f"apply {number}", time.time())
        try:
            outcome = apply(Manifests((arena.manifests(number),)), machine, NoProgress(), origin).outcome
        except (Busy, ToolsBusy):
            counts["applies that found a lock held"] += 1
            time.sleep(chance.random() * _TRY_AGAIN_SECONDS)
            continue
        counts["applies with changes" if outcome.result is Result.APPLIED else "applies without"] += 1
        counts["kernel writes"] += outcome.writes
        if outcome.result not in DONE:
            wrong.append(f"an apply of target {number} ended so: {outcome}")
    return counts, wrong


def _compete(arena: Arena, chance: random.Random) -> tuple[Counter[str], list[str]]:
    """Take the lock of the s390-tools, see that nobody writes, and give it back."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    own = arena.lock.with_name(f"competitor{os.getpid()}")
    while time.monotonic() < arena.end:
        own.write_text(f"{os.getpid()}\n")
        try:
            os.link(own, arena.lock)
        except FileExistsError:
            time.sleep(_TOOL_WAITS_SECONDS)
            continue
        finally:
            own.unlink()
        before = _texts(arena.root)
        time.sleep(chance.random() * _LONGEST_TURN_SECONDS)
        after = _texts(arena.root)
        counts["turns of the competitor"] += 1
        if after != before:
            wrong.append(f"somebody wrote while the tools' lock was held: {before} became {after}")
        if (holder := arena.lock.read_text().strip()) == str(os.getpid()):
            arena.lock.unlink()
        else:
            wrong.append(f"the tools' lock was taken from its holder by {holder}")
        time.sleep(chance.random() * _LONGEST_TURN_SECONDS)
    return counts, wrong


def _watch(arena: Arena, chance: random.Random) -> tuple[Counter[str], list[str]]:
    """Look who holds what; what two looks in a row show alike was so in between, since an apply takes far longer."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    last: Holdings | None = None
    unmanaged = _unmanaged(arena.root)
    while time.monotonic() < arena.end:
        now = _look(arena.root)
        if now is not None and now == last:
            counts["looks of the watcher"] += 1
            wrong += [text for text in violations(now, now, now) if text.startswith("I1")]
        if (is_now := _unmanaged(arena.root)) != unmanaged:
            wrong.append(f"the unmanaged device was changed from {unmanaged} to {is_now}")
        last = now
    return counts, wrong


def _look(root: Path) -> Holdings | None:
    try:
        return held(RealSysfs(root), abilities_of(PROFILES[KERNEL]))
    except (OSError, UnreadableHost):  # a device has gone meanwhile
        return None


def _unmanaged(root: Path) -> str:
    return RealSysfs(root).read(f"{mdev(UNMANAGED)}/ap_config")


def _texts(root: Path) -> dict[str, Any]:
    """All masks and matrices as they are read."""
    host = RealSysfs(root)
    texts = {path: host.read(path) for path in (APMASK, AQMASK)}
    for name in host.list(MATRIX):
        with suppress(OSError):
            texts[name] = host.read(f"{MATRIX}/{name}/ap_config")
    return texts


def _wrong_in_the_end(arena: Arena) -> Iterator[str]:
    if unfinished(arena.state):
        yield "there is a journal in the end"
    yield from unsettled(arena.state)
    if arena.lock.exists():
        yield f"the tools' lock is still there: {arena.lock.read_text()!r}"
    now = held(RealSysfs(arena.root), abilities_of(PROFILES[KERNEL]))
    managed = now._replace(mdevs={one: what for one, what in now.mdevs.items() if one != UNMANAGED})
    if managed not in TARGETS:
        yield f"the host is at none of the targets: {managed}"
