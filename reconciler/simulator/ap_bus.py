"""The AP bus: writes to its masks, its look at the hardware, overrides (ap_bus.c; docs/kernel-rules.md)."""

from collections.abc import Mapping
from errno import EBUSY, EINVAL, ENODEV

from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix, Queue
from reconciler.simulator.binding import (
    count_completion,
    find_driver,
    find_drivers_by_masks,
    refilter,
    release,
    without,
)
from reconciler.simulator.hardware import Card, SetCard, changed
from reconciler.simulator.nodes import refusal
from reconciler.simulator.numbers import bounded_decimal, bounded_number, written_mask
from reconciler.simulator.profiles import InUseCheck
from reconciler.simulator.state import CardDevice, HostState, QueueDevice


def write_apmask(state: HostState, text: str) -> None:
    """What a write of `text` to ``apmask`` does.

    Raises:
        OSError: EINVAL for a text that is no mask or where a queue is or was overridden, EBUSY for a queue in use.
    """
    adapters = _new_mask(state, text, state.pool.adapters)
    domains = ALL_IDS if state.profile.in_use_check is InUseCheck.EITHER else state.pool.domains
    _change_pool(state, Matrix(adapters - state.pool.adapters, domains), state.pool._replace(adapters=adapters))


def write_aqmask(state: HostState, text: str) -> None:
    """What a write of `text` to ``aqmask`` does; raises as `write_apmask` does."""
    domains = _new_mask(state, text, state.pool.domains)
    adapters = ALL_IDS if state.profile.in_use_check is InUseCheck.EITHER else state.pool.adapters
    _change_pool(state, Matrix(adapters, domains - state.pool.domains), state.pool._replace(domains=domains))


def write_override(state: HostState, queue: Queue, text: str) -> None:
    """What a write of `text` to ``driver_override`` of `queue` does; the queue keeps the driver that it has.

    Raises:
        OSError: EINVAL while a mask is not all ones.
    """
    if state.pool != FULL_MATRIX:
        raise refusal(EINVAL)
    override = text.partition("\n")[0]
    state.set_queue(queue, state.queues[queue]._replace(override=override))


def write_default_domain(state: HostState, text: str) -> None:
    """What a write of `text` to ``ap_domain`` does: the host's default domain, which nothing else here uses.

    Raises:
        OSError: EINVAL where `text` is no number, is above the limit, or the domain is not in aqmask.
    """
    domain = bounded_number(text, 0, state.hardware.max_domain, wraps=state.profile.numbers_wrap)
    if domain not in state.pool.domains:
        raise refusal(EINVAL)
    state.settings = state.settings._replace(domain=domain)


def write_card_online(state: HostState, adapter: int, text: str) -> None:
    """What a write of `text` to ``online`` of a card does: its queues follow.

    Raises:
        OSError: EINVAL where `text` is not 0 or 1, ENODEV where the card is not there to be switched on.
    """
    online = bool(bounded_decimal(text, 0, 1))
    device = state.cards[adapter]
    if online and _is_out_of_order(state, device.card):
        raise refusal(ENODEV)
    state.cards[adapter] = device._replace(online=online)
    for queue in queues_of(state, adapter):
        state.set_queue(queue, state.queues[queue]._replace(online=online))


def write_queue_online(state: HostState, queue: Queue, text: str) -> None:
    """What a write of `text` to ``online`` of a queue does.

    Raises:
        OSError: EINVAL where `text` is not 0 or 1 or its card is offline, ENODEV as for a card.
    """
    online = bool(bounded_decimal(text, 0, 1))
    device, card = state.queues[queue], state.cards[queue.adapter]
    if online and (_is_out_of_order(state, device) or _is_out_of_order(state, card.card)):
        raise refusal(ENODEV)
    if online and not card.online:
        raise refusal(EINVAL)
    state.set_queue(queue, device._replace(online=online))


def write_card_config(state: HostState, adapter: int, text: str) -> None:
    """What a write of `text` to ``config`` of a card does. Its queues show it after the next scan.

    Raises:
        OSError: EINVAL where `text` is not 0 or 1, ENODEV where the LPAR has lost the card.
    """
    configured = bool(bounded_decimal(text, 0, 1))
    if adapter not in state.hardware.cards:
        raise refusal(ENODEV)
    state.hardware = changed(state.hardware, SetCard(adapter, configured=configured), state.initial)
    device = state.cards[adapter]
    state.cards[adapter] = device._replace(card=device.card._replace(configured=configured))


def scan(state: HostState) -> None:
    """Notice what has happened to the hardware, in the kernel's order: what is gone, then what is new."""
    state.scans += 1
    before = state.lpar
    state.lpar = Matrix(IdSet(state.hardware.cards), state.hardware.usage)
    state.control = state.hardware.control
    _take_from_guests(state, before.adapters - state.lpar.adapters, before.domains - state.lpar.domains)
    _remove_devices(state)
    _update_devices(state)
    _add_devices(state)
    _give_to_guests(state, state.lpar.adapters - before.adapters, state.lpar.domains - before.domains)


def queues_of(state: HostState, adapter: int) -> list[Queue]:
    """The queues of `adapter` that have a device."""
    return [queue for domain in state.lpar.domains if (queue := Queue(adapter, domain)) in state.queues]


def _new_mask(state: HostState, text: str, current: IdSet) -> IdSet:
    # A queue that goes away does not take its override out of the kernel's count.
    if state.overridden or state.lost_overrides:
        raise refusal(EINVAL)
    return written_mask(text, current, wraps=state.profile.numbers_wrap)


def _change_pool(state: HostState, gained: Matrix, pool: Matrix) -> None:
    if state.profile.in_use_check is not InUseCheck.NONE and state.holders.any_in(gained):
        raise refusal(EBUSY)
    if pool != state.pool:
        state.pool = pool
        find_drivers_by_masks(state)


def _is_out_of_order(state: HostState, device: Card | QueueDevice) -> bool:
    return not device.configured or (state.profile.checkstop_is_offline and device.checkstopped)


def _take_from_guests(state: HostState, adapters: IdSet, domains: IdSet) -> None:
    if not adapters and not domains:
        return
    for uuid, mdev in list(state.mdevs.items()):
        state.set_mdev(uuid, mdev._replace(guest=without(mdev.guest, adapters, domains)))


def _give_to_guests(state: HostState, adapters: IdSet, domains: IdSet) -> None:
    if not adapters and not domains:
        return
    for uuid, mdev in list(state.mdevs.items()):
        if mdev.config.adapters & adapters or mdev.config.domains & domains:
            refilter(state, uuid)


def _answers(state: HostState) -> Mapping[int, Card]:
    # The bus asks the queues of an adapter what it is: without a usage domain no queue can answer, and of two
    # reasons for not working they report the first.
    if not state.lpar.domains:
        return {}
    return {
        adapter: card if card.configured else card._replace(checkstopped=False)
        for adapter, card in state.hardware.cards.items()
    }


def _remove_devices(state: HostState) -> None:
    cards = _answers(state)
    # Another card in the same place is a new device: the bus removes the old one first.
    gone = {
        adapter
        for adapter, device in state.cards.items()
        if adapter not in cards or _kind(cards[adapter]) != _kind(device.card)
    }
    for queue in [queue for queue in state.queues if queue.adapter in gone or queue.domain not in state.lpar.domains]:
        release(state, queue)
        state.set_queue(queue, None)
        state.generation += 1
    for adapter in gone:
        del state.cards[adapter]
        state.generation += 1


def _update_devices(state: HostState) -> None:
    cards = _answers(state)
    for adapter, device in state.cards.items():
        card = cards[adapter]
        state.cards[adapter] = device._replace(card=card)
        for queue in queues_of(state, adapter):
            old = state.queues[queue]
            new = _updated(old, card)
            if new is not old:
                state.set_queue(queue, new)


def _updated(device: QueueDevice, card: Card) -> QueueDevice:
    # One scan takes one change of a queue: what has also become of `config` is noticed by the next one.
    if device.checkstopped != card.checkstopped:
        return device._replace(checkstopped=card.checkstopped)
    return device if device.configured == card.configured else device._replace(configured=card.configured)


def _add_devices(state: HostState) -> None:
    added = False
    for adapter, card in sorted(_answers(state).items()):
        state.cards.setdefault(adapter, CardDevice(card))
        for domain in state.lpar.domains:
            queue = Queue(adapter, domain)
            if queue not in state.queues:
                state.set_queue(queue, QueueDevice(configured=card.configured, checkstopped=card.checkstopped))
                find_driver(state, queue)
                added = True
    if added:
        state.generation += 1
        count_completion(state)


def _kind(card: Card) -> tuple[int, str]:
    return card.hwtype, card.mode
