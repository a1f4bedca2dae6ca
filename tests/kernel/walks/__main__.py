"""``python -m kernel.walks``: record walks on kernels of the lab (docs/random-walks.md)."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from kernel.lab.ap_hardware import ApHardware
from kernel.lab.cache import DEFAULT_CACHE, KERNELS, Cache
from kernel.lab.machine import GuestFailed, Job, Machine
from kernel.walks.corpus import FOLDER, file_of, save
from kernel.walks.universe import HARDWARE

_HERE: Final = Path(__file__).parent
_IN_GUEST: Final = {
    "kernel/lab/recorder": _HERE.parent / "lab" / "recorder",
    **{f"kernel/walks/{path.name}": path for path in _HERE.glob("*.py")},
}


def record(cache: Cache, kernel: str, seed: int, count: int, seconds: float, folder: Path) -> None:
    """Boot `kernel`, walk `count` operations of `seed`, and keep the walk in `folder`.

    Raises:
        GuestFailed: the walk did not come to its end within `seconds`; what it printed is in ``unfinished.jsonl``.
    """
    unfinished = folder / "unfinished.jsonl"
    job = Job(f"python3 -m kernel.walks.in_guest {seed} {count}", _IN_GUEST, seconds=seconds)
    with TemporaryDirectory(prefix="lab-") as directory, unfinished.open("wb") as stream:
        outcome = Machine(cache, kernel, ApHardware(HARDWARE), Path(directory)).run(job, stream, sys.stderr.buffer)
    if outcome.status:
        raise GuestFailed(f"the walk ended with status {outcome.status}")
    target = file_of(kernel, seed, folder)
    done = save(target, unfinished.read_text(encoding="utf-8").splitlines())
    unfinished.unlink()
    print(f"{target.name}: {done} operations in {outcome.seconds:.0f} s")


def main() -> None:
    """Record what the command line asks for, one boot after the other."""
    parser = argparse.ArgumentParser(prog="python -m kernel.walks", description=__doc__)
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="(repeatable; default: all)")
    parser.add_argument("--seed", action="append", type=int, required=True, help="(repeatable)")
    parser.add_argument("--operations", type=int, default=1000, help="of each walk (%(default)s)")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="of each boot (%(default)s)")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="DIR", help="(default: the corpus)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="of the lab (%(default)s)")
    given = parser.parse_args()
    for kernel in given.kernel or KERNELS:
        for seed in given.seed:
            cache = Cache(given.cache.expanduser().absolute())
            record(cache, kernel, seed, given.operations, given.timeout, given.to)


if __name__ == "__main__":
    main()
