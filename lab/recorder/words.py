"""What the scenarios are written with: names, masks, and steps that come in many of them."""

from collections.abc import Callable
from typing import Final

from .recording import Recording
from .state import BUS, MATRIX, TYPE

A: Final = "00000000-0000-4000-8000-00000000000a"
B: Final = "00000000-0000-4000-8000-00000000000b"
C: Final = "00000000-0000-4000-8000-00000000000c"
"""Uuids of mediated devices."""

EMPTY: Final = f"0x{0:064x}"
"""The mask of nothing."""

Scenario = Callable[[Recording], None]
"""Records steps from a clean state on; its name and docstring go into the record."""


def mdev(uuid: str, attribute: str) -> str:
    """The path of an attribute of a mediated device."""
    return f"{MATRIX}/{uuid}/{attribute}"


def mask(*ids: int) -> str:
    """The full-length mask of `ids`; id 0 is leftmost."""
    return f"0x{sum(1 << 255 - one for one in ids):064x}"


def all_but(*ids: int) -> str:
    """The full-length mask of all ids but these."""
    return f"0x{(1 << 256) - 1 - int(mask(*ids), 16):064x}"


def create(rec: Recording, *uuids: str) -> None:
    """Create mediated devices."""
    for uuid in uuids:
        rec.write(f"{TYPE}/create", uuid)


def assign(rec: Recording, uuid: str, *pairs: tuple[str, str]) -> None:
    """Write to attributes of a mediated device: pairs of the attribute and the value."""
    for attribute, value in pairs:
        rec.write(mdev(uuid, attribute), value)


def give_away(rec: Recording, adapters: str = "", domains: str = "") -> None:
    """Take adapters and domains from the host's drivers: values for apmask and aqmask, none where empty."""
    if adapters:
        rec.write(f"{BUS}/apmask", adapters, settle=True)
    if domains:
        rec.write(f"{BUS}/aqmask", domains, settle=True)
