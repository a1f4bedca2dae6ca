"""The file through which libvirt runs us when a VM starts and when it has ended.

libvirt runs every executable file of ``hooks/qemu.d`` with the VM's name, an operation, a sub-operation and one more
word, and with the VM's XML on standard input; a start is called off where one fails at ``prepare begin``, and a VM that
runs is killed where one fails at ``reconnect`` (libvirt: *Hooks for specific system management*). So the file itself, a
few lines for a shell, lets only the two operations through that we have something to do for.
"""

import os
import shlex
import stat
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path("/etc/libvirt/hooks/qemu.d")
NAME: Final = "reconcile"
MARK: Final = "# Made by 'reconcile hook install', taken away by 'reconcile hook uninstall'."
_LARGEST: Final = 1 << 16


class NotOurs(Exception):
    """What has our name there was made by somebody else; nothing was done."""


class Installed(StrEnum):
    """What an installation has done."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


def hook_text(python: str, options: Sequence[str]) -> str:
    """The hook file.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        options: of ``reconcile hook qemu``, with absolute paths.
    """
    command = shlex.join(["-P", "-m", "reconciler.cli", "hook", "qemu", *options, "--"])
    return f"""#!/bin/sh
{MARK}

# A failure at 'reconnect' would have libvirt kill a VM that runs: for all but these two nothing is done.
case "$2 $3" in
    "prepare begin" | "release end") ;;
    *) exit 0 ;;
esac

# Where reconcile has gone, VMs without crypto queues must start nevertheless; libvirt itself refuses a VM whose
# mediated device is missing.
python={shlex.quote(python)}
if [ ! -x "$python" ]; then
    echo "reconcile hook: there is no $python any more; remove $0, or install it again" >&2
    exit 0
fi

exec "$python" {command} "$@"
"""


def install(directory: Path, text: str) -> Installed:
    """Make `text` the hook file in `directory`; libvirt sees the old one or the new, never a part.

    Raises:
        NotOurs: there is a file of that name that we did not make.
        OSError: it cannot be written; the directory above has to exist.
    """
    path = directory / NAME
    before = _ours(path)
    if before == text:
        path.chmod(0o755)
        return Installed.SAME
    directory.mkdir(mode=0o755, exist_ok=True)
    temporary = directory / f".{NAME}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(stream.fileno(), 0o755)
        os.fsync(stream.fileno())
    temporary.replace(path)
    return Installed.NEW if before is None else Installed.CHANGED


def uninstall(directory: Path) -> bool:
    """Remove the hook file from `directory`; whether there was one.

    Raises:
        NotOurs: there is a file of that name that we did not make.
        OSError: it cannot be removed.
    """
    path = directory / NAME
    if _ours(path) is None:
        return False
    path.unlink()
    return True


def _ours(path: Path) -> str | None:
    """The hook file that we made at `path`; None where there is nothing."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise NotOurs(f"{path} is no regular file, so it was not made by 'reconcile hook install'; remove it first")
        with path.open(encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read(_LARGEST)
    except FileNotFoundError:
        return None
    if MARK not in text.splitlines()[1:2]:
        raise NotOurs(f"{path} was not made by 'reconcile hook install'; move it away first")
    return text
