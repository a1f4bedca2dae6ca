"""Everything that a simulated host remembers, in one mutable record.

Cards and queues as the AP bus knows them, and which mediated device holds which queues, kept so that a question costs
no walk over all devices.
"""

import heapq
from typing import Final, NamedTuple

from reconciler.model.ids import ID_COUNT, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, EMPTY_MATRIX, FULL_MATRIX, ApConfig, Matrix, Queue
from reconciler.simulator.hardware import Card, Hardware
from reconciler.simulator.kernel_profiles import Profile

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
        driver: who has it: `HOST_DRIVER`, `VFIO_AP` or none.
        configured: as its card was.
        checkstopped: as its card was.
        online: what was last written there; only the host's driver has it.
        override: the driver that it was pinned to; empty where it was not.
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


class Holders:
    """An index over the matrices of all mediated devices, which never overlap.

    For every adapter it has the bits of the domains that are taken with it, and who took them. It is as mutable as
    the host that it belongs to, which calls `change` whenever a matrix changes.
    """

    __slots__ = ("_by_adapter", "_taken")

    def __init__(self) -> None:
        self._taken = [0] * ID_COUNT
        self._by_adapter: list[dict[str, int]] = [{} for _ in range(ID_COUNT)]

    def change(self, uuid: str, old: Matrix, new: Matrix) -> None:
        """Device `uuid` held `old` and now holds `new`."""
        if old.domains.bits != new.domains.bits:
            self._drop(uuid, old.adapters, old.domains.bits)
            self._add(uuid, new.adapters, new.domains.bits)
        else:
            self._drop(uuid, old.adapters - new.adapters, old.domains.bits)
            self._add(uuid, new.adapters - old.adapters, new.domains.bits)

    def conflict(self, own: Matrix, wanted: Matrix) -> bool:
        """Whether a device that holds `own` and asks for `wanted` would take a queue of another device."""
        domains = wanted.domains.bits
        if not domains:
            return False
        # A device's own queues are no conflict: they are in the index wherever it has the adapter already.
        others_only = domains & ~own.domains.bits
        return any(
            self._taken[adapter] & (others_only if adapter in own.adapters else domains) for adapter in wanted.adapters
        )

    def any_in(self, matrix: Matrix) -> bool:
        """Whether some device holds a queue of `matrix`."""
        return self.conflict(EMPTY_MATRIX, matrix)

    def of(self, queue: Queue) -> str | None:
        """The device that holds `queue`."""
        if not self._taken[queue.adapter] >> queue.domain & 1:
            return None
        takers = self._by_adapter[queue.adapter]
        return next(uuid for uuid, domains in takers.items() if domains >> queue.domain & 1)

    def _add(self, uuid: str, adapters: IdSet, domains: int) -> None:
        if domains:
            for adapter in adapters:
                self._taken[adapter] |= domains
                self._by_adapter[adapter][uuid] = domains

    def _drop(self, uuid: str, adapters: IdSet, domains: int) -> None:
        if domains:
            for adapter in adapters:
                self._taken[adapter] &= ~domains
                del self._by_adapter[adapter][uuid]


INSTANCES: Final = 65536
"""How many mediated devices there can be (vfio_ap_ops.c)."""


class Mdev(NamedTuple):
    """A mediated device.

    Attributes:
        group: the number of its IOMMU group.
        config: what is assigned to it.
        guest: what its guest gets of that.
        running: whether a VM has it open.
        removing: whether a writer waits for the VM to close it, to remove it then.
    """

    group: int
    config: ApConfig = EMPTY_CONFIG
    guest: Matrix = EMPTY_MATRIX
    running: bool = False
    removing: bool = False


class Settings(NamedTuple):
    """What is written to the bus without any effect here: `domain` is the host's default domain."""

    domain: int | None
    config_time: int = 30
    poll_thread: int = 0
    poll_timeout: int = 250000

    @property
    def domain_text(self) -> str:
        """The default domain as the kernel shows it."""
        return f"{-1 if self.domain is None else self.domain}\n"


class HostState:
    """A host as it is now.

    Attributes:
        profile: the rules of its kernel.
        hardware: what is really there.
        initial: the hardware when the host was started.
        lpar: the adapters and usage domains that the LPAR had at the last scan.
        control: its control domains then.
        pool: apmask times aqmask.
        cards: the cards that have a device, by adapter.
        queues: the queues that have a device.
        mdevs: the mediated devices by uuid.
        vfio_ap: whether the module is loaded.
        settings: see `Settings`.
        scans: how often the bus looked at the hardware.
        completions: how often all queues came to have a driver again.
        delay: how many reads it takes until a queue gets its driver; None for ever.
        generation: changes whenever a directory of a device appears or disappears.
        bound: per adapter, the bits of the domains whose queues vfio_ap has.
        passable: likewise, without those that guests do not get since their last reset failed.
        holders: which device holds which queues.
        driverless: how many queues have no driver.
        overridden: how many queues are pinned to a driver.
        lost_overrides: how many queues went away while they were pinned: the kernel goes on counting them.
    """

    __slots__ = (
        "_free_groups",
        "bound",
        "cards",
        "completions",
        "control",
        "delay",
        "driverless",
        "generation",
        "hardware",
        "holders",
        "initial",
        "lost_overrides",
        "lpar",
        "mdevs",
        "overridden",
        "passable",
        "pool",
        "profile",
        "queues",
        "scans",
        "settings",
        "vfio_ap",
    )

    def __init__(self, profile: Profile, hardware: Hardware) -> None:
        """A host before its first scan: no device, both masks all ones, no module."""
        self.profile = profile
        self.hardware = hardware
        self.initial = hardware
        self.lpar = EMPTY_MATRIX
        self.control = NO_IDS
        self.pool = FULL_MATRIX
        self.cards: dict[int, CardDevice] = {}
        self.queues: dict[Queue, QueueDevice] = {}
        self.mdevs: dict[str, Mdev] = {}
        self.vfio_ap = False
        self.settings = Settings(min(hardware.usage, default=None))
        self.scans = 0
        self.completions = 0
        self.delay: int | None = 0
        self.generation = 0
        self.bound = [0] * ID_COUNT
        self.passable = [0] * ID_COUNT
        self.holders = Holders()
        self.driverless = 0
        self.overridden = 0
        self.lost_overrides = 0
        self._free_groups: list[int] = []

    def set_queue(self, queue: Queue, device: QueueDevice | None) -> None:
        """`queue` is now `device`; None removes it."""
        old = self.queues.get(queue)
        self.driverless += _is_driverless(device) - _is_driverless(old)
        self.overridden += _is_overridden(device) - _is_overridden(old)
        bit = 1 << queue.domain
        self.bound[queue.adapter] &= ~bit
        self.passable[queue.adapter] &= ~bit
        if device is None:
            self.lost_overrides += _is_overridden(old)
            self.queues.pop(queue, None)
            return
        self.queues[queue] = device
        if device.driver == VFIO_AP:
            self.bound[queue.adapter] |= bit
            if not (device.unreset and self.profile.failed_reset_hides):
                self.passable[queue.adapter] |= bit

    def set_mdev(self, uuid: str, mdev: Mdev | None) -> None:
        """Device `uuid` is now `mdev`; None removes it."""
        old = self.mdevs.get(uuid)
        before, after = old.config if old else EMPTY_CONFIG, mdev.config if mdev else EMPTY_CONFIG
        if before is not after:
            self.holders.change(uuid, before.matrix, after.matrix)
        if mdev is not None:
            self.mdevs[uuid] = mdev
        elif old is not None:
            del self.mdevs[uuid]
            heapq.heappush(self._free_groups, old.group)

    def take_group(self) -> int:
        """The number of the next IOMMU group: the lowest that is free, as the kernel gives them."""
        # Numbers below the count of devices are given up and taken again; otherwise the count is the next one.
        return heapq.heappop(self._free_groups) if self._free_groups else len(self.mdevs)

    def free_groups(self) -> None:
        """Work out which numbers are free after `mdevs` was filled with devices that have theirs."""
        used = {mdev.group for mdev in self.mdevs.values()}
        self._free_groups = [number for number in range(max(used, default=-1) + 1) if number not in used]


def _is_driverless(device: QueueDevice | None) -> bool:
    return device is not None and device.driver is None


def _is_overridden(device: QueueDevice | None) -> bool:
    return device is not None and bool(device.override)
