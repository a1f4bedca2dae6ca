"""The systemd unit that has a host boot into what was applied last (docs/boot.md).

It runs ``reconcile boot`` twice: for the masks, and, when systemd has loaded vfio_ap in between, for everything. So our
own program needs no right to load modules.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.our_file import OurFile
from reconciler.integrations.unit_file import command, confinement, found_unit, is_enabled, quoted, specifiers_escaped

NAME: Final = "reconcile-boot.service"
MARK: Final = "# Made by 'reconcile boot install', taken away by 'reconcile boot uninstall'."
UNIT: Final = OurFile(NAME, MARK, "reconcile boot install", 0o644)

STATE: Final = "/var/lib/reconciler"
"""Where the state is if nothing else is said."""

WAIT_SECONDS: Final = 60
"""How long the AP bus is waited for."""

SECONDS: Final = 210.0
"""How long the rest may take; systemd waits a little longer for each of the commands."""

_SYSTEMD_LONGER: Final = 30

# Not their sockets: these are there before any service, and have to be. Who connects waits until the service has
# started, which waits for us.
_BEFORE: Final = ("libvirtd.service", "virtqemud.service", "virtnodedevd.service", "libvirt-guests.service")
_AFTER: Final = ("systemd-udevd.service", "systemd-modules-load.service", "local-fs.target")


class Unit(NamedTuple):
    """How the boot unit is: in the file system, and whether systemd starts it at boot."""

    installed: bool
    enabled: bool


def unit_text(python: str, state: str = STATE) -> str:
    """The unit.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        state: the state directory, as an absolute path.

    Raises:
        ValueError: one of them has a character that no unit file can hold.
    """
    usual = state == STATE
    boot = [python, "-P", "-m", "reconciler.cli", "boot", *([] if usual else ["--state-dir", state])]
    written = ["/sys/bus/ap", "-/sys/devices/vfio_ap", "/run/lock", *([] if usual else [state])]
    lines = (
        MARK,
        "",
        "[Unit]",
        "Description=AP crypto queues of virtual machines, as they were applied last",
        "ConditionPathExists=/sys/bus/ap",
        f"ConditionPathExists={specifiers_escaped(state)}/generations",
        *((f"RequiresMountsFor={quoted(state)}",) if not usual else ()),
        f"After={' '.join(_AFTER)}",
        f"Before={' '.join(_BEFORE)}",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "# Masks first: when vfio_ap appears, others make devices of the queues that the host has given up by then.",
        f"ExecStart={command([*boot, '--wait', str(WAIT_SECONDS), '--masks-only'])}",
        "# With full rights, so that the other two need none to load modules; what is wrong with it they find out.",
        "ExecStart=-+/sbin/modprobe vfio_ap",
        f"ExecStart={command([*boot, '--wait', '0'])}",
        "MemoryMax=1G",
        f"TimeoutStartSec={WAIT_SECONDS + SECONDS + _SYSTEMD_LONGER:.0f}",
        *(("StateDirectory=reconciler", "StateDirectoryMode=0700") if usual else ()),
        *confinement(written, offline=True),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    )
    return "\n".join(lines) + "\n"


def boot_unit(root: Path) -> Unit:
    """How the unit is on the machine whose files are below `root`."""
    installed = found_unit(root, NAME) is not None
    return Unit(installed, installed and is_enabled(root, NAME))


def enable_commands(directory: Path) -> Sequence[Sequence[str]]:
    """What has systemd run the unit in `directory` at every boot."""
    return (("systemctl", "daemon-reload"), ("systemctl", "enable", str(directory / NAME)))
