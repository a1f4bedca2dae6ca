"""Files at a name that a person gives (``plan --out``, ``import --out``): only a regular file is ever replaced.

What is found under a name depends on every link on the way of its path.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.kernel.own_files import replace_file, write_all
from reconciler.model.errors import HostError, InputError

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
