"""Commits to several hosts under faults, one seed after the other (`testing.fleet`)."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final, NamedTuple

from testing.fleet import simulated

SEEDS: Final = 20_000


class Ends(NamedTuple):
    """How the commits ended, and the seeds whose laws were broken."""

    counts: Counter[str]
    wrong: list[str]

    def __str__(self) -> str:
        """For people."""
        listed = ", ".join(f"{count:,} {end}" for end, count in sorted(self.counts.items()))
        return f"{sum(self.counts.values()):,} commits to one to four hosts: {listed}; {len(self.wrong)} violations"


def commits(chance: Random, seeds: int = SEEDS) -> Ends:
    """Simulate so many, with seeds that `chance` draws."""
    ends = Ends(Counter(), [])
    for seed in islice(_drawn(chance), seeds):
        try:
            ends.counts[simulated(seed)] += 1
        except AssertionError as broken:
            ends.counts["broken"] += 1
            ends.wrong.append(f"seed {seed}: {str(broken)[:300]}")
    return ends


def _drawn(chance: Random) -> Iterator[int]:
    while True:
        yield chance.getrandbits(32)
