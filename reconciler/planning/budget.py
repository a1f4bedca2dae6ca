"""How much searching one plan may do, counted in work and never in time.

So the same input gives the same plan on every machine (I6). What is left over by one search serves the next, in an
order that depends on the input alone. Where it runs out, the best answer so far is taken, and the plan says so.
"""

from typing import Final

from reconciler.model.stopping import NEVER, StopToken

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
