"""Which driver has which queue: by the masks, by an override, by hand; and what a guest effectively gets.

ap_bus.c, vfio_ap_ops.c; docs/kernel-rules.md.
"""

from collections.abc import Iterable, Sequence
from errno import EBUSY, ENODEV
from typing import Final

from reconciler.kernel.text_forms import UnknownText, parse_queue
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.simulator.nodes import refusal
from reconciler.simulator.state import HOST_DRIVER, VFIO_AP, HostState, may_bind

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
