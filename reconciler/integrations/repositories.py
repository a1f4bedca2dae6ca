"""Repositories of this machine, found without git: each plan asks whether its manifests are in one."""

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

_MOST: Final = 4096
"""How long the file is at most that leads to a repository: a path."""


class LocalRepository(NamedTuple):
    """A repository of this machine.

    Attributes:
        directory: where it is: what ``.git`` is, or leads to.
        top: the folder that has ``.git``; for a bare repository the repository itself.
        marker: the ``.git`` there; for a bare repository the repository itself.
        common: where its objects and branches are: `directory`, unless that is of a linked work tree.
        claims_work_tree: whether it is the only repository that says so: `top` is not one of several work trees.
    """

    directory: str
    top: str
    marker: str
    common: str
    claims_work_tree: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Everything that decides what git reads there, each of which must be ours."""
        return tuple(dict.fromkeys((self.top, self.marker, self.directory, self.common)))


def repository_above(path: str) -> LocalRepository | None:
    """The repository with the work tree that the real path `path` is in; None where no folder above has a ``.git``."""
    for folder in _upwards(path):
        marker = os.path.join(folder, ".git")
        if os.path.lexists(marker):
            return _marked(folder, marker)
    return None


def repository_at(path: str) -> LocalRepository | None:
    """The repository that git would fetch from, where it is given `path`; None where there is none."""
    for name in (f"{path}/.git", path, f"{path}.git/.git", f"{path}.git"):
        found = _marked(os.path.dirname(name), name) if name.endswith("/.git") else _bare(name)
        if found:
            return found
    return None


def _upwards(path: str) -> Iterator[str]:
    yield path
    while path != (path := os.path.dirname(path)):
        yield path


def _marked(folder: str, marker: str) -> LocalRepository | None:
    """The repository that `marker`, the ``.git`` in `folder`, is or leads to."""
    linked = not os.path.isdir(marker)
    directory = _led_to(folder, marker) if linked else os.path.realpath(marker)
    if not directory or not os.path.isfile(os.path.join(directory, "HEAD")):
        return None
    common = os.path.realpath(os.path.join(directory, small_text(os.path.join(directory, "commondir"))))
    if not os.path.isdir(os.path.join(common, "objects")):
        return None
    top = os.path.realpath(folder)
    return LocalRepository(directory, top, marker, common, not linked)


def _bare(path: str) -> LocalRepository | None:
    directory = os.path.realpath(path)
    if not all(os.path.exists(os.path.join(directory, name)) for name in ("HEAD", "objects", "refs")):
        return None
    return LocalRepository(directory, directory, directory, directory)


def _led_to(folder: str, marker: str) -> str:
    """The directory that the file `marker` names; empty where it names none."""
    kind, _, path = small_text(marker).partition(": ")
    return os.path.realpath(os.path.join(folder, path)) if kind == "gitdir" and path else ""


def small_text(path: str, most: int = _MOST) -> str:
    """What the file `path` says, `most` bytes of it; empty where there is none. A pipe is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.fsdecode(os.read(descriptor, most)).rstrip("\r\n")
        finally:
            os.close(descriptor)
    except OSError:
        return ""
