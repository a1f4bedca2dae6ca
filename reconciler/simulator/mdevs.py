"""The life of a mediated device: create, assign, configure, open, close, remove (mdev_sysfs.c, vfio_ap_ops.c).

Every check comes in the kernel's order, and a refusal changes nothing (docs/kernel-rules.md, "Mediated devices").
"""

import re
from enum import StrEnum
from errno import EADDRINUSE, EADDRNOTAVAIL, EBUSY, EEXIST, EINVAL, ENODEV
from typing import Final

from reconciler.kernel.sysfs import WRITE_SECONDS, KernelBusy
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.simulator.ap_bus import is_hosts, refilter, reset, without
from reconciler.simulator.nodes import refusal
from reconciler.simulator.numbers import unsigned_long, written_ap_config
from reconciler.simulator.state import INSTANCES, HostState, Mdev

_UUID_LENGTH: Final = 36
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Axis(StrEnum):
    """What ``assign_...`` and ``unassign_...`` add to or take from; the values are fields of `ApConfig`."""

    ADAPTER = "adapters"
    DOMAIN = "domains"
    CONTROL_DOMAIN = "control_domains"


def create(state: HostState, text: str) -> None:
    """What a write of `text` to ``create`` does: a new device that holds nothing.

    Raises:
        OSError: EINVAL where `text` is no uuid with at most one more character, EEXIST where the device exists,
            EUSERS (EPERM before 6.1) where there are 65536.
    """
    uuid = text[:_UUID_LENGTH].lower()
    if len(text) > _UUID_LENGTH + 1 or not _UUID.fullmatch(uuid):
        raise refusal(EINVAL)
    if uuid in state.mdevs:
        raise refusal(EEXIST)
    if len(state.mdevs) >= INSTANCES:
        raise refusal(state.profile.no_instance_errno)
    state.set_mdev(uuid, Mdev(group=state.take_group()))
    state.generation += 1


def assign(axis: Axis, state: HostState, uuid: str, text: str) -> None:
    """What a write of `text` to ``assign_...`` does; an id that is already assigned changes nothing.

    Raises:
        OSError: EINVAL, ERANGE (no number), ENODEV (above the limit), EADDRNOTAVAIL (a queue is the host's; before
            6.0: not bound to vfio_ap), EADDRINUSE (another device has a queue), EBUSY (before 6.0: a VM runs).
    """
    mdev, one = _addressed(state, uuid, axis, text)
    old: IdSet = getattr(mdev.config, axis)
    if one in old:
        return
    config = mdev.config._replace(**{axis.value: old | IdSet((one,))})
    if axis is not Axis.CONTROL_DOMAIN:
        _check_claim(state, mdev, config)
    state.set_mdev(uuid, mdev._replace(config=config))
    if axis is not Axis.CONTROL_DOMAIN:
        refilter(state, uuid)


def unassign(axis: Axis, state: HostState, uuid: str, text: str) -> None:
    """What a write of `text` to ``unassign_...`` does; an id that is not assigned changes nothing.

    What the guest has left is not worked out anew: an adapter that was left out stays left out.

    Raises:
        OSError: EINVAL, ERANGE, ENODEV, EBUSY as for `assign`.
    """
    mdev, one = _addressed(state, uuid, axis, text)
    ids = IdSet((one,))
    taken = mdev.guest.meet(Matrix(ids, ALL_IDS) if axis is Axis.ADAPTER else Matrix(ALL_IDS, ids))
    config = mdev.config._replace(**{axis.value: getattr(mdev.config, axis) - ids})
    guest = without(
        mdev.guest,
        ids if axis is Axis.ADAPTER else NO_IDS,
        ids if axis is Axis.DOMAIN else NO_IDS,
    )
    state.set_mdev(uuid, mdev._replace(config=config, guest=guest))
    if axis is not Axis.CONTROL_DOMAIN:
        reset(state, taken.queues())  # what the guest did not have is not reset (vfio_ap_ops.c)


def configure(state: HostState, uuid: str, text: str) -> None:
    """What a write of `text` to ``ap_config`` does: all of it or nothing.

    Raises:
        OSError: EINVAL (not three masks), EADDRNOTAVAIL, EADDRINUSE as for `assign`, ENODEV (above the limits).
    """
    mdev, config = state.mdevs[uuid], written_ap_config(text)
    _check_claim(state, mdev, config)
    domain_ids = config.domains | config.control_domains
    if _highest(config.adapters) > state.hardware.max_adapter or _highest(domain_ids) > state.hardware.max_domain:
        raise refusal(ENODEV)
    state.set_mdev(uuid, mdev._replace(config=config))
    refilter(state, uuid)


def remove(state: HostState, uuid: str, text: str) -> None:
    """What a write of `text` to ``remove`` does: any number but 0 removes the device.

    Raises:
        OSError: EINVAL where `text` is no number.
        KernelBusy: a VM has the device open. Its attributes are gone at once and it is removed when the VM closes
            it; the real write blocks until then.
    """
    try:
        wanted = unsigned_long(text) != 0
    except OSError:
        raise refusal(EINVAL) from None
    if not wanted:
        return
    mdev = state.mdevs[uuid]
    state.generation += 1
    if mdev.running:
        state.set_mdev(uuid, mdev._replace(removing=True))
        raise KernelBusy(f"removing {uuid}, which a VM has open,", WRITE_SECONDS)
    reset(state, mdev.config.matrix.queues())
    state.set_mdev(uuid, None)


def open_by_vm(state: HostState, uuid: str) -> None:
    """A VM starts and opens device `uuid`.

    Raises:
        OSError: ENODEV where there is no such device, EBUSY where a VM has it open already.
    """
    mdev = _existing(state, uuid)
    if mdev.running:
        raise refusal(EBUSY, uuid)
    state.set_mdev(uuid, mdev._replace(running=True))


def close_by_vm(state: HostState, uuid: str) -> None:
    """The VM that has device `uuid` open ends; a removal that waits for that is completed.

    Raises:
        OSError: ENODEV where no VM has it open.
    """
    mdev = _existing(state, uuid)
    if not mdev.running:
        raise refusal(ENODEV, uuid)
    if mdev.removing:
        state.generation += 1
    reset(state, mdev.config.matrix.queues())
    state.set_mdev(uuid, None if mdev.removing else mdev._replace(running=False))


def status_of(state: HostState, queue: Queue) -> str:
    """What ``status`` of a queue that vfio_ap has says: ``unassigned``, ``assigned`` or ``in use``."""
    uuid = state.holders.of(queue)
    if uuid is None:
        return "unassigned"
    mdev = state.mdevs[uuid]
    seen = mdev.guest.has(queue) or not state.profile.effective_status
    return "in use" if mdev.running and seen else "assigned"


def _existing(state: HostState, uuid: str) -> Mdev:
    if uuid not in state.mdevs:
        raise refusal(ENODEV, uuid)
    return state.mdevs[uuid]


def _addressed(state: HostState, uuid: str, axis: Axis, text: str) -> tuple[Mdev, int]:
    mdev = state.mdevs[uuid]
    if mdev.running and not state.profile.over_provision:
        raise refusal(EBUSY)
    one = unsigned_long(text)
    hardware = state.hardware
    if one > (hardware.max_adapter if axis is Axis.ADAPTER else hardware.max_domain):
        raise refusal(ENODEV)
    return mdev, one


def _check_claim(state: HostState, mdev: Mdev, config: ApConfig) -> None:
    old, wanted = mdev.config.matrix, config.matrix
    taken = _hosts(state, wanted) if state.profile.over_provision else _unbound(state, old, wanted)
    if taken:
        raise refusal(EADDRNOTAVAIL)
    if state.holders.conflict(old, wanted):
        raise refusal(EADDRINUSE)


def _hosts(state: HostState, wanted: Matrix) -> bool:
    if not state.overridden:
        return wanted.overlaps(state.pool)
    return any(is_hosts(state, queue) for queue in wanted.queues())


def _unbound(state: HostState, old: Matrix, wanted: Matrix) -> bool:
    # Before 6.0 an absent queue cannot be assigned, nor an adapter or a domain that no bound queue has.
    domains = wanted.domains.bits
    if not domains:
        return not all(state.bound[adapter] for adapter in wanted.adapters - old.adapters)
    if not wanted.adapters:
        everywhere = 0
        for bits in state.bound:
            everywhere |= bits
        return bool((wanted.domains - old.domains).bits & ~everywhere)
    added = (wanted.domains - old.domains).bits
    return any((added if adapter in old.adapters else domains) & ~state.bound[adapter] for adapter in wanted.adapters)


def _highest(ids: IdSet) -> int:
    return ids.bits.bit_length() - 1
