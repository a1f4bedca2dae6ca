"""Seeded choices that come out alike on every machine and with every Python."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


class Chance:
    """A stream of choices that a seed fixes.

    It draws from ``Random.random()`` only: of all of `random`, the documentation promises its sequence for ever.
    """

    def __init__(self, seed: int) -> None:
        """Start the stream of `seed`, any integer that is not negative."""
        self._random = Random(seed)

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        return int(self._random.random() * limit)

    def happens(self, percent: int) -> bool:
        """True in so many cases of a hundred."""
        return self.below(100) < percent

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of `items`, each as likely."""
        return items[self.below(len(items))]

    def some_of(self, items: Sequence[Item]) -> list[Item]:
        """Those of `items`, in their order, for which a coin fell on its head; there may be none."""
        return [item for item in items if self.happens(50)]

    def weighed(self, items: Sequence[tuple[int, Item]]) -> Item:
        """One of `items`, each as likely as the weight before it says."""
        place = self.below(sum(weight for weight, _ in items))
        for weight, item in items:
            place -= weight
            if place < 0:
                return item
        raise AssertionError("a place below the sum of the weights is in one of them")
