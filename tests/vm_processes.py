"""A simulated host whose virtual machines are processes, as on a real one."""

from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.model.observed import Process
from reconciler.simulator.faults import FaultySysfs
from reconciler.simulator.host import SimulatedHost

QEMU: Final = Process(4711, "qemu-system-s390x")


class VmProcesses(FaultySysfs):
    """Every device that is open is open by `QEMU`; `asked` has the devices of each question."""

    def __init__(self, host: SimulatedHost) -> None:
        super().__init__(host, ())
        self.asked: list[list[str]] = []

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        self.asked.append([*uuids])
        return dict.fromkeys(super().opened(self.asked[-1]), QEMU)
