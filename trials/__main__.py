"""The command line: ``python -m trials [KIND] [--short] [--seed N]``; without KIND all of them, one after the other."""

import argparse
import random
import sys
import time
from typing import Final

from testing.holdings import NEW_PROFILES
from trials import ansible, faults, fleet, fuzz, kills, laws, loop, parallel, power, universe
from trials.tally import told

_KINDS: Final = {
    "kills": kills.tallies,
    "cancels": kills.cancel_tallies,
    "power": power.tallies,
    "faults": faults.tallies,
}
_SHORT: Final = {"kills": 12, "cancels": 12, "power": 40, "faults": 12}
"""How many points of each plan on each kernel a short run tries."""

_OTHERS: Final = ("parallel", "loop", "fuzz", "universe", "laws", "fleet", "ansible")
_SECONDS: Final = 60.0
_SHORT_SECONDS: Final = 5.0
_SHORT_FUZZ: Final = 3000
_SHORT_LOOP: Final = 20
"""A short run makes this part of the loop's triggers."""
_SHORT_FLEET: Final = 2000
_SHORT_UNIVERSE: Final = 100
"""A short run takes this part of the pairs of states."""


def main() -> int:
    """Run one kind of trials, or all; the exit status is 1 where anything ended as it must not."""
    parser = argparse.ArgumentParser(prog="./run trials", description="Prove that nothing is lost.")
    parser.add_argument("kind", nargs="?", choices=[*_KINDS, *_OTHERS], help="only these")
    parser.add_argument("--short", action="store_true", help="a sample of the points, by chance")
    parser.add_argument("--seed", type=int, default=1, help="of that chance (1)")
    parser.add_argument("--only", type=int, help="of the fuzz campaign this input alone, by its number")
    given = parser.parse_args()
    if given.only is not None:
        return len(fuzz.Report(given.seed).add([fuzz.only(given.seed, given.only)]).wrong)
    wrong = 0
    for kind in [given.kind] if given.kind else [*_KINDS, *_OTHERS]:
        begun = time.monotonic()
        wrong += _run(kind, given.short, given.seed)
        print(f"{kind} took {time.monotonic() - begun:.0f} s; seed {given.seed}\n", flush=True)
    return 1 if wrong else 0


def _run(kind: str, short: bool, seed: int) -> int:
    if kind == "parallel":
        report = parallel.report(_SHORT_SECONDS if short else _SECONDS, seed)
        print(report)
        for found in report.wrong[:10]:
            print(f"  VIOLATION {found}")
        return len(report.wrong)
    if kind == "loop":
        return sum(map(_told, loop.stretches(random.Random(seed), _SHORT_LOOP if short else 1)))
    if kind == "fuzz":
        fuzzed = fuzz.Report(seed).add(fuzz.campaign(seed, _SHORT_FUZZ if short else fuzz.INPUTS))
        print(fuzzed)
        return len(fuzzed.wrong)
    if kind == "universe":
        every = _SHORT_UNIVERSE if short else 1
        return sum(_told(universe.walked(profile, seed % every, every)) for profile in NEW_PROFILES)
    if kind == "laws":
        return laws.ran(seed, short=short)
    if kind == "ansible":
        return len(ansible.table(short, seed))
    if kind == "fleet":
        return _told(fleet.commits(random.Random(seed), _SHORT_FLEET if short else fleet.SEEDS))
    tallies = _KINDS[kind](random.Random(seed), _SHORT[kind] if short else None)
    return len(told(tallies, kind).otherwise)


def _told(found: loop.Found | universe.Walked | fleet.Ends) -> int:
    print(found, flush=True)
    for one in found.wrong[:10]:
        print(f"  VIOLATION {one}", flush=True)
    return len(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
