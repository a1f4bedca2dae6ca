"""The run directory: small files for readers who are not root, which are gone after a boot; and a lock that shows life.

It belongs to the user who publishes in it, and no other user can write to it. Who may read a file is decided by its
mode: the group `GROUP` where that exists, everybody where that was asked for, otherwise its owner alone.
"""

import grp
import os
import shlex
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.kernel.own_files import new_file, replace_file, try_flock
from reconciler.model.errors import StateError
from reconciler.model.printable import error_text

RUN: Final = Path("/run/reconciler")
"""Where the reports of this machine are published, for the default state directory."""

GROUP: Final = "reconciler"
"""Who may read them, where the group exists and nothing else is said."""

LARGEST: Final = 64 << 20
"""The most bytes of a file that are read; a report on 10,000 guests has about 4 MB."""

_DIRECTORY_MODE: Final = 0o755
_OTHERWISE: Final = "look who made it, and remove it, or choose another directory with --run-dir"
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeRunDirectory(StateError):
    """The run directory, or a file in it, cannot be trusted or used; the text says why and what to do."""


class RunDirectory:
    """Where reports are published, for the one who publishes."""

    def __init__(self, path: Path, *, is_public: bool = False) -> None:
        """Publish in `path`; if that `is_public`, readable by everybody."""
        self.path = path
        self._gid = None if is_public else group_id()
        self._mode = 0o644 if is_public else 0o640 if self._gid is not None else 0o600

    def prepare(self) -> None:
        """Make the directory where it is missing.

        Raises:
            UnsafeRunDirectory: it is a link, belongs to another user, others can write to it, or it cannot be made.
        """
        try:
            with suppress(FileExistsError):
                self.path.mkdir(mode=_DIRECTORY_MODE)
                self.path.chmod(_DIRECTORY_MODE)  # whatever the umask is
            refuse_foreign(self.path, self.path.lstat(), os.geteuid())
            if self._gid is not None and not self._may_give_to(self._gid):
                self._gid, self._mode = None, 0o600
        except OSError as error:
            raise UnsafeRunDirectory(
                f"the run directory {self.path} cannot be used: {error_text(error)}; choose another one with --run-dir"
            ) from error

    def _may_give_to(self, group: int) -> bool:
        """Whether files may get `group`: a service that was installed before the group was made may not."""
        temporary = self._temporary("group")
        try:
            os.close(new_file(temporary, self._mode, group))
        except PermissionError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def like(self, name: str) -> "RunDirectory":
        """The same directory, with files that those may read who may read file `name`, where that is there."""
        made = RunDirectory(self.path)
        made._gid, made._mode = self._gid, self._mode
        with suppress(OSError):
            found = (self.path / name).lstat()
            made._gid, made._mode = found.st_gid, stat.S_IMODE(found.st_mode) & 0o644
        return made

    def replace(self, name: str, content: bytes) -> None:
        """Make `content` the content of file `name`; whoever reads it meanwhile gets the old content or the new.

        It need not outlive a crash of the machine, and is not flushed to a disk.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """
        temporary = self._temporary(name)
        replace_file(self.path / name, content, mode=self._mode, group=self._gid, flushed=False, temporary=temporary)

    def size(self, name: str) -> int:
        """How many bytes file `name` has; 0 where there is none."""
        try:
            return (self.path / name).lstat().st_size
        except FileNotFoundError:
            return 0

    def lock(self, name: str) -> int:
        """The descriptor of a lock on file `name`, held until it is closed, or until this process ends in any way.

        The file is new and is locked before it has its name, so that no other process can hold this lock.

        Raises:
            OSError: it cannot be made.
        """
        temporary = self._temporary(name)
        descriptor = new_file(temporary, self._mode, self._gid)
        try:
            try_flock(descriptor)
            os.replace(temporary, self.path / name)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _temporary(self, name: str) -> Path:
        # Of this process: a loop and a command may publish at the same time.
        return self.path / f".{name}.{os.getpid()}.new"


def read_file(path: Path, owner: int) -> bytes | None:
    """The content of the file at `path`, which belongs to `owner`; None where there is none.

    Of a file that is larger than `LARGEST` comes as much as shows that.

    Raises:
        UnsafeRunDirectory: it is no file, belongs to another user, or other users can write to it.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    try:  # before it becomes a stream, which a directory cannot be
        refuse_foreign(path, os.fstat(descriptor), owner, is_kind=stat.S_ISREG)
    except UnsafeRunDirectory:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(LARGEST + 1)


def refuse_foreign(
    path: Path, found: os.stat_result, owner: int, *, is_kind: Callable[[int], bool] = stat.S_ISDIR
) -> None:
    """Return if `path`, of which `found` is known, is of that kind and only `owner` can write to it.

    Raises:
        UnsafeRunDirectory: it is not; the text says what to do.
    """
    if not is_kind(found.st_mode):
        kind = "a directory" if is_kind is stat.S_ISDIR else "a file"
        raise UnsafeRunDirectory(
            f"{path} must be {kind}, not a link or anything else; remove it, or choose another one with --run-dir"
        )
    if found.st_uid != owner:
        raise UnsafeRunDirectory(f"{path} belongs to user {found.st_uid}, not to user {owner}; {_OTHERWISE}")
    if found.st_mode & 0o022:
        remedy = f"see that it is as you left it, then run: chmod go-w {shlex.quote(str(path))}"
        raise UnsafeRunDirectory(f"others can write to {path}; {remedy}")


def group_id() -> int | None:
    """The number of the group that may read what is published; None where there is no such group."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
