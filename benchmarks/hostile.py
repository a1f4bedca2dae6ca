"""Manifests that were made to keep us busy: seconds and memory of ``reconcile plan`` at two sizes each.

Every process ends by itself, most with a refusal. Seconds are those of the processor, as others may use it, too.
Then, at the smaller size, how soon a loop answers ``reconcile trigger`` after its directory was given such manifests.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from testing.hostile_sites import FOLDERS, TEXTS, cycles
from testing.hostile_sites import host as hostile_host
from testing.loop_processes import watching

_HOST: Final = {
    "apiVersion": "reconciler/v1",
    "kind": "SimulatedHost",
    "metadata": {"name": "lpar7"},
    "spec": {
        "adapters": [{"id": one, "type": "CEX8", "mode": "cca"} for one in (4, 5, 200)],
        "usageDomains": [4, 5],
        "maxDomain": 255,
    },
}
_CYCLES: Final = ((5, 8), (20, 8))


class _Spent(NamedTuple):
    seconds: float
    waited: float
    peak_mib: float
    code: int
    output: int


class _Answer(NamedTuple):
    seconds: float
    refused: bool
    end: float


def report() -> None:
    """Measure every kind and print a table."""
    print("reconcile plan of hostile manifests, one process each\n")
    print("kind                    size   seconds (cpu)   (wall)   peak MiB   exit   output KiB")
    for name, size, site, host in _sites():
        spent = _plan(site, host)
        print(
            f"{name:18} {size:>9} {spent.seconds:15.2f} {spent.waited:8.2f} {spent.peak_mib:10.0f} {spent.code:6}"
            f" {spent.output / 1024:12.0f}",
            flush=True,
        )
    print("\nreconcile trigger --wait, asked of a loop that has just been given them\n")
    print("kind                    size   seconds   refused   end (s)")
    for name, number, fill in _kinds():
        answer = _answer(fill, number)
        print(
            f"{name:18} {number:>9,} {answer.seconds:9.2f} {'yes' if answer.refused else 'no':>9} {answer.end:9.2f}",
            flush=True,
        )


def _kinds() -> Iterator[tuple[str, int, Callable[[Path, int], Path]]]:
    for name, (text, size, _) in TEXTS.items():
        yield name, size, partial(_written, text)
    for name, (fill, size, _) in FOLDERS.items():
        yield name, size, fill


def _answer(fill: Callable[[Path, int], Path], size: int) -> _Answer:
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as directory:
        folder, state = Path(directory) / "manifests", Path(directory) / "state"
        folder.mkdir()
        before = folder / "before.yaml"
        before.write_text(hostile_host(), encoding="utf-8")
        where = ("--simulate", str(_host(Path(directory))), "--state-dir", str(state))
        options = ("--apply", "--resync", "1h", "-f", str(folder))
        with watching(state, where, *options) as loop:
            loop.turn()
            fill(folder, size)
            before.unlink()  # they have a host of their own
            began = time.perf_counter()
            refused = bool(loop.turn().get("refused"))
            answered = time.perf_counter()
            loop.end()
            answer = _Answer(answered - began, refused, time.perf_counter() - answered)
        subprocess.run(["/bin/rm", "-rf", folder], check=True)  # Python's own way is lost in deep folders
        return answer


def _sites() -> Iterator[tuple[str, str, Path, Path]]:
    for name, (text, *sizes) in TEXTS.items():
        for size in sizes:
            yield from _one(name, size, partial(_written, text))
    for name, (fill, *sizes) in FOLDERS.items():
        for size in sizes:
            yield from _one(name, size, fill)
    for adapters, size in _CYCLES:
        with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as directory:
            host = _host(Path(directory))
            first, second = (Path(directory) / f"{seed}.yaml" for seed in (1, 2))
            first.write_text(cycles(1, adapters, size), encoding="utf-8")
            second.write_text(cycles(2, adapters, size), encoding="utf-8")
            subprocess.run(_command("apply", first, host, "--yes"), capture_output=True, check=True)
            yield "cycles", f"{adapters * 256 // size:,}", second, host


def _one(name: str, size: int, fill: Callable[[Path, int], Path]) -> Iterator[tuple[str, str, Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as directory:
        folder = Path(directory) / "manifests"
        folder.mkdir()
        yield name, f"{size:,}", fill(folder, size), _host(Path(directory))
        subprocess.run(["/bin/rm", "-rf", folder], check=True)  # Python's own way is lost in deep folders


def _written(text: Callable[[int], str], folder: Path, size: int) -> Path:
    (folder / "site.yaml").write_text(text(size), encoding="utf-8")
    return folder


def _host(folder: Path) -> Path:
    file = folder / "host.sim.yaml"
    file.write_text(yaml.safe_dump(_HOST), encoding="utf-8")
    return file


def _command(action: str, site: Path, host: Path, *more: str) -> list[str]:
    script = Path(sys.executable).with_name("reconcile")
    return [str(script), action, "-f", str(site), "--simulate", str(host), *more]


def _plan(site: Path, host: Path) -> _Spent:
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            _command("plan", site, host), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        waited = time.perf_counter() - began
        seconds = usage.ru_utime + usage.ru_stime
        return _Spent(seconds, waited, usage.ru_maxrss / 1024, process.returncode, os.fstat(output.fileno()).st_size)
