"""Pairs of rectangles with a common queue, found without comparing each with each.

One pass over the queues that are claimed, by adapter, finds out which rectangles overlap any other at all; only these
are compared, and only as many pairs as `COMPARISONS` allows are compared. So many thousands of manifests that claim
the same queue cost little more than as many that do not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from reconciler.model.ids import ID_COUNT
from reconciler.model.matrix import Matrix

MOST_PAIRS: Final = 100
"""How many overlapping pairs are found one by one."""

COMPARISONS: Final = 200_000
"""How many comparisons are spent on counting the pairs after those."""

_One = TypeVar("_One")
_Other = TypeVar("_Other")
_Kind = TypeVar("_Kind")


class Pairs(NamedTuple, Generic[_One, _Other]):
    """Overlapping pairs: the first ones, how many more there are, and whether that is at least their number."""

    first: list[tuple[_One, _Other]]
    more: int
    is_cut: bool

    @property
    def rest(self) -> str:
        """How many more there are, for people."""
        return f"{'at least ' if self.is_cut else ''}{self.more:,} more"


class Claimed:
    """Which queues are claimed, by adapter."""

    def __init__(self, matrices: Iterable[Matrix] = ()) -> None:
        """Claim all of `matrices`."""
        self._rows = [0] * ID_COUNT
        for matrix in matrices:
            self.add(matrix)

    def add(self, matrix: Matrix) -> None:
        """Claim the queues of `matrix` as well."""
        bits = matrix.domains.bits
        for adapter in matrix.adapters:
            self._rows[adapter] |= bits

    def overlaps(self, matrix: Matrix) -> bool:
        """Whether a queue of `matrix` is claimed."""
        bits = matrix.domains.bits
        return bool(bits) and any(self._rows[adapter] & bits for adapter in matrix.adapters)


def pairs_between(
    ones: Iterable[_One],
    of_one: Callable[[_One], Matrix],
    others: Sequence[_Other],
    of_other: Callable[[_Other], Matrix],
) -> Pairs[_One, _Other]:
    """The overlapping pairs of one of `ones` and one of `others`."""
    if not others:
        return Pairs([], 0, is_cut=False)
    claimed = Claimed(map(of_other, others))

    def candidates() -> Iterator[tuple[_One, Matrix, Iterable[_Other]]]:
        for one in ones:
            matrix = of_one(one)
            if claimed.overlaps(matrix):
                yield one, matrix, others

    return _pairs(candidates(), of_other)


def pairs_among(
    ones: Sequence[_One],
    of_one: Callable[[_One], Matrix],
    kinds: Sequence[_Kind],
    rivals: Mapping[_Kind, Sequence[_Kind]],
) -> Pairs[_One, _One]:
    """The overlapping pairs among `ones`, the later one of each pair first.

    Args:
        ones: in order.
        of_one: the rectangle of each.
        kinds: the kind of each; `rivals` says for each kind with which others it makes a pair, and is symmetric.
        rivals: see `kinds`.
    """
    claimed = {kind: Claimed() for kind in rivals}

    def candidates() -> Iterator[tuple[_One, Matrix, Iterable[_One]]]:
        for place, one in enumerate(ones):
            matrix, against = of_one(one), rivals[kinds[place]]
            if any(claimed[kind].overlaps(matrix) for kind in against):
                earlier = zip(ones, kinds[:place], strict=False)
                yield one, matrix, (other for other, kind in earlier if kind in against)
            claimed[kinds[place]].add(matrix)

    return _pairs(candidates(), of_one)


def _pairs(
    candidates: Iterable[tuple[_One, Matrix, Iterable[_Other]]], of_other: Callable[[_Other], Matrix]
) -> Pairs[_One, _Other]:
    """The pairs of each candidate, which has at least one, with others; beyond the budget each counts as one pair."""
    first: list[tuple[_One, _Other]] = []
    more = 0
    left = COMPARISONS
    for one, matrix, others in candidates:
        if left <= 0 and len(first) >= MOST_PAIRS:
            more += 1
            continue
        for other in others:
            left -= 1
            if of_other(other).overlaps(matrix):
                if len(first) < MOST_PAIRS:
                    first.append((one, other))
                else:
                    more += 1
    return Pairs(first, more, is_cut=left <= 0 and more > 0)
