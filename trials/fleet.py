"""Commits to several hosts under faults, one seed after the other (`testing.fleet`), a share of them on real hosts."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from testing.fleet import simulated
from testing.fleet_hosts import really_simulated

SEEDS: Final = 20_000
REAL: Final = 40
"""One of so many seeds is simulated on hosts with kernels, journals and timers, too (`testing.fleet_hosts`)."""


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
    for number, seed in enumerate(islice(_drawn(chance), seeds)):
        _count(ends, simulated, seed, "")
        if not number % REAL:
            _count(ends, _really, seed, "on real hosts: ")
    return ends


def _count(ends: Ends, run: Callable[[int], str], seed: int, where: str) -> None:
    try:
        ends.counts[where + run(seed)] += 1
    except AssertionError as broken:
        ends.counts[f"{where}broken"] += 1
        ends.wrong.append(f"{where}seed {seed}: {str(broken)[:300]}")


def _really(seed: int) -> str:
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        return really_simulated(seed, Path(folder))


def _drawn(chance: Random) -> Iterator[int]:
    while True:
        yield chance.getrandbits(32)
