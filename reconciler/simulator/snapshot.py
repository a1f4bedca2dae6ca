"""A simulated host as a value that can be written as JSON, and back.

The value is complete: a host that comes back from it answers everything as the one that it was made from would.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.kernel.text_forms import parse_queue
from reconciler.model.codec import Codec, Form
from reconciler.model.ids import ID_COUNT, NO_IDS, IdSet, Uuid
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.strict_json import BadRecord
from reconciler.simulator.fields import id_list
from reconciler.simulator.hardware import CARD_TYPES, Card, Hardware, HardwareError, checked
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.profiles import PROFILES
from reconciler.simulator.state import (
    HOST_DRIVER,
    INSTANCES,
    VFIO_AP,
    CardDevice,
    HostState,
    Mdev,
    QueueDevice,
    Settings,
)


class Snapshot(NamedTuple):
    """Everything about a host; the fields are those of `HostState`, `kernel` is the name of its profile."""

    kernel: str
    hardware: Hardware
    initial: Hardware
    lpar: Matrix
    control: IdSet
    pool: Matrix
    cards: Mapping[int, CardDevice]
    queues: Mapping[Queue, QueueDevice]
    mdevs: Mapping[Uuid, Mdev]
    vfio_ap: bool
    settings: Settings
    scans: int
    completions: int
    lost_overrides: int
    delay: int | None


class SavedHost(NamedTuple):
    """A state file: a host, and the digest of the description that it was started from."""

    description_digest: str
    host: Snapshot


def snapshot_of(host: SimulatedHost) -> Snapshot:
    """Everything about `host`, as it is now."""
    state = host.state
    return Snapshot(
        kernel=state.profile.name,
        hardware=state.hardware,
        initial=state.initial,
        lpar=state.lpar,
        control=state.control,
        pool=state.pool,
        cards=dict(state.cards),
        queues=dict(state.queues),
        mdevs=dict(state.mdevs),
        vfio_ap=state.vfio_ap,
        settings=state.settings,
        scans=state.scans,
        completions=state.completions,
        lost_overrides=state.lost_overrides,
        delay=state.delay,
    )


def host_from(snapshot: Snapshot) -> SimulatedHost:
    """The host that `snapshot` was made from."""
    state = HostState(PROFILES[snapshot.kernel], snapshot.initial)
    state.hardware = snapshot.hardware
    state.lpar, state.control, state.pool = snapshot.lpar, snapshot.control, snapshot.pool
    state.vfio_ap, state.settings = snapshot.vfio_ap, snapshot.settings
    state.cards.update(snapshot.cards)
    for queue, device in snapshot.queues.items():
        state.set_queue(queue, device)
    for uuid, mdev in snapshot.mdevs.items():
        state.set_mdev(uuid, mdev)
    state.free_groups()
    state.scans, state.completions = snapshot.scans, snapshot.completions
    state.lost_overrides, state.delay = snapshot.lost_overrides, snapshot.delay
    return SimulatedHost.from_state(state)


def _check_snapshot(snapshot: Snapshot) -> None:
    """Refuse what no host can have been.

    Raises:
        BadRecord: its parts do not fit together.
    """
    if snapshot.kernel not in PROFILES:
        raise BadRecord(f"{snapshot.kernel[:20]!a} is none of {', '.join(PROFILES)}", "kernel")
    # Without a usage domain no card answers, so that none has a device.
    adapters = snapshot.lpar.adapters if snapshot.lpar.domains else NO_IDS
    if set(snapshot.cards) != set(adapters) or set(snapshot.queues) != set(snapshot.lpar.queues()):
        raise BadRecord("cards and queues are not those of the LPAR", "lpar")
    groups: set[int] = set()
    held: list[Matrix] = []
    for uuid, mdev in snapshot.mdevs.items():
        if reason := _doubt(mdev, groups, held):
            raise BadRecord(reason).within(uuid).within("mdevs")
        if not snapshot.vfio_ap:
            raise BadRecord("it cannot exist: the module is not loaded", "vfioAp")
        groups.add(mdev.group)
        held.append(mdev.config.matrix)


def _doubt(mdev: Mdev, groups: set[int], held: list[Matrix]) -> str:
    if mdev.group in groups:
        return "it has the group of another device"
    if mdev.group >= INSTANCES:
        return "it cannot exist: its group is out of range"
    if any(one.overlaps(mdev.config.matrix) for one in held):
        return "it has a queue of another device"
    guest_fits = mdev.guest.adapters <= mdev.config.adapters and mdev.guest.domains <= mdev.config.domains
    if not guest_fits or (mdev.removing and not mdev.running):
        return "it is in a state that no device can be in"
    return ""


def _check_hardware(hardware: Hardware) -> None:
    try:
        checked(hardware)
    except HardwareError as error:
        raise BadRecord(str(error)) from None


def _check_card(card: Card) -> None:
    if card.hwtype not in CARD_TYPES.values():
        raise BadRecord(f"{card.hwtype} is none of {', '.join(map(str, CARD_TYPES.values()))}", "hwtype")


def _check_queue(device: QueueDevice) -> None:
    if device.driver not in (None, HOST_DRIVER, VFIO_AP):
        raise BadRecord(f"{device.driver[:20]!a} is none of {HOST_DRIVER}, {VFIO_AP}", "driver")


def _check_settings(settings: Settings) -> None:
    if settings.domain is not None and settings.domain >= ID_COUNT:
        raise BadRecord("a domain is 0 to 255", "domain")


def _ids_text(ids: IdSet) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges())


SNAPSHOTS: Final = Codec(
    texts={
        IdSet: Form(_ids_text, lambda text: id_list(text.split(",") if text else ())),
        Queue: Form(str, parse_queue),
    },
    checks={
        Snapshot: _check_snapshot,
        Hardware: _check_hardware,
        Card: _check_card,
        QueueDevice: _check_queue,
        Settings: _check_settings,
    },
)
"""How the state file of a simulated host is read and written."""
