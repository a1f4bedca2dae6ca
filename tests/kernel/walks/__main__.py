"""``python -m kernel.walks``: record walks on kernels of the lab (docs/random-walks.md)."""

import argparse
import os
from pathlib import Path

from kernel.walks.corpus import FOLDER
from kernel.walks.recording import record
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache


def main() -> None:
    """Record what the command line asks for, one boot after the other."""
    parser = argparse.ArgumentParser(prog="python -m kernel.walks", description=__doc__)
    place = os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="(repeatable; default: all)")
    parser.add_argument("--seed", action="append", type=int, required=True, help="(repeatable)")
    parser.add_argument("--operations", type=int, default=1000, help="of each walk, at least (%(default)s)")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="of each boot (%(default)s)")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="DIR", help="(default: the corpus)")
    parser.add_argument("--cache", default=place, help=f"the lab's (${CACHE_VARIABLE}; %(default)s)")
    given = parser.parse_args()
    cache = Cache(Path(given.cache).expanduser().absolute())
    given.to.mkdir(parents=True, exist_ok=True)
    for kernel in given.kernel or KERNELS:
        for seed in given.seed:
            kept = record(cache, kernel, seed, given.operations, given.timeout, given.to)
            print(f"{kept.path.name}: {kept.operations} operations in {kept.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
