"""Lists of ids to sets, each list worked out once per read: guests of one host have few different ones."""

from collections.abc import Iterator, Sequence

from reconciler.manifests.ids_text import bits_of
from reconciler.model.ids import IdSet


class IdLists(dict[tuple[int | str, ...], IdSet]):
    """The set that each list of ids, in the form that the schemas accept, stands for.

    `with_repetition` are the lists that have an entry twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.with_repetition: set[tuple[int | str, ...]] = set()

    def __missing__(self, entries: tuple[int | str, ...]) -> IdSet:
        """The set of `entries` when it is met for the first time.

        Raises:
            ReversedRange: one of them is a range that runs backwards.
        """
        bits = 0
        for entry in entries:
            bits |= bits_of(entry)
        if any(True for _ in repetitions(entries)):
            self.with_repetition.add(entries)
        ids = self[entries] = IdSet.from_bits(bits)
        return ids


def repetitions(entries: Sequence[int | str]) -> Iterator[int]:
    """The index of each of `entries` that means the same as an earlier one; ranges may overlap otherwise."""
    seen = set()
    for index, entry in enumerate(entries):
        bits = bits_of(entry)
        if bits in seen:
            yield index
        seen.add(bits)
