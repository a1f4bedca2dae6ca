"""Changes while a device holds queues: drivers by name, a virtual machine, all at once, the hardware itself."""

from typing import Final

from .holder import Holder, Removal
from .recording import Recording
from .state import BUS, MATRIX
from .words import A, assign, create, give_away, mask, mdev

_QUEUE: Final = "05.0004"


def driver_override(rec: Recording) -> None:
    """Queues given to a driver by name (kernels of 2026 and later)."""
    override = f"{BUS}/devices/{_QUEUE}/driver_override"
    rec.read(override)
    create(rec, A)
    for value in ("vfio_ap", "vfio_ap\n"):
        rec.write(override, value, settle=True)
        rec.read(override)
        rec.write(f"{BUS}/drivers/cex4queue/unbind", _QUEUE, settle=True)
        rec.write(f"{BUS}/drivers_probe", _QUEUE, settle=True)
        assign(rec, A, ("assign_adapter", "5"), ("assign_domain", "4"))
        give_away(rec, "-6", "-5")
        rec.write(override, "\n", settle=True)
        rec.read(override)
        rec.write(f"{BUS}/drivers/vfio_ap/unbind", _QUEUE, settle=True)
        rec.write(f"{BUS}/drivers_probe", _QUEUE, settle=True)
        assign(rec, A, ("unassign_domain", "4"), ("unassign_adapter", "5"))
    give_away(rec, "-6")
    rec.write(override, "vfio_ap", settle=True, note="while apmask is not all ones")
    rec.write(override, "nonsense", settle=True)
    rec.write(override, "", settle=True)
    rec.write(override, "\n", settle=True)


def live_guest(rec: Recording) -> None:
    """A device that a virtual machine holds (KVM and VFIO, without running)."""
    give_away(rec, "-5,-6", "-4,-5")
    create(rec, A)
    assign(rec, A, ("assign_adapter", "5"), ("assign_domain", "4"))
    holder = Holder(f"{MATRIX}/{A}", A)
    if rec.external(holder.open, "open the device as a virtual machine") != "ok":
        return
    assign(
        rec, A,
        ("assign_domain", "5"), ("assign_adapter", "6"), ("assign_adapter", "9"), ("assign_control_domain", "4"),
        ("unassign_domain", "4"), ("unassign_adapter", "6"), ("unassign_control_domain", "4"), ("assign_domain", "4"),
    )  # fmt: skip
    rec.write(mdev(A, "ap_config"), f"{mask(5)},{mask(4, 5)},{mask(4)}", settle=True)
    give_away(rec, "+5", "+4")
    rec.write(f"{BUS}/drivers/vfio_ap/unbind", _QUEUE, settle=True)
    rec.write(f"{BUS}/drivers/vfio_ap/bind", _QUEUE, settle=True)
    rec.hardware(op="plug", adapter=9, type="CEX8", mode="ep11")
    rec.hardware(op="set", adapter=5, configured=False)
    rec.hardware(op="set", adapter=5, configured=True)
    removal = Removal(f"{MATRIX}/{A}/remove")
    rec.external(removal.attempt, "remove the device while it is held, wait 3 s")
    rec.external(holder.close, "close the device")
    rec.external(removal.outcome, "result of the removal")


def hotplug(rec: Recording) -> None:
    """A card that comes after it was authorised; deconfigured; gone."""
    give_away(rec, "-5,-9", "-4,-5")
    create(rec, A)
    assign(
        rec, A,
        ("assign_adapter", "9"), ("assign_domain", "4"), ("assign_domain", "5"), ("assign_adapter", "5"),
        ("assign_control_domain", "4"),
    )  # fmt: skip
    rec.hardware(op="plug", adapter=9, type="CEX8", mode="ep11")
    rec.hardware(op="plug", adapter=0x10, type="CEX8", mode="cca")
    rec.hardware(op="set", adapter=9, configured=False)
    rec.hardware(op="set", adapter=9, configured=True)
    rec.hardware(op="set", adapter=9, checkstopped=True)
    rec.hardware(op="set", adapter=9, checkstopped=False)
    rec.hardware(op="domains", usage=[4, 6, 0x47])
    rec.hardware(op="domains", usage=[4, 5, 6, 0x47, 0x48])
    rec.hardware(op="domains", control=[5])
    rec.hardware(op="domains", control=[4, 5, 6])
    rec.hardware(op="unplug", adapter=9)
    rec.hardware(op="plug", adapter=9, type="CEX7", mode="accelerator")
    rec.write(f"{BUS}/devices/card09/config", "0", settle=True)
    rec.write(f"{BUS}/devices/card09/config", "1", settle=True)
    rec.hardware(op="unplug", adapter=5)
    assign(rec, A, ("unassign_adapter", "5"), ("assign_adapter", "5"))
    rec.write(mdev(A, "remove"), "1", settle=True)


def unloading(rec: Recording) -> None:
    """Removing devices that hold queues, and what the host gets back."""
    give_away(rec, "-5", "-4")
    create(rec, A)
    assign(rec, A, ("assign_adapter", "5"), ("assign_domain", "4"))
    rec.write(f"{BUS}/apmask", "+5", settle=True)
    rec.write(mdev(A, "remove"), "1", settle=True)
    rec.write(f"{BUS}/apmask", "+5", settle=True)
    rec.write(f"{BUS}/aqmask", "+4", settle=True)
