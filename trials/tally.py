"""What trials found: how many points ended how, and what was otherwise, with enough to try it again."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

_SHOWN: Final = 10


class End(StrEnum):
    """How one point may end; everything else is an error of the tool."""

    START = "at start"
    TARGET = "at target"
    DEGRADED = "degraded"


class Tally:
    """Counts, and all that must not be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ends: Counter[End] = Counter()
        self.otherwise: list[str] = []

    @property
    def tried(self) -> int:
        """How many points were tried."""
        return self.ends.total() + len(self.otherwise)

    def count(self, point: object, end: End, wrong: Iterable[str] = ()) -> None:
        """`point` ended at `end`; or, where `wrong` says something, it did not."""
        if said := "; ".join(wrong):
            self.otherwise.append(f"{self.name}: {point}: {said}")
        else:
            self.ends[end] += 1

    def add(self, other: "Tally") -> None:
        """Count what `other` has counted, too."""
        self.ends += other.ends
        self.otherwise += other.otherwise

    def __str__(self) -> str:
        ends = ", ".join(f"{self.ends[one]:6} {one}" for one in End)
        return f"{self.name:26} {self.tried:6} tried: {ends}, {len(self.otherwise):4} otherwise"


def told(tallies: Iterable[Tally], name: str) -> Tally:
    """The sum of `tallies`, called `name`; each is printed when it is there, with what was otherwise."""
    total = Tally(f"{name}, all")
    for one in tallies:
        print(one, flush=True)
        for found in one.otherwise[:_SHOWN]:
            print(f"  OTHERWISE {found}", flush=True)
        if len(one.otherwise) > _SHOWN:
            print(f"  ... and {len(one.otherwise) - _SHOWN} more")
        total.add(one)
    print(total)
    return total
