"""The lock that ap-check and chzdev take, by the protocol of s390-tools (libutil/util_lockfile.c).

A file whose content is the holder's PID, made beside the lock and hard-linked to its name: the link succeeds for one
only. A lock whose process is gone is stale; an empty one is being written, or stale after two minutes. Between seeing a
stale lock and removing it somebody else may have taken it anew, so that who has taken the lock reads it again.

Never run mdevctl, virsh nodedev-* or chzdev while holding it: they would wait for us.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.kernel.settle import Clock

WAIT_SECONDS: Final = 90.0
"""How long the tools themselves wait (libap: 3,000 tries of 30 to 33 ms)."""

_EMPTY_IS_STALE_SECONDS: Final = 120.0
_RETRY_SECONDS: Final = 0.03
_MOST_BYTES: Final = 40


class ToolsBusy(Exception):
    """Another tool has held the lock for too long; the text says which process."""


@contextmanager
def tools_locked(
    path: Path, clock: Clock, on_wait: Callable[[int], None], wait_seconds: float = WAIT_SECONDS
) -> Iterator[None]:
    """Hold the lock at `path` while the block runs.

    Args:
        path: the lock, for the tools ``/run/lock/s390apconfig.lock``.
        clock: time.
        on_wait: called once with the holder's PID (0 where unknown) when the lock has to be waited for.
        wait_seconds: how long.

    Raises:
        ToolsBusy: it was not to be had in that time.
        OSError: the directory of the lock cannot be written.
    """
    _take(path, clock, on_wait, wait_seconds)
    try:
        yield
    finally:
        if _holder(path) == os.getpid():
            path.unlink(missing_ok=True)


def _take(path: Path, clock: Clock, on_wait: Callable[[int], None], wait_seconds: float) -> None:
    deadline = clock.monotonic() + wait_seconds
    told = False
    while not (_link(path) and _holder(path) == os.getpid()):
        if _remove_stale(path):
            continue
        holder = _holder(path) or 0
        if clock.monotonic() >= deadline:
            raise ToolsBusy(
                f"{path} has been held for {wait_seconds:g} s by {_process(holder)}; "
                "wait until it is done, or end it if it hangs"
            )
        if not told:
            on_wait(holder)
            told = True
        clock.sleep(_RETRY_SECONDS)


def _link(path: Path) -> bool:
    own = path.with_name(f"{path.name}{os.getpid():05d}{int(time.time()) & 0xFF:02x}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
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
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    with suppress(ValueError):
        return max(0, int(text))
    return 0


def _remove_stale(path: Path) -> bool:
    """Remove a lock that nobody holds any more; whether it is worth trying again at once."""
    holder = _holder(path)
    if holder is None:
        return True
    try:
        stale = not _lives(holder) if holder else time.time() - path.stat().st_mtime > _EMPTY_IS_STALE_SECONDS
        if stale and _holder(path) == holder:
            path.unlink()
    except FileNotFoundError:
        return True
    return stale


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process(process: int) -> str:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = ""
    return f"process {process}" + (f" ({command[:120]})" if command else "")
