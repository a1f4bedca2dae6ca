"""What matters of the AP world, read from sysfs."""

import glob
import os
from collections.abc import Callable
from typing import Final

BUS: Final = "/sys/bus/ap"
MATRIX: Final = "/sys/devices/vfio_ap/matrix"
TYPE: Final = f"{MATRIX}/mdev_supported_types/vfio_ap-passthrough"
MDEVS: Final = "/sys/bus/mdev/devices"

_BUS_FILES: Final = (
    "apmask", "aqmask", "ap_adapter_mask", "ap_usage_domain_mask", "ap_control_domain_mask", "bindings",
)  # fmt: skip
_CARD_FILES: Final = ("config", "online", "chkstop", "driver_override")
_QUEUE_FILES: Final = ("in_use", "status")
_MDEV_FILES: Final = ("matrix", "guest_matrix", "control_domains", "ap_config")

Reader = Callable[[str], str | None]

State = dict[str, str | None]
"""Texts by a short name, for example ``05.0004/driver``; None for what cannot be read or is not there."""


def text_of(path: str) -> str | None:
    """The text of a file; None if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    # A state has a hundred texts, and open() takes three times as long on an emulated CPU.
    try:
        return os.read(descriptor, 65536).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def state(read: Reader = text_of) -> State:
    """The present state; `read` gives the text of a file, as `text_of` does."""
    values: State = {name: read(f"{BUS}/{name}") for name in _BUS_FILES}
    values["available_instances"] = read(f"{TYPE}/available_instances")
    for path in glob.glob(f"{BUS}/devices/*"):
        name = os.path.basename(path)
        values[f"{name}/driver"] = _driver(path)
        values |= _texts(read, path, _CARD_FILES if name.startswith("card") else _CARD_FILES + _QUEUE_FILES)
    for path in glob.glob(f"{MDEVS}/*"):
        values |= _texts(read, path, _MDEV_FILES)
    return values


def changes(before: State, after: State) -> State:
    """The parts of `after` that differ from `before`; None for what is gone."""
    return {key: after.get(key) for key in sorted({*before, *after}) if after.get(key) != before.get(key)}


def _texts(read: Reader, directory: str, names: tuple[str, ...]) -> State:
    texts = {f"{os.path.basename(directory)}/{name}": read(f"{directory}/{name}") for name in names}
    return {name: text for name, text in texts.items() if text is not None}


def _driver(device: str) -> str | None:
    try:
        return os.path.basename(os.readlink(f"{device}/driver"))
    except OSError:
        return None
