"""The operations of one walk. They follow from its seed alone, never from what a host answers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kernel.walks import texts
from kernel.walks.chance import Chance
from kernel.walks.operations import (
    BUS,
    MATRIX,
    TYPE,
    BeginRemoval,
    Change,
    Close,
    EndRemoval,
    Open,
    Operation,
    Read,
    Write,
    device,
    mdev,
)
from kernel.walks.universe import ADAPTERS, CARDS, DOMAINS, QUEUES, UUIDS

VERSION: Final = 1
"""Counts up whenever the walk of some seed changes: walks that are kept tell which one made them."""

_MOODS: Final = ("masks", "devices", "devices", "hardware", "drivers", "machines", "overrides", "everything")
_MOOD_LENGTH: Final = 40
_DRIVERS: Final = ("cex4queue", "vfio_ap")
_TYPES: Final = ("CEX4", "CEX5", "CEX6", "CEX7", "CEX8")
_MODES: Final = ("cca", "ep11", "accelerator")
_REMOVALS: Final = ("1", "1", "1", "1\n", "2", "0x1", "01", "0", "", "-1", "x", "1 ")
_OVERRIDES: Final = ("vfio_ap", "vfio_ap", "vfio_ap\n", "cex4queue", "\n", "\n", "", "nonsense", "cex4card", "vfio_ap ")
_OTHER_NAMES: Final = ("card05", "05.0006", "5.4", "05.4", "05.0004 ", "", "\n", "vfio_ap", "0A.0004")
_READ_OF_BUS: Final = (
    "apmask", "aqmask", "bindings", "ap_domain", "ap_max_adapter_id", "ap_max_domain_id", "ap_control_domain_mask",
    "features", "poll_thread", "drivers_probe", "nothing",
)  # fmt: skip
_READ_OF_MDEV: Final = ("matrix", "guest_matrix", "control_domains", "ap_config", "remove", "assign_adapter", "uevent")
_READ_OF_CARD: Final = ("config", "online", "hwtype", "raw_hwtype", "type", "depth", "chkstop", "modalias", "load")
_READ_OF_QUEUE: Final = (
    "config",
    "online",
    "status",
    "driver_override",
    "chkstop",
    "interrupt",
    "uevent",
    "ap_functions",
)

_Maker = Callable[["_Walker"], Iterator[Operation]]


def walk(seed: int, count: int) -> Iterator[Operation]:
    """The first operations of the walk of `seed`.

    At least `count` of them, and then what it takes to leave no device open. Every start of a walk is the start of
    all longer ones, but for these last operations.
    """
    walker = _Walker(Chance(seed))
    done = 0
    while done < count:
        for operation in walker.mood():
            yield operation
            done += 1
    yield from walker.end()


class _Walker:
    """Makes operations. It remembers what it has asked for, not whether that was granted.

    A device that may be open is never removed by a plain write, which might block for ever. What may have been made
    or overridden is chosen more often than what has not: it gives the more telling answers.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._made: list[str] = []
        self._open: list[str] = []
        self._leaving: list[str] = []
        self._overridden: list[str] = []

    def mood(self) -> Iterator[Operation]:
        """Some operations of one kind and a few of others."""
        mood = self._chance.one_of(_MOODS)
        if mood == "overrides":
            yield from self._into_overrides()
        for _ in range(len(UUIDS) - len(self._made)):
            yield from self.create()
        for _ in range(10 + self._chance.below(_MOOD_LENGTH)):
            yield from self._chance.weighed(_WEIGHTS[mood])(self)
        if mood == "overrides":
            yield from self._out_of_overrides()

    def end(self) -> Iterator[Operation]:
        """Close what is open, and see removals to their end."""
        for uuid in UUIDS:
            yield from self._close(uuid)

    def write_mask(self) -> Iterator[Operation]:
        name, ids = self._chance.one_of((("apmask", ADAPTERS), ("aqmask", DOMAINS)))
        yield Write(f"{BUS}/{name}", texts.pool_mask(self._chance, ids))

    def create(self) -> Iterator[Operation]:
        new = [uuid for uuid in UUIDS if uuid not in self._made]
        uuid = self._chance.one_of(new if new and self._chance.happens(85) else UUIDS)
        text = texts.uuid(self._chance, uuid)
        yield Write(f"{TYPE}/create", text)
        if text.strip() == uuid and uuid not in self._made:
            self._made.append(uuid)

    def remove(self) -> Iterator[Operation]:
        free = [uuid for uuid in UUIDS if uuid not in self._open]
        if free:
            uuid, text = self._chance.one_of(free), self._chance.one_of(_REMOVALS)
            yield Write(mdev(uuid, "remove"), text)
            if text == "1":
                self._forget(uuid)

    def assign(self) -> Iterator[Operation]:
        axis, ids = self._chance.weighed(
            [(42, ("adapter", ADAPTERS)), (42, ("domain", DOMAINS)), (16, ("control_domain", (*DOMAINS, 0x48)))]
        )
        verb = self._chance.weighed([(65, "assign"), (35, "unassign")])
        limits = (texts.too_high("adapter" if axis == "adapter" else "domain"), 8)
        number = texts.number(self._chance, ids if self._chance.happens(95) else limits)
        yield Write(mdev(self._device(), f"{verb}_{axis}"), number)

    def configure(self) -> Iterator[Operation]:
        yield Write(mdev(self._device(), "ap_config"), texts.ap_config(self._chance))

    def read(self) -> Iterator[Operation]:
        chance = self._chance
        yield Read(
            chance.one_of(
                (
                    f"{BUS}/{chance.one_of(_READ_OF_BUS)}",
                    mdev(self._device(), chance.one_of(_READ_OF_MDEV)),
                    mdev(self._device(), chance.one_of(_READ_OF_MDEV)),
                    device(chance.one_of(CARDS), chance.one_of(_READ_OF_CARD)),
                    device(chance.one_of(QUEUES), chance.one_of(_READ_OF_QUEUE)),
                    f"{MATRIX}/features",
                )
            )
        )

    def change_hardware(self) -> Iterator[Operation]:
        yield Change(self._chance.weighed(_CHANGES)(self._chance))

    def scan(self) -> Iterator[Operation]:
        yield Write(f"{BUS}/scans", self._chance.one_of(("1", "1\n", "0", "x")))

    def configure_card(self) -> Iterator[Operation]:
        yield Write(device(self._chance.one_of(CARDS), "config"), texts.switch(self._chance))
        # At once, so that the kernel's own scans have no time to get in between.
        yield Write(f"{BUS}/scans", "1")

    def switch(self) -> Iterator[Operation]:
        name = self._chance.one_of((*CARDS, *QUEUES))
        yield Write(device(name, "online"), texts.switch(self._chance))

    def bind(self) -> Iterator[Operation]:
        files = [f"drivers/{driver}/{verb}" for driver in _DRIVERS for verb in ("bind", "unbind")]
        name = self._chance.one_of(_OTHER_NAMES) if self._chance.happens(8) else texts.name(self._chance, QUEUES)
        yield Write(f"{BUS}/{self._chance.one_of((*files, 'drivers_probe'))}", name)

    def rebind(self) -> Iterator[Operation]:
        queue = self._chance.one_of(QUEUES)
        yield Write(f"{BUS}/drivers/{self._chance.one_of(_DRIVERS)}/unbind", queue)
        verb = self._chance.one_of(("drivers_probe", "drivers_probe", "drivers/vfio_ap/bind", "drivers/cex4queue/bind"))
        yield Write(f"{BUS}/{verb}", queue)

    def override(self) -> Iterator[Operation]:
        queue = self._chance.one_of(QUEUES)
        yield Write(device(queue, "driver_override"), self._chance.one_of(_OVERRIDES))
        if queue not in self._overridden:
            self._overridden.append(queue)

    def choose_default_domain(self) -> Iterator[Operation]:
        yield Write(f"{BUS}/ap_domain", texts.number(self._chance, (*DOMAINS, 85)))

    def hold(self) -> Iterator[Operation]:
        """Open or close a device, or begin to remove an open one."""
        uuid = self._device()
        if uuid not in self._open:
            self._open.append(uuid)
            yield Open(uuid)
        elif uuid not in self._leaving and self._chance.happens(25):
            self._leaving.append(uuid)
            yield BeginRemoval(uuid)
        elif self._chance.happens(15):
            yield Open(uuid)
        else:
            yield from self._close(uuid)

    def _device(self) -> str:
        return self._chance.one_of(self._made if self._made and self._chance.happens(92) else UUIDS)

    def _forget(self, uuid: str) -> None:
        if uuid in self._made:
            self._made.remove(uuid)

    def _close(self, uuid: str) -> Iterator[Operation]:
        if uuid in self._open:
            self._open.remove(uuid)
            yield Close(uuid)
        if uuid in self._leaving:
            self._leaving.remove(uuid)
            self._forget(uuid)
            yield EndRemoval(uuid)

    def _into_overrides(self) -> Iterator[Operation]:
        # Overrides need masks of all ones, which need devices that hold nothing.
        for uuid in UUIDS:
            yield from self._close(uuid)
            self._forget(uuid)
            yield Write(mdev(uuid, "remove"), "1")
        for name in ("apmask", "aqmask"):
            yield Write(f"{BUS}/{name}", texts.ALL_ONES)

    def _out_of_overrides(self) -> Iterator[Operation]:
        while self._overridden:
            queue = self._overridden.pop()
            yield Write(device(queue, "driver_override"), "\n")
            yield Write(f"{BUS}/drivers/vfio_ap/unbind", queue)
            yield Write(f"{BUS}/drivers_probe", queue)


def _plug(chance: Chance) -> dict[str, object]:
    request = {"op": "plug", "adapter": chance.one_of(ADAPTERS), "type": chance.one_of(_TYPES)}
    state = [(85, {}), (10, {"configured": False}), (5, {"checkstopped": True})]
    return {**request, "mode": chance.one_of(_MODES), **chance.weighed(state)}


def _unplug(chance: Chance) -> dict[str, object]:
    return {"op": "unplug", "adapter": chance.one_of(ADAPTERS)}


def _set(chance: Chance) -> dict[str, object]:
    state = chance.one_of(("configured", "checkstopped"))
    return {"op": "set", "adapter": chance.one_of(ADAPTERS), state: chance.happens(60) is (state == "configured")}


def _domains(chance: Chance) -> dict[str, object]:
    usage, control = chance.some_of(DOMAINS), chance.some_of((*DOMAINS, 0x48))
    parts: Sequence[dict[str, object]] = ({"usage": usage}, {"control": control}, {"usage": usage, "control": control})
    return {"op": "domains", **chance.one_of(parts)}


def _restore(_: Chance) -> dict[str, object]:
    return {"op": "restore"}


_CHANGES: Final = ((30, _plug), (15, _unplug), (30, _set), (15, _domains), (10, _restore))

_RARE: Final[tuple[tuple[int, _Maker], ...]] = (
    (4, _Walker.read), (1, _Walker.choose_default_domain), (2, _Walker.write_mask), (1, _Walker.create),
    (1, _Walker.remove), (6, _Walker.assign), (3, _Walker.configure), (1, _Walker.change_hardware),
    (1, _Walker.rebind), (1, _Walker.hold),
)  # fmt: skip
_WEIGHTS: Final[dict[str, tuple[tuple[int, _Maker], ...]]] = {
    "masks": (*_RARE, (30, _Walker.write_mask)),
    "devices": (*_RARE, (3, _Walker.create), (3, _Walker.remove), (22, _Walker.assign), (12, _Walker.configure)),
    "hardware": (
        *_RARE, (20, _Walker.change_hardware), (4, _Walker.scan), (5, _Walker.configure_card), (5, _Walker.switch),
    ),
    "drivers": (*_RARE, (12, _Walker.bind), (10, _Walker.rebind), (3, _Walker.switch)),
    "machines": (*_RARE, (20, _Walker.hold), (8, _Walker.assign), (2, _Walker.create)),
    "overrides": (*_RARE, (20, _Walker.override), (16, _Walker.rebind), (5, _Walker.bind), (8, _Walker.assign)),
    "everything": (
        *_RARE, (4, _Walker.write_mask), (3, _Walker.change_hardware), (2, _Walker.hold), (3, _Walker.rebind),
        (2, _Walker.override), (2, _Walker.configure_card), (2, _Walker.switch),
    ),
}  # fmt: skip
