"""The status for people: a line for each guest, everything about some of them, or the free queues."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model.commands import NOWHERE, PLAN, VALIDATE, Here, resume, rollback_to, status_of_guest
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.observed import CardMode, Observed, ObservedCard, Process
from reconciler.model.printable import lines_text
from reconciler.planning.pending import Pending, pending_hardware
from reconciler.planning.status import GuestState, GuestStatus, Source, Status
from reconciler.render.changes import (
    Summary,
    Waiting,
    config_text,
    few_text,
    nothing_where_the_host_is,
    plural,
    sees_text,
    summary_of,
)
from reconciler.render.drift import at_boot_text
from reconciler.render.table import Page, Row, columns_of, table_lines
from reconciler.render.text import counted, plain

_MOST_FREE: Final = 16
_MOST_SENTENCES: Final = 3
_MOST_RESUMED: Final = 5
_NONE: Final = "-"
_COMPARED: Final = "compared"
_DIVIDED: Final = ("loop", "not seen", "suspensions", "suspended", "card")
"""The facts that say what all else rests on, and what is wrong with it."""
_LEAST_DIVIDED: Final = 60
"""On a page of fewer columns they are cut as well."""
FREE_MEANS: Final = "neither a guest nor the host has it, and no guest claims it"
"""What a free queue is, in a status as in a matrix."""

_HEADING: Final = ("NAME", "STATE", "QUEUES", "SEES", "VM", "WHY")
_LEAST: Final = ((5, 12), (4, 6), (0, 8))
"""Which columns are cut on a narrow page, in this order, and what stays of each."""

_WIDE_HEADING: Final = (
    *("NAME", "STATE", "QUEUES", "SEES", "VM", "UUID", "ACTIVATION", "AUTHORISED", "CONTROL DOMAINS", "LABELS"),
    *("MANIFEST", "SUSPENDED", "WHY"),
)
_STYLES: Final[Mapping[GuestState, str]] = {
    **dict.fromkeys(GuestState, "warning"),
    **dict.fromkeys((GuestState.DRIFT, GuestState.MISSING, GuestState.FAILING), "error"),
    **dict.fromkeys((GuestState.ON_DEMAND, GuestState.INACTIVE, GuestState.FOREIGN, GuestState.UNKNOWN), "faint"),
    GuestState.IN_SYNC: "good",
}


class Remark(NamedTuple):
    """What is known besides: a word for what it is about, the sentence, and a style; empty for none."""

    label: str
    text: str
    style: str = ""


class Shown(NamedTuple):
    """Which rows of a status are shown.

    Attributes:
        rows: those that were asked for.
        asked: the labels that were asked for, in which words; empty where none were.
        others: the names of those that were asked for by name, queue or card, and do not have these labels.
    """

    rows: tuple[GuestStatus, ...]
    asked: str = ""
    others: tuple[str, ...] = ()

    def of(self, total: int) -> str:
        """How many of `total` guests are shown, and which were left out."""
        without = f"; not shown: {few_text(self.others)}" if self.others else ""
        return f"{len(self.rows):,} of {counted(total, 'guest')} shown: {self.asked}{without}"


def status_text(
    status: Status,
    page: Page = Page(),  # noqa: B008 - a value
    here: Here = NOWHERE,
    remarks: Sequence[Remark] = (),
    shown: Shown | None = None,
    *,
    steps: Sequence[str] = (),
    waiting: Waiting | None = None,
    wide: bool = False,
    whole: str = "",
) -> str:
    """The host in some lines, and a line for each guest and for each device that is not ours.

    Args:
        status: what is shown.
        page: what it is shown on; only commands to run are longer than its lines.
        here: where the commands that it leads to are run.
        remarks: what is known besides.
        shown: which rows, where not all of them; counts are of the whole host in any case.
        steps: what a person runs next because of what is known besides.
        waiting: the apply that waits to be confirmed; None where none does.
        wide: whether there are more columns, and none is cut.
        whole: the command that shows what is cut; empty where there is none.
    """
    rows = status.rows if shown is None else shown.rows
    page = page._replace(width=None) if wide else page
    facts = _host_facts(status, page, here, remarks, wide=wide)
    lines = [*_host_lines(status, page, facts), ""]
    if rows:
        lines += [*(_wide_table(status, rows, page) if wide else _table(rows, page)), ""]
        lines += [line for text in _legend(status, rows) for line in (*page.wrapped("", text), "")]
    if shown and shown.asked:
        unknown = "" if knows_labels(status) else "; which labels guests have is not known here"
        lines += [*page.wrapped("", f"{shown.of(len(status.rows))}{unknown}"), ""]
    if status.plan and status.plan.rolled_back:
        lines += [*page.wrapped("Note: ", f"{status.plan.rolled_back.text}.", 0), ""]
    lines += _note_lines(status, shown and shown.rows, page)
    counts, summary = _summary(status)
    ending = waiting.beside(summary) if waiting else summary.text
    lines += [line for one in (*counts, ending) for line in page.wrapped("", one, style="bold")]
    every = [*(waiting.steps if waiting else ()), *steps, *_steps(status, rows, here)]
    if whole and (_leaves_out(status) or _is_cut(facts, rows, page)):
        every.append(f"{whole}    # cuts nothing")
    lines += [line for step in every for line in page.with_remark(f"  next: {step}")]
    return lines_text(lines)


def knows_labels(status: Status) -> bool:
    """Whether manifests, or a report of them, say which labels guests have."""
    return status.plan is not None or any(one.labels is not None for one in status.guests)


def _leaves_out(status: Status) -> bool:
    """Whether not all that is pending is named."""
    return [*_pending_texts(status, _MOST_SENTENCES)] != [*_pending_texts(status, None)]


def _is_cut(facts: Sequence[Remark], rows: Sequence[GuestStatus], page: Page) -> bool:
    """Whether one of `facts` or a cell of `rows` does not fit `page`."""
    table = _table(rows, page._replace(width=None, paint=plain)) if rows else ()
    cut = (page.shown(_fact_line(one)) for one in facts if not _is_whole(one, page))
    return page.width is not None and any(columns_of(line) > page.width for line in (*cut, *table))


def misread_texts(status: Status, rows: Sequence[GuestStatus] | None = None) -> list[str]:
    """What to say of ids that may have been meant in hex: those of the guests in `rows`, or all where it is None."""
    names = None if rows is None else {one.name for one in rows}
    misread = status.plan.misread if status.plan else ()
    return [one.text for one in misread if names is None or names.intersection(one.guests)]


def _note_lines(status: Status, rows: Sequence[GuestStatus] | None, page: Page) -> Iterator[str]:
    for text in misread_texts(status, rows):
        yield from (*page.wrapped("Note: ", f"{text}.", 0), "")


def _table(rows: Sequence[GuestStatus], page: Page) -> list[str]:
    return table_lines(_HEADING, [_row(one) for one in rows], page, _LEAST)


def _legend(status: Status, rows: Sequence[GuestStatus]) -> Iterator[str]:
    """What two numbers of queues mean, by the first example in `rows`, and what is claimed; where they are shown."""
    pairs = ((one, *_queues(one).partition("/")) for one in rows)
    for one, held, _, wanted in (found for found in pairs if found[-1]):
        yield f"QUEUES {held}/{wanted}: the device of {one.name} holds {held}, and is to hold {wanted}."
        break
    if status.claims():
        yield f"free: {FREE_MEANS}; claimed: a guest is to have it, or has it while its VM runs."


def _row(one: GuestStatus) -> Row:
    return Row(guest_cells(one), {1: _STYLES[one.state]})


def guest_cells(one: GuestStatus) -> tuple[str, ...]:
    """A guest in a table: its name, its state, the queues that it has, those that it sees, its VM, and why."""
    brief = one.suspension.brief if one.suspension else one.suspended
    if one.state in (GuestState.SUSPENDED, GuestState.SUSPENDED_OUT_OF_SYNC):
        brief = brief.removeprefix("suspended ")  # which the column before says
    reasons = [brief if one.suspended and why == one.suspended else why for why in one.why]
    why = "; ".join(reasons).removeprefix(f"{one.state.value}: ")
    return (one.name, one.state.value, _queues(one), _sees(one), _vm(one), why or _NONE)


def _wide_table(status: Status, rows: Sequence[GuestStatus], page: Page) -> list[str]:
    return table_lines(_WIDE_HEADING, [_wide_row(one, status.compared.source) for one in rows], page, ())


def _wide_row(one: GuestStatus, source: Source) -> Row:
    first = _row(one._replace(why=tuple(why for why in one.why if why != one.suspended)))
    more = (
        one.uuid,
        one.guest.activation.value if one.guest else _NONE,
        sees_text(one.authorised.matrix) if one.authorised else _NONE,
        str(one.authorised.control_domains) if one.authorised and one.authorised.control_domains else _NONE,
        _labels(one) or _NONE,
        manifest_of(one, source) or _NONE,
        one.suspended.removeprefix("suspended ") or _NONE,
    )
    return first._replace(cells=(*first.cells[:-1], *more, first.cells[-1]))


def manifest_of(one: GuestStatus, source: Source) -> str:
    """Where the manifest of a guest begins, file and line; empty where it was compared with something else."""
    if one.guest is None or source is not Source.MANIFESTS:
        return ""
    return f"{one.guest.position.file}:{one.guest.position.line}"


def _queues(one: GuestStatus) -> str:
    """How many queues its device holds, and of how many that it is to have where these are others."""
    held = one.authorised.matrix.size if one.authorised else None
    if held is None:
        return str(one.wanted) if one.needs_no_device or one.wanted is None else f"0/{one.wanted}"
    return str(held) if one.wanted in (None, held) else f"{held}/{one.wanted}"


def _sees(one: GuestStatus) -> str:
    return _NONE if one.effective is None else str(one.effective.size)


def _vm(one: GuestStatus) -> str:
    if one.vm:
        return one.vm.name if one.vm.state == "running" else f"{one.vm.name} ({one.vm.state})"
    if one.opened_by:
        return str(one.opened_by)
    return "in use" if one.in_use else _NONE


def _labels(one: GuestStatus) -> str:
    return ",".join(f"{key}={value}" for key, value in one.labels or ())


# The host ------------------------------------------------------------------------------------------------------------


def _host_facts(status: Status, page: Page, here: Here, remarks: Sequence[Remark], *, wide: bool) -> list[Remark]:
    """What is known of the host besides its name and its numbers, with the `remarks`."""
    return [
        Remark(_COMPARED, compared_text(status)),
        *remarks,
        *([Remark("suspended", status.host_suspended, "warning")] if status.suspended else []),
        Remark("host pool", pool_text(status.observed.pool)),
        Remark("free", _free_text(status, None) if wide else _short_free_text(status, page)),
        *([Remark("at boot", at_boot_text(status.plan, here))] if status.plan else []),
        *([Remark("cards", _types_text(status.observed))] if wide and status.observed.cards else []),
        *(Remark("card", text, "warning") for text in _cards_texts(status.observed.cards)),
        *(Remark("pending", text) for text in _pending_texts(status, None if wide else _MOST_SENTENCES)),
    ]


def _host_lines(status: Status, page: Page, facts: Sequence[Remark]) -> list[str]:
    observed = status.observed
    heading = (
        f"Host {status.host}: kernel {observed.release}, {counted(len(observed.cards), 'adapter')}, "
        f"{counted(len(observed.queues), 'queue')}, {counted(len(observed.mdevs), 'mediated device')}"
    )
    return [page.paint("bold", page.cut(heading)), "", *(line for one in facts for line in _remark_lines(one, page))]


def _is_whole(one: Remark, page: Page) -> bool:
    """Whether `one` is divided where it has no room, and not cut."""
    return one.label == _COMPARED or (one.label in _DIVIDED and (page.width or _LEAST_DIVIDED) >= _LEAST_DIVIDED)


def _remark_lines(one: Remark, page: Page) -> list[str]:
    if _is_whole(one, page):
        lines = page.wrapped(_lead(one.label), one.text, 0)
        return [page.paint(one.style, line) for line in lines] if one.style else lines
    line = page.cut(_fact_line(one))
    return [page.paint(one.style, line) if one.style else line]


def _fact_line(one: Remark) -> str:
    return f"{_lead(one.label)}{one.text}"


def _lead(label: str) -> str:
    return f"  {label:<11} "


def compared_text(status: Status) -> str:
    """With what the host is compared, and why with nothing nearer, to stand behind ``compared``."""
    compared = status.compared
    because = f" ({'; '.join(compared.because)})" if compared.because else ""
    if compared.source is Source.HOST:
        return f"with nothing: the host alone{because}"
    text = compared.text
    if compared.source is Source.MANIFESTS and text.endswith(" in ."):
        text = f"{text[:-1]}this directory"
    return f"with {text}{because}"


def pool_text(pool: Matrix) -> str:
    """The host pool in one line: what the masks leave out, which is the shorter thing to say."""
    if pool.is_empty:
        return "empty: the host's drivers have no queue"
    given = [
        f"{plural(noun, ids)} {ids}" for noun, ids in (("adapter", ~pool.adapters), ("domain", ~pool.domains)) if ids
    ]
    return f"everything but {' and '.join(given)}" if given else "everything"


def _free_text(status: Status, most: int | None) -> str:
    claims, free = status.claims(), status.free
    if not free:
        return f"none ({len(claims):,} claimed)" if claims else "none"
    names = ", ".join(map(str, free[:most]))
    more = f" and {len(free) - most:,} more (--free)" if most is not None and len(free) > most else ""
    for_others = f" ({len(claims):,} more claimed)" if claims else ""
    return f"{counted(len(free), 'queue')}{for_others}: {names}{more}"


def _short_free_text(status: Status, page: Page) -> str:
    """The same with as many whole queues as `page` has place for on the line."""
    room = (page.width or 1 << 30) - columns_of(_lead("free"))
    texts = (_free_text(status, most) for most in range(_MOST_FREE, 0, -1))
    shortest = f"{counted(len(status.free), 'queue')} (--free)"
    return next((text for text in texts if columns_of(text) <= room), shortest)


def _types_text(observed: Observed) -> str:
    """Which type and mode each card has."""
    alike: dict[str, list[int]] = {}
    for card in observed.cards:
        alike.setdefault(card_name(card, observed.mode_of(card.adapter)), []).append(card.adapter)
    return "; ".join(f"{name}: {_numbered('adapter', IdSet(adapters))}" for name, adapters in sorted(alike.items()))


def card_type(card: ObservedCard) -> str:
    """What a card is, for people: ``CEX7``."""
    return f"CEX{card.hwtype - 6}"


def card_name(card: ObservedCard, mode: CardMode | None) -> str:
    """What a card is, and in which mode it works, where that is known: ``CEX7 CCA``, ``CEX7 accelerator``."""
    return " ".join(filter(None, (card_type(card), mode and mode.value)))


def card_trouble(card: ObservedCard) -> str:
    """What is wrong with a card; empty where nothing is. That one which fails is offline as well is not said."""
    return card.trouble or ("" if card.online else "is offline: the host's drivers do not use it")


def _cards_texts(cards: Sequence[ObservedCard]) -> Iterator[str]:
    """What is wrong with cards, those with the same trouble in one sentence."""
    alike: dict[str, list[int]] = {}
    for card in cards:
        if trouble := card_trouble(card):
            alike.setdefault(trouble, []).append(card.adapter)
    for trouble, adapters in alike.items():
        ids = IdSet(adapters)
        yield f"{plural('adapter', ids)} {ids} {trouble}" if len(ids) == 1 else f"adapters {ids}: each {trouble}"


def _pending_texts(status: Status, most: int | None) -> Iterator[str]:
    """Which hardware is not there yet, and for whom; what the same guests wait for in one sentence."""
    for noun, found in pending_hardware(status).items():
        yield from _few_pending(found, noun, most)


def _few_pending(found: Sequence[Pending], noun: str, most: int | None) -> Iterator[str]:
    """What is waited for, and by whom: `most` sentences, the others counted in the last; None: all, and every name."""
    shown = found if most is None or len(found) <= most else found[: most - 1]
    for one in shown:
        whom = ((names, lead) for names, lead in ((one.authorised, _AUTHORISED), (one.claimed, _CLAIMED)) if names)
        texts = (f"{lead} {', '.join(names) if most is None else few_text(names)}" for names, lead in whom)
        yield f"{_numbered(noun, one.ids)}, {'; '.join(texts)}"
    if others := found[len(shown) :]:
        waiting = {name for one in others for name in (*one.authorised, *one.claimed)}
        leads = [_AUTHORISED] * any(one.authorised for one in others) + [_CLAIMED] * any(one.claimed for one in others)
        yield f"{len(others):,} more groups of {noun}s, {' or '.join(leads)} {counted(len(waiting), 'guest')}"


_AUTHORISED: Final = "authorised in advance for"
_CLAIMED: Final = "claimed by"


def _numbered(noun: str, ids: IdSet) -> str:
    return f"{plural(noun, ids)} {ids}"


_SO_MANY: Final[Mapping[GuestState, str]] = {
    GuestState.CHANGES: "with changes",
    GuestState.DRIFT: "with drift",
    GuestState.SUSPENDED_OUT_OF_SYNC: "suspended and out of sync",
}
"""What a state is called behind a number of guests, where its name is no adjective."""


def _summary(status: Status) -> tuple[list[str], Summary]:
    """What there is to look at, and how the host stands."""
    bad = [one.state for one in status.rows if not one.state.is_good]
    states = ", ".join(f"{bad.count(state):,} {_SO_MANY.get(state, state)}" for state in GuestState if state in bad)
    counts = [f"{len(bad):,} of {counted(len(status.rows), 'guest')} to look at: {states}."] if bad else []
    if status.plan is None:
        guests = f"{counted(len(status.rows), 'guest')}." if status.rows else "No mediated devices."
        return [], Summary(*(counts or [guests]))
    if status.plan.changes or not status.plan.is_valid or status.compared.source is Source.MANIFESTS:
        return counts, summary_of(status.plan)
    nothing = nothing_where_the_host_is(f"as {_AS[status.compared.source]}")
    if status.compared.is_invalid_here:
        return [*counts, f"{nothing.still}."], Summary("The manifests in this directory cannot be used.")
    return counts, nothing


_AS: Final = {
    Source.APPLIED: "it was applied last",
    Source.ENFORCED: "the loop enforces it",
    Source.REFUSED: "the refused manifests say",
}


def _steps(status: Status, rows: Sequence[GuestStatus], here: Here) -> Iterator[str]:
    """What a person runs next: all errors, everything about the first of `rows` not as it should be, and the plan."""
    if status.compared.is_invalid_here:
        yield f"{here.line(VALIDATE)}    # shows every error in the manifests"
    first = next((one for one in rows if not one.state.is_good), None)
    if first is not None:
        yield f"{here.line(status_of_guest(first.name))}    # everything about this guest"
    if status.plan and status.plan.changes:
        if status.compared.source is Source.APPLIED:
            line = here.line(rollback_to(status.compared.generation))
            yield f"{line}    # shows the plan that leads back to it, and asks"
        else:
            yield f"{here.line(PLAN)}    # shows what an apply would do"
    names = [one.name for one in rows if one.suspended]
    resumed = [*([()] if status.suspended else []), *([names] if 0 < len(names) <= _MOST_RESUMED else [])]
    yield from (f"{here.line(resume(one))}    # when the reason is gone" for one in resumed)


# Some guests ---------------------------------------------------------------------------------------------------------


def guests_text(
    status: Status,
    rows: Sequence[GuestStatus],
    page: Page = Page(),  # noqa: B008 - a value
    here: Here = NOWHERE,
    others: str = "",
) -> str:
    """Everything about the guests and devices in `rows`, and the command, to be run `here`, that resumes them.

    `others` says which were named and are not among them; empty where there are none.
    """
    lines = page.wrapped("", f"compared {compared_text(status)}")
    for one in rows:
        lines += ["", *_guest_lines(one, status.compared.source, page)]
    if notes := [*_note_lines(status, rows, page)]:
        lines += ["", *notes[:-1]]
    if others:
        lines += ["", *page.wrapped("", others)]
    if names := [one.name for one in rows if one.suspended]:
        lines += ["", *page.with_remark(f"  next: {here.line(resume(names))}    # when the reason is gone")]
    return lines_text(lines)


def _guest_lines(guest: GuestStatus, source: Source, page: Page) -> Iterator[str]:
    words = [guest.state.value]
    words += [guest.guest.activation.value] if guest.guest and guest.guest.activation.value != guest.state else []
    words += [str(guest.vm)] if guest.vm else []
    words += [use_text(guest.opened_by)] if guest.in_use else []
    name = guest.name if guest.name != guest.uuid else ""
    first, *others = page.wrapped("", f"{name}{'  ' if name else ''}{guest.uuid}  ({', '.join(words)})")
    yield f"{page.paint('bold', name)}{first.removeprefix(name)}" if name and first.startswith(name) else first
    yield from others
    for label, text in _guest_facts(guest, source):
        yield from page.wrapped(f"  {label:<11} ", text, 0)


def _guest_facts(guest: GuestStatus, source: Source) -> Iterator[tuple[str, str]]:
    if guest.labels:
        yield "labels", ", ".join(f"{key}={value}" for key, value in guest.labels)
    if manifest := manifest_of(guest, source):
        yield "manifest", manifest
    if guest.guest:
        yield "wanted", config_text(guest.guest.config)
    elif guest.wanted is not None:
        yield "wanted", counted(guest.wanted, "queue")
    elif guest.state is GuestState.LEAVING:
        yield "wanted", "nothing"
    yield "authorised", config_text(guest.authorised) if guest.authorised else "no device"
    if guest.effective is not None:
        yield "effective", sees_text(guest.effective)
    suspended = guest.suspension.with_left if guest.suspension else guest.suspended
    yield from (("why", suspended if guest.suspended and why == guest.suspended else why) for why in guest.why)


def use_text(process: Process | None) -> str:
    """That a device is in use, and by which process where that is known."""
    return f"in use by {process}" if process else "in use"


def names_text(rows: Sequence[GuestStatus]) -> str:
    """The names alone, a line each: for other programs, and for other commands of ours."""
    return lines_text(one.name for one in rows)
