"""Manifests that are in memory: those of a commit, which no file is written for, of a record, and of standard input.

The same rules choose the files of a commit as choose those of a directory (`reconciler.manifests.files`): the tree is
searched as if it were checked out, and links are followed in it.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from errno import ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR
from itertools import islice
from typing import Final, NamedTuple

from reconciler.manifests import files
from reconciler.manifests.files import (
    FILE_LIMIT,
    STDIN,
    STDIN_NAME,
    Files,
    FoundFile,
    Kind,
    Listing,
    Status,
    nothing_given,
    survey_of,
    too_large,
    too_much,
    unreadable,
)
from reconciler.manifests.skipped import MOST_JSON, OURS_WITHIN, begins_like_ours, is_json, skipped_problem
from reconciler.model.problems import Problem
from reconciler.model.stopping import NEVER, StopToken

_MOST_LINKS: Final = 40
"""How many links a path may lead through, as in Linux."""

_LONGEST_NAME: Final = 255


class Kept(NamedTuple):
    """A file: its content, or why there is none, and which version that is; None where it has no name."""

    content: bytes | Problem
    version: Hashable | None = None


class KeptFiles(NamedTuple):
    """Manifests in memory; see `reconciler.manifests.files.Files`.

    Attributes:
        where: where they come from, for people.
        kept: the files by name.
        problems: what is wrong apart from their contents.
    """

    where: str
    kept: Mapping[str, Kept]
    problems: tuple[Problem, ...] = ()

    def listing(self, stop: StopToken = NEVER) -> Listing:
        """See `Files`."""
        stop.check()
        return Listing([FoundFile(name, name) for name in sorted(self.kept)], self.problems)

    def content(self, file: FoundFile) -> bytes | Problem:
        """See `Files`."""
        return self.kept[file.name].content

    def version(self, file: FoundFile) -> Hashable | None:
        """See `Files`."""
        return self.kept[file.name].version


class WithInput(NamedTuple):
    """Manifests in files, and one more that was read from standard input; see `reconciler.manifests.files.Files`.

    Attributes:
        files: the files; None where none are named.
        given: what was read: at most one byte more than a file may have.
    """

    files: Files | None
    given: bytes

    @property
    def where(self) -> str:
        """See `Files`."""
        return f"{self.files.where}, {STDIN_NAME}" if self.files else STDIN_NAME

    def listing(self, stop: StopToken = NEVER) -> Listing:
        """See `Files`."""
        found = self.files.listing(stop) if self.files else Listing((), ())
        return Listing([_INPUT, *found.files], found.problems)

    def content(self, file: FoundFile) -> bytes | Problem:
        """See `Files`."""
        if file is not _INPUT:
            assert self.files
            return self.files.content(file)
        if len(self.given) > FILE_LIMIT:
            return too_large(_INPUT.name, len(self.given))
        return self.given if self.given.strip() else nothing_given(_INPUT.name)

    def version(self, file: FoundFile) -> Hashable | None:  # noqa: ARG002 - as all files have it
        """See `Files`: not known, since nothing of this is read twice."""
        return None


_INPUT: Final = FoundFile(STDIN_NAME, STDIN)


class Committed(NamedTuple):
    """What a commit has below a directory, as git lists it. All names are paths from the top of the repository.

    Attributes:
        where: the commit and the directory, for people.
        path: the directory; empty for the whole repository.
        blobs: of each file the object with its content, and the size of that.
        links: what each link leads to.
        folders: what links lead to that is a directory of the commit outside of `path`.
    """

    where: str
    path: str
    blobs: Mapping[str, tuple[str, int]]
    links: Mapping[str, str]
    folders: frozenset[str] = frozenset()


Blobs = Callable[[Iterable[str], int], Mapping[str, bytes]]
"""Reads objects by id, so many bytes of each at most."""


def files_of(commit: Committed, read: Blobs, stop: StopToken = NEVER) -> KeptFiles:
    """The manifests of `commit`, in memory: `read` gives the contents of those that are manifests, and of no others."""
    found = survey_of(_Tree(commit), [commit.path], commit.where, stop)
    blobs = {file.path: commit.blobs[_inner(file.path)] for file in found.files if _inner(file.path) in commit.blobs}
    wanted, total = [], 0
    for identity, size in blobs.values():
        # As many as one run reads: with the first one beyond that, reading ends.
        if size <= FILE_LIMIT and total <= files.MOST_BYTES:
            wanted.append(identity)
            total += size
    contents = read(dict.fromkeys(wanted), FILE_LIMIT)
    kept = {file.name: _kept(file, blobs, contents) for file in found.files}
    skipped = _skipped(found.skipped, commit, read)
    return KeptFiles(commit.where, kept, (*found.problems, skipped) if skipped else tuple(found.problems))


def _kept(file: FoundFile, blobs: Mapping[str, tuple[str, int]], contents: Mapping[str, bytes]) -> Kept:
    if file.path not in blobs:
        return Kept(unreadable(file.name, FileNotFoundError(ENOENT, os.strerror(ENOENT))))
    identity, size = blobs[file.path]
    if size > FILE_LIMIT:
        return Kept(too_large(file.name, size))
    if identity not in contents:
        return Kept(too_much(file.name, f"{files.MOST_BYTES >> 20} MiB"))
    return Kept(contents[identity], identity)


def _skipped(found: list[FoundFile], commit: Committed, read: Blobs) -> Problem | None:
    looked_into = islice((one.path for one in found if is_json(one.name)), MOST_JSON)
    ids = {path: commit.blobs[_inner(path)][0] for path in looked_into if _inner(path) in commit.blobs}
    starts = read(dict.fromkeys(ids.values()), OURS_WITHIN) if ids else {}
    return skipped_problem(found, lambda path: path in ids and begins_like_ours(starts[ids[path]]))


def _inner(path: str) -> str:
    """How the commit names what has this real path in its `_Tree`."""
    return path.removeprefix("./")


class _Tree:
    """A commit as the folders that it would be; its top is ``.``, and real paths begin with that."""

    def __init__(self, commit: Committed) -> None:
        self._links = {f"./{name}": target for name, target in commit.links.items()}
        self._files = {f"./{name}" for name in commit.blobs}
        self._outside = {f"./{name}" if name else "." for name in commit.folders}
        self._folders: dict[str, list[tuple[str, Kind]]] = {".": []}
        self._folder(f"./{commit.path}" if commit.path else ".")
        for kind, paths in ((Kind.FILE, self._files), (Kind.LINK, self._links)):
            for path in paths:
                self._folder(os.path.dirname(path)).append((os.path.basename(path), kind))

    def _folder(self, path: str) -> list[tuple[str, Kind]]:
        if path not in self._folders:
            self._folders[path] = []
            self._folder(os.path.dirname(path)).append((os.path.basename(path), Kind.FOLDER))
        return self._folders[path]

    def entries(self, folder: str) -> Iterator[tuple[str, Kind]]:
        return iter(self._folders[folder])

    def real(self, path: str) -> str:
        return self._walk(path)[0]

    def status(self, path: str) -> Status:
        real, refused = self._walk(path)
        if refused and (refused != ENOENT or real not in self._outside):
            raise OSError(refused, os.strerror(refused), path)
        return Status(bool(refused) or real in self._folders, real in self._files, real)

    def _walk(self, path: str) -> tuple[str, int]:
        """Where `path` leads, as a real path, and the number of the error that ends the way; 0 where it arrives.

        A path out of the repository begins with ``/`` or ``../``.
        """
        at, rest, followed = ".", path.split("/")[::-1], 0
        while rest:
            part = rest.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if at == ".":
                    return _plain("..", *rest[::-1]), ENOENT
                at = os.path.dirname(at)
                continue
            here, at = at, f"{at}/{part}"
            if len(os.fsencode(part)) > _LONGEST_NAME:
                return at, ENAMETOOLONG
            if at in self._links:
                followed += 1
                if followed > _MOST_LINKS:
                    return at, ELOOP
                target = self._links[at]
                if target.startswith("/"):
                    return _plain(target, *rest[::-1]), ENOENT
                rest += target.split("/")[::-1]
                at = here
            elif at in self._files and rest:
                return at, ENOTDIR
            elif at not in self._files and at not in self._folders:
                return _plain(at, *rest[::-1]), ENOENT
        return at, 0


def _plain(*parts: str) -> str:
    path = os.path.normpath("/".join(parts))
    return path if path in {".", ".."} or path.startswith(("/", "../")) else f"./{path}"
