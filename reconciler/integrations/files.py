"""Files and directories among those of other tools: read with a limit, replaced atomically, removed at any depth.

A file that is wholly ours says so in one line, with how it goes away again; a directory of our own has one process at a
time in it.
"""

import os
import stat
from contextlib import suppress
from enum import StrEnum
from errno import EEXIST
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.kernel.own_files import replace_file, sync_folder, take_lock
from reconciler.model.errors import InputError, StateError

LIMIT: Final = 1 << 20
"""How many bytes of a file are read; what the tools write has some thousands."""

_MODE: Final = 0o644
"""What their own files have, so that other tools can read ours."""


class NotReadable(InputError):
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

    Raises:
        OSError: it cannot be written, or what is there is no file; the old content is still there.
    """
    _make_folder(path.parent)
    _refuse_special(path)
    replace_file(path, content, mode=_MODE)


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


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o755, exist_ok=True)
    sync_folder(folder.parent)


_LARGEST: Final = 1 << 16


class NotOurs(InputError):
    """What has our name there was not made by us; nothing was done."""


class Installed(StrEnum):
    """What an installation has done."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


class OurFile(NamedTuple):
    """A kind of file that we install.

    Attributes:
        name: of the file.
        mark: a line that stands among its first two.
        maker: the command that makes it, for people.
        mode: its permissions.
    """

    name: str
    mark: str
    maker: str
    mode: int

    def install(self, directory: Path, text: str) -> Installed:
        """Make `text` the file in `directory`; whoever reads it sees the old one or the new, never a part.

        Raises:
            NotOurs: there is a file of that name that we did not make.
            OSError: it cannot be written; the directory above has to exist.
        """
        path = directory / self.name
        before = self.ours(path)
        if before == text:
            path.chmod(self.mode)
            return Installed.SAME
        directory.mkdir(mode=0o755, exist_ok=True)
        replace_file(path, text.encode("utf-8", "surrogateescape"), mode=self.mode)
        return Installed.NEW if before is None else Installed.CHANGED

    def uninstall(self, directory: Path) -> bool:
        """Remove the file from `directory`; whether there was one.

        Raises:
            NotOurs: there is a file of that name that we did not make.
            OSError: it cannot be removed.
        """
        path = directory / self.name
        if self.ours(path) is None:
            return False
        path.unlink()
        return True

    def ours(self, path: Path) -> str | None:
        """The text of the file that we made at `path`; None where there is nothing.

        Raises:
            NotOurs: we did not make it.
        """
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise NotOurs(f"{path} is no regular file, so it was not made by '{self.maker}'; remove it first")
            with path.open(encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read(_LARGEST)
        except FileNotFoundError:
            return None
        if self.mark not in text.splitlines()[:2]:
            raise NotOurs(f"{path} was not made by '{self.maker}'; move it away first")
        return text


class NotPrivate(StateError):
    """The directory cannot be used; the text says why."""


class PrivateDirectory:
    """The directory `path` (0700), ours alone until it is closed, or until this process ends in any way."""

    def __init__(self, path: Path) -> None:
        """Make the directory where it is missing, and take it.

        Raises:
            NotOurs: others can write to it, or another process works in it.
            OSError: it cannot be made.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise NotPrivate(f"{path} must be a directory that belongs to you and that no other user can write to")
        self.path = path
        found_lock = take_lock(path / "lock")
        if found_lock is None:
            raise NotPrivate(f"another process works in {path}")
        self._lock = found_lock

    def close(self) -> None:
        """Let others have the directory; closing it again does nothing."""
        held, self._lock = self._lock, -1
        if held >= 0:
            os.close(held)
