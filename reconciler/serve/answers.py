"""Whether the loop is alive, and whether it can do its work, from what it publishes.

Nothing that a reader finds proves alone that a loop runs: it must hold its lock, must not have said that it ended, must
be of this boot, and its next cycle must not be overdue.
"""

from typing import NamedTuple

from reconciler.model.durations import duration_text
from reconciler.model.printable import one_line
from reconciler.render.text import moment
from reconciler.watch.events import enforced_text
from reconciler.watch.published import LoopStatus, Published
from reconciler.watch.report import Condition, Report


class Health(NamedTuple):
    """Whether all is well, and why, one sentence a line."""

    good: bool
    text: str


class Now(NamedTuple):
    """The boot of this machine, and the time since it (seconds on the monotonic clock)."""

    boot_id: str
    monotonic: float


def alive(published: Published, now: Now) -> Health:
    """Whether the loop runs and gets on."""
    loop = published.loop
    if loop is None:
        return Health(False, "no loop runs: none has been started since this machine was booted")
    if loop.ended is not None:
        end = loop.ended
        ended = f"the loop ended at {moment(end.moment)} UTC with exit code {end.exit_code}: {end.reason}"
        return _answer(False, ended)
    if loop.boot_id != now.boot_id:
        return Health(False, "no loop runs: the last one ended with an earlier boot of this machine")
    if not published.is_locked:
        return Health(
            False, f"the loop was killed: process {loop.process} no longer holds its lock, and left no reason"
        )
    return _in_time(loop, now.monotonic)


def _in_time(loop: LoopStatus, now: float) -> Health:
    what = "the last cycle ended" if loop.cycles else "the loop was started, without a cycle since,"
    text = f"{what} {duration_text(now - loop.since)} ago"
    if now <= loop.next_cycle_by:
        return Health(True, f"alive: {text}")
    if loop.planning_since is not None:
        took, allowed = now - loop.planning_since, loop.next_cycle_by - loop.planning_since
        why = f"it has been reading and planning for {duration_text(took)}, not {duration_text(allowed)}"
    else:
        why = f"one was due within {duration_text(loop.next_cycle_by - loop.since)}"
    return Health(False, f"{text}; {why}")


def ready(published: Published, now: Now) -> Health:
    """Whether the loop is alive, has looked at the host, and can use the newest configuration."""
    living, report = alive(published, now), published.report
    if not living.good:
        return living
    if report is None or not (published.loop and published.loop.cycles):
        return Health(False, "no cycle has ended yet")
    return _usable(report)


def _usable(report: Report) -> Health:
    source = report.source
    if not report.enforces:
        reasons = source.refused.reasons if source.refused else (source.unreachable,)
        return _answer(False, f"{enforced_text(report)}: {report.summary}", *filter(None, reasons))
    if report.looked is None:
        return _answer(False, f"the host could not be looked at: {report.summary}")
    stopped = [
        f"stopped: {name} is not healed until {moment(until)} UTC" for name, until in sorted(report.stopped.items())
    ]
    if source.refused:
        first = f"{source.refused.subject} is refused; {enforced_text(report)}"
        return _answer(False, first, *source.refused.reasons, *stopped)
    summary = "" if report.condition is Condition.IN_SYNC else f": {report.summary}"
    return _answer(True, f"ready: {report.condition}{summary}", *stopped)


def _answer(good: bool, *lines: str) -> Health:
    return Health(good, "\n".join(map(one_line, lines)))
