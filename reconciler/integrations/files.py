"""Files and directories that are not ours alone: read with a limit, replaced atomically, removed at any depth.

Among those of other tools, a file that is wholly ours says so in one line, with how it goes away again; a directory of
our own has one process at a time in it. At a name that a person gives (``plan --out``, ``import --out``) only a regular
file is ever replaced; what is found there depends on every link on the way of its path.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from errno import EEXIST
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.kernel.own_files import replace_file, sync_folder, take_lock, write_all
from reconciler.model.errors import HostError, InputError, StateError

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


_MOST_LINKS: Final = 40  # as many as the kernel follows (path_resolution(7))


def way(path: str) -> Iterator[tuple[str, str]]:
    """What decides where `path` leads, as directory and name: each link on the way, and its end.

    Where something is missing that is the end: it may be made one day.
    """
    here, links = "/", 0
    parts = deque(os.path.join(os.getcwd(), path).split("/"))
    while parts:
        part = parts.popleft()
        if part in {"", "."}:
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        full = os.path.join(here, part)
        target = _target(full)
        if target is not None:
            yield here, part
            links += 1
            if links > _MOST_LINKS:
                return
            parts.extendleft(reversed(target.split("/")))
            here = "/" if target.startswith("/") else here
        elif not any(parts) or not os.path.isdir(full):
            yield here, part
            return
        else:
            here = full


def links_on(path: str) -> Iterator[str]:
    """The real path of each link on the way of `path`, which itself may be one."""
    for folder, name in way(path):
        found = os.path.join(folder, name)
        if os.path.islink(found):
            yield found


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


_KINDS: Final = (
    (stat.S_ISDIR, "it is a directory"),
    (stat.S_ISBLK, "it is a block device"),
    (stat.S_ISSOCK, "it is a socket"),
)
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


class CannotWrite(HostError):
    """Nothing was written at the name that was given, or not all of it; the text says why."""


class Exists(InputError):
    """There is a file of that name, which is not written over."""


def write_named(file: str, content: bytes, *, only_new: bool = False, mode: int | None = None) -> None:
    """Have `content` in `file`: the whole of it on disk, or nothing and `file` as it was.

    Args:
        file: a name. Where a regular file is there, it is replaced as a whole and keeps its permissions.
        content: all of it.
        only_new: replace no file.
        mode: its permissions; None: those of the file that is there, or of any new file of this process.

    Raises:
        CannotWrite: it cannot be written. Of what a device or pipe has got already nothing can be taken back.
        Exists: `only_new`, and there is a file or a link to one.
    """
    try:
        found = _found(file)
        if found is not None and _takes_a_stream(found.st_mode):
            _write_into(file, content)
        elif found is not None and only_new:
            raise Exists(file)
        else:
            _refuse_others(file, found)
            permissions = mode if mode is not None or found is None else stat.S_IMODE(found.st_mode) & 0o777
            _write_anew(file, content, permissions, only_new=only_new)
    except OSError as error:
        raise CannotWrite(f"{file} cannot be written: {_reason(error)}") from error


def is_kept(file: str) -> bool:
    """Whether what was written to `file` can be read from it later."""
    return os.path.isfile(file)


def _found(file: str) -> os.stat_result | None:
    """What `file` is: where a link leads to a device or a pipe (``/dev/stdout``), that; None where there is nothing."""
    try:
        found = os.lstat(file)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        with suppress(OSError):
            target = os.stat(file)
            return target if _takes_a_stream(target.st_mode) else found
    return found


def _takes_a_stream(mode: int) -> bool:
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def _refuse_others(file: str, found: os.stat_result | None) -> None:
    if found is None or stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISLNK(found.st_mode):
        reason = f"it is a symbolic link; name the file itself: {os.path.realpath(file)}"
    else:
        reason = next((text for is_kind, text in _KINDS if is_kind(found.st_mode)), "it is no regular file")
    raise OSError(errno.EEXIST, reason)


def _write_into(file: str, content: bytes) -> None:
    # Without O_NONBLOCK the opening of a pipe that no process reads would never end.
    descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        os.set_blocking(descriptor, True)
        write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _write_anew(file: str, content: bytes, mode: int | None, *, only_new: bool) -> None:
    # In a folder of others, such as /tmp, no other user may know the name of the new file before it is complete.
    temporary = Path(os.path.dirname(file) or ".", f".reconcile-{os.getpid()}-{os.urandom(4).hex()}")
    put = _name_new if only_new else os.replace
    replace_file(Path(file), content, mode=mode, temporary=temporary, put=put)


def _name_new(temporary: Path, file: Path) -> None:
    try:
        os.link(temporary, file)
        temporary.unlink()
    except FileExistsError as error:
        raise Exists(str(file)) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(file):  # a file system without links, such as vfat
            raise Exists(str(file)) from error
        os.replace(temporary, file)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENXIO:
        return "no process reads from it"
    return error.strerror or str(error)
