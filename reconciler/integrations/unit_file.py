"""What our systemd units have in common: how much of the system they are kept from (systemd.exec(5)).

They write the masks and mediated devices in sysfs, the state directory and the lock of the s390-tools, and look at
other processes to know who has a device open. Whatever else root may do they give up.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

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
