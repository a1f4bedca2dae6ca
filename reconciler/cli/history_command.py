"""``reconcile history``, and its ``show`` and ``diff``."""

import time
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.apply_progress import awaited_of, show_unfinished, standing_json, stands_here
from reconciler.cli.confirm_command import show_waiting
from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.history import asked_for
from reconciler.cli.moments import Moment, moment_of
from reconciler.cli.open_host import require_host, require_simulated_host, say_whose_records, state_of
from reconciler.cli.options import (
    HostOptions,
    WholeNumber,
    format_option,
    host_options,
    label_option,
)
from reconciler.cli.output import note, page_for_stdout, paint_for_stdout, result, say, say_remedy
from reconciler.cli.tree import command, completes
from reconciler.model.codec import BadRecord
from reconciler.model.commands import HISTORY, ROLLBACK, cancel_of, confirm_of, ends_of, resume, rollback_to
from reconciler.model.desired import Selector
from reconciler.model.errors import StateError
from reconciler.model.outcome import Extent, Generation, Outcome, Result, fleet_text
from reconciler.model.printable import lines_text
from reconciler.model.suspending import SuspensionChange, with_ends
from reconciler.transaction.apply_ids import ApplyState, newest_standing, number_of
from reconciler.transaction.confirmation import Awaited
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.loop_records import read_suspensions
from reconciler.transaction.suspension_log import suspension_changes

if TYPE_CHECKING:
    from reconciler.render.history_choice import ListAsked
    from reconciler.render.history_text import Wish


@command("history")
@click.argument("words", nargs=-1, metavar="[show ID | diff ID ID | state [ID]]", shell_complete=completes("history"))
@click.option("-n", "newest", type=WholeNumber(min=0), metavar="NUMBER", help="How many of the newest to list; 0: all.")
@click.option(
    "--since",
    type=Moment(),
    metavar="WHEN",
    shell_complete=completes("moments"),
    help="List only what began at WHEN or later: today or yesterday, how long ago, such as 2h or 3d, or a date, with "
    "or without a time of day (local time unless it has an offset).",
)
@label_option("List the generations that changed a guest with this label only, and its suspensions.")
@format_option("text", "wide", "diff", "json")
@host_options
def history_command(
    words: tuple[str, ...],
    newest: int | None,
    since: str | None,
    selector: Selector,
    format: str,
    host: HostOptions,
) -> Exit:
    """List what was applied, show what one apply changed, or compare what two of them wanted.

    Without words it lists the generations, the newest first: each is one apply, or one rollback. Between them it says
    who suspended or resumed guests or the host, and why; such a line has no number. ID is the number of a generation,
    or the id that 'apply --id' gave it.

    'show ID' says of one who applied it, when, from which commit and with which command, what it changed for each
    guest, and how it ended. 'diff ID ID' shows what the second one wants that the first one does not, and the other
    way round; it does not look at the host. 'state ID' says whether an apply waits to be confirmed and for how long,
    whether it stays, or why it does not; also of an id that no apply has. 'state' alone says it of the last commit to
    several hosts.

    \b
    For example:
      reconcile history -n 5
      reconcile history --since yesterday
      reconcile history --since 2026-01-14T22:00 -l tenant=payments
      reconcile history show 7
      reconcile history show 7 -o wide
      reconcile history diff 6 7
      reconcile history state
    """  # noqa: D301 - click reads the character
    from reconciler.render.history_choice import ListAsked

    require_simulated_host(host)
    require_host(host)
    asked = asked_for(host, words, format)
    if asked and asked[0] == "state":
        _show_state(host, format, asked[1] if asked[1:] else None)
        return Exit.DONE
    list_asked = ListAsked(newest, since, selector)
    try:
        show_unfinished(host)
    except PermissionError as error:
        from reconciler.cli.history_published import show_published

        # What this user may not read is published in part; the rest is for root.
        if not show_published(host, format, asked, list_asked, error):
            raise
        return Exit.DONE
    match asked:
        case ("show", which):
            _show(host, format, which)
        case ("diff", old, new):
            _show_diff(host, format, old, new)
        case _:
            _list(host, format, list_asked)
    return Exit.DONE


def _list(host: HostOptions, format: str, asked: "ListAsked") -> None:
    from reconciler.render.history_choice import choice
    from reconciler.render.history_list import CommitSource, commit_notes
    from reconciler.render.history_text import MOST_NAMES, history_json, history_text

    history, found = History(state_of(host)[0]), _awaited(host)
    selector, moment = asked.selector, None if asked.since is None else moment_of(asked.since, time.time())
    # Programs get all of it, as long as they do not ask for less.
    most = asked.most(is_all=format == "json")
    total = len(history.numbers())
    touching = history.touching(selector) if selector.pairs else None
    known = history.generations(most if moment is None else None) if touching is None else touching
    changes = _suspension_changes(host, history.labelled(selector) if selector.pairs else None)
    among = total if touching is None else len(touching)
    chosen = choice(known, lambda one: one.origin.started, changes, most=most, moment=moment, total=among)
    generations = [_as_it_stands(one, found) for one in chosen.generations]
    if format == "json":
        result(history_json(generations, chosen.suspensions, chosen.earlier, chosen.earlier_suspensions))
    else:
        page, names = page_for_stdout(), MOST_NAMES
        if format == "wide":
            page, names = page._replace(width=None), None
        listed = history_text(
            generations,
            page,
            most_names=names,
            earlier=chosen.earlier,
            here=host.here,
            flags=asked.labels,
            limits=asked.limits,
            since=chosen.since,
            suspensions=chosen.suspensions,
            earlier_suspensions=chosen.earlier_suspensions,
        )
        result(listed)
        if touching is not None:
            text = f"{len(touching):,} of {total:,} generations changed a guest with -l {selector}"
            result(lines_text(page.wrapped("", text)))
        if not total:
            say_whose_records(host, click.get_current_context())
        sources = [CommitSource(one.origin.commit, bool(one.origin.undone), one.is_damaged) for one in generations]
        for one in commit_notes(listed, sources):
            note(one)
    _show_suspended(host, generations[-1].suspended if generations else ())


def _suspension_changes(host: HostOptions, names: frozenset[str] | None) -> list[SuspensionChange]:
    """What happened to suspensions, in the order of time; None for `names`: of all guests. The host's is always there.

    A record that is damaged is reported, and hides nothing else.
    """
    state, now = state_of(host)[0], time.time()
    try:
        changes = with_ends(suspension_changes(state, now), now)
    except BadRecord as error:
        say(f"warning: the history lacks suspensions: {error}")
        say_remedy(error)
        return []
    return [one for one in changes if names is None or not one.guests or not names.isdisjoint(one.guests)]


def _show(host: HostOptions, format: str, which: int | str) -> None:
    from reconciler.render.history_text import generation_diff, generation_json, generation_text, suspended_in
    from reconciler.render.text import MOST_LINES

    state, _ = state_of(host)
    waits = _awaited(host)
    record = _record_as_it_stands(History(state).record(number_of(state, which)), waits)
    match format:
        case "json":
            result(generation_json(record))
        case "diff":
            result(generation_diff(record, paint_for_stdout(), page_for_stdout()))
        case _:
            most = None if format == "wide" else MOST_LINES
            page = page_for_stdout()
            page = page._replace(width=None) if format == "wide" else page
            result(generation_text(record, page, most=most, here=host.here))
    _show_suspended(host, suspended_in(record).left)
    if format in ("text", "wide"):
        _show_ways_back(host, History(state), record["number"], waits)


def _show_ways_back(host: HostOptions, history: History, number: int, waits: Awaited | None) -> None:
    """Say what rolls back to generation `number`, or undoes it where it is the newest; `waits` is what does."""
    if waits is not None:  # nothing else is rolled back before that has ended
        ends = ends_of(number) if waits.generation == number and not waits.rolled_back else ()
        say(*(f"  next: {host.line(one)}    # {what}" for one, what in ends))
        return
    one = history.look(number)
    try:
        newest = history.newest()
    except StateError:
        return  # a damaged one hides no other, but a rollback has to read it
    if newest is None or one.is_damaged:
        return
    if number == newest.number:
        if one.ended_as in (Result.APPLIED, Result.DEGRADED) and not one.is_rollback:
            say(f"  next: {host.line(ROLLBACK)}    # undoes it")
    elif one.is_target and one.digest != newest.digest:
        say(f"  next: {host.line(rollback_to(number))}    # rolls back to it")
    if number != newest.number:
        _show_revert(host, history, one)


def _show_revert(host: HostOptions, history: History, one: Generation) -> None:
    """Say how generation `one` is undone that others came after, and nothing else; nothing where it was already."""
    origin = one.origin
    if origin.again or origin.undone or one.is_rollback or one.ended_as is not Result.APPLIED:
        return
    before = _before(history, one.number)
    if before is not None and _is_taken_back(history, one, before):
        return
    base = before.origin.commit.removesuffix("+") if before else ""
    # The commit has what was applied and nothing else: it came right behind the one that was applied before.
    is_whole = one.extent is Extent.WHOLE and base and base in origin.parents
    if is_whole and not origin.commit.endswith("+"):
        from reconciler.cli.in_git import in_repository, reverting

        line = reverting(origin, in_repository(host)[0])
        say(f"  next: {line}    # in the repository of the manifests: takes back this commit alone, for the next apply")
    elif manifests := _manifests_of(one):
        note(f"to take back this change alone, edit {manifests}, then apply")


def _before(history: History, number: int) -> Generation | None:
    """The newest generation before `number` that was applied as a whole; None where there is none."""
    with suppress(NoSuchGeneration):
        return history.look(history.newest_target(before=number))
    return None


def _is_taken_back(history: History, one: Generation, before: Generation) -> bool:
    """Whether all guests that `one` has changed are wanted again as `before` it; False where that is not known."""
    if not one.guests:
        return False
    try:
        then, now = history.desired(before.number), history.desired(history.newest_target())
    except StateError:
        return False
    were, are = (
        {guest.name: (guest.uuid, guest.config, guest.activation) for guest in wanted.guests} for wanted in (then, now)
    )
    return all(were.get(name) == are.get(name) for name in one.guests)


def _manifests_of(one: Generation) -> str:
    """Whose manifests say what a generation has changed; empty where it has changed nothing."""
    from reconciler.render.changes import few_text

    if one.guests:
        return f"the {'manifest' if len(one.guests) == 1 else 'manifests'} of {few_text(one.guests)}"
    return "the manifest of the host" if one.pool_changes or one.files else ""


def _show_state(host: HostOptions, format: str, which: int | str | None) -> None:
    state, boot_id = state_of(host)
    found = newest_standing(state, which, boot_id, time.monotonic())
    if format == "json":
        result(standing_json(found, boot_id, stands_here(host, found)))
        return
    if which is None and not found.generation:
        result("no apply here was a part of a commit to several hosts\n")
        show_waiting(host, confirm_of, "keeps it")
        return
    number = f"generation {found.generation}" if found.generation else ""
    name = f"{found.id} ({number})" if found.id and number else found.id or number
    result(lines_text([f"{name} {found}"]))
    if found.fleet:
        result(lines_text([f"a part of the commit {fleet_text(found.fleet.record)}"]))
    if found.state is ApplyState.PENDING:
        say(f"  next: {host.line(confirm_of(found.id or found.generation))}    # keeps it")
        say(f"  next: {host.line(cancel_of(found.id or found.generation))}    # rolls it back at once")


def _show_diff(host: HostOptions, format: str, old: int | str, new: int | str) -> None:
    from reconciler.render.history_text import wish_diff, wish_diff_json
    from reconciler.render.text import MOST_LINES

    before, after = (_wish(host, one) for one in (old, new))
    if format == "json":
        result(wish_diff_json(before, after))
        return
    most = MOST_LINES if format == "text" else None
    whole = host.line(HISTORY.with_flags("diff", str(old), str(new), "-o", "wide"))
    page = page_for_stdout() if format == "text" else page_for_stdout()._replace(width=None)
    result(wish_diff(before, after, page, most=most, whole=whole))


def _wish(host: HostOptions, which: int | str) -> "Wish":
    from reconciler.render.history_text import Wish

    state, _ = state_of(host)
    history, number = History(state), number_of(state, which)
    return Wish(number, history.desired(number), history.pool(number))


def _show_suspended(host: HostOptions, names: Collection[str]) -> None:
    """Say which of the guests called `names`, which differed from their manifests, are suspended still."""
    try:
        found = read_suspensions(state_of(host)[0]).at(time.time()).guests
    except (StateError, OSError):
        return  # the history does not depend on it; `status` says what is wrong
    if still := [name for name in names if name in found]:
        say(f"warning: suspended, and left as it was by the loop: {', '.join(still)}")
        say(f"  next: {host.line(resume(still))}    # when the reason is gone")


def _awaited(host: HostOptions) -> Awaited | None:
    try:
        return awaited_of(host)
    except BadRecord:  # which `show_unfinished` has reported
        return None


def _as_it_stands(one: Generation, found: Awaited | None) -> Generation:
    """`one` as the host shows it, where its record is not written yet or may still change."""
    if found is None or one.number != found.generation:
        return one
    outcome = one.outcome
    if found.rolled_back:
        outcome = (outcome or Outcome(Result.ROLLED_BACK))._replace(result=Result.ROLLED_BACK)
    return one._replace(outcome=outcome, remark=found.remark)


def _record_as_it_stands(record: dict[str, Any], found: Awaited | None) -> dict[str, Any]:
    """The same for everything that is known of a generation."""
    if found is None or record["number"] != found.generation:
        return record
    outcome = {**(record["outcome"] or {})}
    if found.rolled_back:
        outcome["result"] = Result.ROLLED_BACK.value
    return {**record, "outcome": {**outcome, "notes": [*outcome.get("notes", ()), str(found)]}}
