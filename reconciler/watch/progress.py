"""Reports to the log how an apply gets on, and to systemd how long its next step may take.

That the loop is alive is reported by the event loop, from the progress that the stop token counts.
"""

import traceback
from collections.abc import Sequence
from typing import Final

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.kernel.locks import AtWork
from reconciler.planning.plan import PlannedStep
from reconciler.render.plan_text import step_text
from reconciler.transaction.recovery import Recovered
from reconciler.watch.log import Log
from reconciler.watch.sinks import FanOut

_STEP_SECONDS: Final = 120.0
"""How long one step may take: its write, and waiting until all queues are bound again."""


class LogProgress:
    """See `reconciler.watch.loop_context.Observer`."""

    def __init__(self, log: Log, systemd: SystemdNotify, sinks: FanOut) -> None:
        """Report to them; the `sinks` keep that the loop gets on."""
        self._sinks = sinks
        self._log = log
        self._systemd = systemd

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        self._sinks.progresses()
        self._systemd.extend(_STEP_SECONDS)
        self._log.info("step", number=number, of=total, what=step_text(step))

    def rolling_back(self, reason: str) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        self._sinks.progresses()
        self._systemd.extend(_STEP_SECONDS)
        self._log.error("rolling everything back", reason=reason)

    def waiting(self, holder: AtWork) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        self._log.info("waiting for another process at work", holder=str(holder))

    def recovered(self, found: Sequence[Recovered]) -> None:
        """What earlier runs had left, and what has become of it."""
        for one in found:
            left = one.returned.differences if one.returned else ()
            self._log.warning(
                f"an earlier apply {one.left.value}; it was recovered",
                generation_of=one.unfinished.generation,
                notes=list(one.notes),
                differences=list(left),
                **({"unrecorded": one.unrecorded} if one.unrecorded else {}),
            )

    def enforcing(self, host: str, commit: str) -> None:
        """`host` is about to become as `commit` says."""
        self._log.enforcing(host, commit)

    def unforeseen(self, error: Exception) -> None:
        """A bug; with where it is, so that it can be fixed."""
        where = "".join(traceback.format_exception(error))
        self._log.error("unforeseen, please report it", error=f"{type(error).__name__}: {error}", where=where)

    def transaction(self, number: int) -> None:
        """Transaction `number` begins; 0: it has ended."""
        self._log.transaction(number)
        if number:
            self._sinks.progresses()

    def begins(self) -> None:
        """A cycle begins."""
        self._sinks.begins()
