"""Ids that may have been meant in the other base: tools show hex without 0x, and ``47`` in a manifest is decimal.

An id is doubtful where the host does not have it, and has the one that the same digits are in the other base.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, WrittenIds
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Queue
from reconciler.model.observed import Observed
from reconciler.model.problems import Position, several
from reconciler.planning.plan import Misread, Plan

_MOST_NOTES: Final = 5
_MOST_IDS: Final = 8
_NOUNS: Final = {"adapters": "adapter", "domains": "domain", "controlDomains": "control domain"}
_BASES: Final = (16, 10)
_TWO_DIGITS: Final = range(10, 100)


class Suspect(NamedTuple):
    """A document with ids that may have been meant in the other base.

    `name` is that of the guest, empty where it is the Host; `position` is where the document starts.
    """

    name: str
    position: Position


def suspects(plan: Plan) -> Iterator[Suspect]:
    """The documents behind `plan` that have a doubtful id, in whichever base it is written."""
    doubtful = {axis: _doubtful(there) for axis, there in _there(plan.observed).items()}
    if not any(doubtful.values()):
        return
    if plan.only is None and _touches(_of_the_host(plan), doubtful):
        yield Suspect("", plan.desired.host.position)
    for one in plan.guests:
        if one.guest and one.guest.activation is not Activation.INACTIVE:
            adapters, domains, control = one.guest.config
            if _touches({"adapters": adapters, "domains": domains, "controlDomains": control}, doubtful):
                yield Suspect(one.guest.name, one.guest.position)


def misread_ids(written: Iterable[tuple[Suspect, tuple[WrittenIds, ...]]], plan: Plan) -> tuple[Misread, ...]:
    """What to say of ids as they are `written`; the same ids of several guests are one note.

    Args:
        written: the ids of each suspect that are others in the other base.
        plan: that of the suspects.
    """
    there = _there(plan.observed)
    alike: dict[tuple[bool, tuple[WrittenIds, ...]], list[str]] = {}
    for suspect, found in written:
        doubtful = [one for one in found if _is_doubtful(one, there[one.axis])]
        for kind in product(_NOUNS, (False, True)):
            if of_kind := tuple(one for one in doubtful if (one.axis, one.is_hex) == kind):
                alike.setdefault((not suspect.name, of_kind), []).append(suspect.name or plan.desired.host.name)
    notes = [
        Misread(() if is_host else tuple(names), _note(found, _whose(names, is_host=is_host), there[found[0].axis]))
        for (is_host, found), names in alike.items()
    ]
    return tuple(notes[:_MOST_NOTES])


def ids_meant(text: str) -> tuple[int, ...]:
    """The ids that a person may mean by `text`: its digits in hex, as tools show ids, then in decimal; none above 255.

    With ``0x`` before them they are hex alone.
    """
    return tuple(dict.fromkeys(_readings(text).values()))


def queues_meant(adapter: str, domain: str, observed: Observed) -> tuple[Queue, ...]:
    """The queues that a person may mean by two ids: those that the host has first, and hex before decimal.

    Both ids are in the same base; in two bases a queue is meant only where the host has it, or where none is in one.
    """
    adapters, domains = _readings(adapter), _readings(domain)
    alike = [Queue(adapters[base], domains[base]) for base in _BASES if base in adapters and base in domains]
    every = [Queue(*pair) for pair in product(adapters.values(), domains.values())]
    there = {one.queue for one in observed.queues}
    meant = dict.fromkeys([*(alike or every), *(one for one in every if one in there)])
    return tuple(sorted(meant, key=lambda one: one not in there))


def _readings(text: str) -> dict[int, int]:
    """By base, the ids that `text` may be."""
    found = {}
    for base in _BASES[:1] if text[:2].lower() == "0x" else _BASES:
        with suppress(ValueError):
            found[base] = int(text, base)
    return {base: one for base, one in found.items() if one in ALL_IDS}


def decimal_queue(queue: Queue, observed: Observed) -> Queue | None:
    """The queue of the host that the digits of `queue`, which are hex, are in decimal; None where none may be meant.

    An id that the host has is meant as it is.
    """
    adapters, domains, _ = _there(observed).values()
    adapter, domain = _in_decimal(queue.adapter, adapters), _in_decimal(queue.domain, domains)
    if (adapter, domain) == queue or domain not in domains or adapter not in adapters:
        return None
    return Queue(adapter, domain)


def decimal_card(adapter: int, observed: Observed) -> int | None:
    """The card of the host that the hex digits of `adapter` are in decimal; None where none may be meant."""
    meant = _in_decimal(adapter, IdSet(card.adapter for card in observed.cards))
    return None if meant == adapter else meant


def _in_decimal(one: int, there: IdSet) -> int:
    digits = f"{one:x}"
    meant = int(digits) if digits.isdecimal() else one
    return meant if one not in there and meant in there else one


def _there(observed: Observed) -> dict[str, IdSet]:
    """What the host has, by the name of the list that has such ids in a manifest."""
    lpar = observed.lpar
    adapters = lpar.adapters | IdSet(card.adapter for card in observed.cards)
    return {"adapters": adapters, "domains": lpar.domains, "controlDomains": lpar.control_domains}


def _doubtful(there: IdSet) -> IdSet:
    pairs = ((one, int(str(one), 16)) for one in _TWO_DIGITS)
    return IdSet(read for pair in pairs for read, meant in (pair, pair[::-1]) if read not in there and meant in there)


def _of_the_host(plan: Plan) -> dict[str, IdSet]:
    host = plan.desired.host
    adapters, domains = host.given_up or (NO_IDS, NO_IDS)
    for one in host.keep:
        adapters, domains = adapters | one.matrix.adapters, domains | one.matrix.domains
    return {"adapters": adapters, "domains": domains}


def _touches(ids: Mapping[str, IdSet], doubtful: Mapping[str, IdSet]) -> bool:
    return any(not one.isdisjoint(doubtful[axis]) for axis, one in ids.items())


def _is_doubtful(one: WrittenIds, there: IdSet) -> bool:
    return one.ids.isdisjoint(there) and not one.otherwise.isdisjoint(there)


def _whose(names: list[str], *, is_host: bool) -> str:
    if is_host:
        return f"host '{names[0]}'"
    return f"{'guest' if len(names) == 1 else 'guests'} {several(map(repr, names))}"


def _note(found: tuple[WrittenIds, ...], whose: str, there: IdSet) -> str:
    is_one = len(found) == 1 and len(found[0].ids) == 1
    noun = _NOUNS[found[0].axis]
    what, are, those = (noun, "is", "that is") if is_one else (f"{noun}s", "are", "these are")
    in_other = _decimal if found[0].is_hex else _hex
    has = NO_IDS
    for one in found:
        has |= one.otherwise & there
    texts, read, meant = (
        several(listed, _MOST_IDS)
        for listed in zip(*((one.text, in_other(one.ids), in_other(one.otherwise)) for one in found), strict=True)
    )
    also = f" ({_hex(has)})" if found[0].is_hex else ""
    return (
        f"{what} {texts} of {whose} {are} {read}, which this host does not have; it has {in_other(has)}{also}: "
        f"write {meant} if {those} meant"
    )


def _hex(ids: IdSet) -> str:
    return several(ids.in_hex(), _MOST_IDS)


def _decimal(ids: IdSet) -> str:
    runs = (f"{first}" if first == last else f"{first}-{last}" for first, last in ids.ranges())
    return several(runs, _MOST_IDS)
