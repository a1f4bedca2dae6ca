"""Triggers: that something may have changed, and how those that come close together are joined. Content decides."""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

BY_PEOPLE: Final = frozenset({"request", "signal"})
"""The sources of triggers behind which a person waits for what there is now."""


class Trigger(NamedTuple):
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

    def hear(self) -> Iterable[Trigger]:
        """What there was to hear, without waiting, and not endless; afterwards the descriptor is quiet.

        Raises:
            OSError: it hears nothing any more. It is then closed, and opened anew later.
        """

    def close(self) -> None:
        """Give back descriptors and threads, within a bound; may be called after `hear` has failed."""


QUIET_SECONDS: Final = 0.2
"""For how long nothing must have been heard: longer than an editor, `kubectl` or `git` takes between two files."""

LONGEST_SECONDS: Final = 2.0
"""How long the first trigger waits at most, however much is heard after it."""

MOST_OF_A_SOURCE: Final = 20
"""How many different triggers of one source are kept: enough for a person to see what is going on."""


class Debounce:
    """Triggers on their way. Of each source at least one arrives; what is more than fits is counted."""

    def __init__(
        self, quiet: float = QUIET_SECONDS, longest: float = LONGEST_SECONDS, most: int = MOST_OF_A_SOURCE
    ) -> None:
        """Nothing was heard yet.

        Args:
            quiet: see `QUIET_SECONDS`.
            longest: see `LONGEST_SECONDS`.
            most: see `MOST_OF_A_SOURCE`; 1 or more.
        """
        self.dropped = 0
        """How many triggers did not fit, since the start."""
        self._quiet = quiet
        self._longest = longest
        self._most = most
        self._kept: dict[str, set[str]] = {}
        self._first = self._last = 0.0

    def add(self, trigger: Trigger, now: float) -> None:
        """`trigger` was heard at `now`; time never goes back."""
        if not self._kept:
            self._first = now
        self._last = now
        kept = self._kept.setdefault(trigger.source, set())
        kept.add(trigger.what)
        if len(kept) > self._most:
            # Which ones stay must not depend on the order in which they were heard.
            kept.remove(max(kept))
            self.dropped += 1

    def due(self) -> float | None:
        """When what was heard is to be given out; None where nothing was."""
        if not self._kept:
            return None
        return min(self._last + self._quiet, self._first + self._longest)

    def take(self) -> tuple[Trigger, ...]:
        """What was heard, each trigger once, in an order that does not depend on when; from here on it is given out."""
        taken = tuple(Trigger(source, what) for source in sorted(self._kept) for what in sorted(self._kept[source]))
        self._kept.clear()
        return taken
