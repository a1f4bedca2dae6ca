"""The file in the state directory from which ``reconcile status --watch`` reads, without asking the loop.

A cycle that found nothing new writes nothing: it only sets the file's time of change, which costs no flush of the disk.
The counters of cycles and triggers, which grow with every cycle, are therefore up to an hour old.
"""

import os
from typing import Final, NamedTuple

from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Condition, Report

FILE: Final = "watch.json"

_REFRESH_SECONDS: Final = 3600.0


class Kept(NamedTuple):
    """What the file says.

    Attributes:
        report: the newest; where only the time has gone on since it was written, with the times of the last cycle.
        process: the loop's process id.
        ended: when the loop was ended; None where it runs, or was killed.
        how: how it ended, in words; empty where it runs, or was killed.
        command: what starts it again; empty where that is not known.
    """

    report: Report
    process: int
    ended: float | None
    how: str = ""
    command: str = ""


class StatusFile:
    """Writes the file; one loop for each state directory does, which its lock sees to."""

    def __init__(self, state: StateDirectory, process: int, command: str = "") -> None:
        """Write to `state` on behalf of `process`, which `command` starts again."""
        self._command = command
        self._state = state
        self._process = process
        self._written: Report | None = None
        self._newest: Report | None = None

    def write(self, report: Report) -> None:
        """Keep `report`.

        Raises:
            OSError: the disk is full or gone; the old content is still there.
        """
        self._newest = report
        if self._written is not None and not _is_news(self._written, report):
            try:
                os.utime(self._state.path / FILE, (report.cycle_ended, report.cycle_ended), follow_symlinks=False)
            except FileNotFoundError:
                pass  # another process has removed it
            else:
                return
        self._replace(report, None)

    def close(self, now: float, how: str = "") -> None:
        """Write that the loop has been ended at `now` (seconds since 1970), and `how`.

        Raises:
            OSError: it cannot be written.
        """
        if self._newest is not None:
            self._replace(self._newest, now, how)

    def _replace(self, report: Report, ended: float | None, how: str = "") -> None:
        self._written = None
        write_record(self._state, FILE, Kept(report, self._process, ended, how, self._command))
        os.utime(self._state.path / FILE, (report.cycle_ended, report.cycle_ended), follow_symlinks=False)
        self._written = report


def read_kept(state: StateDirectory) -> Kept | None:
    """What the loop has written last; None where none has ever run here.

    Raises:
        BadRecord: the file is damaged; the text says what to do.
        UnsafeState: another user could have written it.
    """
    try:
        touched = os.stat(state.path / FILE, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return None
    found = read_record(state, FILE, Kept)
    return found and found._replace(report=_touched(found.report, touched))


def _touched(report: Report, moment: float) -> Report:
    if moment <= report.cycle_ended:
        return report
    healthy = report.condition is Condition.IN_SYNC and report.succeeded is not None
    due = None if report.due is None else report.due + moment - report.cycle_ended
    looked = moment if report.looked == report.cycle_ended else report.looked
    succeeded = moment if healthy else report.succeeded
    return report._replace(cycle_ended=moment, due=due, succeeded=succeeded, looked=looked)


def _is_news(written: Report, report: Report) -> bool:
    if not 0 <= report.cycle_ended - written.cycle_ended < _REFRESH_SECONDS:
        return True
    return _without_times(written) != _without_times(report)


def _without_times(report: Report) -> Report:
    counters = report.counters._replace(cycles=0, triggers={})
    return report._replace(
        cycle_ended=0.0,
        looked=0.0 if report.looked == report.cycle_ended else report.looked,
        due=None,
        plan_seconds=0.0,
        counters=counters,
        succeeded=None if report.condition is Condition.IN_SYNC else report.succeeded,
    )
