"""How often the loop heals what somebody else changes: less and less, then no more: it does not fight another tool."""

from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 3600.0
BUDGET: Final = 5
"""So many times within the window; the next one would be a fight."""

_DISTANCES: Final = (0.0, 10.0, 30.0, 60.0, 120.0)
"""How long after the last time the first, second ... one within the window may be."""


class Healing(NamedTuple):
    """When the loop has healed (on a clock that never goes back), and whether it has stopped to."""

    times: tuple[float, ...] = ()
    stopped: bool = False

    def wait(self, now: float) -> float:
        """How long to wait until the next time; 0 where it may be now. Only where it has not `stopped`."""
        recent = self._recent(now)
        if not recent:
            return 0.0
        return max(0.0, recent[-1] + _DISTANCES[min(len(recent), len(_DISTANCES) - 1)] - now)

    def asked(self, now: float) -> "Healing":
        """What becomes of this where the host has drifted again: it stops where the budget is used up."""
        return self if self.stopped or len(self._recent(now)) < BUDGET else self._replace(stopped=True)

    def healed(self, now: float) -> "Healing":
        """What becomes of this after it has healed."""
        return Healing((*self._recent(now), now))

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(one for one in self.times if now - one < WINDOW_SECONDS)
