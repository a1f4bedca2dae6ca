"""Descriptions of simulated hosts, and hosts whose virtual machines are processes, as on a real one."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from reconciler.model.observed import Process
from reconciler.simulator.faults import FaultySysfs
from reconciler.simulator.hardware import DEFAULT_HARDWARE
from reconciler.simulator.host import SimulatedHost

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "simulated-host.md"


def lab_description(kernel: str) -> str:
    """`DEFAULT_HARDWARE` with the rules of `kernel`, as it stands in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    description = text.partition("```yaml\n")[2].partition("```")[0]
    assert f"maxDomain: {DEFAULT_HARDWARE.max_domain}" in description
    return description.replace('kernel: "6.12"', f'kernel: "{kernel}"')


LAB: Final = lab_description("6.12")


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
