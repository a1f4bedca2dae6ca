"""Who has one queue, or each queue of a card or a domain, as a status has it."""

from typing import NamedTuple

from reconciler.model.desired import Activation
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import Queue
from reconciler.model.observed import CardMode, Observed, ObservedCard
from reconciler.planning.misread import decimal_card, decimal_queue
from reconciler.planning.status import Status


class QueueStatus(NamedTuple):
    """Who has one queue.

    Attributes:
        queue: which.
        missing: why it is not there now, for people: ``adapter 7 is not present``; empty where the queue is present.
        held: the names of the guests whose device is authorised for it.
        claimed: likewise whose manifest asks for it, and whose device is not.
        on_demand: those of `claimed` that are to have it only while their VM runs.
        contested: whether one has it that is to keep it, and another one is to have it all the time.
        in_pool: whether it is in the host pool, so that the host's own drivers have it, or get it when it comes.
        in_decimal: the queue of this host that its digits are in decimal, where it may have been meant; None elsewhere.
        suspended: those of `claimed` that are suspended, so that the next apply does not give it.
    """

    queue: Queue
    missing: str
    held: tuple[str, ...]
    claimed: tuple[str, ...]
    in_pool: bool
    on_demand: tuple[str, ...] = ()
    contested: bool = False
    in_decimal: Queue | None = None
    suspended: tuple[str, ...] = ()


def queue_status(status: Status, queue: Queue) -> QueueStatus:
    """Who has `queue`, whether it is present or not."""
    held, claimed, on_demand, suspended = [], [], [], []
    stays = False
    for one in status.rows:
        guest = one.guest if one.guest and one.guest.config.matrix.has(queue) else None
        claims = guest is not None and guest.activation is not Activation.INACTIVE
        if one.authorised and one.authorised.matrix.has(queue):
            held.append(one.name)
            stays = stays or claims
        elif guest and claims:
            claimed.append(one.name)
            on_demand += [one.name] if guest.activation is Activation.ON_DEMAND else []
            suspended += [one.name] if status.suspended or one.suspended else []
    missing = _missing(queue, status.observed)
    return QueueStatus(
        queue,
        missing,
        tuple(held),
        tuple(claimed),
        in_pool=status.observed.pool.has(queue),
        on_demand=tuple(on_demand),
        contested=stays and len(on_demand) < len(claimed),
        in_decimal=decimal_queue(queue, status.observed),
        suspended=tuple(suspended),
    )


class CardStatus(NamedTuple):
    """Who has the queues of one card.

    Attributes:
        adapter: its number, 0 to 255.
        card: what it is; None where it is not present.
        queues: those that are present, and those that guests have or are to have, ascending.
        in_decimal: the card of this host that its digits are in decimal, where it may have been meant; None elsewhere.
        mode: what it has been configured to be; None where that is not known.
    """

    adapter: int
    card: ObservedCard | None
    queues: tuple[QueueStatus, ...]
    in_decimal: int | None = None
    mode: CardMode | None = None


def card_status(status: Status, adapter: int) -> CardStatus:
    """Who has each queue of the card `adapter`, whether it is present or not."""
    near = status._replace(
        guests=tuple(one for one in status.guests if one.has_card(adapter)),
        foreign=tuple(one for one in status.foreign if adapter in one.config.adapters),
    )
    domains = IdSet(one.queue.domain for one in status.observed.queues if one.queue.adapter == adapter)
    for one in near.rows:
        for config in one.configs:
            domains |= config.domains if adapter in config.adapters else NO_IDS
    card = next((one for one in status.observed.cards if one.adapter == adapter), None)
    # That the digits of each of them may be meant in decimal is no news about a card.
    found = (queue_status(near, Queue(adapter, domain))._replace(in_decimal=None) for domain in domains)
    in_decimal = None if card else decimal_card(adapter, status.observed)
    return CardStatus(adapter, card, tuple(found), in_decimal, status.observed.mode_of(adapter))


class DomainStatus(NamedTuple):
    """Who has the queues of one domain.

    Attributes:
        domain: its number, 0 to 255.
        queues: those that are present, ascending.
    """

    domain: int
    queues: tuple[QueueStatus, ...]


def domain_status(status: Status, domain: int) -> DomainStatus:
    """Who has each queue of `domain` that is present."""
    there = (one.queue for one in status.observed.queues if one.queue.domain == domain)
    # As for a card, that the digits may be meant in decimal is no news.
    return DomainStatus(domain, tuple(queue_status(status, one)._replace(in_decimal=None) for one in there))


def _missing(queue: Queue, observed: Observed) -> str:
    if any(one.queue == queue for one in observed.queues):
        return ""
    parts = []
    if queue.adapter not in {card.adapter for card in observed.cards}:
        parts.append(f"adapter {IdSet([queue.adapter])}")
    if queue.domain not in observed.lpar.domains:
        parts.append(f"domain {IdSet([queue.domain])}")
    if not parts:
        return f"adapter {IdSet([queue.adapter])} does not offer it"
    return f"{' and '.join(parts)} {'is' if len(parts) == 1 else 'are'} not present"
