"""Where reports go: log, run directory, status file, metrics, systemd, notifications. The loop calls this alone.

So do the record of the host, from which a plan can be made elsewhere, and how an apply gets on: to the log, and to
systemd how long its next step may take. That the loop is alive is reported by the event loop, from the progress that
the stop token counts.
"""

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Final, NamedTuple

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.kernel.locks import AtWork
from reconciler.model.commands import NOWHERE, Here
from reconciler.model.errors import ReconcileError
from reconciler.model.printable import error_text
from reconciler.operations.host_record import record_host, write_host_record
from reconciler.planning.plan import Plan, PlannedStep
from reconciler.render.plan_text import step_text
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import Recovered
from reconciler.watch.events import events
from reconciler.watch.log import Log
from reconciler.watch.metrics import MetricsFile
from reconciler.watch.notices import Notices, for_chats
from reconciler.watch.published import LoopPublisher, nothing_more
from reconciler.watch.publishing_views import Views
from reconciler.watch.report import Counters, Report
from reconciler.watch.report_text import with_next
from reconciler.watch.status_file import StatusFile


class RecordFile(NamedTuple):
    """The file at the absolute path `name`, with the record of the host that `opened` opens."""

    name: str
    opened: Callable[[], AbstractContextManager[OpenHost]]

    def write(self) -> None:
        """Record the host as it is now; whoever reads the file meanwhile gets the old record or the new.

        Raises:
            ReconcileError, OSError: that cannot be done; the old record is still there.
        """
        with self.opened() as machine:
            write_host_record(record_host(machine), self.name)


class Sinks(NamedTuple):
    """What was asked for; None where it was not."""

    log: Log
    status: StatusFile
    systemd: SystemdNotify
    metrics: MetricsFile | None = None
    publisher: LoopPublisher | None = None
    notices: Notices | None = None
    record: RecordFile | None = None
    views: Views | None = None


class FanOut:
    """Gives each report to every sink.

    That a sink fails (a full disk, say) is logged once, and again when it works; it never ends the loop.
    """

    def __init__(self, sinks: Sinks, before: Report | None = None, here: Here = NOWHERE) -> None:
        """Report to `sinks`.

        Args:
            sinks: where reports go; they are closed by `close`.
            before: what an earlier run has left in the status file, so that a restart does not notify of it all again.
            here: the options that lead to this machine and state, for the command to run next.
        """
        self._sinks = sinks
        self._here = here
        self._previous = before and before._replace(counters=Counters())
        self._status = ""
        self._first = True
        self._failing: dict[str, str] = {}
        if sinks.metrics:
            self._try("metrics file", sinks.metrics.begin)

    def begins(self) -> None:
        """A cycle begins: the loop reads and plans from now on."""
        if self._sinks.publisher:
            self._try("published report", self._sinks.publisher.begins)

    def progresses(self) -> None:
        """An apply begins, or has made a step."""
        if self._sinks.publisher:
            self._try("published report", self._sinks.publisher.progresses)

    def publish(self, report: Report, plan: Plan | None = None) -> None:
        """Give `report` to every sink, after each cycle. A file that cannot be written is logged, not raised.

        Args:
            report: the newest.
            plan: of the host as it was left; None where none could be made.
        """
        sinks = self._sinks
        found = sinks.log.report(None if self._first else self._previous, report, self._here)
        if sinks.notices:
            if self._first:
                found = with_next(events(self._previous, report), report, self._here)
            sinks.notices.send(for_chats(found, self._previous, report), report)
        self._try("status file", lambda: sinks.status.write(report))
        if sinks.publisher:
            views = sinks.views
            beside = partial(views.publish, report=report, plan=plan) if views else nothing_more
            self._try("published report", partial(sinks.publisher.publish, report, beside))
        if sinks.metrics:
            self._try("metrics file", partial(sinks.metrics.write, report))
        if sinks.record:
            self._try("record of the host", sinks.record.write)
        status = f"{report.condition.value.replace('-', ' ')}: {report.summary}"
        if status != self._status:
            sinks.systemd.status(status)
        if self._first:
            sinks.systemd.ready()
        self._previous, self._status, self._first = report, status, False

    def warn(self, text: str, error: Exception) -> None:
        """Log that something of little weight went wrong."""
        self._sinks.log.warning(text, reason=str(error))

    def close(self, now: float, how: str = "", exit_code: int = 0) -> None:
        """End everything, within some seconds.

        Args:
            now: seconds since 1970.
            how: why the loop ends.
            exit_code: of its process.
        """
        sinks = self._sinks
        sinks.systemd.stopping()
        if sinks.notices:
            sinks.notices.close()
        self._try("status file", lambda: sinks.status.close(now, how))
        if sinks.metrics:
            sinks.metrics.close()
        if sinks.publisher:
            self._try("published report", partial(sinks.publisher.close, exit_code, how))
        sinks.log.info("ended")

    def _try(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, ReconcileError) as error:
            reason = error_text(error)
            if self._failing.get(what) != reason:
                self._failing[what] = reason
                self._sinks.log.warning("a file cannot be written", file=what, reason=reason)
        else:
            if self._failing.pop(what, None):
                self._sinks.log.info("a file can be written again", file=what)


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
