"""apmask and aqmask: what they accept, whom they take queues from, and which driver gets them."""

from typing import Final

from .recording import ALL_ONES, Recording
from .state import BUS
from .words import A, Scenario, all_but, assign, create, give_away, mdev

_MASKS: Final = (
    f"0x{'0' * 64}", "0x0", "0x", "0", "1", "0x1", "0x8", "0x80", "0x8000", "0x41", "0x041", "0xF0f", f"0x{'f' * 63}",
    ALL_ONES, f"0X{'f' * 64}", "f" * 64, f"0x{'f' * 65}", f"0x{'0' * 65}", f"{ALL_ONES}\n", f"{ALL_ONES} ",
    f" {ALL_ONES}", f"{ALL_ONES},", f"{ALL_ONES},-5", "0xg0", "0x 1", "+5", "-5", "+5\n", "-5\n", "-0x05", "-0X06",
    "-5,-6", "+5,-6", "+6", "-5, -6", "-5 -6", "-5,6", "-5,", ",-5", "-", "+", "", "\n", ",", "garbage", "5", "*5",
    "-5-7", "+5-7", "-5-5", "-7-5", "-0-255", "+0-255", "+0-3,-7", "-0x10-0x1f", "+0x10-0x1f", "-0-3,+2", "+256",
    "-256", "-255", "+255", "-250-256", "+-5", "--5", "-5--7", "-5-", "- 5", "-5,+5", "+5,-5",
    ",".join(f"-{number}" for number in range(1, 21)), "-5,garbage", "-6,+300", "-7;-8", "-a", "-0xa", "+0xa", "-010",
    "+8", "-1\0-2", "+0-255\n",
)  # fmt: skip


def masks_in_use(rec: Recording) -> None:
    """Changing apmask and aqmask while mediated devices hold queues."""
    give_away(rec, "-5,-6", "-4,-5")
    create(rec, A)
    rec.write(mdev(A, "assign_adapter"), "5")
    rec.write(f"{BUS}/apmask", "+5", note="adapter without a domain", settle=True)
    give_away(rec, "-5")
    rec.write(mdev(A, "assign_domain"), "4")
    for name, value in (
        ("apmask", "+5"), ("aqmask", "+4"), ("apmask", ALL_ONES), ("aqmask", ALL_ONES), ("apmask", "+6"),
        ("aqmask", "+5"), ("apmask", "-6"), ("aqmask", "-5"), ("apmask", "+200"), ("apmask", "-200"),
        ("apmask", "0x0"), ("aqmask", "0x0"), ("apmask", all_but(5)), ("aqmask", all_but(4)), ("apmask", "+5,-6"),
        ("apmask", "+6,+5"),
    ):  # fmt: skip
        rec.write(f"{BUS}/{name}", value, settle=True)
    rec.write(mdev(A, "unassign_adapter"), "5")
    rec.write(f"{BUS}/apmask", "+5", settle=True)
    rec.write(mdev(A, "assign_adapter"), "5")
    rec.write(f"{BUS}/apmask", "-5", settle=True)
    rec.write(mdev(A, "assign_adapter"), "99", note="not present")
    rec.write(f"{BUS}/apmask", "+99", settle=True)
    rec.write(mdev(A, "unassign_domain"), "4")
    rec.write(f"{BUS}/apmask", "+99", settle=True)
    rec.write(f"{BUS}/apmask", ALL_ONES, settle=True)
    rec.write(mdev(A, "assign_domain"), "4")


def mask_syntax_apmask(rec: Recording) -> None:
    """What apmask accepts; the state carries over from step to step."""
    _mask_syntax(rec, "apmask")


def mask_syntax_aqmask(rec: Recording) -> None:
    """What aqmask accepts; the state carries over from step to step."""
    _mask_syntax(rec, "aqmask")


def _mask_syntax(rec: Recording, name: str) -> None:
    for value in _MASKS:
        rec.write(f"{BUS}/{name}", value)
    rec.write(f"{BUS}/{name}", ALL_ONES, settle=True)


def binding(rec: Recording) -> None:
    """Which driver gets a queue when masks change."""
    for name, value in (
        ("apmask", "-5"), ("aqmask", "-4"), ("apmask", "+5"), ("aqmask", "+4"), ("apmask", "0x0"),
        ("apmask", ALL_ONES), ("aqmask", "0x0"), ("aqmask", ALL_ONES), ("drivers/cex4queue/unbind", "05.0004"),
        ("drivers/vfio_ap/bind", "05.0004"), ("drivers/cex4queue/bind", "05.0004"),
    ):  # fmt: skip
        rec.write(f"{BUS}/{name}", value, settle=True)
    rec.read(f"{BUS}/devices/06.0004/online")
    rec.write(f"{BUS}/devices/06.0004/online", "0", settle=True)
    rec.write(f"{BUS}/devices/card06/online", "0", settle=True)
    rec.write(f"{BUS}/devices/card06/online", "1", settle=True)


def masks_conflict(rec: Recording) -> None:
    """A queue reserved by one mask only, and giving it back by either mask."""
    for keep, adapters, domains in (("adapter", "-5", ""), ("domain", "", "-4"), ("both", "-5", "-4")):
        rec.write(f"{BUS}/apmask", ALL_ONES)
        rec.write(f"{BUS}/aqmask", ALL_ONES, settle=True, note=f"free by {keep}")
        give_away(rec, adapters, domains)
        create(rec, A)
        assign(rec, A, ("assign_adapter", "5"), ("assign_domain", "4"))
        for name, value in (
            ("apmask", "+5"), ("aqmask", "+4"), ("apmask", ALL_ONES), ("aqmask", ALL_ONES), ("apmask", "+9,+5"),
            ("apmask", "-6"),
        ):  # fmt: skip
            rec.write(f"{BUS}/{name}", value, settle=True)
        rec.write(mdev(A, "remove"), "1", settle=True)
    give_away(rec, "-5", "")
    create(rec, A)
    rec.write(mdev(A, "assign_adapter"), "5")
    rec.write(mdev(A, "assign_domain"), "80", note="not present")
    rec.write(f"{BUS}/apmask", "+5", settle=True)
    rec.write(mdev(A, "remove"), "1", settle=True)


MASKS: Final[tuple[Scenario, ...]] = (masks_in_use, mask_syntax_apmask, mask_syntax_aqmask, binding, masks_conflict)
"""The scenarios, in the order in which they are recorded."""
