"""Where things are below the sysfs root (docs/kernel-rules.md, "The tree")."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reconciler.model.matrix import Queue

DEFAULT_SYSFS: Final = "/sys"
"""The sysfs root of this machine."""

SYSINFO: Final = "proc/sysinfo"
"""Of this machine it is below the root of the file system; a simulated host has it below the sysfs root."""

AP_BUS: Final = "bus/ap"
APMASK: Final = f"{AP_BUS}/apmask"
AQMASK: Final = f"{AP_BUS}/aqmask"
BINDINGS: Final = f"{AP_BUS}/bindings"
AP_DEVICES: Final = f"{AP_BUS}/devices"
MATRIX: Final = "devices/vfio_ap/matrix"
MDEV_TYPE: Final = f"{MATRIX}/mdev_supported_types/vfio_ap-passthrough"
CREATE: Final = f"{MDEV_TYPE}/create"


def mdev(uuid: str) -> str:
    """The directory of a mediated device."""
    return f"{MATRIX}/{uuid}"


def card(adapter: int) -> str:
    """The directory of an adapter, 0 to 255."""
    return f"devices/ap/card{adapter:02x}"


def queue(one: "Queue") -> str:
    """The directory of a queue."""
    return f"{card(one.adapter)}/{one}"
