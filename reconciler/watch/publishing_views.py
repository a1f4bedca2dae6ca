"""Publishes who has which queue, the plan, the history and the last events, beside the report.

The loop does that after each cycle, and each command after it has changed something. Nothing is made again that has
not changed: the picture is compared with the one before, and of the history only new generations are read. All files
together have at most `LARGEST_TOTAL` bytes; what is too much is left out, the oldest diffs first.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate, takewhile
from typing import Any, Final

from reconciler.integrations.git_address import without_secrets
from reconciler.model.errors import StateError
from reconciler.model.outcome import Generation
from reconciler.model.problems import Problem
from reconciler.model.suspending import SuspensionChange
from reconciler.planning.grid import grid_of
from reconciler.planning.plan import Plan
from reconciler.planning.status import status_of
from reconciler.render.changes import counts_of, summary_text
from reconciler.render.diagnostics import count_text
from reconciler.render.diff_text import plan_diff
from reconciler.render.history_text import by_text, generation_diff, what_text
from reconciler.render.pictures import picture_of
from reconciler.transaction.history import History
from reconciler.transaction.state_directory import StateDirectory
from reconciler.transaction.suspension_log import newest_changes, suspension_changes
from reconciler.watch.events import Event, events
from reconciler.watch.host_view import (
    EVENTS,
    HISTORY,
    HOST,
    LARGEST_DIFF,
    LARGEST_EVENTS,
    LARGEST_HOST,
    LARGEST_LABELS,
    LARGEST_TOTAL,
    MOST_EVENTS,
    MOST_GENERATIONS,
    VIEWS,
    ConsentView,
    EventsView,
    EventView,
    GenerationView,
    GuestView,
    HistoryView,
    HostView,
    PlanView,
    ProblemView,
)
from reconciler.watch.published import REPORT, content_without_secrets, public, read_published
from reconciler.watch.report import Report
from reconciler.watch.run_directory import RunDirectory

AT_ONCE: Final = 10
"""How many generations a command reads at most, which a boot or the start of a VM may wait for."""

_MOST_LISTED: Final = 50
_MOST_SUSPENDED: Final = 500
"""How many names of guests that were suspended or resumed are published."""

_LONGEST: Final = 500
"""In characters, of a sentence or a label of the views."""

_SPARE: Final = 64 << 10
"""In bytes: what `loop.json` and the parts of JSON around the views take."""


class Views:
    """What a loop, or one command, publishes beside the report."""

    def __init__(self, state: StateDirectory, *, at_once: int = MOST_GENERATIONS) -> None:
        """Publish the history in `state`, at most `at_once` new generations each time."""
        self._state = state
        self._history = History(state)
        self._at_once = at_once
        self._plan: Plan | None = None
        self._host = b""
        self._version = ""
        self._suspensions: tuple[SuspensionChange, ...] = ()
        self._previous: Report | None = None
        self._events: tuple[EventView, ...] | None = None

    def publish(self, directory: RunDirectory, report: Report, plan: Plan | None, *, is_loop: bool = True) -> None:
        """Publish in `directory`, where `report` is published already, what is new.

        Args:
            directory: where.
            report: the newest.
            plan: of the host as it is; None where none could be made, and the last one stays.
            is_loop: whether reports follow each other, so that what lies between them are events.

        Raises:
            OSError: it cannot be written; what was there is there still.
        """
        if plan is not None:
            self._publish_host(directory, plan)
        if is_loop:
            self._publish_events(directory, report)
        self._publish_history(directory, report.cycle_ended)

    def _publish_host(self, directory: RunDirectory, plan: Plan) -> None:
        is_there = directory.size(HOST) > 0
        if is_there and plan == self._plan:
            return
        content = host_content(plan)
        if not is_there or content != self._host:
            directory.replace(HOST, content)
        self._plan, self._host = plan, content

    def _publish_events(self, directory: RunDirectory, report: Report) -> None:
        # Without command lines, as the report is published, too.
        report = public(report)
        found = events(self._previous, report)
        self._previous = report
        if self._events is None:
            earlier = read_published(directory.path, EVENTS, EventsView)
            self._events = earlier.events if earlier else ()
        elif not found and directory.size(EVENTS):
            return
        new = [_event_view(one, report.cycle_ended) for one in reversed(found)]
        every = [*new, *self._events][:MOST_EVENTS]
        sizes = accumulate(len(VIEWS.content(one)) for one in every)
        self._events = tuple(one for one, size in zip(every, sizes, strict=True) if size < LARGEST_EVENTS - _SPARE)
        directory.replace(EVENTS, _content(EventsView(self._events)))

    def _publish_history(self, directory: RunDirectory, now: float) -> None:
        suspensions = _suspensions(self._state, now)
        version = self._history.version
        room = LARGEST_TOTAL - _SPARE - directory.size(REPORT) - directory.size(HOST) - directory.size(EVENTS)
        size = directory.size(HISTORY)
        if (version, suspensions) == (self._version, self._suspensions) and 0 < size <= room:
            return
        earlier = read_published(directory.path, HISTORY, HistoryView)
        view = history_view(self._history, version, earlier, self._at_once)._replace(suspensions=suspensions)
        content = _content(_fitting(view, room))
        directory.replace(HISTORY, content)
        self._version, self._suspensions = view.version, suspensions


def host_content(plan: Plan) -> bytes:
    """The content of the file with the `host_view` of `plan`, without its labels or cells where it is too large."""
    view = host_view(plan)
    content = _content(view)
    for smaller in _SMALLER:
        if len(content) <= LARGEST_HOST:
            break
        view = smaller(view)._replace(is_cut=True)
        content = _content(view)
    return content


def host_view(plan: Plan) -> HostView:
    """Who has which queue as `plan` has it, and what it would do."""
    return HostView(
        picture=picture_of(status_of(plan), grid_of(plan)),
        guests={
            one.uuid: GuestView(
                {_short(key): _short(value) for key, value in one.guest.labels}, one.guest.activation.value
            )
            for one in plan.guests
            if one.guest
        },
        plan=plan_view(plan) if plan.changes or not plan.is_valid else None,
        is_cut=False,
    )


def plan_view(plan: Plan) -> PlanView:
    """What `plan` would do."""
    counts, (diff, is_cut) = counts_of(plan), _cut(plan_diff(plan))
    lists = (plan.consents, plan.problems, plan.suspended_names)
    return PlanView(
        summary=summary_text(plan) if plan.is_valid else f"It cannot be applied: {count_text(plan.problems)}.",
        is_valid=plan.is_valid,
        created=counts.created,
        changed=counts.changed,
        removed=counts.removed,
        writes=counts.writes,
        interrupted=counts.interrupted,
        consents=tuple(ConsentView(_short(one.holder), _short(one.reason)) for one in plan.consents[:_MOST_LISTED]),
        problems=tuple(_problem(one) for one in plan.problems[:_MOST_LISTED]),
        suspended=tuple(map(_short, plan.suspended_names[:_MOST_LISTED])),
        diff=diff,
        is_cut=is_cut or any(len(one) > _MOST_LISTED for one in lists),
    )


def _problem(one: Problem) -> ProblemView:
    where = f" ({one.places[0]})" if one.places else ""
    return ProblemView(one.severity.value, _short(f"{one.message}{where}"))


def _without_labels(view: HostView) -> HostView:
    return view._replace(guests={uuid: one._replace(labels={}) for uuid, one in view.guests.items()})


def _without_picture(view: HostView) -> HostView:
    return view._replace(picture=None, guests={})


_SMALLER: Final[tuple[Callable[[HostView], HostView], ...]] = (_without_labels, _without_picture)
"""What is left out of a view that is too large: first this, then that."""


def history_view(history: History, version: str, earlier: HistoryView | None, at_once: int) -> HistoryView:
    """The last generations of `history`.

    Args:
        history: what was applied.
        version: of it, which the view has if it is complete.
        earlier: what was published before, of which is taken what has not changed.
        at_once: how many others are read, the newest first; the older ones are left out until the next time.
    """
    published = {(one.number, one.stamp): one for one in (earlier.generations if earlier else ())}
    stamps = history.stamps()
    newest = sorted(stamps, reverse=True)[:MOST_GENERATIONS]
    shown: list[GenerationView] = []
    for number in newest:
        found = published.get((number, stamps[number]))
        if found is None:
            if not at_once:
                break
            at_once -= 1
            found = generation_view(history, number, stamps[number])
        shown.append(found)
    is_complete = len(shown) == len(newest)
    return HistoryView(version if is_complete else "", tuple(shown), len(stamps) - len(shown))


def _suspensions(state: StateDirectory, now: float) -> tuple[SuspensionChange, ...]:
    """Who suspended and resumed what, as much as is published; what cannot be read is reported by who reads it."""
    try:
        changes = suspension_changes(state, now)
    except (StateError, OSError):
        return ()
    return tuple(
        one._replace(guests=tuple(map(_short, one.guests)), by=_short(one.by), reason=_short(one.reason))
        for one in newest_changes(changes, MOST_GENERATIONS, _MOST_SUSPENDED)
    )


def generation_view(history: History, number: int, stamp: tuple[int, ...]) -> GenerationView:
    """Generation `number` of `history`; where its record is damaged, that is its result."""
    one, diff, ended = history.look(number), "", None
    is_cut, labels = one.is_damaged, None
    if not one.is_damaged:
        labels = _labels(history.labels(number))
        record = history.record(number)
        diff, is_cut = _cut(generation_diff(record))
        ended = (record["outcome"] or {}).get("ended")
    return _generation_view(one, stamp, diff, ended, is_cut=is_cut)._replace(labels=labels)


def _labels(found: Iterable[tuple[tuple[str, str], ...]]) -> tuple[Mapping[str, str], ...] | None:
    """Each set of labels in `found`; None where they are too much to be published."""
    labels = tuple(dict(one) for one in sorted(found))
    return labels if len(json.dumps(labels)) <= LARGEST_LABELS else None


def _generation_view(
    one: Generation, stamp: tuple[int, ...], diff: str, ended: float | None, *, is_cut: bool
) -> GenerationView:
    origin = one.origin
    return GenerationView(
        number=one.number,
        stamp=stamp,
        id=_short(origin.id),
        started=origin.started,
        ended=ended,
        by="" if one.is_damaged else _short(by_text(one)),
        what=_short(what_text(one)),
        extent=one.extent.value,
        commit=_short(origin.commit),
        subject=_short(origin.subject),
        author=_short(origin.author),
        result=f"{one.result} ({one.remark})" if one.remark else one.result,
        failure=_short(one.outcome.failure) if one.outcome else "",
        summary=_short(one.summary),
        diff=diff,
        is_cut=is_cut,
        again=origin.again,
        undone=origin.undone,
        briefly=_short(what_text(one, 1)),
    )


def _fitting(view: HistoryView, room: int) -> HistoryView:
    """`view` in at most `room` bytes: the diffs of the oldest generations are left out."""
    room -= len(_content(view._replace(generations=tuple(one._replace(diff="") for one in view.generations))))
    sizes = accumulate(len(json.dumps(one.diff)) for one in view.generations)
    kept = sum(1 for _ in takewhile(lambda size: size <= room, sizes))
    cut = (one._replace(diff="", is_cut=one.is_cut or bool(one.diff)) for one in view.generations[kept:])
    return view._replace(generations=(*view.generations[:kept], *cut))


def _event_view(event: Event, now: float) -> EventView:
    return EventView(
        now,
        event.kind,
        event.level,
        _short(event.text),
        tuple(map(_short, event.guests)),
        tuple(map(_short, event.details)),
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _cut(diff: str) -> tuple[str, bool]:
    """`diff` up to `LARGEST_DIFF` bytes, in whole lines, and whether it was cut."""
    content = without_secrets(diff).encode("utf-8", "backslashreplace")
    if len(content) <= LARGEST_DIFF:
        return content.decode(), False
    return content[:LARGEST_DIFF].rpartition(b"\n")[0].decode("utf-8", "ignore") + "\n", True


def _content(view: tuple[Any, ...]) -> bytes:
    return content_without_secrets(VIEWS.plain(view))
