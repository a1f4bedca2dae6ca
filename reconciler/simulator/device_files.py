"""The directories of cards and queues: ``/sys/devices/ap`` (ap_card.c, ap_queue.c)."""

from functools import partial
from typing import Final

from reconciler.kernel.text_forms import UnknownText, parse_queue
from reconciler.model.matrix import Queue
from reconciler.simulator.ap_bus import queues_of
from reconciler.simulator.attributes import QueueTable, card_table, queue_tables
from reconciler.simulator.devices import CARD_DRIVER, HOST_DRIVER, VFIO_AP, card_name
from reconciler.simulator.hardware import Mode
from reconciler.simulator.nodes import Directory, Entry, Link, uevent
from reconciler.simulator.state import HostState

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
