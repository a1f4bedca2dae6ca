"""The directories of cards, queues and mediated devices: which attributes there are, and their texts.

``/sys/devices/ap`` (ap_card.c, ap_queue.c, zcrypt_cex4.c, vfio_ap_drv.c) and ``/sys/devices/vfio_ap`` (vfio_ap_ops.c,
mdev_sysfs.c).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from reconciler.kernel.sysfs import PAGE
from reconciler.kernel.text_forms import UnknownText, ap_config_text, control_domains_text, matrix_text, parse_queue
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.simulator.ap_bus import (
    queues_of,
    write_card_config,
    write_card_online,
    write_override,
    write_queue_online,
)
from reconciler.simulator.hardware import CARD_TYPES, Card, Mode
from reconciler.simulator.kernel_profiles import Profile
from reconciler.simulator.mdevs import Axis, assign, configure, create, remove, status_of, unassign
from reconciler.simulator.nodes import (
    Attribute,
    Directory,
    Entry,
    File,
    Link,
    changing,
    constant,
    fixed,
    ignore,
    trigger,
    uevent,
)
from reconciler.simulator.state import (
    CARD_DRIVER,
    HOST_DRIVER,
    INSTANCES,
    VFIO_AP,
    HostState,
    Mdev,
    card_name,
    is_offline,
)

CardTable = Mapping[str, Attribute[int]]
QueueTable = Mapping[str, Attribute[Queue]]

_TYPE_NAMES: Final = {number: name for name, number in CARD_TYPES.items()}
_TYPE_LETTERS: Final = {Mode.CCA: "C", Mode.EP11: "P", Mode.ACCELERATOR: "A"}
_MODE_NAMES: Final = {Mode.CCA: "cca", Mode.EP11: "ep11", Mode.ACCELERATOR: "accel"}
_FUNCTIONS: Final = {Mode.CCA: 0xF2000000, Mode.EP11: 0xE6000000, Mode.ACCELERATOR: 0xEA000000}
_NO_KEYS: Final = "".join(
    f"{kind} {which}: - -\n" for kind in ("AES", "APKA", "ASYM") for which in ("NEW", "CUR", "OLD")
)


def card_table(profile: Profile, mode: Mode) -> CardTable:
    """The attributes of a card in `mode`."""
    table: dict[str, Attribute[int]] = {
        "ap_functions": Attribute(0o444, _card_functions),
        "config": Attribute(0o644, _card_config, write_card_config),
        "depth": Attribute(0o444, _depth),
        "hwtype": Attribute(0o444, _hwtype),
        "load": Attribute(0o444, _card_pending),
        "max_msg_size": Attribute(0o444, lambda *_: "12288\n"),
        "modalias": Attribute(0o444, _modalias),
        "online": Attribute(0o644, _card_online, write_card_online),
        "pendingq_count": Attribute(0o444, _card_pending),
        "raw_hwtype": Attribute(0o444, _hwtype),
        "request_count": Attribute(0o644, _card_pending, ignore),
        "requestq_count": Attribute(0o444, _zero),
        "type": Attribute(0o444, _type),
        "uevent": Attribute(0o644, _card_uevent, ignore),
    }
    if profile.card_chkstop:
        table["chkstop"] = Attribute(0o444, _card_chkstop)
    if mode is Mode.CCA:
        table["serialnr"] = Attribute(0o444, lambda *_: "\n")
    return table


def queue_tables(profile: Profile, mode: Mode) -> dict[str | None, QueueTable]:
    """The attributes of a queue of a card in `mode`, by the driver that has it; None for no driver."""
    table: dict[str, Attribute[Queue]] = {
        "chkstop": Attribute(0o444, _queue_chkstop),
        "config": Attribute(0o444, _queue_config),
        "interrupt": Attribute(0o444, lambda *_: "Interrupts disabled.\n"),
        "pendingq_count": Attribute(0o444, _queue_pending),
        "request_count": Attribute(0o644, _queue_pending, ignore),
        "requestq_count": Attribute(0o444, _zero),
        "reset": Attribute(0o644, lambda *_: "No Reset Timer set.\n", ignore),
        "uevent": Attribute(0o644, _queue_uevent, ignore),
    }
    if profile.queue_functions:
        table["ap_functions"] = Attribute(0o444, _queue_functions)
    if profile.driver_override:
        table["driver_override"] = Attribute(0o644, _override, write_override)
    host: dict[str, Attribute[Queue]] = {
        "load": Attribute(0o444, _queue_pending),
        "online": Attribute(0o644, _queue_online, write_queue_online),
    }
    if mode is Mode.CCA:
        host["mkvps"] = Attribute(0o444, lambda *_: _NO_KEYS)
    return {None: table, HOST_DRIVER: table | host, VFIO_AP: table | {"status": Attribute(0o444, _status)}}


def _flag(value: bool) -> str:
    return "1\n" if value else "0\n"


def _zero(_state: HostState, _key: object) -> str:
    return "0\n"


def _card(state: HostState, adapter: int) -> Card:
    return state.cards[adapter].card


def _card_functions(state: HostState, adapter: int) -> str:
    return f"0x{_FUNCTIONS[_card(state, adapter).mode]:08X}\n"


def _card_config(state: HostState, adapter: int) -> str:
    return _flag(_card(state, adapter).configured)


def _card_chkstop(state: HostState, adapter: int) -> str:
    return _flag(_card(state, adapter).checkstopped)


def _card_online(state: HostState, adapter: int) -> str:
    return _flag(not is_offline(state.cards[adapter], state.profile))


def _card_pending(state: HostState, adapter: int) -> str:
    return f"{sum(state.queues[queue].pending for queue in queues_of(state, adapter))}\n"


def _card_uevent(state: HostState, adapter: int) -> str:
    card = _card(state, adapter)
    kind, mode = f"DEV_TYPE={card.hwtype:04X}\nMODALIAS={_modalias(state, adapter)}", _MODE_NAMES[card.mode]
    return f"DEVTYPE=ap_card\nDRIVER={CARD_DRIVER}\n{kind}MODE={mode}\n"


def _depth(state: HostState, adapter: int) -> str:
    depth = _card(state, adapter).depth
    return f"{depth if state.profile.depth_counts_from_one else depth - 1}\n"


def _hwtype(state: HostState, adapter: int) -> str:
    return f"{_card(state, adapter).hwtype}\n"


def _modalias(state: HostState, adapter: int) -> str:
    return f"ap:t{_card(state, adapter).hwtype:02X}\n"


def _type(state: HostState, adapter: int) -> str:
    card = _card(state, adapter)
    return f"{_TYPE_NAMES[card.hwtype]}{_TYPE_LETTERS[card.mode]}\n"


def _queue_chkstop(state: HostState, queue: Queue) -> str:
    return _flag(state.queues[queue].checkstopped)


def _queue_config(state: HostState, queue: Queue) -> str:
    return _flag(state.queues[queue].configured)


def _queue_functions(state: HostState, queue: Queue) -> str:
    return _card_functions(state, queue.adapter)


def _queue_online(state: HostState, queue: Queue) -> str:
    return _flag(not is_offline(state.queues[queue], state.profile))


def _queue_pending(state: HostState, queue: Queue) -> str:
    return f"{state.queues[queue].pending}\n"


def _queue_uevent(state: HostState, queue: Queue) -> str:
    driver = state.queues[queue].driver
    bound = f"DRIVER={driver}\n" if driver else ""
    return f"DEVTYPE=ap_queue\n{bound}MODE={_MODE_NAMES[_card(state, queue.adapter).mode]}\n"


def _override(state: HostState, queue: Queue) -> str:
    return f"{state.queues[queue].override}\n"


def _status(state: HostState, queue: Queue) -> str:
    return f"{status_of(state, queue)}\n"


_CARD_PREFIX: Final = "card"
_CARD_LINKS: Final = {
    "driver": Link(f"../../../bus/ap/drivers/{CARD_DRIVER}"),
    "subsystem": Link("../../../bus/ap"),
}
_QUEUE_SUBSYSTEM: Final = Link("../../../../bus/ap")
_QUEUE_DRIVERS: Final = {driver: Link(f"../../../../bus/ap/drivers/{driver}") for driver in (HOST_DRIVER, VFIO_AP)}


class ApDirectories:
    """``/sys/devices/ap``: the cards, each with its queues. What is in a queue's depends on its driver."""

    def __init__(self, state: HostState) -> None:
        """The directories of the devices that `state` has at the time of each look."""
        self._state = state
        self._card_tables = {mode: card_table(state.profile, mode) for mode in Mode}
        self._queue_tables = {mode: queue_tables(state.profile, mode) for mode in Mode}

    def top(self) -> Directory:
        """``/sys/devices/ap`` itself."""
        return Directory(lambda: [*map(card_name, self._state.cards), "uevent"], self._find)

    def _find(self, name: str) -> Entry | None:
        if name == "uevent":
            return uevent(lambda: "")
        adapter = present_card(self._state, name)
        if adapter is None:
            return None
        return Directory(partial(self._names_in_card, adapter), partial(self._find_in_card, adapter))

    def _names_in_card(self, adapter: int) -> list[str]:
        table = self._card_tables[self._state.cards[adapter].card.mode]
        return [*map(str, queues_of(self._state, adapter)), *table, *_CARD_LINKS]

    def _find_in_card(self, adapter: int, name: str) -> Entry | None:
        attribute = self._card_tables[self._state.cards[adapter].card.mode].get(name)
        if attribute:
            return attribute.file(self._state, adapter)
        if name in _CARD_LINKS:
            return _CARD_LINKS[name]
        queue = present_queue(self._state, name)
        if queue is None or queue.adapter != adapter:
            return None
        tables = self._queue_tables[self._state.cards[adapter].card.mode]
        return Directory(partial(self._names_in_queue, tables, queue), partial(self._find_in_queue, tables, queue))

    def _names_in_queue(self, tables: dict[str | None, QueueTable], queue: Queue) -> list[str]:
        driver = self._state.queues[queue].driver
        return [*tables[driver], "subsystem", *(["driver"] if driver else [])]

    def _find_in_queue(self, tables: dict[str | None, QueueTable], queue: Queue, name: str) -> Entry | None:
        driver = self._state.queues[queue].driver
        attribute = tables[driver].get(name)
        if attribute:
            return attribute.file(self._state, queue)
        if name == "driver":
            return _QUEUE_DRIVERS[driver] if driver else None
        return _QUEUE_SUBSYSTEM if name == "subsystem" else None


def present_queue(state: HostState, name: str) -> Queue | None:
    """The queue whose device has this name."""
    try:
        queue = parse_queue(name)
    except UnknownText:
        return None
    return queue if queue in state.queues else None


def present_card(state: HostState, name: str) -> int | None:
    """The adapter whose card's device has this name."""
    if not name.startswith(_CARD_PREFIX):
        return None
    return next((adapter for adapter in state.cards if card_name(adapter) == name), None)


def device_path(state: HostState, name: str) -> str | None:
    """Where the device of this name is below the sysfs root: a card or a queue."""
    if present_card(state, name) is not None:
        return f"devices/ap/{name}"
    queue = present_queue(state, name)
    return f"devices/ap/{card_name(queue.adapter)}/{name}" if queue else None


_LINES: Final = PAGE // len("05.0004\n")
_LINKS: Final = {
    "driver": Link("../../../../bus/mdev/drivers/vfio_ap_mdev"),
    "mdev_type": Link("../mdev_supported_types/vfio_ap-passthrough"),
    "subsystem": Link("../../../../bus/mdev"),
}
_GROUP: Final = "iommu_group"
_VFIO_DEVICES: Final = "vfio-dev"


def vfio_ap_directory(state: HostState) -> Directory:
    """``/sys/devices/vfio_ap``: the parent of all mediated devices, with them in it."""
    table = mdev_table(state.profile)
    parent: dict[str, Entry] = {
        "driver": Link("../../../bus/matrix/drivers/vfio_ap"),
        "mdev_supported_types": fixed({"vfio_ap-passthrough": _type_directory(state)}),
        "subsystem": Link("../../../bus/matrix"),
        "uevent": uevent(lambda: "DRIVER=vfio_ap\n"),
    }
    if state.profile.features:
        parent["features"] = constant("guest_matrix hotplug ap_config\n")

    def find(name: str) -> Entry | None:
        return parent.get(name) or (_mdev_directory(state, table, name) if name in state.mdevs else None)

    matrix = Directory(lambda: [*parent, *state.mdevs], find)
    return fixed({"matrix": matrix, "uevent": uevent(lambda: "")})


def mdev_links(state: HostState, start: str) -> Directory:
    """A directory of links, each `start` and a uuid, to the mediated devices that are not being removed."""

    def find(name: str) -> Entry | None:
        mdev = state.mdevs.get(name)
        return Link(f"{start}{name}") if mdev and not mdev.removing else None

    return Directory(lambda: [uuid for uuid, mdev in state.mdevs.items() if not mdev.removing], find)


def iommu_groups(state: HostState) -> Directory:
    """``/sys/kernel/iommu_groups``: one for every mediated device."""

    def group(uuid: str) -> Directory:
        device = Link(f"../../../../devices/vfio_ap/matrix/{uuid}")
        return fixed(
            {"devices": fixed({uuid: device}), "reserved_regions": constant(""), "type": constant("unknown\n")}
        )

    return changing(lambda: {str(mdev.group): group(uuid) for uuid, mdev in state.mdevs.items()})


def mdev_table(profile: Profile) -> Mapping[str, Attribute[str]]:
    """The attributes of a mediated device."""
    table: dict[str, Attribute[str]] = {
        "control_domains": _shown(lambda mdev: control_domains_text(mdev.config.control_domains)),
        "matrix": _shown(lambda mdev: _page(mdev.config.matrix)),
        "remove": Attribute(0o200, None, remove),
        "uevent": Attribute(0o644, lambda *_: "DRIVER=vfio_ap_mdev\n", ignore),
    }
    for axis in Axis:
        name = axis.name.lower()
        table[f"assign_{name}"] = Attribute(0o200, None, partial(assign, axis))
        table[f"unassign_{name}"] = Attribute(0o200, None, partial(unassign, axis))
    if profile.over_provision:
        table["guest_matrix"] = _shown(lambda mdev: _page(mdev.guest))
    if profile.ap_config:
        shown = _shown(lambda mdev: f"{ap_config_text(mdev.config)}\n")
        table["ap_config"] = shown._replace(permissions=0o644, store=configure)
    return table


def _shown(text: Callable[[Mdev], str]) -> Attribute[str]:
    return Attribute(0o444, lambda state, uuid: text(state.mdevs[uuid]))


def _type_directory(state: HostState) -> Directory:
    return fixed(
        {
            "available_instances": File(0o444, lambda: f"{INSTANCES - len(state.mdevs)}\n"),
            "create": File(0o200, None, partial(create, state)),
            "device_api": constant("vfio-ap\n"),
            "devices": mdev_links(state, "../../../"),
            "name": constant("VFIO AP Passthrough Device\n"),
        }
    )


def _mdev_directory(state: HostState, table: Mapping[str, Attribute[str]], uuid: str) -> Directory:
    mdev = state.mdevs[uuid]
    group = Link(f"../../../../kernel/iommu_groups/{mdev.group}")
    if mdev.removing:
        return fixed({_GROUP: group})
    devices = [_VFIO_DEVICES] if state.profile.vfio_devices else []

    def find(name: str) -> Entry | None:
        attribute = table.get(name)
        if attribute:
            return attribute.file(state, uuid)
        if name in devices:
            return _vfio_devices(uuid, mdev.group)
        return group if name == _GROUP else _LINKS.get(name)

    return Directory(lambda: [_GROUP, *_LINKS, *table, *devices], find)


def _vfio_devices(uuid: str, number: int) -> Directory:
    device: dict[str, Entry] = {
        "dev": constant(f"511:{number}\n"),
        "device": Link(f"../../../{uuid}"),
        "uevent": trigger(),
    }
    return fixed({f"vfio{number}": fixed(device)})


def _page(matrix: Matrix) -> str:
    # A read gives one page at most: of a large matrix only the adapters that fit are worth writing out.
    if matrix.size <= _LINES:
        return matrix_text(matrix)
    count = -(-_LINES // len(matrix.domains))
    return matrix_text(Matrix(IdSet(list(matrix.adapters)[:count]), matrix.domains))
