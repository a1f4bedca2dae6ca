"""Joins hints that come close together: pure, time is given."""

from typing import Final

from reconciler.watch.hints import Hint

QUIET_SECONDS: Final = 0.2
"""For how long nothing must have been heard: longer than an editor, `kubectl` or `git` takes between two files."""

LONGEST_SECONDS: Final = 2.0
"""How long the first hint waits at most, however much is heard after it."""

MOST_OF_A_SOURCE: Final = 20
"""How many different hints of one source are kept: enough for a person to see what is going on."""


class Debounce:
    """Hints on their way. Of each source at least one arrives; what is more than fits is counted."""

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
        """How many hints did not fit, since the start."""
        self._quiet = quiet
        self._longest = longest
        self._most = most
        self._kept: dict[str, set[str]] = {}
        self._first = self._last = 0.0

    def add(self, hint: Hint, now: float) -> None:
        """`hint` was heard at `now`; time never goes back."""
        if not self._kept:
            self._first = now
        self._last = now
        kept = self._kept.setdefault(hint.source, set())
        kept.add(hint.what)
        if len(kept) > self._most:
            # Which ones stay must not depend on the order in which they were heard.
            kept.remove(max(kept))
            self.dropped += 1

    def due(self) -> float | None:
        """When what was heard is to be given out; None where nothing was."""
        if not self._kept:
            return None
        return min(self._last + self._quiet, self._first + self._longest)

    def take(self) -> tuple[Hint, ...]:
        """What was heard, each hint once, in an order that does not depend on when; from here on it is given out."""
        taken = tuple(Hint(source, what) for source in sorted(self._kept) for what in sorted(self._kept[source]))
        self._kept.clear()
        return taken
