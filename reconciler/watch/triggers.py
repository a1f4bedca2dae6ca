"""Triggers: that something may have changed, and how those that come close together are joined. Content decides.

A new kind of trigger is a `TriggerSource` in a module ``*_triggers.py``; `reconciler.cli.watch_command` adds it to the
loop, and `reconciler.watch.trigger_inbox` opens it again where it fails.
"""

from collections.abc import AsyncGenerator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol


class Noticed(StrEnum):
    """What notices changes: the source of a trigger, also in metrics and logs."""

    START = "start"
    FILES = "files"
    GIT = "git"
    KERNEL = "kernel"
    RESYNC = "resync"
    SIGNAL = "signal"
    REQUEST = "request"
    RECORDS = "records"


BY_PEOPLE: Final[frozenset[str]] = frozenset({Noticed.REQUEST, Noticed.SIGNAL})
"""The sources of triggers behind which a person waits for what there is now."""


class Trigger(NamedTuple):
    """That something may have changed.

    Attributes:
        source: what noticed it, one of `Noticed`.
        what: what it was, a few words for people; may be empty.
    """

    source: str
    what: str = ""


TRIGGER: Final = Trigger(Noticed.REQUEST, "trigger")
TRIGGER_OLDER: Final = Trigger(Noticed.REQUEST, "trigger --allow-older")
"""A person asks for a cycle; and for one that may also enforce a commit that does not come after the last."""

RECORDS_CHANGED: Final = Trigger(Noticed.RECORDS, "applied, confirmed or rolled back")
"""A command has changed what the records say was applied last, or what waits to be confirmed; no person waits."""


class Listening(NamedTuple):
    """That a source has begun to notice changes; `limit` says why it finds them late, empty where it does not."""

    limit: str = ""


class TriggerSource(Protocol):
    """Something that notices changes, in the event loop of the main thread."""

    @property
    def name(self) -> str:
        """The source of its triggers."""

    def listen(self) -> AsyncGenerator[Listening | tuple[Trigger, ...], None]:
        """Begin, yield `Listening` when that is done, and then what is noticed, for ever.

        Closing it gives back descriptors and threads.

        Raises:
            OSError: it can notice nothing any more. It is closed then, and begun anew later.
        """


QUIET_SECONDS: Final = 0.2
"""For how long nothing must have been noticed: longer than an editor, `kubectl` or `git` takes between two files."""

LONGEST_SECONDS: Final = 2.0
"""How long the first trigger waits at most, however much is noticed after it."""

MOST_OF_A_SOURCE: Final = 20
"""How many different triggers of one source are kept: enough for a person to see what is going on."""

_NONE: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})


class Debounce(NamedTuple):
    """Triggers on their way. Of each source at least one arrives; what is more than fits is counted.

    Attributes:
        quiet: see `QUIET_SECONDS`.
        longest: see `LONGEST_SECONDS`.
        most: see `MOST_OF_A_SOURCE`; 1 or more.
        kept: what was noticed, by source.
        first: when the first of it was noticed, on a monotonic clock.
        last: when the last of it was.
        dropped: how many triggers did not fit, since the start.
    """

    quiet: float = QUIET_SECONDS
    longest: float = LONGEST_SECONDS
    most: int = MOST_OF_A_SOURCE
    kept: Mapping[str, frozenset[str]] = _NONE
    first: float = 0.0
    last: float = 0.0
    dropped: int = 0

    def add(self, trigger: Trigger, now: float) -> "Debounce":
        """This, and `trigger`, which was noticed at `now`; time never runs backwards."""
        words = self.kept.get(trigger.source, frozenset()) | {trigger.what}
        if is_full := len(words) > self.most:
            # Which ones stay must not depend on the order in which they were noticed.
            words -= {max(words)}
        return self._replace(
            kept={**self.kept, trigger.source: words},
            first=self.first if self.kept else now,
            last=now,
            dropped=self.dropped + is_full,
        )

    def due(self) -> float | None:
        """When what was noticed is to lead to a cycle; None where nothing was."""
        if not self.kept:
            return None
        return min(self.last + self.quiet, self.first + self.longest)

    def take(self) -> tuple[tuple[Trigger, ...], "Debounce"]:
        """What was noticed, each trigger once, in an order that does not depend on when; and what is left: nothing."""
        taken = tuple(Trigger(source, what) for source in sorted(self.kept) for what in sorted(self.kept[source]))
        return taken, self._replace(kept=_NONE)
