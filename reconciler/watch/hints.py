"""What may have changed: a hint says that it is worth looking, never what is there. Content decides."""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

BY_PEOPLE: Final = frozenset({"request", "signal"})
"""The sources of triggers behind which a person waits for what there is now."""


class Hint(NamedTuple):
    """That something may have changed.

    Attributes:
        source: who heard it: ``start``, ``files``, ``git``, ``kernel``, ``resync``, ``signal`` or ``request``.
        what: what it was, a few words for people; may be empty.
    """

    source: str
    what: str = ""


class Ear(Protocol):
    """Something to listen to. It belongs to the main thread; one that needs a thread of its own wakes a descriptor."""

    def fileno(self) -> int:
        """A descriptor that is readable while there is something to hear; the same until `close`."""

    def hear(self) -> Iterable[Hint]:
        """What there was to hear, without waiting, and not endless; afterwards the descriptor is quiet.

        Raises:
            OSError: it hears nothing any more. It is then closed, and opened anew later.
        """

    def close(self) -> None:
        """Give back descriptors and threads, within a bound; may be called after `hear` has failed."""
