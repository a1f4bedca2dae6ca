"""The manifest files in the paths that were given, and their content, whatever stands in the way.

A directory is read recursively. Files and folders whose names begin with a dot are skipped. Links are followed as long
as they stay inside the given directory: Kubernetes mounts a ConfigMap as visible links into a hidden folder, through
the link ``..data``, which it swaps as a whole.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.manifests.places import error
from reconciler.model.problems import Place, Position, Problem

FILE_LIMIT: Final = 32 << 20
"""How long a file may be, in bytes."""

TOTAL_LIMIT: Final = 128 << 20
"""How long all files of one run may be together, in bytes: some four hundred thousand guests."""

MOST_FOLDERS: Final = 64
"""How many folders a manifest may be in, one within the other."""

_ENDINGS: Final = (".yaml", ".yml")


class FoundFile(NamedTuple):
    """A manifest: `name` is how people know it (the path as given, and the way from there), `path` where it is read."""

    name: str
    path: str


def find_files(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[FoundFile], list[Problem]]:
    """The manifests in `paths`, ascending by name and each real file once; and the paths that cannot be used."""
    search = _Search()
    for path in paths:
        search.add(os.fspath(path))
    files = search.files()
    if not files and not search.problems:
        where = ", ".join(os.fspath(path) for path in paths) or "no path at all"
        advice = "Manifests end in .yaml or .yml; names that begin with a dot are skipped."
        search.problems.append(error("no-manifests", f"there is no manifest in {where}", (), advice))
    return files, search.problems


def content_of(file: FoundFile) -> bytes | Problem:
    """The bytes of `file`, at most `FILE_LIMIT`; or why they cannot be read. Never waits, not even for a pipe."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _content(file.name, descriptor)
        finally:
            os.close(descriptor)
    except OSError as refused:
        return _unreadable(file.name, refused)


def _content(name: str, descriptor: int) -> bytes | Problem:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return _problem("not-a-file", f"{name} is no regular file", name, "Give a file or a directory.")
    content = b"" if status.st_size > FILE_LIMIT else _read(descriptor)
    if status.st_size > FILE_LIMIT or len(content) > FILE_LIMIT:
        message = f"{name} has {max(status.st_size, len(content))} bytes, more than {FILE_LIMIT}"
        return _problem("file-too-large", message, name, "Divide it into several files.")
    return content


def too_much(file: FoundFile) -> Problem:
    """The problem with `file`, with which all files are more than `TOTAL_LIMIT` together."""
    message = f"with {file.name} the manifests are more than {TOTAL_LIMIT} bytes"
    return _problem("too-much", message, file.name, "Give the directory of one host, and look what else is in it.")


class _Search:
    """Collects files by their real path; of several names the first in order stays."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._found: dict[str, str] = {}

    def files(self) -> list[FoundFile]:
        return sorted(FoundFile(name, real) for real, name in self._found.items())

    def add(self, path: str) -> None:
        real = os.path.realpath(path)
        try:
            is_folder = stat.S_ISDIR(os.stat(path).st_mode)
        except OSError as refused:
            self.problems.append(_unreadable(path, refused))
            return
        if is_folder:
            self._add_folder(path, real, real, frozenset())
        else:
            self._add_file(path, real)

    def _add_file(self, name: str, real: str) -> None:
        self._found[real] = min(name, self._found.get(real, name))

    def _add_folder(self, name: str, real: str, root: str, above: frozenset[str]) -> None:
        """`above` are the real folders that this one is in, so that a link upwards ends."""
        if real in above:
            return
        if len(above) >= MOST_FOLDERS:
            message = f"{name} is within {len(above)} folders, more than are looked into"
            self.problems.append(_problem("folder-too-deep", message, name, "Keep manifests in fewer folders."))
            return
        try:
            entries = list(os.scandir(real))
        except OSError as refused:
            self.problems.append(_unreadable(name, refused))
            return
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not entry.name.startswith("."):
                try:
                    self._add_entry(entry, os.path.join(name, entry.name), root, above | {real})
                except OSError as refused:  # a link that leads in a circle, or whose text is no name
                    self.problems.append(_unreadable(os.path.join(name, entry.name), refused))

    def _add_entry(self, entry: os.DirEntry[str], name: str, root: str, above: frozenset[str]) -> None:
        real = entry.path
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if not _is_inside(real, root):
                if name.endswith(_ENDINGS) or os.path.isdir(real):
                    self.problems.append(_leaves(name, real))
                return
        if entry.is_dir():
            self._add_folder(name, real, root, above)
        elif name.endswith(_ENDINGS):
            self._add_file(name, real)


def _is_inside(real: str, root: str) -> bool:
    return real.startswith(root.rstrip("/") + "/") or real == root


def _read(descriptor: int) -> bytes:
    parts = list(_parts(descriptor))
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _parts(descriptor: int) -> Iterator[bytes]:
    left = FILE_LIMIT + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        left -= len(part)
        yield part


def _leaves(name: str, real: str) -> Problem:
    message = f"the link {name} leaves its directory: it leads to {real}"
    return _problem("link-leaves-directory", message, name, "Put the file itself there, or give its path as well.")


def _unreadable(name: str, refused: OSError) -> Problem:
    if isinstance(refused, FileNotFoundError):
        advice = "Check the path. If it is a link, check where it leads."
        return _problem("path-missing", f"{name} does not exist", name, advice)
    message = f"{name} cannot be read: {refused.strerror}"
    return _problem("unreadable", message, name, "Check its permissions, and those of the folders above it.")


def _problem(id: str, message: str, name: str, help: str) -> Problem:
    return error(id, message, (Place(Position(name, 1, 1)),), help)
