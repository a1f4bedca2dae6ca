"""How long a cycle may read and plan: until its time is over, or a signal ends the loop.

Time only ever abandons a cycle, as a whole and before its first write; no result depends on it.
"""

import math
from collections.abc import Callable
from typing import Final

from reconciler.model.stopping import Abandoned, Check

PLAN_SECONDS: Final = 60.0
"""How long reading and planning one configuration may take, if nothing else is said."""

_ENDS: Final = "the loop ends"

_ASKED_EVERY: Final = 0.05
"""So many seconds pass at least between two looks for a signal."""


class TookTooLong(Abandoned):
    """Reading or planning a configuration has used up its time."""


def plan_check(seconds: float, stopping: Callable[[], bool], monotonic: Callable[[], float]) -> Check:
    """What ends reading and planning `seconds` from now, or as soon as the loop is `stopping`.

    Raises, when it is asked:
        TookTooLong: the time is over.
        Abandoned: the loop is to end.
    """
    ends = monotonic() + seconds
    asked = -math.inf

    def check() -> None:
        nonlocal asked
        now = monotonic()
        if now >= ends:
            raise TookTooLong(
                f"reading and planning took more than {seconds:g} s and was abandoned; make the manifests smaller, or "
                "allow more time with --plan-timeout"
            )
        if now >= asked + _ASKED_EVERY:
            asked = now
            if stopping():
                raise Abandoned(_ENDS)

    return check


def stop_check(stopping: Callable[[], bool]) -> Check:
    """What ends waiting for a lock as soon as the loop is `stopping`; the wait has a bound of its own.

    Raises, when it is asked:
        Abandoned: the loop is to end.
    """

    def check() -> None:
        if stopping():
            raise Abandoned(_ENDS)

    return check
