"""Mediated devices: making them, and what their attributes accept."""

import os
from typing import Final

from .recording import Recording
from .state import BUS, MATRIX, MDEVS, TYPE
from .words import A, B, C, Scenario, assign, create, give_away, mdev

_DIRECTORIES: Final = (
    BUS, f"{BUS}/drivers", f"{BUS}/devices", MATRIX, f"{MATRIX}/mdev_supported_types", TYPE, "/sys/bus/matrix",
    "/sys/bus/matrix/devices", "/sys/bus/matrix/drivers", "/sys/bus/mdev", "/sys/bus/mdev/drivers",
    "/sys/class/mdev_bus", "/sys/devices/ap", "/sys/devices/ap/card05", "/sys/devices/ap/card05/05.0004",
    "/sys/bus/ap/drivers/vfio_ap", "/sys/module/vfio_ap", "/sys/module/ap/parameters",
)  # fmt: skip
_READ: Final = (
    BUS, MATRIX, TYPE, "/sys/devices/ap/card05", "/sys/devices/ap/card05/05.0004", "/sys/module/ap/parameters",
    "/sys/bus/matrix/drivers/vfio_ap", "/sys/bus/ap/drivers/vfio_ap",
)  # fmt: skip
_NO_UUIDS: Final = (
    "", "\n", "x", "garbage", A[:-1], f"{A}0", A.replace("-", ""), f"{{{C}}}", f" {C}", f"{C} ", f"{C}\n\n",
    f"{C[:-1]}g", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
_NUMBERS: Final = (
    "5", "5\n", "0x05", "0X5", "05", "0o5", "0b101", "+5", "-5", "-1", "-0", " 5", "5 ", "\t5", "5\n\n", "5\0", "",
    "\n", " ", "garbage", "5x", "x5", "5,6", "5-6", "5 6", "5.0", "0", "0x", "0xa", "a", "08", "010", "0x47", "71",
    "83", "84", "85", "254", "255", "0xff", "256", "0x100", "65536", "4294967295", "4294967301",
    "18446744073709551615", "18446744073709551621", "99999999999999999999999",
)  # fmt: skip


def defaults(rec: Recording) -> None:
    """What is there after boot."""
    for path in _DIRECTORIES:
        rec.listing(path)
    for directory in _READ:
        _read_all(rec, directory)
    create(rec, A)
    rec.listing(f"{MATRIX}/{A}")
    rec.listing(MDEVS)
    rec.listing(f"{TYPE}/devices")
    _read_all(rec, f"{MATRIX}/{A}")


def _read_all(rec: Recording, directory: str) -> None:
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and not os.path.islink(path) and os.stat(path).st_mode & 0o444:
            rec.read(path)


def create_remove(rec: Recording) -> None:
    """Creating and removing mediated devices."""
    rec.read(f"{TYPE}/available_instances")
    create(rec, A)
    rec.read(f"{TYPE}/available_instances")
    create(rec, A, f"{B}\n", "ABCDEFAB-0000-4000-8000-00000000000C", *_NO_UUIDS)
    rec.listing(f"{TYPE}/devices")
    rec.listing(MDEVS)
    for value in ("", "0", "garbage", "-1", "2", "1\n", "1"):
        rec.write(mdev(A, "remove"), value)
    rec.write(mdev(B, "remove"), "0x1")
    rec.write(mdev(C, "remove"), "1")
    create(rec, A)
    rec.write(mdev(A, "remove"), "1\n")


def numbers_adapter(rec: Recording) -> None:
    """Formats and limits of assign_adapter and unassign_adapter."""
    _numbers(rec, "adapter")


def numbers_domain(rec: Recording) -> None:
    """Formats and limits of assign_domain and unassign_domain."""
    _numbers(rec, "domain")


def numbers_control_domain(rec: Recording) -> None:
    """Formats and limits of assign_control_domain and unassign_control_domain."""
    _numbers(rec, "control_domain")


def _numbers(rec: Recording, kind: str) -> None:
    give_away(rec, "0x0", "0x0")
    create(rec, A)
    for number in _NUMBERS:
        assign(rec, A, (f"assign_{kind}", number), (f"unassign_{kind}", number))


def assign_order(rec: Recording) -> None:
    """Assigning and unassigning in different orders, twice, and not assigned."""
    give_away(rec, "-5,-6,-7", "-4,-5,-6,-0x47")
    create(rec, A)
    assign(
        rec, A,
        ("assign_adapter", "5"), ("assign_adapter", "5"), ("assign_domain", "4"), ("assign_domain", "4"),
        ("assign_domain", "5"), ("assign_adapter", "6"), ("assign_domain", "0x47"), ("assign_control_domain", "4"),
        ("assign_control_domain", "4"), ("assign_control_domain", "0x48"), ("unassign_domain", "4"),
        ("unassign_domain", "4"), ("unassign_adapter", "6"), ("unassign_adapter", "6"), ("unassign_adapter", "200"),
        ("unassign_control_domain", "4"), ("unassign_control_domain", "4"), ("unassign_control_domain", "7"),
        ("unassign_adapter", "5"), ("unassign_domain", "5"), ("unassign_domain", "0x47"),
    )  # fmt: skip
    assign(
        rec, A,
        ("assign_domain", "4"), ("assign_domain", "5"), ("assign_adapter", "5"), ("unassign_adapter", "5"),
        ("assign_adapter", "6"), ("unassign_domain", "4"), ("unassign_domain", "5"),
    )  # fmt: skip
    rec.write(mdev(A, "remove"), "1", settle=True)


DEVICES: Final[tuple[Scenario, ...]] = (
    defaults, create_remove, numbers_adapter, numbers_domain, numbers_control_domain, assign_order,
)  # fmt: skip
"""The scenarios, in the order in which they are recorded."""
