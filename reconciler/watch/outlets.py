"""Where reports go: log, status file, metrics, health, systemd, notifications. The loop calls this, and no other."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.watch.events import events
from reconciler.watch.health import Newest
from reconciler.watch.listen import Listener
from reconciler.watch.log import Log
from reconciler.watch.metrics_file import MetricsFile
from reconciler.watch.notices import Notices
from reconciler.watch.report import Counters, Report
from reconciler.watch.status_file import StatusFile


class Outlets(NamedTuple):
    """What was asked for; None where it was not."""

    log: Log
    newest: Newest
    status: StatusFile
    systemd: SystemdNotify
    metrics: MetricsFile | None = None
    listener: Listener | None = None
    notices: Notices | None = None


class Telling:
    """Gives each report to every outlet.

    That an outlet fails (a full disk, say) is logged once, and again when it works; it is never a reason not to guard
    the host.
    """

    def __init__(self, outlets: Outlets, before: Report | None = None) -> None:
        """Tell `outlets`.

        Args:
            outlets: whom; they are closed by `close`.
            before: what an earlier run has left in the status file, so that a restart does not notify of it all again.
        """
        self._outlets = outlets
        self._previous = before and before._replace(counters=Counters())
        self._status = ""
        self._first = True
        self._failing: dict[str, str] = {}
        if outlets.metrics:
            self._try("metrics file", outlets.metrics.begin)

    def turned(self, report: Report) -> None:
        """Tell `report`, after each turn. What an outlet's files cannot do is logged, not raised."""
        outlets = self._outlets
        outlets.newest.put(report)
        told = outlets.log.report(None if self._first else self._previous, report)
        if outlets.notices:
            outlets.notices.tell(events(self._previous, report) if self._first else told, report)
        self._try("status file", lambda: outlets.status.write(report))
        if outlets.metrics:
            self._try("metrics file", partial(outlets.metrics.write, report))
        status = f"{report.condition.value.replace('-', ' ')}: {report.summary}"
        if status != self._status:
            outlets.systemd.status(status)
        if self._first:
            outlets.systemd.ready()
        self._previous, self._status, self._first = report, status, False

    def warn(self, text: str, error: Exception) -> None:
        """Log that something of little weight went wrong."""
        self._outlets.log.warning(text, reason=str(error))

    def close(self, now: float, how: str = "") -> None:
        """End everything, within some seconds; `now` is seconds since 1970, `how` says why the loop ends."""
        outlets = self._outlets
        outlets.systemd.stopping()
        if outlets.listener:
            outlets.listener.close()
        if outlets.notices:
            outlets.notices.close()
        self._try("status file", lambda: outlets.status.close(now, how))
        if outlets.metrics:
            outlets.metrics.close()
        outlets.log.info("ended")

    def _try(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            reason = error.strerror or str(error)
            if self._failing.get(what) != reason:
                self._failing[what] = reason
                self._outlets.log.warning("a file cannot be written", file=what, reason=reason)
        else:
            if self._failing.pop(what, None):
                self._outlets.log.info("a file can be written again", file=what)
