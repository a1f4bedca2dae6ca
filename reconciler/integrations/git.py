"""Which git commit manifests come from, and whether they are as they were committed.

Manifests may come from people who are not trusted with this machine, and with them a folder that git takes for a
repository, or settings that have git run a program. So git is asked by those of its commands only that run none
(``rev-parse``, ``ls-tree``, ``config``); whether a file is the one of the commit we find out ourselves, from its bytes.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha1, sha256
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.bounded_process import Bounds, Processes
from reconciler.integrations.git_command import Git, GitFailed, NoProgram, reason
from reconciler.integrations.git_trust import NotTrusted, refuse_untrusted
from reconciler.integrations.links import links_on
from reconciler.integrations.local_repository import repository_above

_BOUNDS: Final = Bounds(10.0)
_FILE: Final = (b"100644", b"100755")
_LINK: Final = b"120000"
_CHUNK: Final = 1 << 20

_MOST_BYTES: Final = 256 << 20
"""Files that are longer together are no manifests that could be used, and are not looked into."""

_MOST_NAMED: Final = 200
"""So many names are given to ``ls-tree`` at most; where there are more it lists the whole commit."""


class ManifestsCommit(NamedTuple):
    """The commit that manifests come from.

    Attributes:
        id: of the commit, followed by ``+`` where what was read is not what the commit has; empty where there is none.
        refused: why no commit is shown although there is a repository, in a sentence; empty where there is none.
    """

    id: str = ""
    refused: str = ""


class Manifests(NamedTuple):
    """Manifests that were read.

    Attributes:
        given: the paths that lead to them, files or directories; at least one.
        files: each with its name (a given path, and the way from there) and its real path.
        whole: whether everything was found that the given paths lead to.
    """

    given: Sequence[str]
    files: Sequence[tuple[str, str]]
    whole: bool


def commit_of(read: Manifests, environment: Mapping[str, str], checkouts: str = "") -> ManifestsCommit:
    """The commit that is checked out where the first of the manifests in `read` are.

    Args:
        read: what was read.
        environment: where the administrator's settings for git are found.
        checkouts: the directory in which the loop keeps commits as files, each in a directory with its name. No
            other program writes to them, and they are no repositories; empty if there is none.
    """
    if kept := _checkout(read, checkouts):
        return ManifestsCommit(kept)
    repository = repository_above(os.path.realpath(read.given[0]))
    if not repository:
        return ManifestsCommit()
    git = Git(Path(repository.directory), Processes(), environment, bare=True, work_tree=repository.top)
    try:
        refuse_untrusted(repository, git, environment)
        commit = _head(git)
        return ManifestsCommit(commit and commit + ("" if _is_unchanged(read, repository.top, commit, git) else "+"))
    except NoProgram:
        return ManifestsCommit()
    except (NotTrusted, GitFailed) as error:
        return ManifestsCommit(refused=f"the commit of the manifests is not shown: {error}")
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
        return ManifestsCommit(refused=f"the commit of the manifests is not shown: {why}")


def _checkout(read: Manifests, checkouts: str) -> str:
    """The commit whose files in `checkouts` the manifests are; empty if they are elsewhere."""
    if not checkouts:
        return ""
    root = os.path.realpath(checkouts)
    commits = {_first_below(os.path.realpath(path), root) for path in read.given}
    first = _first_below(os.path.realpath(read.given[0]), root)
    return first and (first if len(commits) == 1 else f"{first}+")


def _first_below(path: str, root: str) -> str:
    return path.removeprefix(f"{root}/").partition("/")[0] if path.startswith(f"{root}/") else ""


def _head(git: Git) -> str:
    """The commit that is checked out; empty where there is none as yet."""
    answer = git.answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}", bounds=_BOUNDS)
    with answer.output:
        if answer.code > 1:
            raise GitFailed(reason(answer.said) or f"git rev-parse ended with {answer.code}")
        return os.fsdecode(answer.output.read()).strip()


def _is_unchanged(read: Manifests, top: str, commit: str, git: Git) -> bool:
    """Whether a fresh checkout of `commit` at `top` would be read as exactly the same files.

    So it is where each file that was read is the commit's, each link on the way to one is, and nothing is missing that
    the commit has in the same places. Git's index is no witness: it can be told to overlook files.
    """
    if not read.whole:
        return False
    places = [os.path.realpath(path) for path in read.given]
    paths = [path for _, path in read.files]
    if not all(_is_inside(path, top) for path in (*places, *paths)) or sum(map(_size, paths)) > _MOST_BYTES:
        return False
    given = [_relative(path, top) for path in places]
    files = [_relative(path, top) for path in paths]
    links = [_relative(link, top) for link in _links(read) if _is_inside(link, top)]
    elsewhere = [path for path in files if not any(_is_inside(path, root) for root in given)]
    entries = _entries(git, commit, {*given, *links, *elsewhere})
    return (
        all(_is_file(entries.get(path), os.path.join(top, path)) for path in files)
        and all(_is_link(entries.get(path), os.path.join(top, path)) for path in links)
        and _nothing_is_missing(entries, {*files, *links}, given, top)
    )


def _links(read: Manifests) -> set[str]:
    """The links by which the manifests were reached."""
    folders = {*read.given, *(os.path.dirname(name) for name, _ in read.files)}
    found = {link for folder in folders for link in links_on(folder or ".")}
    return found | {link for name, _ in read.files if os.path.islink(name) for link in links_on(name)}


def _relative(path: str, top: str) -> str:
    """How the commit names the real path `path`, which is inside of `top`."""
    return path.removeprefix(top).lstrip("/") or "."


def _is_inside(path: str, folder: str) -> bool:
    return folder in {".", path} or path.startswith(f"{folder.rstrip('/')}/")


def _entries(git: Git, commit: str, paths: Iterable[str]) -> dict[str, tuple[bytes, bytes]]:
    """Mode and object of everything below `paths` in `commit`, by name."""
    names = sorted(paths)
    if len(names) > _MOST_NAMED or "." in names:
        names = []
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    answer = git.answer("ls-tree", "-r", "-z", "--full-tree", commit, "--", *names, bounds=_BOUNDS, environment=literal)
    with answer.output:
        if answer.code:
            raise GitFailed(f"the files of {commit} cannot be listed: {reason(answer.said)}")
        lines = answer.output.read().split(b"\0")[:-1]
    return {os.fsdecode(name): (mode, identity) for mode, identity, name in map(_entry, lines)}


def _entry(line: bytes) -> tuple[bytes, bytes, bytes]:
    facts, _, name = line.partition(b"\t")
    mode, _, identity = facts.split(b" ")
    return mode, identity, name


def _is_file(entry: tuple[bytes, bytes] | None, path: str) -> bool:
    """Whether the file at `path` has the bytes that the commit has."""
    return entry is not None and entry[0] in _FILE and _object(path, len(entry[1])) == entry[1]


def _is_link(entry: tuple[bytes, bytes] | None, path: str) -> bool:
    if entry is None or entry[0] != _LINK:
        return False
    target = os.readlink(os.fsencode(path))
    return _identity([target], len(target), len(entry[1])) == entry[1]


def _nothing_is_missing(
    entries: Mapping[str, tuple[bytes, bytes]], seen: set[str], given: Sequence[str], top: str
) -> bool:
    """Whether all other files and links of the commit below the `given` paths are there as such."""
    real: dict[str, bool] = {}
    for name, (mode, identity) in entries.items():
        if name in seen or not any(_is_inside(name, root) for root in given):
            continue
        path = os.path.join(top, name)
        folder = os.path.dirname(path)
        if folder not in real:
            real[folder] = os.path.realpath(folder) == folder
        kind = _kind(path) if real[folder] else 0
        if mode == _LINK and not (stat.S_ISLNK(kind) and _is_link((mode, identity), path)):
            return False
        if mode in _FILE and not stat.S_ISREG(kind):
            return False
    return True


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _kind(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _object(path: str, length: int) -> bytes:
    """The name that git gives to the content of the file `path`, of so many digits; empty where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            parts = _parts(descriptor, status.st_size)
            return _identity(parts, status.st_size, length) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError:
        return b""


def _parts(descriptor: int, size: int) -> Iterator[bytes]:
    """What the file has, up to one byte more than its `size` was: it may grow as long as it is read."""
    left = size + 1
    while left and (part := os.read(descriptor, min(left, _CHUNK))):
        left -= len(part)
        yield part


def _identity(parts: Iterable[bytes], size: int, length: int) -> bytes:
    # `git hash-object --no-filters` gives the same, but takes no name with a line break in it, and reads without end.
    total = sha1(usedforsecurity=False) if length == 40 else sha256()
    total.update(b"blob %d\0" % size)
    for part in parts:
        total.update(part)
    return total.hexdigest().encode()
