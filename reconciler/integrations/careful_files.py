"""Files of other tools: read with a limit, and replaced so that a crash leaves the old content or the new."""

import os
import stat
from contextlib import suppress
from errno import EEXIST
from pathlib import Path
from typing import Final

LIMIT: Final = 1 << 20
"""How many bytes of a file are read; what the tools write has some thousands."""

_MODE: Final = 0o644
"""What their own files have, so that other tools can read ours."""


class NotReadable(Exception):
    """A file cannot be used; the text says why, without its name."""


def read_limited(path: Path) -> bytes:
    """The content of the regular file at `path`; a pipe or device is never waited for.

    Raises:
        FileNotFoundError: there is none.
        NotReadable: it is no regular file, has more than `LIMIT` bytes, or the system refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotReadable(error.strerror or str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotReadable("it is no regular file")
        content = b""
        while len(content) <= LIMIT and (part := os.read(descriptor, LIMIT + 1 - len(content))):
            content += part
    except OSError as error:
        raise NotReadable(error.strerror or str(error)) from error
    finally:
        os.close(descriptor)
    if len(content) > LIMIT:
        raise NotReadable(f"it has more than {LIMIT:,} bytes")
    return content


def replace(path: Path, content: bytes) -> None:
    """Make `content` the content of the file at `path`, on disk when it returns; folders that are missing are made.

    The new file first has a name that begins with a dot and ends in ``.new``, which is no uuid (mdevctl skips it with
    a warning) and no name of a udev rule.

    Raises:
        OSError: it cannot be written, or what is there is no file; the old content is still there.
    """
    _make_folder(path.parent)
    _refuse_special(path)
    temporary = path.with_name(f".{path.name}.new")
    # What a crash has left of an earlier attempt, or a link that somebody put there, is not written to.
    temporary.unlink(missing_ok=True)
    try:
        _write_synced(temporary, content)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _refuse_special(path: Path) -> None:
    # Renaming a file over a device or a pipe would replace it.
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise FileExistsError(EEXIST, "it is no regular file", str(path))


def remove(path: Path) -> None:
    """Remove the file at `path` where there is one; its absence is on disk when it returns.

    Raises:
        OSError: it cannot be removed.
    """
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o755, exist_ok=True)
    sync_folder(folder.parent)


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        os.fchmod(descriptor, _MODE)
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
