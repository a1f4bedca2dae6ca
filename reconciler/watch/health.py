"""Whether the loop is alive, and whether it can do its work, from its newest report."""

import math
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from reconciler.model.printable import one_line
from reconciler.render.text import duration_text, moment
from reconciler.watch.events import enforced_text
from reconciler.watch.report import Condition, Report


class Answer(NamedTuple):
    """Whether all is well, and why, one sentence a line."""

    good: bool
    text: str


class Newest:
    """The newest report; given by the loop, read by other threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` is a clock that nobody sets: health must not depend on the time of day."""
        self.monotonic = monotonic
        self._lock = Lock()
        self._report: Report | None = None
        self._since = monotonic()
        self._busy_since: float | None = None

    def begin(self, *, applies: bool = False) -> None:
        """The loop reads and plans from now on, or `applies`, which may take its time."""
        with self._lock:
            self._busy_since = None if applies else self.monotonic()

    def put(self, report: Report) -> None:
        """Hold `report` from now on."""
        with self._lock:
            self._report, self._since, self._busy_since = report, self.monotonic(), None

    def get(self) -> Report | None:
        """The newest report; None before the first turn."""
        with self._lock:
            return self._report

    def aged(self) -> tuple[Report | None, float]:
        """The newest report, and how many seconds it is old; before the first turn, None and the age of the loop."""
        with self._lock:
            return self._report, self.monotonic() - self._since

    def busy(self) -> float:
        """For how many seconds the loop has been reading and planning without a result; 0 where it has not."""
        with self._lock:
            return 0.0 if self._busy_since is None else self.monotonic() - self._busy_since


class Health:
    """Answers what supervisors and load balancers ask."""

    def __init__(self, newest: Newest, bound: float, busy_bound: float = math.inf) -> None:
        """Judge `newest`.

        Args:
            newest: holds the report.
            bound: how many seconds a turn may keep everyone waiting, beyond the time at which it was due
                (`Report.due`); before the first turn and where nothing was due, beyond the last turn.
            busy_bound: how many seconds it may read and plan without a result.
        """
        self._newest = newest
        self._bound = bound
        self._busy_bound = busy_bound

    def alive(self) -> Answer:
        """Whether the loop turns."""
        report, age = self._newest.aged()
        due = max(0.0, report.due - report.turned) if report is not None and report.due is not None else 0.0
        what = "the last turn ended" if report else "the loop was started, without a turn since,"
        text = f"{what} {duration_text(age)} ago"
        busy = self._newest.busy()
        if busy > self._busy_bound:
            allowed = duration_text(self._busy_bound)
            return Answer(False, f"{text}; it has been reading and planning for {duration_text(busy)}, not {allowed}")
        if age > due + self._bound:
            return Answer(False, f"{text}; one was due within {duration_text(due + self._bound)}")
        return Answer(True, f"alive: {text}")

    def ready(self) -> Answer:
        """Whether the loop has looked at the host, and can use the newest configuration."""
        report = self._newest.get()
        if report is None:
            return Answer(False, "no turn has ended yet")
        if not report.enforces:
            reasons = report.source.refused.reasons if report.source.refused else (report.source.unreachable,)
            return Answer(False, "\n".join((f"{enforced_text(report)}: {report.summary}", *filter(None, reasons))))
        if report.looked is None:
            return Answer(False, f"the host could not be looked at: {report.summary}")
        if report.source.refused:
            refused = report.source.refused
            which = refused.subject
            return Answer(
                False,
                "\n".join(
                    map(one_line, (f"{which} is refused; {enforced_text(report)}", *refused.reasons, *_stopped(report)))
                ),
            )
        told = "" if report.condition is Condition.IN_SYNC else f": {report.summary}"
        return Answer(True, "\n".join(map(one_line, (f"ready: {report.condition}{told}", *_stopped(report)))))


def _stopped(report: Report) -> list[str]:
    """Whatever else is the case: who is not healed any more, and until when."""
    return [
        f"stopped: {name} is not healed until {moment(until)} UTC" for name, until in sorted(report.stopped.items())
    ]
