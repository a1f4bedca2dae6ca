"""Whether mdevctl's definitions are started at boot at all."""

from collections.abc import Sequence
from pathlib import Path

from reconciler.doctor.finding import Finding, error
from reconciler.integrations.mdevctl_autostart import why_nothing_starts
from reconciler.model.boot_files import Definition


def autostart_findings(definitions: Sequence[Definition], root: Path) -> list[Finding]:
    """What keeps those of `definitions` that start at boot from it, on the machine whose files are below `root`."""
    if not any(one.autostart for one in definitions):
        return []
    fault = why_nothing_starts(root)
    if fault is None:
        return []
    return [
        error(
            "mdevctl-starts-nothing",
            f"no definition of mdevctl is started at boot: {fault.reason}",
            "after the next boot guests that mdevctl is to start have no device, and their VMs do not start",
            f"{fault.help}; or use 'persistence: service'",
        )
    ]
