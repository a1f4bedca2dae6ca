"""What a walk consists of: one thing done to a host at a time."""

from collections.abc import Mapping
from typing import Final, NamedTuple

BUS: Final = "/sys/bus/ap"
MATRIX: Final = "/sys/devices/vfio_ap/matrix"
TYPE: Final = f"{MATRIX}/mdev_supported_types/vfio_ap-passthrough"


class Write(NamedTuple):
    """One write(2) of `value` to `path`."""

    path: str
    value: str


class Read(NamedTuple):
    """One read of `path`."""

    path: str


class Change(NamedTuple):
    """A request to the emulated hardware (see the lab's README), then a scan."""

    request: Mapping[str, object]


class Open(NamedTuple):
    """A stand-in for a VM opens device `uuid`."""

    uuid: str


class Close(NamedTuple):
    """The stand-in that opened device `uuid` closes it."""

    uuid: str


class BeginRemoval(NamedTuple):
    """Somebody writes to ``remove`` of device `uuid`, which a VM may have open, and may have to wait."""

    uuid: str


class EndRemoval(NamedTuple):
    """The removal of device `uuid` that was begun comes to its end."""

    uuid: str


Operation = Write | Read | Change | Open | Close | BeginRemoval | EndRemoval
"""One step of a walk. None of them depends on what the steps before have led to."""


def mdev(uuid: str, attribute: str) -> str:
    """The path of an attribute of a mediated device."""
    return f"{MATRIX}/{uuid}/{attribute}"


def device(name: str, attribute: str) -> str:
    """The path of an attribute of a card or queue."""
    return f"{BUS}/devices/{name}/{attribute}"
