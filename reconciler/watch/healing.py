"""How often the loop corrects the drift of a holder: less and less, then for a while not at all.

The loop does not fight another program. Each holder (a device, the masks, the files for the next boot) has a budget of
its own, so that one that is fought over costs the others nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 3600.0
BUDGET: Final = 5
"""So many times within the window; the next one would be a fight."""

_DISTANCES: Final = (0.0, 10.0, 30.0, 60.0, 120.0)
"""How long after the last time the first, second ... one within the window may be."""


class Healing(NamedTuple):
    """When one holder was corrected (on a clock that never goes back), and whether that has stopped."""

    times: tuple[float, ...] = ()
    stopped: bool = False

    def wait(self, now: float) -> float:
        """How long to wait until the next time; 0 where it may be now. Only where it has not `stopped`."""
        recent = self._recent(now)
        if not recent:
            return 0.0
        return max(0.0, recent[-1] + _DISTANCES[min(len(recent), len(_DISTANCES) - 1)] - now)

    @property
    def until(self) -> float:
        """When it begins again where it has `stopped`: when the last time has left the window."""
        return self.times[-1] + WINDOW_SECONDS if self.times else 0.0

    def asked(self, now: float) -> "Healing":
        """What becomes of this where the holder has drifted again: it stops where the budget is used up."""
        if self.stopped:
            return Healing() if now >= self.until else self
        return self if len(self._recent(now)) < BUDGET else self._replace(stopped=True)

    def healed(self, now: float) -> "Healing":
        """What becomes of this after the holder was corrected."""
        return Healing((*self._recent(now), now))

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(one for one in self.times if now - one < WINDOW_SECONDS)


class HealBudgets(NamedTuple):
    """The budget of each holder that was corrected within the window."""

    of: Mapping[str, Healing] = {}

    def asked(self, holders: Iterable[str], now: float) -> "HealBudgets":
        """What becomes of them where `holders` have drifted."""
        return self._with({one: self._budget(one).asked(now) for one in holders}, now)

    def healed(self, holders: Iterable[str], now: float) -> "HealBudgets":
        """What becomes of them after `holders` were corrected."""
        return self._with({one: self._budget(one).healed(now) for one in holders}, now)

    def wait(self, holder: str, now: float) -> float:
        """How long `holder` has to wait, also because it is stopped; 0 where it may be corrected now."""
        budget = self._budget(holder)
        return max(0.0, budget.until - now) if budget.stopped else budget.wait(now)

    def paused(self, now: float) -> frozenset[str]:
        """The holders that must not be corrected now."""
        return frozenset(one for one in self.of if self.wait(one, now))

    def stopped(self, now: float) -> Mapping[str, float]:
        """Until when (on the same clock) those are not corrected whose budget is used up."""
        return {one: budget.until for one, budget in self.of.items() if budget.stopped and budget.until > now}

    def _budget(self, holder: str) -> Healing:
        return self.of.get(holder, Healing())

    def _with(self, changed: Mapping[str, Healing], now: float) -> "HealBudgets":
        # Devices come and go for years: what has left the window is forgotten.
        every = {**self.of, **changed}
        return HealBudgets({holder: one for holder, one in every.items() if one.times and one.until > now})
