"""A host that is not there: an s390x LPAR with crypto cards, seen through its sysfs.

It is part of the product (``--simulate``), and what the tests of everything else run on. It speaks the protocol of
`reconciler.kernel.sysfs`; what a person or a machine does beside sysfs has methods of its own.
"""

from collections.abc import Iterable, Mapping
from errno import EACCES, EAGAIN, EINVAL, ENODEV, ENOENT

from reconciler.kernel import paths
from reconciler.kernel.sysfs import PAGE
from reconciler.kernel.sysinfo import sysinfo_text
from reconciler.model.matrix import FULL_MATRIX, Matrix, Queue
from reconciler.model.observed import Process
from reconciler.simulator import ap_bus, mdevs
from reconciler.simulator.hardware import DEFAULT_HARDWARE, Hardware, Request, changed, checked
from reconciler.simulator.kernel_profiles import DEFAULT_PROFILE, Profile
from reconciler.simulator.nodes import Entry, Link, refusal
from reconciler.simulator.state import HOST_DRIVER, HostState
from reconciler.simulator.tree import Tree


class SimulatedHost:
    """One simulated host. Not safe for several threads at once."""

    def __init__(
        self,
        hardware: Hardware = DEFAULT_HARDWARE,
        profile: Profile = DEFAULT_PROFILE,
        *,
        pool: Matrix = FULL_MATRIX,
        vfio_ap: bool = True,
    ) -> None:
        """Boot a host on `hardware` with the rules of `profile`.

        Args:
            hardware: what the LPAR has.
            profile: the kernel, one of `reconciler.simulator.hardware.PROFILES`.
            pool: apmask times aqmask from the start, as by kernel parameters.
            vfio_ap: whether the module is loaded.

        Raises:
            HardwareError: the hardware cannot be.
        """
        self._state = HostState(profile, checked(hardware))
        self._state.pool = pool
        self._state.vfio_ap = vfio_ap
        ap_bus.scan(self._state)
        self._tree = Tree(self._state)

    @classmethod
    def from_state(cls, state: HostState) -> "SimulatedHost":
        """The host that was left in `state`; `reconciler.simulator.state_file` makes one of plain values."""
        made = cls.__new__(cls)
        made._state = state
        made._tree = Tree(state)
        return made

    @property
    def state(self) -> HostState:
        """What the host remembers; for this package only (snapshots, faults)."""
        return self._state

    @property
    def release(self) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`: that of a kernel with the rules of this host's profile."""
        return self._state.profile.release

    @property
    def hardware(self) -> Hardware:
        """What the LPAR has now."""
        return self._state.hardware

    def read(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`. A file that can only be written: EACCES."""
        self._tick()
        show = self._tree.file(path).show
        if show is None:
            raise refusal(EACCES, path)
        return show()[:PAGE]

    def write(self, path: str, value: str) -> int:
        """See `reconciler.kernel.sysfs.Sysfs`. A file that can only be read: EACCES.

        Raises:
            OSError: what the kernel refuses; nothing has changed then.
            KernelBusy: the real write would block: a device that a VM has open is to be removed.
        """
        store = self._tree.file(path).store
        if store is None:
            raise refusal(EACCES, path)
        page = value[:PAGE]
        try:
            # A write of nothing does not reach the driver (fs/sysfs/file.c); a NUL ends what it looks at.
            if page:
                store(page.partition("\0")[0])
        except OSError as error:
            raise refusal(error.errno or EINVAL, path) from None
        return len(page.encode())

    def list(self, path: str) -> list[str]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        self._tick()
        return sorted(self._tree.directory(path).names())

    def link(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`. No link: EINVAL."""
        self._tick()
        entry = self._tree.entry(path)
        if not isinstance(entry, Link):
            raise refusal(EINVAL, path)
        return entry.target

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """See `reconciler.kernel.sysfs.Sysfs`. The VMs of a simulated host are no processes."""
        mdevs = self._state.mdevs
        return dict.fromkeys(uuid for uuid in uuids if uuid in mdevs and mdevs[uuid].running)

    def sysinfo(self) -> bytes:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        if self._state.hardware.identity is None:
            raise refusal(ENOENT, paths.SYSINFO)
        return sysinfo_text(self._state.hardware.identity).encode("utf-8", "surrogateescape")

    def entry(self, path: str) -> Entry:
        """What is at `path` (file, link or directory), without following a last link; its ``mode`` is st_mode.

        Raises:
            OSError: ENOENT or ENOTDIR where there is nothing.
        """
        return self._tree.entry(path)

    def change_hardware(self, request: Request, *, rescan: bool = True) -> None:
        """Change the hardware; the host notices at once, or with `rescan` False at its next scan.

        Raises:
            HardwareError: the request makes no sense; nothing has changed then.
        """
        self._state.hardware = changed(self._state.hardware, request, self._state.initial)
        if rescan:
            self.scan()

    def scan(self) -> None:
        """Let the AP bus look at the hardware, as it does every 30 seconds."""
        ap_bus.scan(self._state)

    def start_vm(self, uuid: str) -> None:
        """Start a VM that has mediated device `uuid`.

        Raises:
            OSError: ENODEV where there is no such device, EBUSY where a VM has it already.
        """
        mdevs.open_by_vm(self._state, uuid)

    def stop_vm(self, uuid: str) -> None:
        """End the VM that has mediated device `uuid`; a removal that waits for that is completed.

        Raises:
            OSError: ENODEV where no VM has it.
        """
        mdevs.close_by_vm(self._state, uuid)

    def set_pending(self, queue: Queue, count: int) -> None:
        """The host's driver has `count` requests in flight on `queue`, until it loses the queue.

        Raises:
            OSError: ENODEV where the host's driver does not have the queue.
        """
        device = self._state.queues.get(queue)
        if device is None or device.driver != HOST_DRIVER:
            raise refusal(ENODEV, str(queue))
        self._state.set_queue(queue, device._replace(pending=count))

    def load_vfio_ap(self) -> None:
        """Load the vfio_ap module; where it is loaded, nothing happens."""
        if not self._state.vfio_ap:
            self._state.vfio_ap = True
            self._state.generation += 1
            ap_bus.attach_module(self._state)

    def unload_vfio_ap(self) -> None:
        """Unload the vfio_ap module: mediated devices go with it, queues lose their driver.

        Raises:
            OSError: EAGAIN while a VM runs.
        """
        if any(mdev.running for mdev in self._state.mdevs.values()):
            raise refusal(EAGAIN, "vfio_ap")
        for uuid in list(self._state.mdevs):
            self._state.set_mdev(uuid, None)
        ap_bus.detach_module(self._state)
        self._state.vfio_ap = False
        self._state.generation += 1

    def boot(self) -> None:
        """Boot the host: masks all ones, no vfio_ap, no mediated device and no VM; the hardware stays as it is."""
        before = self._state
        self._state = HostState(before.profile, before.hardware)
        self._state.initial = before.initial
        self._state.generation = before.generation + 1
        ap_bus.scan(self._state)
        self._tree = Tree(self._state)

    def delay_binding(self, reads: int | None) -> None:
        """From now on a queue that changes its driver has none at first.

        Args:
            reads: after so many reads of anything (read, list, link) it gets the new one, and the host is as
                before; None: it never does, until this is called again.
        """
        self._state.delay = reads
        if reads == 0:
            ap_bus.find_awaited_drivers(self._state)

    def _tick(self) -> None:
        state = self._state
        if state.delay and any(device.awaits for device in state.queues.values()):
            state.delay -= 1
            if not state.delay:
                ap_bus.find_awaited_drivers(state)
