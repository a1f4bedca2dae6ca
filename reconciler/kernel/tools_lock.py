"""The lock that ap-check and chzdev take, by the protocol of s390-tools (libutil/util_lockfile.c).

A file whose content is the holder's PID, made beside the lock and hard-linked to its name: the link succeeds for one
only. A lock whose process is gone is stale; an empty one is being written, or stale after two minutes. Between seeing a
stale lock and removing it somebody else may have taken it anew, so that who has taken the lock reads it again.

Never run mdevctl, virsh nodedev-* or chzdev while holding it: they would wait for us.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from reconciler.kernel.lock_wait import AtWork, Patience, wait_for

_EMPTY_IS_STALE_SECONDS: Final = 120.0
_TRIES_AT_ONCE: Final = 3
_MOST_BYTES: Final = 40
_MOST_COMMAND: Final = 4096


class ToolsBusy(Exception):
    """Another tool has held the lock for too long; the text says which process."""


@contextmanager
def tools_locked(path: Path, wait: Patience) -> Iterator[None]:
    """Hold the lock at `path` while the block runs.

    Args:
        path: the lock, for the tools ``/run/lock/s390apconfig.lock``.
        wait: how long to wait for whoever holds it (the tools themselves: 90 to 99 seconds).

    Raises:
        ToolsBusy: it was not to be had in that time.
        OSError: the directory of the lock cannot be written.
    """
    wait_for(
        lambda: _taken(path),
        lambda: _at_work(path),
        wait,
        lambda who: ToolsBusy(f"the lock of ap-check and chzdev, {path}, is held by {who}"),
    )
    try:
        yield
    finally:
        if _holder(path) == os.getpid():
            path.unlink(missing_ok=True)


def tools_holder(path: Path) -> tuple[AtWork | None, bool]:
    """Who has the lock at `path`, None where nobody has, and whether that process is there; changes nothing."""
    holder = _holder(path)
    if holder is None:
        return None, False
    return _at_work(path), holder == 0 or _lives(holder)


def _taken(path: Path) -> Literal[True] | None:
    for _ in range(_TRIES_AT_ONCE):
        if _link(path) and _holder(path) == os.getpid():
            return True
        if not _remove_stale(path):
            return None
    return None


def _link(path: Path) -> bool:
    own = path.with_name(f"{path.name}{os.getpid():05d}{int(time.time()) & 0xFF:02x}")
    try:
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False  # left by one of our number that was killed; the name changes every second
    try:
        os.write(descriptor, f"{os.getpid()}\n".encode())
        os.link(own, path)
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
        own.unlink()
    return True


def _holder(path: Path) -> int | None:
    """The PID in the lock; 0 where it has none yet, None where there is no lock."""
    try:
        # Everybody may write to /run/lock: what is there need not be a file, and must not keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return 0
    try:
        with suppress(ValueError, OSError):
            return max(0, int(os.read(descriptor, _MOST_BYTES)))
    finally:
        os.close(descriptor)
    return 0


def _remove_stale(path: Path) -> bool:
    """Remove a lock that nobody holds any more; whether it is worth trying again at once."""
    holder = _holder(path)
    if holder is None:
        return True
    try:
        stale = not _lives(holder) if holder else _seconds(path) > _EMPTY_IS_STALE_SECONDS
        if stale and _holder(path) == holder:
            path.unlink()
    except FileNotFoundError:
        return True
    return stale


def _seconds(path: Path) -> float:
    # A file's time is the time of day, whatever it was set to since; nothing else says how old a foreign lock is.
    return max(0.0, time.time() - path.lstat().st_mtime)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _at_work(path: Path) -> AtWork:
    process = _holder(path) or 0
    try:
        return AtWork(process, _command(process), _seconds(path))
    except FileNotFoundError:
        return AtWork(process)


def _command(process: int) -> str:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as stream:
            return stream.read(_MOST_COMMAND).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
