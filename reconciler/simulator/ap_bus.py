"""The AP bus: writes to its masks, its look at the hardware, and which driver has which queue (ap_bus.c).

By the masks, by an override, by hand; and what a guest effectively gets (vfio_ap_ops.c); docs/kernel-rules.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from errno import EBUSY, EINVAL, ENODEV
from typing import Final

from reconciler.kernel.text_forms import UnknownText, parse_queue
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix, Queue
from reconciler.simulator.hardware import Card, SetCard, changed
from reconciler.simulator.kernel_profiles import InUseCheck
from reconciler.simulator.nodes import refusal
from reconciler.simulator.numbers import bounded_decimal, bounded_number, written_mask
from reconciler.simulator.state import HOST_DRIVER, VFIO_AP, CardDevice, HostState, QueueDevice, may_bind

_DRIVERS: Final = (HOST_DRIVER, VFIO_AP)


def find_driver(state: HostState, queue: Queue) -> None:
    """Look for a driver that takes `queue`, which has none. None may take it; a delayed host finds it later."""
    if state.delay == 0:
        driver = next((one for one in _DRIVERS if _takes(state, one, queue)), None)
        if driver:
            _bind(state, driver, queue)
    else:
        state.set_queue(queue, state.queues[queue]._replace(awaits=True))


def find_awaited_drivers(state: HostState) -> None:
    """Look for the drivers that delayed queues still wait for."""
    state.delay = 0
    for queue in [queue for queue, device in state.queues.items() if device.awaits]:
        state.set_queue(queue, state.queues[queue]._replace(awaits=False))
        find_driver(state, queue)
    count_completion(state)


def find_drivers_by_masks(state: HostState) -> None:
    """Let every queue change its driver that the masks do not give it; one without any counts as the profile says."""
    hosts = (HOST_DRIVER, None) if state.profile.driverless_is_hosts else (HOST_DRIVER,)
    for queue, device in list(state.queues.items()):
        if state.pool.has(queue) != (device.driver in hosts):
            release(state, queue)
            find_driver(state, queue)
    count_completion(state)


def release(state: HostState, queue: Queue) -> None:
    """Take `queue` away from its driver. A guest that has it loses the whole adapter (vfio_ap_ops.c)."""
    device = state.queues[queue]
    state.set_queue(queue, device._replace(driver=None, online=True, pending=0, awaits=False, unreset=False))
    uuid = state.holders.of(queue) if device.driver == VFIO_AP else None
    if uuid is not None and state.mdevs[uuid].guest.has(queue):
        mdev = state.mdevs[uuid]
        state.set_mdev(uuid, mdev._replace(guest=without(mdev.guest, IdSet((queue.adapter,)), NO_IDS)))


def refilter(state: HostState, uuid: str) -> None:
    """Work out anew what the guest of device `uuid` gets."""
    mdev = state.mdevs[uuid]
    state.set_mdev(uuid, mdev._replace(guest=filtered(mdev.config.matrix, state.lpar, state.passable)))


def reset(state: HostState, queues: Iterable[Queue]) -> None:
    """vfio_ap resets those of `queues` that it has. A card in standby or check-stopped refuses, as one that is gone."""
    for queue in queues:
        device = state.queues.get(queue)
        if device is not None and device.driver == VFIO_AP:
            card = state.hardware.cards.get(queue.adapter)
            unreset = card is None or not card.configured or card.checkstopped
            if device.unreset != unreset:
                state.set_queue(queue, device._replace(unreset=unreset))


def bind_by_hand(state: HostState, driver: str, name: str) -> None:
    """What a write of `name` to the ``bind`` file of `driver` does.

    Raises:
        OSError: ENODEV where there is no such queue or the driver may not have it, EBUSY where it has a driver.
    """
    queue = _named(state, name)
    if state.queues[queue].driver:
        raise refusal(EBUSY)
    if not _takes(state, driver, queue):
        raise refusal(ENODEV)
    _bind(state, driver, queue)
    count_completion(state)


def unbind_by_hand(state: HostState, driver: str, name: str) -> None:
    """What a write of `name` to the ``unbind`` file of `driver` does.

    Raises:
        OSError: ENODEV where `driver` has no such queue.
    """
    queue = _named(state, name)
    if state.queues[queue].driver != driver:
        raise refusal(ENODEV)
    release(state, queue)


def probe_by_hand(state: HostState, name: str) -> None:
    """What a write of `name` to ``drivers_probe`` does: a queue that has a driver keeps it.

    Raises:
        OSError: ENODEV where there is no such queue.
    """
    queue = _named(state, name)
    if not state.queues[queue].driver:
        find_driver(state, queue)
        count_completion(state)


def attach_module(state: HostState) -> None:
    """The vfio_ap driver has come: it takes what is free for it."""
    for queue, device in list(state.queues.items()):
        if not device.driver:
            find_driver(state, queue)
    count_completion(state)


def detach_module(state: HostState) -> None:
    """The vfio_ap driver goes: its queues are without a driver, and masks do not change that."""
    for queue, device in list(state.queues.items()):
        if device.driver == VFIO_AP:
            release(state, queue)


def count_completion(state: HostState) -> None:
    """Count that something was bound and all queues have a driver now."""
    if not state.driverless:
        state.completions += 1


def is_hosts(state: HostState, queue: Queue) -> bool:
    """Whether `queue`, present or not, is the host's, so that no mediated device can have it (ap_bus.c).

    An override makes the driver that has the queue decide, instead of the masks.
    """
    device = state.queues.get(queue)
    return device.driver == HOST_DRIVER if device and device.override else state.pool.has(queue)


def _takes(state: HostState, driver: str, queue: Queue) -> bool:
    if driver == VFIO_AP and not state.vfio_ap:
        return False
    hwtype = state.cards[queue.adapter].card.hwtype
    return may_bind(driver, state.queues[queue], hwtype, state.profile, hosts=state.pool.has(queue))


def _bind(state: HostState, driver: str, queue: Queue) -> None:
    state.set_queue(queue, state.queues[queue]._replace(driver=driver, online=True, awaits=False))
    uuid = state.holders.of(queue) if driver == VFIO_AP else None
    if uuid is not None:
        refilter(state, uuid)


def _named(state: HostState, name: str) -> Queue:
    # Cards have drivers as well, but nothing here needs them to be taken away.
    try:
        queue = parse_queue(name.removesuffix("\n"))
    except UnknownText:
        raise refusal(ENODEV) from None
    if queue not in state.queues:
        raise refusal(ENODEV)
    return queue


def filtered(assigned: Matrix, lpar: Matrix, passable: Sequence[int]) -> Matrix:
    """What the guest gets of `assigned` where the LPAR has `lpar`.

    `passable` has for every adapter the bits of the domains whose queues are bound to vfio_ap and, where the kernel
    looks at that, were reset well. Domains that the LPAR lacks are left out; then an adapter is left out as a whole if
    a single one of its queues is not among these.
    """
    domains = assigned.domains & lpar.domains
    wanted = domains.bits
    adapters = 0
    for adapter in assigned.adapters & lpar.adapters:
        if not wanted & ~passable[adapter]:
            adapters |= 1 << adapter
    return Matrix(IdSet.from_bits(adapters), domains)


def without(guest: Matrix, adapters: IdSet, domains: IdSet) -> Matrix:
    """`guest` after `adapters` and `domains` were taken from it; nothing comes back by that."""
    return Matrix(guest.adapters - adapters, guest.domains - domains)


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
