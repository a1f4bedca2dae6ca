"""Our systemd units: what boots into what was applied last, what keeps the loop running, and what answers monitoring.

docs/boot.md, docs/operations.md ("The unit"); how much of the system they are kept from: systemd.exec(5).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.files import OurFile

DIRECTORY: Final = Path("/etc/systemd/system")
FOLDERS: Final = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
"""Where systemd looks for units; a file hides those of the same name in the folders after its own (systemd.unit(5))."""

_CONFINED: Final = (
    "NoNewPrivileges=yes",
    # To see which VM has a device open: the open files of processes of other users.
    "CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    # Not hidden, since the program itself may have been installed there.
    "ProtectHome=read-only",
    "PrivateTmp=yes",
    "PrivateMounts=yes",
    "PrivateDevices=yes",
    "DevicePolicy=closed",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
)

_OFFLINE: Final = ("PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX")


def confinement(written: Iterable[str], *, offline: bool) -> tuple[str, ...]:
    """The lines of the section ``[Service]`` that confine a unit of ours.

    Args:
        written: what it writes besides its state directory, absolute paths; one may be missing where a ``-`` precedes.
        offline: whether it needs no network at all.
    """
    paths = " ".join(quoted(path) for path in written)
    return (*_CONFINED, *(_OFFLINE if offline else ()), f"ReadWritePaths={paths}")


def specifiers_escaped(text: str) -> str:
    """`text` as the whole value of a directive that takes one path, such as a condition.

    Raises:
        ValueError: it has a line break or another control character, which no unit file can hold safely.
    """
    if not text.isprintable():
        raise ValueError(f"{text!r} has a character that a unit file cannot hold")
    return text.replace("%", "%%")


def quoted(word: str) -> str:
    """`word` as one word of a unit file: no specifier in it is expanded.

    Raises:
        ValueError: it has a line break or another control character, which no unit file can hold safely.
    """
    escaped = specifiers_escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    plain = all(one.isalnum() or one in "/._-=:@+,%$" for one in escaped)
    return escaped if plain and escaped else f'"{escaped}"'


def command(words: Sequence[str]) -> str:
    """`words` as a command of a unit file: no variable in it is expanded either."""
    return " ".join(quoted(word).replace("$", "$$") for word in words)


def found_unit(root: Path, name: str) -> Path | None:
    """The file of unit `name` below `root`; None where there is none, or where it is masked."""
    for folder in FOLDERS:
        file = root / folder / name
        if file.is_symlink() and str(file.readlink()) == "/dev/null":
            return None
        if file.is_file():
            return file
    return None


def is_enabled(root: Path, name: str) -> bool:
    """Whether unit `name` is started with another one at every boot: a link in its ``.wants`` or ``.requires``."""
    folder = root / FOLDERS[0]
    return any(
        (one / name).is_symlink() or (one / name).is_file()
        for kind in ("wants", "requires")
        for one in folder.glob(f"*.{kind}")
    )


BOOT_NAME: Final = "reconcile-boot.service"
BOOT_MARK: Final = "# Made by 'reconcile service install boot', taken away by 'reconcile service uninstall boot'."
BOOT_UNIT: Final = OurFile(BOOT_NAME, BOOT_MARK, "reconcile service install boot", 0o644)

STATE: Final = "/var/lib/reconciler"
"""Where the state is if nothing else is said."""

VOLATILE: Final = "/run"
"""What is in it is gone after a boot; systemd makes directories of units there."""

RUN: Final = "/run/reconciler"
"""Where reports are published if nothing else is said."""

WAIT_SECONDS: Final = 60
"""How long the AP bus is waited for."""

BOOT_SECONDS: Final = 210.0
"""How long the rest may take; systemd waits a little longer for each of the commands."""

_SYSTEMD_LONGER: Final = 30

# Not their sockets: these are there before any service, and have to be. Who connects waits until the service has
# started, which waits for us.
_BEFORE: Final = ("libvirtd.service", "virtqemud.service", "virtnodedevd.service", "libvirt-guests.service")
_BOOT_AFTER: Final = ("systemd-udevd.service", "systemd-modules-load.service", "local-fs.target")


class Unit(NamedTuple):
    """How the boot unit is: in the file system, and whether systemd starts it at boot."""

    installed: bool
    enabled: bool


def boot_unit_text(python: str, state: str = STATE) -> str:
    """The unit.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        state: the state directory, as an absolute path.

    Raises:
        ValueError: one of them has a character that no unit file can hold.
    """
    # Named also where it is the usual one: a command that was given a state directory takes none of it for an error.
    boot = [python, "-P", "-m", "reconciler.cli", "boot", "--state-dir", state]
    written = ["/sys/bus/ap", "-/sys/devices/vfio_ap", "/run/lock", f"-{state}"]
    lines = (
        BOOT_MARK,
        "",
        "[Unit]",
        "Description=AP crypto queues of virtual machines, as they were applied last",
        "ConditionPathExists=/sys/bus/ap",
        "# Skipped where nothing was applied yet, but not where the whole directory is missing: that is a failure.",
        f"ConditionPathExists=|{specifiers_escaped(state)}/generations",
        f"ConditionPathExists=|!{specifiers_escaped(state)}",
        f"RequiresMountsFor={quoted(state)}",
        f"After={' '.join(_BOOT_AFTER)}",
        f"Before={' '.join(_BEFORE)}",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "# Masks first: when vfio_ap appears, others make devices of the queues that the host has given up by then.",
        f"ExecStart={command([*boot, '--wait', f'{WAIT_SECONDS}s', '--masks-only'])}",
        "# With full rights, so that the other two need none to load modules; what is wrong with it they find out.",
        "ExecStart=-+/sbin/modprobe vfio_ap",
        f"ExecStart={command([*boot, '--wait', '0'])}",
        "MemoryMax=1G",
        f"TimeoutStartSec={WAIT_SECONDS + BOOT_SECONDS + _SYSTEMD_LONGER:.0f}",
        *confinement(written, offline=True),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    )
    return "\n".join(lines) + "\n"


def boot_unit(root: Path) -> Unit:
    """How the unit is on the machine whose files are below `root`."""
    installed = found_unit(root, BOOT_NAME) is not None
    return Unit(installed, installed and is_enabled(root, BOOT_NAME))


def boot_enable_commands(directory: Path) -> Sequence[Sequence[str]]:
    """What has systemd run the unit in `directory` at every boot."""
    return (("systemctl", "daemon-reload"), ("systemctl", "enable", str(directory / BOOT_NAME)))


WATCH_NAME: Final = "reconcile-watch.service"
WATCH_MARK: Final = "# Made by 'reconcile service install watch', taken away by 'reconcile service uninstall watch'."
WATCH_UNIT: Final = OurFile(WATCH_NAME, WATCH_MARK, "reconcile service install watch", 0o644)

GROWING_SINCE: Final = 254
"""The first systemd that can wait longer before each restart (systemd.service(5), ``RestartSteps=``)."""

START_SECONDS: Final = 900
"""How long the first cycle may take: a repository is cloned, others are waited for, everything is applied."""

WATCHDOG_SECONDS: Final = 300
"""After how long without a sign of life the loop is started anew: more than a step of an apply, or a plan, takes."""

STOP_SECONDS: Final = 300
"""How long the end may take: an apply stops before its next step, and rolls back what it has done."""

MEMORY: Final = "1G"
"""How much memory the loop and its children may have; what is more hurts the host's own work."""

_WATCH_AFTER: Final = (
    BOOT_NAME,
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
        network: whether it talks to others by IP: to a repository, or to those who are notified.
        run: the run directory, as an absolute path.
        group: the group that may read what is published there; empty where there is none.
    """

    state: str = STATE
    written: tuple[str, ...] = ()
    git: bool = False
    network: bool = False
    run: str = RUN
    group: str = ""


def watch_unit_text(python: str, options: Sequence[str], needs: Needs, systemd: int) -> str:
    """The unit.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        options: of ``reconcile watch``, with absolute paths.
        needs: what these options need.
        systemd: the version of systemd; each warns of directives that are newer than itself.

    Raises:
        ValueError: one of the words has a character that no unit file can hold.
    """
    usual = needs.state == STATE
    is_volatile = needs.run.startswith(f"{VOLATILE}/")
    written = [*_WRITTEN, *(() if usual else (needs.state,)), *(() if is_volatile else (needs.run,)), *needs.written]
    lines = (
        WATCH_MARK,
        "",
        "[Unit]",
        "Description=Keeps the AP crypto queues of virtual machines as the manifests say",
        *_order(needs, usual),
        "# It never gives up: the host would be unattended.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        "# With full rights, so that the loop needs none to load modules.",
        "ExecStartPre=-+/sbin/modprobe vfio_ap",
        f"ExecStart={command([python, '-P', '-m', 'reconciler.cli', 'watch', *options])}",
        "# The shell's own kill: a small system has no program of that name.",
        "ExecReload=/bin/sh -c 'kill -HUP ${MAINPID}'",
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
        # The unit may change the group of no file, so that those that it publishes have it from the beginning.
        *((f"Group={needs.group}",) if needs.group else ()),
        *(_runtime_directory(needs.run.removeprefix(f"{VOLATILE}/")) if is_volatile else ()),
        "# Where git and ssh look for the settings of root.",
        "Environment=HOME=%h",
        *confinement(written, offline=False),
        *_network(needs.network),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    )
    return "\n".join(lines) + "\n"


SERVE_NAME: Final = "reconcile-serve.service"
SERVE_MARK: Final = "# Made by 'reconcile service install serve', taken away by 'reconcile service uninstall serve'."
SERVE_UNIT: Final = OurFile(SERVE_NAME, SERVE_MARK, "reconcile service install serve", 0o644)
SERVE_SOCKET_NAME: Final = "reconcile-serve.socket"
SERVE_SOCKET: Final = OurFile(SERVE_SOCKET_NAME, SERVE_MARK, "reconcile service install serve", 0o644)

# It reads a few files of the run directory and the id of the boot, and answers: it needs nothing that the others need.
_POWERLESS: Final = (
    "CapabilityBoundingSet=",
    "PrivateUsers=yes",
    "ProtectProc=invisible",
    "SystemCallFilter=~@keyring @memlock",
    "InaccessiblePaths=-/var/lib/reconciler -/sys/bus/ap -/sys/devices/vfio_ap",
)
_REPLACED: Final = ("CapabilityBoundingSet", "ReadWritePaths")


def serve_unit_text(python: str, options: Sequence[str], group: str | None, address: str, *, is_local: bool) -> str:
    """The unit of ``reconcile serve``, which runs as a user of its own without rights.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        options: of ``reconcile serve``.
        group: the group that may read what the loop publishes; None where there is none.
        address: where it listens: the path of a socket that systemd makes (`serve_socket_text`), or a host and port.
        is_local: whether only this machine can reach that.

    Raises:
        ValueError: one of the words has a character that no unit file can hold.
    """
    is_socket = address.startswith("/")
    lines = (
        SERVE_MARK,
        "",
        "[Unit]",
        "Description=Shows what the loop of reconcile publishes, and answers monitoring",
        *((f"Requires={SERVE_SOCKET_NAME}",) if is_socket else ()),
        f"After={SERVE_SOCKET_NAME if is_socket else 'network.target'} {WATCH_NAME}",
        "",
        "[Service]",
        f"ExecStart={command([python, '-P', '-m', 'reconciler.cli', 'serve', *options])}",
        "Restart=on-failure",
        "RestartSec=30",
        "# Wrong options stay wrong.",
        "RestartPreventExitStatus=64",
        "DynamicUser=yes",
        *((f"SupplementaryGroups={group}",) if group else ()),
        "MemoryMax=256M",
        *(line for line in confinement((), offline=is_socket) if line.partition("=")[0] not in _REPLACED),
        "# It needs none of the rights that the other units have.",
        *_POWERLESS,
        *(() if is_socket else ("RestrictAddressFamilies=AF_INET AF_INET6",)),
        *(("IPAddressDeny=any", "IPAddressAllow=localhost") if is_local and not is_socket else ()),
        *(() if is_socket else ("", "[Install]", "WantedBy=multi-user.target")),
    )
    return "\n".join(lines) + "\n"


def serve_socket_text(path: str, group: str | None) -> str:
    """The unit of the socket at which ``reconcile serve`` answers; it is started by the first who connects.

    Args:
        path: of the socket, absolute.
        group: whose members may connect; None where there is no such group, and root alone may.

    Raises:
        ValueError: the path has a character that no unit file can hold.
    """
    lines = (
        SERVE_MARK,
        "",
        "[Unit]",
        "Description=The socket at which reconcile serve answers",
        "",
        "[Socket]",
        f"ListenStream={specifiers_escaped(path)}",
        "SocketMode=0660",
        *((f"SocketGroup={group}",) if group else ()),
        "DirectoryMode=0755",
        "RemoveOnStop=yes",
        "",
        "[Install]",
        "WantedBy=sockets.target",
    )
    return "\n".join(lines) + "\n"


def restart_commands(directory: Path, name: str) -> Sequence[Sequence[str]]:
    """What has systemd run the unit `name` in `directory` now, as it is now, and at every boot."""
    return (
        ("systemctl", "daemon-reload"),
        ("systemctl", "enable", str(directory / name)),
        ("systemctl", "restart", name),
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
    yield f"After={' '.join(_WATCH_AFTER)}"


def _restart(systemd: int) -> Iterable[str]:
    yield "Restart=on-failure"
    yield "# Wrong options stay wrong."
    yield "RestartPreventExitStatus=64"
    if systemd >= GROWING_SINCE:
        yield from ("RestartSec=5", "RestartSteps=6", "RestartMaxDelaySec=300")
    else:
        yield "RestartSec=30"


def _runtime_directory(name: str) -> Iterable[str]:
    yield "# What is published there stays when the loop ends: it says so."
    yield f"RuntimeDirectory={quoted(name)}"
    yield "RuntimeDirectoryMode=0755"
    yield "RuntimeDirectoryPreserve=yes"


def _network(needed: bool) -> Iterable[str]:
    # AF_NETLINK: the kernel's events, and which addresses there are.
    yield f"RestrictAddressFamilies=AF_UNIX AF_NETLINK{' AF_INET AF_INET6' if needed else ''}"
    if not needed:
        yield "IPAddressDeny=any"
