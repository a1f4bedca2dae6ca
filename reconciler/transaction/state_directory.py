"""The directory where `reconcile` keeps what it must not forget; private to its owner (0700, files 0600)."""

import os
import shlex
import stat
from collections.abc import Callable
from contextlib import suppress
from errno import EDQUOT, EIO, ELOOP, ENOSPC, EROFS
from itertools import takewhile
from pathlib import Path
from typing import Final

from reconciler.kernel.own_files import replace_file, sync_folder, write_all
from reconciler.model.codec import LARGEST
from reconciler.model.errors import StateError
from reconciler.model.printable import error_text

_OBSTACLES: Final = (ENOSPC, EDQUOT, EROFS, EIO)
_ROOM: Final = 16 << 10
"""How many bytes have to be free for a record of how an apply ended."""


class UnsafeState(StateError):
    """The state directory cannot be trusted or used; the text says why and what to do.

    Attributes:
        remedy: what to do alone, for readers who are shown it apart from the text; empty where only a look helps.
    """

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class OnlyRoot(UnsafeState):
    """What we keep is root's, and this process is not: root can do it."""

    needs_root = True


class StateDirectory:
    """Files below `path`, written so that a crash leaves the old content or the new, never a part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trusted = False

    def prepare(self, *, writable: bool = True) -> None:
        """Make the directory where it is missing, on disk when it returns; refuse one that cannot be trusted.

        With `writable`, also one that cannot be written.

        Raises:
            UnsafeState: it belongs to another user, others can write to it, or it cannot be made or written.
        """
        try:
            missing = list(takewhile(lambda one: not one.exists(), (self.path, *self.path.parents)))
            for one in reversed(missing):
                one.mkdir(mode=0o700, exist_ok=True)
                sync_folder(one.parent)
            _refuse_foreign(self.path, self.path.lstat(), stat.S_ISDIR, (os.geteuid(),))
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if writable and not os.access(self.path, os.W_OK):
            raise self._unusable("it cannot be written")

    def read(self, name: str) -> bytes | None:
        """The content of file `name`, or None where there is none; links are not followed.

        Of a file that is larger than anything we write comes as much as shows that.

        Raises:
            UnsafeState: the directory or the file belongs to another user, or others can write to it.
        """
        try:
            self._require_trust()
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == ELOOP:
                raise UnsafeState(
                    f"{self.path / name} is a link; what we keep is never one, so look who made it"
                ) from error
            raise
        try:  # before it becomes a stream, which a directory cannot be
            _refuse_foreign(self.path / name, os.fstat(descriptor), stat.S_ISREG, self._owners)
        except UnsafeState:
            os.close(descriptor)
            raise
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(LARGEST + 1)

    def _require_trust(self) -> None:
        if not self._trusted:
            _refuse_foreign(self.path, self.path.lstat(), stat.S_ISDIR, self._owners)
            self._trusted = True

    @property
    def _owners(self) -> tuple[int, ...]:
        return (os.geteuid(), 0)  # what root keeps is good enough to be read by others

    def _unusable(self, reason: str) -> UnsafeState:
        return UnsafeState(f"the state directory {self.path} cannot be used: {reason}; choose one with --state-dir")

    def names(self) -> list[str]:
        """The names of all files, in no order.

        Raises:
            FileNotFoundError: the directory is not there.
        """
        return os.listdir(self.path)

    def replace(self, name: str, content: bytes) -> None:
        """Make `content` the content of file `name`, on disk when it returns."""
        try:
            replace_file(self.path / name, content)
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT) or not self._replaced_by_spare(name, content):
                raise _of_file(error, self.path / name) from error

    def set_aside(self, name: str) -> None:
        """Keep as much space as file `name` has now, so that `replace` with no more than that works on a full disk.

        Where there is no such file, or no space, or the file system cannot do it, nothing is kept any more.
        """
        spare = self._spare(name)
        try:
            size = (self.path / name).stat().st_size
            descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            with suppress(OSError):
                spare.unlink()

    def _spare(self, name: str) -> Path:
        return self.path / f".{name}.spare"

    def _replaced_by_spare(self, name: str, content: bytes) -> bool:
        """Whether `content` fitted into the space that was set aside and is now that of file `name`."""
        spare = self._spare(name)
        try:
            descriptor = os.open(spare, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        if os.fstat(descriptor).st_size < len(content):
            os.close(descriptor)
            return False
        _write_synced(descriptor, content, size=len(content))
        os.replace(spare, self.path / name)
        sync_folder(self.path)
        return True

    def append(self, name: str, content: bytes) -> None:
        """Add `content` to file `name`, on disk when it returns."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            _write_synced(os.open(f"{self.path}/{name}", flags), content)
        except OSError as error:
            raise _of_file(error, self.path / name) from error

    def obstacle(self) -> str:
        """Why nothing can be recorded now, in the system's words; empty where it can, or where we may not try that.

        Only trying shows it: of blocks that are reserved, and of quotas, the file system's numbers say nothing.
        """
        try:
            # A file without a name, which nothing else sees and no crash leaves.
            descriptor = os.open(self.path, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, _ROOM)
            finally:
                os.close(descriptor)
        except OSError as error:
            return error_text(_of_file(error, self.path)) if error.errno in _OBSTACLES else ""
        return ""

    def remove(self, name: str) -> None:
        """Remove file `name` where it exists, on disk when it returns."""
        (self.path / name).unlink(missing_ok=True)
        sync_folder(self.path)


def _refuse_foreign(path: Path, found: os.stat_result, is_kind: Callable[[int], bool], owners: tuple[int, ...]) -> None:
    if not is_kind(found.st_mode):
        kind = "a directory" if is_kind is stat.S_ISDIR else "a file"
        raise UnsafeState(f"{path} must be {kind}, not a link or anything else")
    if found.st_uid == 0 and 0 not in owners:
        raise OnlyRoot(f"{path} belongs to root, not to you; only root may change it")
    if found.st_uid not in owners:
        raise UnsafeState(f"{path} belongs to user {found.st_uid}, not to you: what it says cannot be trusted")
    if found.st_mode & 0o022:
        remedy = f"see that it is as you left it, then run: chmod go-w {shlex.quote(str(path))}"
        raise UnsafeState(f"others can write to {path}; {remedy}", remedy)


def _of_file(error: OSError, path: Path) -> OSError:
    """`error` with the name that people know: a write has none, and a temporary file's is gone."""
    return error if error.errno is None else OSError(error.errno, error.strerror, str(path))


def _write_synced(descriptor: int, content: bytes, *, size: int | None = None) -> None:
    try:
        write_all(descriptor, content)
        if size is not None:
            os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
