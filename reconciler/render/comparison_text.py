"""Whether guests can move from one LPAR to another, or what a takeover leaves pending: as a table and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from reconciler.machines.compare import (
    CardDifference,
    Comparison,
    Fit,
    Holder,
    Older,
    OtherFunctions,
    OtherMode,
    Purpose,
    Queues,
    Side,
    Taken,
    Trouble,
    facility_names,
    rectangles_of,
)
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Queue
from reconciler.model.printable import lines_text
from reconciler.render.plan_json import json_text
from reconciler.render.table import Page, Row, table_lines
from reconciler.render.text import MOST_LINES, Section, counted, fitted, iso_time, moment

_LEAST: Final = ((0, 12), (3, 12))
_LABEL: Final = 17
_KEYS: Final = "master keys, which cannot be read of queues that are given away: compare them yourself"


def comparison_text(
    comparison: Comparison,
    page: Page,
    *,
    most: int | None = MOST_LINES,
    whole: str = "",
    record: str = "",
) -> str:
    """`comparison` as text, the count last.

    Args:
        comparison: what is shown.
        page: what it is shown on.
        most: how many lines there are at most; what is left out is counted. None: everything is shown.
        whole: the command that shows what is left out; empty where there is none.
        record: the command that records a host of which nothing is known but what its Machine lists; empty where
            there is none.
    """
    inner = page._replace(width=page.width and max(1, page.width - 2))
    head = [*page.wrapped("", _question(comparison), style="bold")]
    head += [line for label, side in _sides(comparison) for line in page.wrapped(f"  {label:4}  ", _known_of(side))]
    tail = [line for text in _unknown(comparison) for line in page.wrapped("Unknown: ", text, 0)]
    tail += [f"  {line}" for line in inner.with_command("on the host itself:", record)] if record else []
    tail += [line for text in _blocked(comparison) for line in page.wrapped("", text)]
    tail += page.wrapped("", _summary(comparison), style="bold")
    sections = [*_tables(comparison, page), _details(comparison, page)]
    hint = [*page.with_remark(f"  next: {whole}    # shows all of it"), ""] if whole else [""]
    room = None if most is None else max(1, most - len([*head, "", *hint, *tail]))
    lines, is_cut = fitted(sections, room)
    return lines_text([*head, "", *lines, *(hint if is_cut and whole else []), *tail])


def _sides(comparison: Comparison) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("from", comparison.source), ("to", comparison.target)


def _label(side: Side, comparison: Comparison) -> str:
    """What `side` is called: in a takeover by its place, since the host is the same on both sides."""
    if comparison.purpose is Purpose.MOVE:
        return side.name
    return str(side.lpar or f"{side.name} on {side.machine_id or 'an unknown machine'}")


def _question(comparison: Comparison) -> str:
    source, target = comparison.source, comparison.target
    here, there = _label(source, comparison), _label(target, comparison)
    if comparison.purpose is Purpose.TAKEOVER:
        return f"What would be pending once {there} has taken over host {source.host} from {here}"
    return f"Whether the guests of {here} can move to {there}"


def _known_of(side: Side) -> str:
    parts = [side.name]
    if side.lpar and str(side.lpar) != side.name:
        parts.append(f"LPAR {side.lpar}")
    elif not side.lpar and side.lpar_name:
        parts.append(f"LPAR {side.lpar_name}")
    if side.machine_id:
        parts.append(f"machine {side.machine_id}")
    parts.append("as the manifests say" if side.recorded is None else f"recorded {moment(side.recorded)} UTC")
    return ", ".join(parts)


def _tables(comparison: Comparison, page: Page) -> Iterator[Section]:
    if comparison.partners:
        yield _table("Guests that name both hosts", comparison.partners, comparison, page)
    if comparison.others:
        is_rest = bool(comparison.partners) or comparison.purpose is Purpose.MOVE
        heading = f"{'Other guests' if is_rest and comparison.partners else 'Guests'} of {comparison.source.host}"
        yield _table(heading, comparison.others, comparison, page)


def _table(heading: str, fits: Sequence[Fit], comparison: Comparison, page: Page) -> Section:
    verdict = "READY" if comparison.purpose is Purpose.TAKEOVER else "MOVES"
    rows = [_row(one) for one in fits]
    inner = page._replace(width=page.width and max(1, page.width - 2))
    first, *lines = (f"  {line}" for line in table_lines(("GUEST", "QUEUES", verdict, "MISSING"), rows, inner, _LEAST))
    return Section("guest", len(lines), ([line] for line in lines), (page.cut(heading), first))


def _row(fit: Fit) -> Row:
    verdict = "yes" if fit.is_whole else "no"
    style = "good" if fit.is_whole else "error"
    return Row((fit.guest.name, f"{fit.guest.config.matrix.size:,}", verdict, _short(fit)), {2: style})


def _short(fit: Fit) -> str:
    """What is missing, in a few words; details follow elsewhere."""
    kinds = {type(one): _CARD_WORDS[type(one)] for one in fit.cards}
    parts = [
        counted(fit.missing, "queue") if fit.queues else "",
        counted(len(fit.control_domains), "control domain") if fit.control_domains else "",
        *(kinds[kind] for kind in _CARD_WORDS if kind in kinds),
        "held by another guest" if fit.held else "",
        "held by another LPAR" if fit.taken else "",
        "not given to vfio_ap" if fit.ungiven else "",
        "device" if fit.lacks_device else "",
        "same machine" if fit.same_machine else "",
    ]
    return ", ".join(filter(None, parts)) or "-"


_CARD_WORDS: Final[dict[type, str]] = {
    OtherMode: "mode",
    Older: "older type",
    OtherFunctions: "functions",
    Trouble: "card in trouble",
}


def _details(comparison: Comparison, page: Page) -> Section:
    found = [one for one in comparison.fits if not one.is_whole]
    return Section("guest", len(found), (_detail(one, comparison, page) for one in found), is_spaced=True)


def _detail(fit: Fit, comparison: Comparison, page: Page) -> list[str]:
    there = _label(comparison.target, comparison)
    lines = [page.paint("bold", page.cut(f"{fit.guest.name} lacks on {there}"))]
    for label, text in _lacks(fit, comparison):
        lines += page.wrapped(f"  {label:{_LABEL}}", text, 0)
    return lines


def _lacks(fit: Fit, comparison: Comparison) -> Iterator[tuple[str, str]]:
    if fit.queues:
        yield "queues", f"{fit.missing:,} of {fit.guest.config.matrix.size:,}: {_queues_text(fit.queues)}"
    if fit.pending_here:
        which = "them" if fit.pending_here == fit.queues else _queues_text(fit.pending_here)
        yield "", f"{_label(comparison.source, comparison)} lacks {which}, too"
    if fit.control_domains:
        yield "control domains", str(fit.control_domains)
    for one in fit.cards:
        yield _CARD_LABELS[type(one)], f"adapter {_id(one.adapter)}: {_card_text(one)}"
    for held in fit.held:
        yield "held", f"{_queues_text(held.queues)}: by {_holder_text(held.holder)}"
    for taken in fit.taken:
        yield "held", f"{_queues_text(taken.queues)}: by the active LPAR {taken.lpar}"
    if fit.ungiven:
        yield "not given", f"{_queues_text(fit.ungiven)}: vfio_ap does not have them there"
    if fit.lacks_device:
        yield "device", f"{fit.guest.uuid} is not there: apply the manifests there"
    if fit.same_machine:
        yield "machine", f"both are on {comparison.source.machine_id}, where a queue belongs to one active LPAR only"


_CARD_LABELS: Final[dict[type, str]] = {
    OtherMode: "mode",
    Older: "type",
    OtherFunctions: "functions",
    Trouble: "card",
}


def _card_text(one: CardDifference) -> str:
    match one:
        case Older():
            return f"{_type_name(one.there)} there is older than {_type_name(one.here)} here"
        case OtherMode():
            return f"{one.there} there, {one.here} here"
        case OtherFunctions():
            parts = [f"lacks {', '.join(facility_names(one.lacking))}"] if one.lacking else []
            parts += [f"has {', '.join(facility_names(one.besides))} besides"] if one.besides else []
            return "; ".join(parts)
        case Trouble():
            return f"the card there {one.reason}"


def _type_name(hwtype: int) -> str:
    return f"CEX{hwtype - 6}"


def _holder_text(holder: Holder) -> str:
    return f"guest {holder.name}" if holder.name else f"device {holder.uuid}"


def _id(number: int) -> str:
    return str(IdSet([number]))


def _queues_text(queues: Queues) -> str:
    parts = (f"{one.adapters.text('adapter')} with {one.domains.text('domain')}" for one in rectangles_of(queues))
    return "; ".join(parts)


def _unknown(comparison: Comparison) -> Iterator[str]:
    """What could not be compared."""
    if comparison.fits:
        yield _KEYS
    if any(one.unknown_cards for one in comparison.fits):
        listed = [side.name for _, side in _sides(comparison) if side.cards is None]
        why = f", since of {' and '.join(listed)} only the Machine is known, no record" if listed else ""
        yield f"types, modes and functions of cards{why}"


def _blocked(comparison: Comparison) -> Iterator[str]:
    """What keeps the target from being activated as it is defined."""
    there = _label(comparison.target, comparison)
    for one in comparison.taken:
        yield f"{there} cannot be activated while {one.lpar} is active, which has {_queues_text(one.queues)} of it."


def _summary(comparison: Comparison) -> str:
    fits = comparison.fits
    whole = sum(one.is_whole for one in fits)
    there = _label(comparison.target, comparison)
    if not fits:
        return f"{comparison.source.name} has no guests."
    if comparison.taken:
        return f"{there} has to be changed first: on the HMC, and in its Machine."
    if comparison.purpose is Purpose.TAKEOVER:
        if whole == len(fits):
            return f"After a takeover nothing would be pending: {there} has all of {counted(len(fits), 'guest')}."
        queues = sum(one.missing for one in fits)
        lacking = counted(len(fits) - whole, "guest")
        return f"After a takeover {counted(queues, 'queue')} would be pending; {there} lacks something for {lacking}."
    if whole == len(fits):
        return f"All can move: {counted(len(fits), 'guest')}, as far as is known."
    return f"{whole:,} of {counted(len(fits), 'guest')} can move to {there}."


def comparison_json(comparison: Comparison) -> str:
    """The same as JSON text, ended by a newline (schemas/comparison.schema.json)."""
    record = {
        "formatVersion": 1,
        "purpose": comparison.purpose.value,
        "complete": comparison.is_whole,
        "source": _side_record(comparison.source),
        "target": _side_record(comparison.target),
        "taken": [_taken_record(one) for one in comparison.taken],
        "guests": [
            *(_fit_record(one, names_both=True) for one in comparison.partners),
            *(_fit_record(one, names_both=False) for one in comparison.others),
        ],
    }
    return json_text(record)


def _side_record(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "host": side.host or None,
        "machineId": side.machine_id or None,
        "lpar": str(side.lpar) if side.lpar else None,
        "lparName": side.lpar_name or None,
        "recorded": None if side.recorded is None else iso_time(side.recorded),
    }


def _fit_record(fit: Fit, *, names_both: bool) -> dict[str, Any]:
    return {
        "name": fit.guest.name,
        "uuid": fit.guest.uuid,
        "namesBoth": names_both,
        "complete": fit.is_whole,
        "queues": fit.guest.config.matrix.size,
        "missing": {
            "queues": _queue_list(fit.queues),
            "pendingHere": _queue_list(fit.pending_here),
            "controlDomains": list(fit.control_domains),
            "cards": [_card_record(one) for one in fit.cards],
            "held": [
                {"name": one.holder.name or None, "uuid": one.holder.uuid, "queues": _queue_list(one.queues)}
                for one in fit.held
            ],
            "taken": [_taken_record(one) for one in fit.taken],
            "notGiven": _queue_list(fit.ungiven),
            "device": fit.lacks_device,
            "sameMachine": fit.same_machine,
        },
        "unknown": {"keys": True, "cards": list(fit.unknown_cards)},
    }


def _taken_record(taken: Taken) -> dict[str, Any]:
    return {"lpar": str(taken.lpar), "queues": _queue_list(taken.queues)}


def _queue_list(queues: Queues) -> list[str]:
    return [str(Queue(adapter, domain)) for adapter, domains in queues for domain in domains]


def _card_record(one: CardDifference) -> dict[str, Any]:
    match one:
        case Older():
            return {
                "adapter": one.adapter,
                "what": "type",
                "here": _type_name(one.here),
                "there": _type_name(one.there),
            }
        case OtherMode():
            return {"adapter": one.adapter, "what": "mode", "here": one.here.value, "there": one.there.value}
        case OtherFunctions():
            lacking, besides = facility_names(one.lacking), facility_names(one.besides)
            return {"adapter": one.adapter, "what": "functions", "lacking": lacking, "besides": besides}
        case Trouble():
            return {"adapter": one.adapter, "what": "trouble", "reason": one.reason}
