"""The command line: ``python -m trials [kills|power|faults|parallel] [--short] [--seed N]``."""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from typing import Final

from trials import faults, kills, power
from trials.tally import Tally, told

_SHORT: Final = {"kills": 12, "power": 40, "faults": 12}
"""How many points of each trial a short run tries."""


def main() -> int:
    """Run one kind of trials, or all; the exit status is 1 where anything ended as it must not."""
    parser = argparse.ArgumentParser(prog="./run trials", description="Prove that nothing is lost.")
    parser.add_argument("kind", nargs="?", choices=[*_SHORT], help="only these")
    parser.add_argument("--short", action="store_true", help="a sample of the points, by chance")
    parser.add_argument("--seed", type=int, default=1, help="of that chance (1)")
    given = parser.parse_args()
    wrong = 0
    for kind in [given.kind] if given.kind else _SHORT:
        begun = time.monotonic()
        total = told(_tallies(kind, random.Random(given.seed), _SHORT[kind] if given.short else None), kind)
        print(f"{kind} took {time.monotonic() - begun:.0f} s; seed {given.seed}\n", flush=True)
        wrong += len(total.otherwise)
    return 1 if wrong else 0


def _tallies(kind: str, chance: random.Random, most: int | None) -> Iterator[Tally]:
    return {"kills": kills.tallies, "power": power.tallies, "faults": faults.tallies}[kind](chance, most)


if __name__ == "__main__":
    sys.exit(main())
