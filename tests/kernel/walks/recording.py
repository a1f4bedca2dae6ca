"""Have a kernel of the lab walk, and keep what it answered."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from kernel.walks.corpus import file_of, save
from kernel.walks.universe import HARDWARE
from lab.ap_hardware import ApHardware
from lab.cache import Cache
from lab.machine import GuestFailed, Job, Machine

_HERE: Final = Path(__file__).parent
_IN_GUEST: Final = {
    "lab/recorder": _HERE.parents[2] / "lab" / "recorder",
    **{f"kernel/walks/{path.name}": path for path in _HERE.glob("*.py")},
}


class Kept(NamedTuple):
    """A walk that was kept: its file, how many operations it has, and how long the boot took."""

    path: Path
    operations: int
    seconds: float


def record(cache: Cache, kernel: str, seed: int, count: int, seconds: float, folder: Path) -> Kept:
    """Boot `kernel`, walk at least `count` operations of `seed`, and keep the walk in `folder`.

    Raises:
        GuestFailed: the walk did not come to its end within `seconds`; what it printed is in ``unfinished.jsonl``.
    """
    unfinished = folder / "unfinished.jsonl"
    job = Job(f"python3 -m kernel.walks.in_guest {seed} {count}", _IN_GUEST, seconds=seconds)
    with TemporaryDirectory(prefix="lab-") as directory, unfinished.open("wb") as stream:
        outcome = Machine(cache, kernel, ApHardware(HARDWARE), Path(directory)).run(job, stream, sys.stderr.buffer)
    if outcome.status:
        raise GuestFailed(f"the walk ended with status {outcome.status}")
    path = file_of(kernel, seed, folder)
    operations = save(path, unfinished.read_text(encoding="utf-8").splitlines())
    unfinished.unlink()
    return Kept(path, operations, outcome.seconds)
