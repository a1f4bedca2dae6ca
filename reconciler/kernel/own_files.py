"""Files of our own: replaced as a whole, so that a reader, also after a crash, finds no part of one; and locked.

Every file that we write is written here: what we keep, what we publish and install, and what is written for a person.
How long to wait for a lock that another process holds is decided in `reconciler.kernel.locks`.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EROFS
from pathlib import Path
from typing import Final

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE: Final = 0o600


def replace_file(
    path: Path,
    content: bytes,
    *,
    mode: int | None = _PRIVATE,
    group: int | None = None,
    flushed: bool = True,
    temporary: Path | None = None,
    put: Callable[[Path, Path], object] | None = None,
) -> None:
    """Make `content` the content of the file at `path`, on disk when it returns.

    Args:
        path: the file; where it is a link, that is replaced.
        content: all of it.
        mode: the permissions of the file; None: those of any new file of this process.
        group: the id of the group of the file; None: that of any new file of this process.
        flushed: whether it has to be on disk; otherwise it may be lost in a crash of the machine.
        temporary: the name of the new file until it is complete. Usually it begins with a dot and ends in ``.new``,
            which is no uuid (mdevctl skips it with a warning) and no name of a udev rule.
        put: gives the complete file its name; None: it replaces the old one.

    Raises:
        OSError: it cannot be written; the old content is still there, and nothing else.
    """
    temporary = temporary or path.with_name(f".{path.name}.new")
    try:
        descriptor = new_file(temporary, mode, group)
        try:
            write_all(descriptor, content)
            if flushed:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        (put or os.replace)(temporary, path)
    except BaseException:
        with suppress(OSError):  # what is half written takes space that may be missing
            temporary.unlink()
        raise
    if flushed:
        sync_folder(path.parent)


def new_file(path: Path, mode: int | None = _PRIVATE, group: int | None = None) -> int:
    """The descriptor of a new file at `path`, to be written to; what a crash has left there, or a link, goes away.

    Raises:
        OSError: it cannot be made.
    """
    wanted = 0o666 if mode is None else _PRIVATE
    try:
        descriptor = os.open(path, _NEW, wanted)
    except FileExistsError:
        path.unlink()
        descriptor = os.open(path, _NEW, wanted)
    try:
        found = os.fstat(descriptor)
        if group is not None and found.st_gid != group:
            os.fchown(descriptor, -1, group)
        if mode is not None and stat.S_IMODE(found.st_mode) != mode:  # whatever the umask is
            os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, content: bytes) -> None:
    """Write the whole of `content`, in as many writes as it takes."""
    while content:
        content = content[os.write(descriptor, content) :]


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on disk; nothing happens in one that may be written to and not be read."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_lock(path: Path) -> int | None:
    """The descriptor of the lock file at `path`, ours until it is closed; None where another process has the lock.

    Raises:
        OSError: it cannot be made, or is a link.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError as error:
        if error.errno != EROFS:
            raise
        descriptor = os.open(path, os.O_RDONLY | flags)  # a file that cannot be written can be locked
    try:
        # The lock of a file that was removed since keeps no process out.
        if try_flock(descriptor) and os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def try_flock(descriptor: int) -> bool:
    """Whether the lock of the open file `descriptor` (flock(2)) is ours, until it is closed; does not wait."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_flock(descriptor: int) -> None:
    """Take the lock of the open file `descriptor`, however long another process holds it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on the file at `path`; it may be any process that can read the file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def socket_address(directory: Path, name: str) -> Iterator[str]:
    """The address of the socket `name` in `directory`, while the block runs.

    An address holds 107 bytes, and a path may be longer: it goes through the directory's descriptor instead.
    """
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
