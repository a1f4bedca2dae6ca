"""The systemd unit that keeps ``reconcile --watch`` running (docs/operations.md, "The unit")."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.boot_unit import NAME as BOOT
from reconciler.integrations.boot_unit import STATE
from reconciler.integrations.our_file import OurFile
from reconciler.integrations.unit_file import command, confinement, quoted

NAME: Final = "reconcile-watch.service"
MARK: Final = "# Made by 'reconcile watch install', taken away by 'reconcile watch uninstall'."
UNIT: Final = OurFile(NAME, MARK, "reconcile watch install", 0o644)

GROWING_SINCE: Final = 254
"""The first systemd that can wait longer before each restart (systemd.service(5), ``RestartSteps=``)."""

START_SECONDS: Final = 900
"""How long the first turn may take: a repository is cloned, others are waited for, everything is applied."""

WATCHDOG_SECONDS: Final = 300
"""After how long without a sign of life the loop is started anew: more than a step of an apply, or a plan, takes."""

STOP_SECONDS: Final = 300
"""How long the end may take: an apply stops before its next step, and puts back what it has done."""

MEMORY: Final = "1G"
"""How much memory the loop and its children may have; what is more hurts the host's own work."""

_AFTER: Final = (
    BOOT,
    "systemd-udevd.service",
    "systemd-modules-load.service",
    "local-fs.target",
    "network-online.target",
    "nss-lookup.target",
    # At boot VMs start first, as reconcile-boot has left the devices: their hooks need not wait for an apply of ours.
    "libvirtd.service",
    "virtqemud.service",
)

# The kernel's tree, the lock of the s390-tools, and, with 'persistence: mdevctl', the files of the others.
_WRITTEN: Final = ("-/sys/bus/ap", "-/sys/devices/vfio_ap", "/run/lock", "-/etc/mdevctl.d", "-/etc/udev/rules.d")


class Needs(NamedTuple):
    """What the options of a loop need of the system.

    Attributes:
        state: the state directory, as an absolute path.
        written: what it writes besides, absolute paths of directories that exist.
        git: whether it fetches from a repository.
        network: whether it talks to others, or they to it, by IP.
    """

    state: str = STATE
    written: tuple[str, ...] = ()
    git: bool = False
    network: bool = False


def watch_text(python: str, options: Sequence[str], needs: Needs, systemd: int) -> str:
    """The unit.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        options: of ``reconcile --watch``, with absolute paths.
        needs: what these options need.
        systemd: the version of systemd; each warns of directives that are newer than itself.

    Raises:
        ValueError: one of the words has a character that no unit file can hold.
    """
    usual = needs.state == STATE
    written = [*_WRITTEN, *(() if usual else (needs.state,)), *needs.written]
    lines = (
        MARK,
        "",
        "[Unit]",
        "Description=Keeps the AP crypto queues of virtual machines as the manifests say",
        *_order(needs, usual),
        "# It never gives up: the host would be unguarded.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        "# With full rights, so that the loop needs none to load modules.",
        "ExecStartPre=-+/sbin/modprobe vfio_ap",
        f"ExecStart={command([python, '-P', '-m', 'reconciler.cli', '--watch', *options])}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        f"TimeoutStartSec={START_SECONDS}",
        f"WatchdogSec={WATCHDOG_SECONDS}",
        *_restart(systemd),
        "# Many times what the largest manifests that are read take (docs/operations.md).",
        f"MemoryMax={MEMORY}",
        "# Where git needs more, the loop goes on.",
        "OOMPolicy=continue",
        "# To the loop alone: it ends its children, and what it has begun.",
        "KillMode=mixed",
        f"TimeoutStopSec={STOP_SECONDS}",
        *(("StateDirectory=reconciler", "StateDirectoryMode=0700") if usual else ()),
        "# For a socket of --listen.",
        "RuntimeDirectory=reconciler",
        "RuntimeDirectoryMode=0755",
        "# Where git and ssh look for the settings of root.",
        "Environment=HOME=%h",
        *confinement(written, offline=False),
        *_network(needs.network),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    )
    return "\n".join(lines) + "\n"


def enable_commands(directory: Path) -> Sequence[Sequence[str]]:
    """What has systemd run the unit in `directory` now, as it is now, and at every boot."""
    return (
        ("systemctl", "daemon-reload"),
        ("systemctl", "enable", str(directory / NAME)),
        ("systemctl", "restart", NAME),
    )


def systemd_version(said: str) -> int:
    """The version in what ``systemctl --version`` has `said` (``systemd 252 (252.39-1)``); 0 where there is none."""
    words = said.split(maxsplit=2)
    return (
        int(words[1]) if len(words) > 1 and words[0] == "systemd" and words[1].isascii() and words[1].isdigit() else 0
    )


def _order(needs: Needs, usual: bool) -> Iterable[str]:
    if not usual:
        yield f"RequiresMountsFor={quoted(needs.state)}"
    if needs.git:
        yield "Wants=network-online.target"
    yield f"After={' '.join(_AFTER)}"


def _restart(systemd: int) -> Iterable[str]:
    yield "Restart=on-failure"
    yield "# Wrong options stay wrong."
    yield "RestartPreventExitStatus=64"
    if systemd >= GROWING_SINCE:
        yield from ("RestartSec=5", "RestartSteps=6", "RestartMaxDelaySec=300")
    else:
        yield "RestartSec=30"


def _network(needed: bool) -> Iterable[str]:
    # AF_NETLINK: the kernel's events, and which addresses there are.
    yield f"RestrictAddressFamilies=AF_UNIX AF_NETLINK{' AF_INET AF_INET6' if needed else ''}"
    if not needed:
        yield "IPAddressDeny=any"
