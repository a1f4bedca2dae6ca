"""Cards and queues as the AP bus knows them, and which driver may have a queue."""

from typing import Final, NamedTuple

from reconciler.simulator.hardware import Card
from reconciler.simulator.profiles import Profile

HOST_DRIVER: Final = "cex4queue"
"""The host's own driver for queues (zcrypt_cex4.c)."""

CARD_DRIVER: Final = "cex4card"
VFIO_AP: Final = "vfio_ap"


class CardDevice(NamedTuple):
    """A card as the bus saw it at its last scan; `online` is what was last written there."""

    card: Card
    online: bool = True


class QueueDevice(NamedTuple):
    """A queue as the bus saw it at its last scan.

    Attributes:
        driver: who has it: `HOST_DRIVER`, `VFIO_AP` or nobody.
        configured: as its card was.
        checkstopped: as its card was.
        online: what was last written there; only the host's driver has it.
        override: the driver that somebody pinned it to; empty where nobody did.
        pending: how many requests the host's driver has in flight on it.
        awaits: a driver is still to be found for it (see `SimulatedHost.delay_binding`).
        unreset: vfio_ap has it, and its last reset failed; forgotten with the driver.
    """

    driver: str | None = None
    configured: bool = True
    checkstopped: bool = False
    online: bool = True
    override: str = ""
    pending: int = 0
    awaits: bool = False
    unreset: bool = False


def may_bind(driver: str, device: QueueDevice, hwtype: int, profile: Profile, *, hosts: bool) -> bool:
    """Whether `driver` takes a queue of a card of type `hwtype` (ap_bus.c, vfio_ap_drv.c).

    `hosts` says whether both masks give the queue to the host. An override decides instead of the masks.
    """
    if driver == VFIO_AP and hwtype > profile.newest_vfio_type:
        return False
    if device.override:
        return driver == device.override
    return hosts == (driver == HOST_DRIVER)


def is_offline(device: CardDevice | QueueDevice, profile: Profile) -> bool:
    """Whether ``online`` reads 0: switched off, not configured or, on newer kernels, check-stopped."""
    state = device.card if isinstance(device, CardDevice) else device
    return not device.online or not state.configured or (profile.checkstop_is_offline and state.checkstopped)


def card_name(adapter: int) -> str:
    """The name of a card's directory: ``card05``."""
    return f"card{adapter:02x}"
