"""What the loop found last, for ``reconcile status`` with and without ``--watch``, and whether it still runs."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import run_directory_of, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import control, paint_for_stdout, result, say
from reconciler.model.commands import LOOP_STATUS, WATCH, Here
from reconciler.model.desired import Activation, Selector
from reconciler.model.printable import error_text
from reconciler.planning.status import Labels
from reconciler.transaction.loop_records import Suspension, Suspensions, read_last_good
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.host_view import HOST, HostView
from reconciler.watch.published import NotPublished, Published, PublishedReader, boot_id
from reconciler.watch.report import Mode, Report
from reconciler.watch.report_text import Ended, loop_record, loop_text, next_steps, report_record, report_text
from reconciler.watch.requests import is_watched, watching_process
from reconciler.watch.status_file import Kept, read_kept

if TYPE_CHECKING:
    from reconciler.render.status_text import Remark

_FOLLOW_SECONDS: Final = 2.0
_CLEAR: Final = "\x1b[H\x1b[2J"
_PUBLISHED: Final = 0
"""The process of a loop of which only what is published is known."""


def show_watched(host: HostOptions, format: str, selector: Selector) -> Exit:
    """Show what the loop has found last; at a terminal again and again, until Ctrl-C.

    Args:
        host: of which host.
        format: ``table``, ``json`` or ``yaml``.
        selector: the labels of the guests that are shown.
    """
    state, _ = state_of(host)
    kept = _readable(host, state)
    if kept is None:
        say(f"error: no loop has been watching with the state directory {state.path}")
        say(f"  next: {host.line(WATCH)}    # starts one; for another place: --state-dir, --sysfs or --simulate")
        return Exit.FAILURE
    if host.host not in (None, kept.report.host):
        say(f"error: the loop with the state directory {state.path} watches host {kept.report.host}, not {host.host}")
        say(f"  next: {host._replace(host=None).line(LOOP_STATUS)}")
        return Exit.FAILURE
    shown = _selected(kept, host, selector)
    if format != "table":
        _show_record(shown, format)
        return _code(kept)
    if not sys.stdout.isatty():
        _show_report(shown, host)
        return _code(kept)
    with suppress(KeyboardInterrupt):
        while True:
            control(sys.stdout, _CLEAR)
            _show_report(shown, host)
            sys.stdout.flush()
            time.sleep(_FOLLOW_SECONDS)
            kept = _readable(host, state) or kept
            shown = _selected(kept, host, selector)
    return _code(kept)


def _selected(kept: Kept, host: HostOptions, selector: Selector) -> Kept:
    """`kept` with those guests alone that have the labels in what the loop enforces."""
    if not selector.pairs:
        return kept
    labels = _labels(host)
    guests = tuple(one for one in kept.report.guests if selector.takes(labels.get(one.uuid, ())))
    return kept._replace(report=kept.report._replace(guests=guests))


def _labels(host: HostOptions) -> dict[str, Labels]:
    """The labels of guests by the uuids of their devices, in what the loop enforces, or as it has published them.

    Raises:
        click.UsageError: this user may read neither, and so does not know who has which label.
    """
    try:
        good = read_last_good(state_of(host)[0])
    except PermissionError as error:
        if found := published_guests(host):
            return {uuid: one.labels for uuid, one in found.items()}
        raise click.UsageError(f"the labels of guests are not published: {error_text(error)}; leave out -l") from error
    return {one.uuid: one.labels for one in good.desired.guests} if good else {}


def _code(kept: Kept) -> Exit:
    """A loop that has ended enforces nothing, however the host was when it last looked."""
    if kept.ended is None:
        return Exit.DONE
    say("error: the loop has ended; no loop enforces the manifests of this host")
    return Exit.FAILURE


def _end_of(kept: Kept) -> Ended | None:
    if kept.ended is None:
        return None
    return Ended(kept.ended, kept.how, kept.command, is_published=kept.process == _PUBLISHED)


def _readable(host: HostOptions, state: StateDirectory) -> Kept | None:
    """What the loop has left, or what it has published for those who may not read that.

    Raises:
        PermissionError: this user may read neither.
    """
    try:
        return _kept(host, state)
    except PermissionError:
        with suppress(NotPublished):
            found = published_loop(PublishedReader(run_directory_of(host)).read())
            if found is not None:
                end = found.ended
                return Kept(found.report, _PUBLISHED, end.moment if end else None, end.how if end else "")
        raise


def _kept(host: HostOptions, state: StateDirectory) -> Kept | None:
    """What the loop has left; where it was killed, it ended after its last cycle."""
    kept = read_kept(state)
    if kept is None or kept.ended is not None:
        return kept
    if not is_watched(state.path):
        kept = kept._replace(ended=kept.report.cycle_ended)
    # A quiet cycle is not counted there (`StatusFile`), but where it is published: a cycle has one number everywhere.
    with suppress(NotPublished):
        found = PublishedReader(run_directory_of(host)).read()
        is_its_own = found.loop is not None and found.loop.process == kept.process
        if found.report and is_its_own and found.report.cycle_ended >= kept.report.cycle_ended:
            return kept._replace(report=kept.report._replace(counters=found.report.counters))
    return kept


def _show_report(kept: Kept, host: HostOptions) -> None:
    result(report_text(kept.report, time.time(), paint_for_stdout(), _end_of(kept), host.findable.here))


def _show_record(kept: Kept, format: str) -> None:
    record = report_record(kept.report, _end_of(kept))
    if format == "json":
        from reconciler.render.plan_json import json_text

        result(json_text(record))
    else:
        from reconciler.render.status_record import yaml_text

        result(yaml_text(record))


class LoopSeen(NamedTuple):
    """The loop as others see it: its newest report, and how it has ended; None where it runs."""

    report: Report
    ended: Ended | None

    def remark(self) -> "Remark":
        """That in one line."""
        from reconciler.render.status_text import Remark

        text, style = loop_text(self.report, time.time(), self.ended)
        return Remark("loop", text, style)

    def steps(self, here: Here) -> tuple[str, ...]:
        """What a person runs `here` where it has ended."""
        return next_steps(self.report, self.ended, here) if self.ended else ()

    def record(self) -> dict[str, Any]:
        """The same as plain values."""
        return loop_record(self.report, self.ended)


def loop_seen(host: HostOptions, state: StateDirectory) -> LoopSeen | None:
    """The loop with that `state`, or where this user cannot read that, the one that has published; None: there is none.

    Raises:
        BadRecord, UnsafeState: what it has left is damaged.
        NotPublished: what it publishes cannot be read either.
    """
    try:
        kept = _kept(host, state)
        return LoopSeen(kept.report, _end_of(kept)) if kept else None
    except PermissionError:
        return published_loop(PublishedReader(run_directory_of(host)).read())


class LoopMode(NamedTuple):
    """Who says what is enforced on a host: the `mode` of its loop, None where none runs, and what makes it the other.

    The command is empty where it is not known.
    """

    mode: Mode | None
    change: str


def loop_mode(state: StateDirectory) -> LoopMode:
    """The mode of the loop with that `state`; until its first cycle has ended it counts as following.

    Raises:
        BadRecord, UnsafeState: what it has left is damaged.
    """
    process = watching_process(state.path)
    if process is None:
        return LoopMode(None, "")
    kept = read_kept(state)
    if kept is None or kept.process != process or kept.report.mode is None:
        return LoopMode(Mode.FOLLOWING, "")
    return LoopMode(kept.report.mode, kept.report.change_mode)


def published_loop(found: Published) -> LoopSeen | None:
    """The loop that has published; None where only commands have."""
    if found.loop is None or found.report is None:
        return None
    end = found.loop.ended
    if end is not None:
        how = f"exit code {end.exit_code}: {end.reason}"
        return LoopSeen(found.report, Ended(end.moment, how, is_published=True))
    lives = found.is_locked and found.loop.boot_id == boot_id()
    return LoopSeen(found.report, None if lives else Ended(found.report.cycle_ended, is_published=True))


def published_report(host: HostOptions) -> Report | None:
    """The newest report that is published for those who are not root; None where there is none that can be read."""
    with suppress(NotPublished):
        return PublishedReader(run_directory_of(host)).read().report
    return None


class PublishedGuest(NamedTuple):
    """What is published of the manifest of a guest."""

    labels: Labels
    activation: Activation


def published_guests(host: HostOptions) -> dict[str, PublishedGuest]:
    """What is published of the manifests of guests, by the uuids of their devices; empty where that cannot be read."""
    with suppress(NotPublished, ValueError):
        view = PublishedReader(run_directory_of(host)).view(HOST, HostView)
        guests = view.guests.items() if view else ()
        return {
            uuid: PublishedGuest(tuple(sorted(one.labels.items())), Activation(one.activation)) for uuid, one in guests
        }
    return {}


def reported_suspensions(report: Report) -> Suspensions:
    """What is suspended, as `report` says."""
    guests = {one.name: Suspension(*one.suspended) for one in report.guests if one.suspended}
    return Suspensions(Suspension(*report.suspended) if report.suspended else None, guests)
