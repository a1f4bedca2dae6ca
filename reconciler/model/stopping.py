"""How work is ended early, by a token that it asks; and how much searching one plan may do, counted in work.

Reading manifests and planning are pure and know neither signals nor clocks: the caller passes a `StopToken`, which is
asked before every step and every so many units of work. A transaction asks it before each step and rolls back where it
is set; a rollback never asks. The token also counts what the work gets done, so that an observer can distinguish long
work from work that hangs.

A `Budget` is never counted in time, so that the same input gives the same plan on every machine (I6). What is left over
by one search serves the next, in an order that depends on the input alone. Where it runs out, the best answer so far is
taken, and the plan says so.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from reconciler.model.errors import InputError


class Abandoned(InputError):
    """The work was ended before it had a result, and nothing was written; the text says why, in one line."""


class Deadline(NamedTuple):
    """When work is to have ended.

    Attributes:
        at: seconds of the monotonic clock.
        text: what is said where it has not.
        error: what is raised then.
    """

    at: float
    text: str
    error: type[Abandoned] = Abandoned


class StopToken:
    """Whether work is to end early.

    It is set by signal handlers, from any thread, and never unset; the work asks it, which takes about a microsecond.
    """

    def __init__(self) -> None:
        """Not set; nothing is done yet."""
        self._reason = ""
        self._progress = 0

    @property
    def is_set(self) -> bool:
        """Whether the work is to end."""
        return bool(self._reason)

    @property
    def progress(self) -> int:
        """How many parts of the work are done: parsed files, planned parts, kernel writes. It only grows."""
        return self._progress

    def stop(self, reason: str) -> None:
        """Have the work end; `reason` is one line for people, of which the first stays."""
        self._reason = self._reason or reason

    def check(self) -> None:
        """Go on.

        Raises:
            Abandoned: the work is to end.
        """
        if self._reason:
            raise Abandoned(self._reason)

    def advance(self) -> None:
        """Count one part of the work as done."""
        self._progress += 1

    def by(self, deadline: Deadline | None, monotonic: Callable[[], float]) -> "StopToken":
        """A token that is also set when `deadline`, if any, has passed on the clock `monotonic`.

        What is done is counted here.
        """
        return self if deadline is None else _Bounded(self, deadline, monotonic)


class _Bounded(StopToken):
    """A token with a deadline."""

    def __init__(self, within: StopToken, deadline: Deadline, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._within = within
        self._deadline = deadline
        self._monotonic = monotonic

    @property
    def is_set(self) -> bool:
        return self._within.is_set or self._monotonic() >= self._deadline.at

    @property
    def progress(self) -> int:
        return self._within.progress

    def stop(self, reason: str) -> None:
        self._within.stop(reason)

    def check(self) -> None:
        self._within.check()
        if self._monotonic() >= self._deadline.at:
            raise self._deadline.error(self._deadline.text)

    def advance(self) -> None:
        self._within.advance()


class _Never(StopToken):
    """A token that no caller can set, and that counts nothing, so that all may share it."""

    def stop(self, reason: str) -> None:
        raise TypeError(f"NEVER cannot be stopped: {reason}")

    def advance(self) -> None:
        pass


NEVER: Final[StopToken] = _Never()
"""Let the work go on: for callers whose signals end the process anyway, and who wait as long as it takes."""


UNITS: Final = 5_000_000
"""Nodes and edges that all searches of one plan may visit: some two seconds."""

_CHECKED_EVERY: Final = 5_000


class Budget:
    """What is left for the searches of one plan."""

    def __init__(self, units: int = UNITS, stop: StopToken = NEVER) -> None:
        """Start with `units`; `stop` is asked every few thousand of them, and may end the plan."""
        self.is_cut = False
        """Whether a search ended before it had looked at all."""
        self._left = units
        self._stop = stop
        self._unchecked = 0

    def spend(self, units: int) -> bool:
        """Whether there is enough left for `units` of work, which are used up then; else the search is cut."""
        self.work(units)
        if units > self._left:
            self.is_cut = True
            return False
        self._left -= units
        return True

    def work(self, units: int) -> None:
        """Do `units` of work that have to be done in any case."""
        self._unchecked += units
        if self._unchecked >= _CHECKED_EVERY:
            self._unchecked = 0
            self._stop.check()
