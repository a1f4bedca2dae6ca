"""Who may hold a queue: the host, another mediated device, nobody as it is not there."""

from typing import Final

from .recording import ALL_ONES, Recording
from .state import BUS
from .words import A, B, Scenario, assign, create, give_away, mdev


def host_reserved(rec: Recording) -> None:
    """Queues that apmask and aqmask keep for the host."""
    create(rec, A)
    assign(
        rec, A,
        ("assign_adapter", "5"), ("assign_domain", "4"), ("unassign_adapter", "5"), ("assign_domain", "4"),
        ("assign_adapter", "5"),
    )  # fmt: skip
    rec.write(mdev(A, "assign_adapter"), "99", note="not present, but in apmask")
    rec.write(mdev(A, "unassign_domain"), "4")
    give_away(rec, "-5")
    rec.write(mdev(A, "assign_adapter"), "5", note="5 is free, domains are not")
    rec.write(mdev(A, "assign_domain"), "4")
    rec.write(mdev(A, "assign_adapter"), "6", note="6 is the host's")
    rec.write(mdev(A, "assign_domain"), "80", note="not present")
    assign(rec, A, ("unassign_adapter", "5"), ("unassign_domain", "4"), ("unassign_domain", "80"))
    give_away(rec, ALL_ONES, "-4")
    rec.write(mdev(A, "assign_adapter"), "6")
    rec.write(mdev(A, "assign_domain"), "4", note="domain 4 is free")
    rec.write(mdev(A, "assign_domain"), "5", note="domain 5 is the host's")
    rec.write(mdev(A, "assign_control_domain"), "5", note="control is not reserved")


def sharing(rec: Recording) -> None:
    """Two mediated devices that want the same queues."""
    give_away(rec, "0x0", "0x0")
    create(rec, A, B)
    for uuid, attribute, value in (
        (A, "assign_adapter", "5"), (A, "assign_domain", "4"), (B, "assign_adapter", "5"), (B, "assign_domain", "5"),
        (B, "assign_domain", "4"), (B, "unassign_adapter", "5"), (B, "assign_domain", "4"),
        (B, "assign_adapter", "5"), (B, "assign_adapter", "6"), (A, "assign_adapter", "6"),
        (A, "assign_domain", "5"), (A, "assign_domain", "6"), (A, "assign_control_domain", "4"),
        (B, "assign_control_domain", "4"), (B, "assign_adapter", "250"), (A, "assign_adapter", "250"),
        (A, "unassign_domain", "4"), (B, "assign_adapter", "5"),
    ):  # fmt: skip
        rec.write(mdev(uuid, attribute), value)
    rec.write(mdev(A, "remove"), "1", settle=True)
    rec.write(mdev(B, "assign_adapter"), "5")


def overprovision(rec: Recording) -> None:
    """Queues that are not there: matrix and guest_matrix."""
    give_away(rec, "0x0", "0x0")
    create(rec, A)
    for attribute, value in (
        ("assign_adapter", "5"), ("assign_adapter", "9"), ("assign_domain", "4"), ("assign_domain", "80"),
        ("assign_adapter", "6"), ("assign_domain", "0x47"), ("unassign_domain", "80"), ("unassign_adapter", "9"),
        ("assign_control_domain", "80"), ("assign_control_domain", "0x48"),
    ):  # fmt: skip
        rec.write(mdev(A, attribute), value)
        rec.read(mdev(A, "guest_matrix"))
    rec.write(f"{BUS}/drivers/vfio_ap/unbind", "05.0004", settle=True)
    rec.read(mdev(A, "guest_matrix"))
    rec.write(f"{BUS}/drivers/vfio_ap/bind", "05.0004", settle=True)
    rec.read(mdev(A, "guest_matrix"))


HOLDERS: Final[tuple[Scenario, ...]] = (host_reserved, sharing, overprovision)
"""The scenarios, in the order in which they are recorded."""
