"""A simulated host as a plain value that can be written as JSON, and back.

The value is complete: a host that comes back from it answers everything as the one that it was made from would.
"""

import re
from typing import Any, Final

from reconciler.kernel.text_forms import parse_queue
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig, Matrix, Queue
from reconciler.simulator.fields import FieldError, Fields, hwtype_of, id_of, mode_of, one_of
from reconciler.simulator.hardware import CARD_TYPES, Card, Hardware, checked
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

FORMAT_VERSION: Final = 1

_TYPE_NAMES: Final = {number: name for name, number in CARD_TYPES.items()}
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DRIVERS: Final[dict[str, str | None]] = {"": None, HOST_DRIVER: HOST_DRIVER, VFIO_AP: VFIO_AP}
_TOP: Final = (
    "formatVersion",
    "kernel",
    "hardware",
    "initialHardware",
    "lpar",
    "pool",
    "cards",
    "queues",
    "mdevs",
    "vfioAp",
    "settings",
    "scans",
    "completions",
    "lostOverrides",
    "bindingDelay",
)
_HARDWARE: Final = ("maxAdapter", "maxDomain", "adapters", "usageDomains", "controlDomains")
_CARD: Final = ("id", "type", "mode", "configured", "checkstopped", "depth")
_QUEUE: Final = ("queue", "driver", "configured", "checkstopped", "online", "override", "pending", "awaits", "unreset")
_CONFIG: Final = ("adapters", "domains", "controlDomains")
_MDEV: Final = ("uuid", "group", "config", "guest", "running", "removing")
_SETTINGS: Final = ("domain", "configTime", "pollThread", "pollTimeout")


def snapshot_of(host: SimulatedHost) -> dict[str, Any]:
    """Everything about `host` as a value of mappings, lists, texts, numbers and truth values."""
    state = host.state
    return {
        "formatVersion": FORMAT_VERSION,
        "kernel": state.profile.name,
        "hardware": _hardware_value(state.hardware),
        "initialHardware": _hardware_value(state.initial),
        "lpar": _config_value(ApConfig(*state.lpar, state.control)),
        "pool": _matrix_value(state.pool),
        "cards": [
            {**_card_value(adapter, device.card), "online": device.online} for adapter, device in state.cards.items()
        ],
        "queues": [_queue_value(queue, device) for queue, device in state.queues.items()],
        "mdevs": [_mdev_value(uuid, mdev) for uuid, mdev in state.mdevs.items()],
        "vfioAp": state.vfio_ap,
        "settings": dict(zip(_SETTINGS, [state.settings.domain + 1, *state.settings[1:]], strict=True)),
        "scans": state.scans,
        "completions": state.completions,
        "lostOverrides": state.lost_overrides,
        "bindingDelay": "never" if state.delay is None else state.delay,
    }


def host_from(snapshot: object) -> SimulatedHost:
    """The host that `snapshot`, a value from `snapshot_of`, was made from.

    Raises:
        ValueError: it is no such value, or not of `FORMAT_VERSION`; a `FieldError` says where.
    """
    version = snapshot.get("formatVersion") if isinstance(snapshot, dict) else None
    if version != FORMAT_VERSION:
        raise FieldError(("formatVersion",), f"this program reads version {FORMAT_VERSION}, not {version!r}")
    fields = Fields(snapshot, _TOP).complete()
    state = HostState(fields.get("kernel", one_of(PROFILES)), _hardware(fields, "initialHardware"))
    state.hardware = _hardware(fields, "hardware")
    lpar = _config(fields.below("lpar", _CONFIG))
    state.lpar, state.control = lpar.matrix, lpar.control_domains
    state.pool = _matrix(fields.below("pool", _CONFIG[:2]))
    state.vfio_ap = fields.truth("vfioAp")
    _fill_devices(state, fields)
    _fill_mdevs(state, fields)
    state.settings = _settings(fields.below("settings", _SETTINGS))
    state.scans, state.completions = fields.number("scans"), fields.number("completions")
    state.lost_overrides = fields.number("lostOverrides")
    never = fields.get("bindingDelay", lambda value: value == "never")
    state.delay = None if never else fields.number("bindingDelay")
    return SimulatedHost.from_state(state)


def _ids_value(ids: IdSet) -> list[str]:
    return [str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges()]


def _matrix_value(matrix: Matrix) -> dict[str, Any]:
    return {"adapters": _ids_value(matrix.adapters), "domains": _ids_value(matrix.domains)}


def _config_value(config: ApConfig) -> dict[str, Any]:
    return {**_matrix_value(config.matrix), "controlDomains": _ids_value(config.control_domains)}


def _hardware_value(hardware: Hardware) -> dict[str, Any]:
    return {
        "maxAdapter": hardware.max_adapter,
        "maxDomain": hardware.max_domain,
        "adapters": [_card_value(adapter, card) for adapter, card in hardware.cards.items()],
        "usageDomains": _ids_value(hardware.usage),
        "controlDomains": _ids_value(hardware.control),
    }


def _card_value(adapter: int, card: Card) -> dict[str, Any]:
    return dict(zip(_CARD, [adapter, _TYPE_NAMES[card.hwtype], str(card.mode), *card[2:]], strict=True))


def _queue_value(queue: Queue, device: QueueDevice) -> dict[str, Any]:
    return dict(zip(_QUEUE, [str(queue), device.driver or "", *device[1:]], strict=True))


def _mdev_value(uuid: str, mdev: Mdev) -> dict[str, Any]:
    config, guest = _config_value(mdev.config), _matrix_value(mdev.guest)
    return dict(zip(_MDEV, [uuid, mdev.group, config, guest, mdev.running, mdev.removing], strict=True))


def _matrix(fields: Fields) -> Matrix:
    return Matrix(fields.ids("adapters"), fields.ids("domains"))


def _config(fields: Fields) -> ApConfig:
    return ApConfig(fields.ids("adapters"), fields.ids("domains"), fields.ids("controlDomains"))


def _hardware(top: Fields, key: str) -> Hardware:
    fields = top.below(key, _HARDWARE).complete()
    cards = {one.get("id", id_of): _card(one) for one in fields.each("adapters", _CARD)}
    hardware = Hardware(
        max_adapter=fields.number("maxAdapter"),
        max_domain=fields.number("maxDomain"),
        cards=cards,
        usage=fields.ids("usageDomains"),
        control=fields.ids("controlDomains"),
    )
    return top.get(key, lambda _: checked(hardware))


def _card(fields: Fields) -> Card:
    return Card(
        hwtype=fields.get("type", hwtype_of),
        mode=fields.get("mode", mode_of),
        configured=fields.truth("configured"),
        checkstopped=fields.truth("checkstopped"),
        depth=fields.number("depth"),
    )


def _settings(fields: Fields) -> Settings:
    # A host without a default domain has -1, which is no number of this format: it is kept one higher.
    domain, *rest = (fields.number(key) for key in _SETTINGS)
    return Settings(domain - 1, *rest)


def _fill_devices(state: HostState, fields: Fields) -> None:
    for one in fields.each("cards", (*_CARD, "online")):
        state.cards[one.get("id", id_of)] = CardDevice(_card(one), one.truth("online"))
    for one in fields.each("queues", _QUEUE):
        queue = one.get("queue", lambda value: parse_queue(str(value)))
        if queue.adapter not in state.cards or queue in state.queues:
            raise FieldError(one.place, f"queue {queue} has no card or is there twice")
        state.set_queue(queue, _queue_device(one))
    # Without a usage domain no card answers, so that none has a device.
    cards = state.lpar.adapters if state.lpar.domains else NO_IDS
    if IdSet(state.cards) != cards or set(state.queues) != set(state.lpar.queues()):
        raise FieldError(("lpar",), "cards and queues are not those of the LPAR")


def _queue_device(fields: Fields) -> QueueDevice:
    return QueueDevice(
        driver=_DRIVERS[fields.get("driver", one_of({name: name for name in _DRIVERS}))],
        configured=fields.truth("configured"),
        checkstopped=fields.truth("checkstopped"),
        online=fields.truth("online"),
        override=fields.text("override"),
        pending=fields.number("pending"),
        awaits=fields.truth("awaits"),
        unreset=fields.truth("unreset", default=False),  # snapshots of earlier versions lack it
    )


def _fill_mdevs(state: HostState, fields: Fields) -> None:
    groups: set[int] = set()
    for one in fields.each("mdevs", _MDEV):
        uuid = one.text("uuid")
        mdev = Mdev(
            group=one.number("group"),
            config=_config(one.below("config", _CONFIG)),
            guest=_matrix(one.below("guest", _CONFIG[:2])),
            running=one.truth("running"),
            removing=one.truth("removing"),
        )
        reason = "has the group of another device" if mdev.group in groups else _doubt(state, uuid, mdev)
        if reason:
            raise FieldError(one.place, f"mediated device {uuid} {reason}")
        groups.add(mdev.group)
        state.set_mdev(uuid, mdev)
    state.free_groups()


def _doubt(state: HostState, uuid: str, mdev: Mdev) -> str:
    if not _UUID.fullmatch(uuid) or uuid in state.mdevs:
        return "has no uuid of its own"
    if not state.vfio_ap or mdev.group >= INSTANCES:
        return "cannot exist: the module is not loaded or its group is out of range"
    if state.holders.conflict(EMPTY_MATRIX, mdev.config.matrix):
        return "has a queue of another device"
    guest_fits = mdev.guest.adapters <= mdev.config.adapters and mdev.guest.domains <= mdev.config.domains
    if not guest_fits or (mdev.removing and not mdev.running):
        return "is in a state that no device can be in"
    return ""
