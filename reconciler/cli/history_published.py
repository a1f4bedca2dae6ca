"""``reconcile history`` for a user who may not read it: the last generations, as they are published for everybody."""

import time
from collections.abc import Sequence
from typing import Any, Final

from reconciler.cli.apply_progress import say_as_root
from reconciler.cli.loop_seen import published_report
from reconciler.cli.moments import moment_of
from reconciler.cli.open_host import run_directory_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import note, page_for_stdout, result, say
from reconciler.model.desired import Selector
from reconciler.model.outcome import Extent
from reconciler.model.printable import error_text, lines_text
from reconciler.model.suspending import with_ends
from reconciler.render.history_choice import ListAsked, choice, earlier_lines, in_time
from reconciler.render.history_list import (
    CommitSource,
    Listed,
    commit_notes,
    listed_text,
    local_time,
    suspension_record,
    suspensions_listed,
)
from reconciler.render.history_text import MOST_NAMES, commit_lines, wants_lines
from reconciler.render.plan_json import json_text
from reconciler.render.text import counted, iso_time
from reconciler.transaction.history import NoSuchGeneration
from reconciler.watch.host_view import HISTORY, GenerationView, HistoryView
from reconciler.watch.published import NotPublished, PublishedReader

VERSION: Final = 2


def show_published(
    host: HostOptions,
    format: str,
    asked: Sequence[int | str],
    list_asked: ListAsked,
    denied: PermissionError,
) -> bool:
    """Show what is published of what is `asked` for, and say so; False where that is nothing.

    Args:
        host: of which host.
        format: how to print.
        asked: nothing, which is the list, or a word and the generations that it is about.
        list_asked: of which generations the list is.
        denied: why the history itself cannot be read.

    Raises:
        NoSuchGeneration: that generation is not among those that are published.
    """
    try:
        view = PublishedReader(run_directory_of(host)).view(HISTORY, HistoryView)
    except NotPublished as error:
        if not isinstance(error.__cause__, FileNotFoundError):  # where nothing is published, nothing explains more
            say(f"note: {error}")
        return False
    if view is None:
        if report := published_report(host):
            commit = f" of commit {report.source.commit}" if report.source.commit else ""
            say(f"note: the published report is of generation {report.generation}{commit}: {report.summary}")
        return False
    if asked and asked[0] == "show":
        _show(_found(view, asked[1]), format)
    elif asked:
        _show_between(view, _found(view, asked[1]), _found(view, asked[2]), format)
    else:
        _list(view, format, list_asked)
    shown = counted(len(view.generations), "generation")
    say(f"note: this is what is published, of the last {shown}, since {error_text(denied)}")
    say_as_root()
    return True


def _list(view: HistoryView, format: str, asked: ListAsked) -> None:
    moment = None if asked.since is None else moment_of(asked.since, time.time())
    selector = asked.selector
    touching = [one for one in reversed(view.generations) if _touches(one, selector)]
    total = len(touching) + (0 if selector.pairs else view.earlier)
    most = asked.most(is_all=format == "json")
    # Also of guests without the labels that were asked for: which they have is not published by name.
    changes = with_ends(view.suspensions, time.time())
    chosen = choice(touching, lambda one: one.started, changes, most=most, moment=moment, total=total)
    if format == "json":
        record = {
            "formatVersion": VERSION,
            "generations": [_record(one) for one in chosen.generations],
            "earlier": chosen.earlier,
            "suspensions": [suspension_record(one) for one in chosen.suspensions],
            "earlierSuspensions": chosen.earlier_suspensions,
        }
        result(json_text(record))
        return
    page = page_for_stdout()
    if chosen.generations or chosen.suspensions:
        page = page._replace(width=None) if format == "wide" else page
        names = None if format == "wide" else MOST_NAMES
        lines = [_listed(one) for one in reversed(chosen.generations)]
        rows = in_time(lines, suspensions_listed(chosen.suspensions, names))
        listed = listed_text(rows, page)
        result(listed)
        # One whose record is damaged is published without the time at which it began.
        sources = [CommitSource(one.commit, bool(one.undone), not one.started) for one in chosen.generations]
        for one in commit_notes(listed, sources):
            note(one)
    result(lines_text(earlier_lines(chosen, page)))
    if selector.pairs:
        text = f"{len(touching):,} of {len(view.generations):,} generations changed a guest with -l {selector}"
        result(lines_text(page.wrapped("", text)))


def _touches(one: GenerationView, selector: Selector) -> bool:
    # One of which nothing is known is among them, as in the history itself.
    return not selector.pairs or one.labels is None or any(selector.takes(labels.items()) for labels in one.labels)


def _listed(one: GenerationView) -> Listed:
    is_whole = one.extent == Extent.WHOLE and not one.is_rollback
    commit = one.commit, one.subject, is_whole
    return Listed(one.number, one.started, one.result, one.by, one.what, one.briefly or one.what, *commit)


def _found(view: HistoryView, which: int | str) -> GenerationView:
    for one in view.generations:
        if which in (one.number, one.id):
            return one
    raise NoSuchGeneration(f"generation {which} is not among the last {len(view.generations):,} that are published")


def _show(one: GenerationView, format: str) -> None:
    if format == "json":
        result(json_text({"formatVersion": VERSION, **_record(one), "diff": one.diff}))
        return
    if format == "diff":
        result(one.diff)
        return
    page = page_for_stdout()
    commit = commit_lines(one.commit, one.subject, one.author, page) if one.commit else ["  commit:    none"]
    head = [
        f"Generation {one.number}: {one.result}",
        f"  started:   {local_time(one.started)}",
        *([f"  ended:     {local_time(one.ended)}"] if one.ended else []),
        f"  by:        {one.by}",
        *([f"  id:        {one.id}"] if one.id else []),
        *commit,
        *wants_lines(one.again, one.undone),
        *([f"  because:   {one.failure}"] if one.failure else []),
        "",
        *page.wrapped("", one.summary),
        "",
    ]
    cut = "The rest of the diff is not published.\n" if one.is_cut else ""
    result(f"{lines_text(head)}{one.diff}{cut}")


def _show_between(view: HistoryView, old: GenerationView, new: GenerationView, format: str) -> None:
    """Show what each apply after the earlier one of two has changed, up to the later one: what they wanted is kept."""
    first, last = sorted((old.number, new.number))
    between = [one for one in reversed(view.generations) if first < one.number <= last]
    if format == "json":
        records = [{**_record(one), "diff": one.diff} for one in between]
        result(json_text({"formatVersion": VERSION, "old": old.number, "new": new.number, "applies": records}))
        return
    for one in between:
        cut = "The rest of the diff is not published.\n" if one.is_cut else ""
        heading = lines_text([f"Generation {one.number}: {one.result}"])
        result(f"{heading}{one.diff}{cut}\n")
    if between:
        order = ", to be read backwards" if old.number > new.number else ""
        what = "this is what each apply between them changed"
        say(f"note: what generations {old.number} and {new.number} wanted is for root; {what}{order}")


def _record(one: GenerationView) -> dict[str, Any]:
    return {
        "number": one.number,
        "id": one.id or None,
        "started": iso_time(one.started),
        "ended": None if one.ended is None else iso_time(one.ended),
        "user": one.by,
        "commit": one.commit or None,
        "subject": one.subject or None,
        "author": one.author or None,
        "rollbackTo": one.again or None,
        "undone": one.undone or None,
        "what": one.what,
        "summary": one.summary,
        "extent": one.extent,
        "result": one.result,
        "failure": one.failure or None,
    }
