"""Who has a queue, or those of a card, in sentences that begin with the queue; and which queues are free."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.model.ids import IdSet
from reconciler.model.observed import CardMode
from reconciler.model.printable import lines_text
from reconciler.planning.queue_status import CardStatus, DomainStatus, QueueStatus
from reconciler.planning.status import Status
from reconciler.render.changes import few_text
from reconciler.render.status_text import FREE_MEANS, card_name, card_trouble, compared_text
from reconciler.render.table import Page, Row, table_lines
from reconciler.render.text import counted

_NONE: Final = "-"


def queues_lines(queues: Sequence[QueueStatus], page: Page) -> list[str]:
    """The sentence for each of `queues`, divided at the width of `page`."""
    return [line for one in queues for line in page.wrapped("", queue_text(one))]


def queue_text(one: QueueStatus) -> str:
    """Who has a queue, or gets it, in a line that begins with the queue."""
    if one.missing:
        getters = (*one.held, *one.claimed)
        if getters:
            then = f"pending: {few_text(getters)} {'gets' if len(getters) == 1 else 'get'} it when it comes"
            then += f"; {_suspended_text(one.suspended)}" if one.suspended else ""
        elif one.in_pool:
            then = "no guest claims it; the host's own drivers get it if it comes"
        else:
            then = "no guest claims it"
        meant = f". Queues are in hex: if decimal is meant, write {one.in_decimal}" if one.in_decimal else ""
        return f"{one.queue}: there is no such queue on this host now ({one.missing}); {then}{meant}"
    if one.held:
        has = f"{few_text(one.held)} {'has' if len(one.held) == 1 else 'have'} it"
    elif one.in_pool:
        has = "the host's own drivers have it"
    elif one.claimed:
        has = "no guest has it now"
    else:
        return f"{one.queue}: free, as no guest has it and none is to have it"
    return f"{one.queue}: {'; '.join((has, *_claims_texts(one)))}"


def _claims_texts(one: QueueStatus) -> Iterator[str]:
    """Who claims a queue without having it: all the time, and while a VM runs."""
    waiting = [name for name in one.suspended if name not in one.on_demand and not one.contested]
    if firm := [name for name in one.claimed if name not in one.on_demand and name not in waiting]:
        if one.contested:
            yield f"{few_text(firm)} {'claims' if len(firm) == 1 else 'claim'} it, too (conflict)"
        else:
            yield f"{few_text(firm)} {'is' if len(firm) == 1 else 'are'} to have it"
    if waiting:
        yield _suspended_text(waiting)
    if one.on_demand:
        runs = "its VM runs" if len(one.on_demand) == 1 else "their VMs run"
        yield f"claimed by {few_text(one.on_demand)} while {runs}"


def _suspended_text(names: Sequence[str]) -> str:
    """When guests that are suspended, and are to have a queue, get it."""
    return f"{few_text(names)} {'is' if len(names) == 1 else 'are'} suspended, and to have it after a resume"


def card_lines(one: CardStatus, page: Page) -> Iterator[str]:
    """What a card is, then the sentence for each of its queues, divided at the width of `page`."""
    yield from page.wrapped("", _card_text(one))
    for queue in one.queues:
        yield from page.wrapped("  ", queue_text(queue))


def cards_shares_lines(cards: Sequence[CardStatus], page: Page) -> list[str]:
    """What each of `cards` is, and who has how many of its queues, a sentence each, divided at the width of `page`."""
    return [line for one in cards for line in page.wrapped("", _with_shares(_card_text(one), one.queues))]


def _with_shares(text: str, queues: Sequence[QueueStatus]) -> str:
    return ": ".join(filter(None, (text, ", ".join(_shares(queues)))))


def _card_text(one: CardStatus) -> str:
    """What a card is, or that it is not there."""
    name = f"adapter {IdSet([one.adapter])}"
    if one.card is None:
        claimed = "" if one.queues else "; no guest has it or is to have it"
        meant = (
            "" if one.in_decimal is None else f". Cards are in hex: if decimal is meant, write card{one.in_decimal:02x}"
        )
        return f"{name}: there is no such card on this host now{claimed}{meant}"
    trouble = f", {card_trouble(one.card).removeprefix('is ')}" if card_trouble(one.card) else ""
    works = "" if one.mode in {None, CardMode.ACCELERATOR} else " coprocessor"
    return f"{name}: {card_name(one.card, one.mode)}{works}{trouble}, {counted(len(one.queues), 'queue')}"


def _shares(queues: Sequence[QueueStatus]) -> Iterator[str]:
    """How many of `queues` guests have, the host has, guests are to have, and are free."""
    there = [one for one in queues if not one.missing]
    held = [one for one in there if one.held]
    host = [one for one in there if one.in_pool and not one.held]
    claimed = [one for one in there if one.claimed and not one.held and not one.in_pool]
    awaited = [one for one in queues if one.missing and (one.held or one.claimed)]
    free = len(there) - len(held) - len(host) - len(claimed)

    def share(some: Sequence[QueueStatus], whose: str, whose_all: str) -> str:
        return f"{whose_all} all of them" if 1 < len(some) == len(queues) else f"{len(some):,} {whose}"

    if held:
        names, is_one = _all_names(name for one in held for name in one.held)
        yield share(held, f"of {names}", f"{names} {'has' if is_one else 'have'}")
    if host:
        yield share(host, "of the host's own drivers", "the host's own drivers have")
    if claimed:
        names, is_one = _all_names(name for one in claimed for name in one.claimed)
        yield share(claimed, f"claimed by {names}", f"{names} {'claims' if is_one else 'claim'}")
    if free:
        yield "all of them are free" if 1 < free == len(queues) else f"{free:,} free"
    if awaited:
        names, is_one = _all_names(name for one in awaited for name in (*one.held, *one.claimed))
        waits = f"{names} {'waits' if is_one else 'wait'} for"
        yield share(awaited, f"to come for {names}", waits) if there else f"{waits} {counted(len(awaited), 'queue')}"


def _all_names(names: Iterable[str]) -> tuple[str, bool]:
    """The first few of `names`, joined by "and" as a comma ends what is said of them; and whether there is but one."""
    every = sorted(set(names))
    text = few_text(every)
    return (text if "…" in text else " and ".join(text.rsplit(", ", 1))), len(every) == 1


def _are(count: int) -> str:
    return "this one is" if count == 1 else f"these {count:,} are"


def _it(count: int) -> str:
    return "it" if count == 1 else "them"


def free_answers(
    status: Status,
    queues: Sequence[QueueStatus],
    cards: Sequence[CardStatus],
    domains: Sequence[DomainStatus],
    page: Page,
) -> list[str]:
    """What is said of the queues, cards and domains of which it was asked what is free, divided at the width of `page`.

    Of a queue that is free, or only claimed, nothing: it is among those of `status`, which are listed.
    """
    taken = [one for one in queues if one.queue not in status.unheld]
    lines = [line for one in taken for line in page.wrapped("", _taken_text(one))]
    lines += cards_shares_lines(cards, page)
    for one in domains:
        name = f"domain {IdSet([one.domain])}"
        text = f"{name}: {counted(len(one.queues), 'queue')}" if one.queues else f"{name}: no queue of it is here now"
        lines += page.wrapped("", _with_shares(text, one.queues))
    return lines


def _taken_text(one: QueueStatus) -> str:
    text = queue_text(one)
    return text if one.missing else text.replace(": ", ": not free; ", 1)


def free_text(
    status: Status,
    page: Page = Page(),  # noqa: B008 - a value
    *,
    wide: bool = False,
    whole: str = "",
    answers: Sequence[str] = (),
) -> str:
    """All queues that neither a guest nor the host has, a line each: card, which guests claim it, and what is wrong.

    Args:
        status: with the queues that are shown.
        page: what it is written on.
        wide: cut nothing.
        whole: the command that shows what is cut, or left out of the guests that claim a queue; empty for none.
        answers: what is said first of the queues, cards and domains that were named.
    """
    compared = page.wrapped("", f"compared {compared_text(status)}")
    first = [*answers, ""] if answers else []
    if answers and not status.unheld:
        return lines_text([*first, *compared])
    if not status.unheld:
        found = "No queue is free: each one present is the host's or in a mediated device."
        claim = "A guest can claim queues of the host: the plan then takes them from the host pool."
        claims_lines = page.wrapped("", claim) if status.observed.queues else []
        return lines_text([*page.wrapped("", found), *claims_lines, "", *compared])
    cards = {card.adapter: card for card in status.observed.cards}
    claims = status.claims()
    heading, rows, is_cut = ["QUEUE", "CARD", *(["CLAIMED BY"] if claims else [])], [], False
    for queue in status.unheld:
        card, names = cards.get(queue.adapter), claims.get(queue, ())
        every = ", ".join(names)
        claimed = (every if wide else few_text(names)) or _NONE
        is_cut = is_cut or claimed != (every or _NONE)
        kind = card_name(card, status.observed.mode_of(card.adapter)) if card else _NONE
        rows.append(Row((str(queue), kind, *([claimed] if claims else [])), {2: "faint"} if names else {}))
    troubles = [card_trouble(cards[one.adapter]) if one.adapter in cards else "" for one in status.unheld]
    least = [(2, 8)] if claims else []
    if any(troubles):
        least.append((len(heading), 10))
        rows = [
            Row(
                (*row.cells, trouble.removeprefix("is ") or _NONE),
                {**row.styles, **({len(heading): "warning"} if trouble else {})},
            )
            for row, trouble in zip(rows, troubles, strict=True)
        ]
        heading.append("TROUBLE")
    uncut = table_lines(heading, rows, page._replace(width=None), least)
    lines = uncut if wide else table_lines(heading, rows, page, least)
    count = len(status.unheld) - len(claims)
    means = FREE_MEANS if count == 1 else FREE_MEANS.replace(" it", " them")
    more = f"; {len(claims):,} more claimed" if claims else ""
    total = f"{counted(count, 'free queue')}: {means}{more}."
    if not count:
        total = f"No queue is free: {_are(len(claims))} claimed, and no guest has {_it(len(claims))} now."
    hint = page.with_remark(f"  next: {whole}    # cuts nothing") if whole and (is_cut or lines != uncut) else []
    totals = (page.paint("bold", line) for line in page.wrapped("", total))
    return lines_text([*first, *lines, "", *totals, *compared, *hint])
