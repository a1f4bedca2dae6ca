"""Record transcripts anew, and compare two."""

import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lab.ap_hardware import ApHardware
from lab.cache import Cache
from lab.machine import GuestFailed, Job, Machine
from lab.transcript import Transcript, differences

RECORDER: Final = Path(__file__).parent / "recorder"
"""What runs in the guest."""

_SCENARIOS_SECONDS: Final = 1200
_TOOLS_SECONDS: Final = 300


def record(cache: Cache, kernels: Iterable[str], directory: Path) -> None:
    """Write ``KERNEL.jsonl`` and ``tools-KERNEL.txt`` to `directory` for each of `kernels`, which are ready.

    Raises:
        GuestFailed: a kernel did not get to the end; what is in `directory` stays.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for kernel in kernels:
        _record(cache, kernel, "python3 -m recorder", _SCENARIOS_SECONDS, directory / f"{kernel}.jsonl")
        _record(cache, kernel, "bash recorder/tools.sh", _TOOLS_SECONDS, directory / f"tools-{kernel}.txt")


def compare(old: Path, new: Path) -> int:
    """Print where two transcripts differ and return an exit status: 0 nowhere, 1 somewhere."""
    found = differences(Transcript.read(old), Transcript.read(new))
    print("\n".join(found) or "no difference")
    return 1 if found else 0


def _record(cache: Cache, kernel: str, command: str, seconds: float, target: Path) -> None:
    unfinished = target.with_suffix(".new")
    job = Job(command, {"recorder": RECORDER}, seconds=seconds)
    with TemporaryDirectory(prefix="lab-") as directory, unfinished.open("wb") as stream:
        outcome = Machine(cache, kernel, ApHardware(), Path(directory)).run(job, stream, sys.stderr.buffer)
    if outcome.status:
        raise GuestFailed(f"recording {target.name} ended with status {outcome.status}")
    unfinished.rename(target)
