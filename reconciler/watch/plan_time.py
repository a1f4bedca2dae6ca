"""How long a cycle may read and plan, and the token that ends it when a signal ends the loop.

Time only ever abandons a cycle, as a whole and before its first write; no result depends on it.
"""

import math
from collections.abc import Callable
from typing import Final

from reconciler.model.stopping import Abandoned, Deadline, StopToken

PLAN_SECONDS: Final = 60.0
"""How long reading and planning one configuration may take, if nothing else is said."""

_ENDS: Final = "the loop ends"

_ASKED_EVERY: Final = 0.05
"""So many seconds pass at least between two looks for a signal."""


class TookTooLong(Abandoned):
    """Reading or planning a configuration has used up its time."""


def plan_deadline(seconds: float, now: float) -> Deadline:
    """When reading and planning that begins `now` is abandoned: after `seconds`."""
    return Deadline(
        now + seconds,
        f"reading and planning took more than {seconds:g} s and was abandoned; make the manifests smaller, or "
        "allow more time with --plan-timeout",
        TookTooLong,
    )


class SignalToken(StopToken):
    """A token that is set as soon as the loop is `stopping`."""

    def __init__(self, stopping: Callable[[], bool], monotonic: Callable[[], float]) -> None:
        """Ask `stopping`, at most every so often where `check` is asked."""
        super().__init__()
        self._stopping = stopping
        self._monotonic = monotonic
        self._asked = -math.inf

    @property
    def is_set(self) -> bool:
        """See `StopToken`."""
        if not super().is_set and self._stopping():
            self.stop(_ENDS)
        return super().is_set

    def check(self) -> None:
        """See `StopToken`."""
        now = self._monotonic()
        if now >= self._asked + _ASKED_EVERY:
            self._asked = now
            if self.is_set:
                super().check()
