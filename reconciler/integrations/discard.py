"""Removes trees of files whatever is in them: deeper than any path may be long, or than Python may recurse.

What is removed came from outside, so its depth, its names and its permissions are not ours. Removing is never worth a
failure: what cannot be removed stays, and the next attempt may have more luck.
"""

import os
import stat
import tempfile
from contextlib import suppress
from errno import ESTALE
from pathlib import Path
from typing import Final, NamedTuple

ASIDE: Final = ".old-"
"""So begin the names of the folders that `moved_aside` makes."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def moved_aside(path: Path) -> Path:
    """Where what was at `path` is now, for `discard`; there may have been nothing.

    Raises:
        OSError: it cannot be renamed, and is as it was.
    """
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=path.parent))
    try:
        with suppress(FileNotFoundError):
            path.rename(aside / "x")
    except OSError:
        discard(aside)
        raise
    return aside


def discard(path: Path) -> None:
    """Remove what is at `path` as far as that is possible; links are removed, not followed."""
    with suppress(OSError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            path.chmod(stat.S_IRWXU)
            root = os.open(path, _FOLDER)
            try:
                _empty(root)
            finally:
                os.close(root)
            path.rmdir()
        else:
            path.unlink()


class _Above(NamedTuple):
    """A folder on the way down: which it is, the name of the one below, and those that are still to be removed."""

    identity: tuple[int, int]
    name: str
    left: list[str]


def _empty(root: int) -> None:
    """Remove what is in the folder `root`, with two folders open at a time and no name longer than one part.

    Raises:
        OSError: the tree is changed by another process.
    """
    here, left, above = os.dup(root), _without_files(root), list[_Above]()
    try:
        while left or above:
            if left:
                name = left.pop()
                below = _opened(name, here)
                if below is not None:
                    above.append(_Above(_identity(here), name, left))
                    os.close(here)
                    here, left = below, _without_files(below)
            else:
                identity, name, left = above.pop()
                back = os.open("..", _FOLDER, dir_fd=here)
                os.close(here)
                here = back
                if _identity(here) != identity:
                    raise OSError(ESTALE, os.strerror(ESTALE))
                with suppress(OSError):
                    os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)


def _without_files(folder: int) -> list[str]:
    """The folders in `folder`, after all else there was removed."""
    folders = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                with suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)
    return folders


def _opened(name: str, folder: int) -> int | None:
    """The folder `name` in `folder`; None where it cannot be opened, or is another file system."""
    try:
        if stat.S_IMODE(os.lstat(name, dir_fd=folder).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(name, stat.S_IRWXU, dir_fd=folder)
        opened = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return None
    if _identity(opened)[0] == _identity(folder)[0]:
        return opened
    os.close(opened)
    return None


def _identity(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino
