"""``reconcile status``: how the host and its guests stand, in every directory and for every user.

Nothing that it reads besides the host is necessary: without manifests it shows what was applied last, without that the
host alone; what this user may not read is named.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.apply_progress import say_as_root, show_readable, waiting_of
from reconciler.cli.command_lines import again
from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.queues import (
    FreeAsked,
    cards_asked_for,
    chosen,
    free_asked_for,
    others_named,
    queues_asked_for,
    refuse_of_guests,
    refuse_paths,
    say_unknown_labels,
)
from reconciler.cli.open_host import opened, say_unchosen_host, state_of, wanted_source
from reconciler.cli.options import HostOptions, format_option, host_options, label_option, recorded_options
from reconciler.cli.output import page_for_stdout, result, say, show_problems
from reconciler.cli.tree import command, completes
from reconciler.model.commands import DOCTOR, LOOP_STATUS, Here
from reconciler.model.desired import Activation, Selector
from reconciler.model.errors import StateError
from reconciler.model.printable import error_text, lines_text
from reconciler.model.suspending import SuspendedNow
from reconciler.planning.status import ComparedWith, GuestState, GuestStatus, Source, Status

if TYPE_CHECKING:
    from reconciler.cli.loop_seen import LoopSeen, PublishedGuest
    from reconciler.model.problems import Problem
    from reconciler.planning.status import Known
    from reconciler.render.changes import Waiting
    from reconciler.render.status_record import Selection
    from reconciler.render.status_text import Remark
    from reconciler.transaction.loop_records import Suspensions
    from reconciler.transaction.open_host import OpenHost
    from reconciler.watch.report import GuestReport, Report

_OF_THE_LOOP: Final = ("table", "json", "yaml")


@command("status")
@click.argument("guests", nargs=-1, metavar="[GUEST|QUEUE|CARD]...", shell_complete=completes("guests"))
@label_option("Show guests with this label only; counts stay those of the host.")
@click.option(
    "--free",
    is_flag=True,
    help="List the queues that neither a guest nor the host has, and who claims them; with CARD or QUEUE only those.",
)
@click.option("--watch", is_flag=True, help="Show what the loop found last; at a terminal, keep showing it.")
@format_option("table", "wide", "json", "yaml", "name")
@host_options
@recorded_options
def status_command(
    guests: tuple[str, ...], selector: Selector, free: bool, watch: bool, format: str, host: HostOptions
) -> Exit:
    """Show who has what, and why it is not what was wanted.

    GUEST is the name of a guest or the uuid of its device. A QUEUE such as 05.0047 shows the guests that have it, or
    are to have it; a CARD such as card05 shows who has each of its queues.

    For a host that 'reconcile observe' has recorded use 'reconcile report --observed FILE --html PAGE'.
    """
    if watch:
        _refuse_beside_watch(host, format, [*(["GUEST"] if guests else []), *(["--free"] if free else [])])
        from reconciler.cli.loop_seen import show_watched

        return show_watched(host, format, selector)
    if free and selector.pairs:
        raise refuse_of_guests(guests, ())
    refuse_paths(host, guests)
    seen = Seen(host, says_waiting=format in ("table", "wide") and not free and not (guests and format == "table"))
    with opened(host) as machine:
        found = seen.status(machine)
    is_of_some = bool(guests) and format == "table" and not free
    part = free_asked_for(found, guests) if free else None
    is_text = format in ("table", "wide") and not free
    show_problems(_problems_beside(found, is_of_some=is_of_some, is_text=is_text))
    if part:
        _show_free(part, format)
        seen.say_what_to_run()
        return Exit.DONE
    say_unknown_labels(found, selector)
    rows, queues = chosen(found, guests, selector), queues_asked_for(found, guests)
    cards = cards_asked_for(found, guests)
    if format in ("json", "yaml"):
        from reconciler.render.status_record import Selection

        every = (*queues, *(queue for card in cards for queue in card.queues))
        selection = None if rows is None else Selection(guests, selector.pairs, every)
        _show_record(found, rows, seen, format, selection)
    elif format == "name":
        from reconciler.render.status_text import names_text

        result(names_text(found.rows if rows is None else rows))
    else:
        if queues or cards:
            from reconciler.render.queues_text import card_lines, queues_lines

            page = page_for_stdout()
            page = page._replace(width=None) if format == "wide" else page
            result(lines_text([*queues_lines(queues, page), *[""][: bool(queues)]]))
            for card in cards:
                result(lines_text([*card_lines(card, page), ""]))
        if cards and format == "table":
            rows = chosen(found, guests, selector, by_card=False)
        _show_text(found, rows, seen, guests=guests, selector=selector, wide=format == "wide")
    seen.say_what_to_run()
    return Exit.DONE


def _problems_beside(found: Status, *, is_of_some: bool, is_text: bool) -> "Sequence[Problem]":
    """The problems of the plan, without the suspensions that the status names itself, where it is a text.

    Args:
        found: the status.
        is_of_some: whether all of some guests is shown, which is silent about the whole host.
        is_text: whether it is a text with reasons.
    """
    problems = found.plan.problems if found.plan else ()
    if not is_text:
        return problems
    suspended = {one.name for one in found.guests if one.suspended}
    alike = Counter(one.suspended for one in found.guests if one.suspended)

    def is_said(one: "Problem") -> bool:
        whose, by, _ = one.message.partition(" suspended by ")
        if one.id != "suspended" or not by:
            return False  # also where it is not known who is suspended
        if whose == "the whole host is":
            return not is_of_some
        if names := re.findall("'([^']+)'", whose):
            return suspended.issuperset(names)
        # Many that are suspended alike are counted: each of them has a row, or they are named.
        return any(one.message.startswith(f"{count:,} guests are {text}") for text, count in alike.items())

    return [one for one in problems if not is_said(one)]


def _refuse_beside_watch(host: HostOptions, format: str, words: Sequence[str]) -> None:
    unread = [*(["-f"] if host.paths else []), *([host.recorded] if host.recorded else []), *words]
    unread += [] if format in _OF_THE_LOOP else [f"-o {format}"]
    if unread:
        raise click.UsageError(
            f"--watch shows what the loop found, with the manifests that the loop reads; {' and '.join(unread)} has no "
            f"effect on that. To see it: {host.line(LOOP_STATUS)}"
        )


class Seen:
    """What this user can see of a host, besides the host itself."""

    def __init__(self, host: HostOptions, *, says_waiting: bool = False) -> None:
        """Nothing is looked at yet; `says_waiting`: what waits to be confirmed gets into `waiting`, not shown here."""
        self._host = host
        self._says_waiting = says_waiting
        self.waiting: Waiting | None = None
        self._denied = ""
        self._report: Report | None = None
        self.remarks: list[Remark] = []
        self.unseen: list[str] = []
        self.loop: LoopSeen | None = None

    @property
    def here(self) -> Here:
        """The options that lead another command to the same host and manifests."""
        return self._host.here

    def status(self, machine: "OpenHost") -> Status:
        """How `machine` stands, compared with what was named, or with what is nearest."""
        from reconciler import Nearest, NothingWanted, status

        host = self._host
        self._look()
        reported = self._reported()
        if host.paths or host.recorded:
            wanted = wanted_source(host, with_commit=False).read(machine)
            say_unchosen_host(host, wanted, machine.name)
            return self._noted(status(wanted, machine, reported), machine)
        try:
            wanted = Nearest(os.curdir, host.host).read(machine)
        except NothingWanted as error:
            found = self._host_only(machine, error.reasons, reported)
            compared = found.compared._replace(is_invalid_here=error.is_invalid_here)
            return self._noted(found._replace(compared=compared), machine)
        say_unchosen_host(host, wanted, machine.name)
        return self._noted(status(wanted, machine, reported), machine)

    def _look(self) -> None:
        """Look at what earlier runs and the loop have left; what cannot be seen is no reason to end."""
        from reconciler.watch.published import NotPublished

        state, _ = state_of(self._host)
        self._denied = show_readable(self._host, but_waiting=self._says_waiting)
        self.waiting = waiting_of(self._host) if self._says_waiting else None
        if self._denied or state.path.exists():
            from reconciler.cli.loop_seen import loop_seen

            try:
                self.loop = loop_seen(self._host, state)
            except NotPublished as error:
                self.unseen.append(f"the loop: {error}")
            except (StateError, OSError) as error:
                say(f"warning: what the loop found last cannot be used: {error_text(error)}")
                remedy = error.remedy if isinstance(error, StateError) else ""
                say(f"  next: {remedy or self._host.line(DOCTOR)}")

    def _reported(self) -> "Suspensions | None":
        """What is published of suspensions, where this user may not read the record of them; None elsewhere."""
        if not self._denied:
            return None
        from reconciler.cli.loop_seen import published_report, reported_suspensions

        self._report = published_report(self._host)
        return self._report and reported_suspensions(self._report)

    def _noted(self, found: Status, machine: "OpenHost") -> Status:
        """`found`; what of it could not be seen is noted."""
        unread = found.plan.unread if found.plan else ()
        if not unread:
            unread = tuple(machine.unseen([one.uuid for one in found.observed.mdevs]))
        if self._report and found.plan:
            from reconciler.render.status_text import Remark
            from reconciler.render.text import moment

            when = moment(self._report.cycle_ended)
            self.remarks.append(Remark("suspensions", f"as the published report of {when} UTC has them"))
        if self._denied and not found.plan:
            suspended = "" if self._report else ", and what is suspended"
            self.unseen.append(f"what was applied last{suspended}: {self._denied}")
        self.unseen += map(str, unread)
        return found

    def _host_only(self, machine: "OpenHost", because: tuple[str, ...], reported: "Suspensions | None") -> Status:
        """The host alone, or with what the published report says of its guests."""
        from reconciler import host_status

        report = self._report
        if report is None or report.looked is None:
            return host_status(machine, ComparedWith(Source.HOST, "nothing", because=because), reported=reported)
        from reconciler.cli.loop_seen import published_guests
        from reconciler.render.text import moment

        text = f"the published report of {moment(report.looked)} UTC"
        compared = ComparedWith(Source.REPORT, text, report.generation, report.source.commit, because)
        now, manifests = machine.clock.time(), published_guests(self._host)
        known = [_known(one, now, manifests.get(one.uuid)) for one in report.guests]
        found = host_status(machine, compared, known, reported)
        return found._replace(host=report.host or found.host)

    def say_what_to_run(self) -> None:
        """Say to stderr how more can be seen."""
        if self.unseen:
            say_as_root()


def _known(one: "GuestReport", now: float, manifest: "PublishedGuest | None") -> "Known":
    from reconciler.planning.status import Known

    is_inactive = manifest is not None and manifest.activation is Activation.INACTIVE
    needs_none = is_inactive or (manifest is not None and manifest.activation is Activation.ON_DEMAND)
    needs_none = needs_none and one.authorised is None and not one.why
    if one.suspended and one.suspended.until is not None and one.suspended.until <= now:
        one = one._replace(suspended=None)  # it has ended by itself since it was published
    differs = one.authorised != one.wanted and not needs_none
    state = GuestState.IN_SYNC
    if one.suspended:
        state = GuestState.SUSPENDED_OUT_OF_SYNC if differs else GuestState.SUSPENDED
    elif one.drifted:
        state = GuestState.DRIFT
    elif not one.wanted:
        state = GuestState.LEAVING
    elif one.why:
        state = GuestState.MISSING if one.authorised is None else GuestState.PENDING
    elif one.authorised is None:
        state = GuestState.INACTIVE if is_inactive else GuestState.ON_DEMAND
    labels = manifest.labels if manifest else None
    found = Known(
        one.name, one.uuid, one.wanted, state, one.why, "", labels, state is GuestState.ON_DEMAND or needs_none
    )
    if not one.suspended:
        return found
    seen = SuspendedNow(one.suspended.by, one.suspended.until, one.suspended.reason, time.time())
    return found._replace(why=(seen.text, *one.why), suspended=seen.text, suspension=seen)


def _show_text(
    found: Status,
    rows: tuple[GuestStatus, ...] | None,
    seen: Seen,
    *,
    guests: tuple[str, ...],
    selector: Selector,
    wide: bool,
) -> None:
    from reconciler.render.status_text import Remark, Shown, guests_text, status_text

    page = page_for_stdout()
    shown = None
    if rows is not None:
        asked = f"-l {selector}" if selector.pairs else ""
        shown = Shown(rows, asked, others_named(found, guests, rows) if asked else ())
    if guests and not wide:
        others = shown.of(len(shown.rows) + len(shown.others)) if shown and shown.others else ""
        result(guests_text(found, rows or (), page, seen.here, others))
        return
    remarks = [seen.loop.remark()] if seen.loop else []
    steps = seen.loop.steps(seen.here) if seen.loop else ()
    remarks += [*seen.remarks, *(Remark("not seen", one, "warning") for one in seen.unseen)]
    whole = "" if wide else again(format="wide")
    text = status_text(
        found, page, seen.here, remarks, shown, steps=steps, waiting=seen.waiting, wide=wide, whole=whole
    )
    result(text)


def _show_record(
    found: Status, rows: tuple[GuestStatus, ...] | None, seen: Seen, format: str, selection: "Selection | None"
) -> None:
    from reconciler.render.plan_json import json_text
    from reconciler.render.status_record import status_record, yaml_text

    record = status_record(found, rows, seen.loop.record() if seen.loop else None, seen.unseen, selection)
    result(json_text(record) if format == "json" else yaml_text(record))


def _show_free(part: FreeAsked, format: str) -> None:
    found = part.status
    if format in ("json", "yaml"):
        from reconciler.render.plan_json import json_text
        from reconciler.render.status_record import free_record, yaml_text

        record = free_record(found, part.every)
        result(json_text(record) if format == "json" else yaml_text(record))
    elif format == "name":
        result("".join(f"{queue}\n" for queue in found.free))
    else:
        from reconciler.render.queues_text import free_answers, free_text

        page = page_for_stdout()
        answers = free_answers(found, part.queues, part.cards, part.domains, page)
        result(free_text(found, page, wide=format == "wide", whole=again(format="wide"), answers=answers))
