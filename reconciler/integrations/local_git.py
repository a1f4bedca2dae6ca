"""Which commit of a repository of this machine manifests come from, and whether they are as they were committed.

Git is run only in repositories that belong to us and need no program to be read. Of one that belongs to another user
nothing is read but data: where its HEAD leads to, by ourselves, and its objects, by git in an empty repository of ours.
So no setting of that user counts, and none can name a program.
"""

import os
import pwd
import re
import shlex
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha1, sha256
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.files import links_on
from reconciler.integrations.git_command import CommitWords, Git, GitFailed, NoProgram, commit_words, reason
from reconciler.integrations.repositories import LocalRepository, repository_above, small_text
from reconciler.kernel.processes import Bounds, Processes
from reconciler.model.errors import InputError

_BOUNDS: Final = Bounds(10.0)
_FALSE: Final = frozenset({"false", "no", "off", "0", ""})


class NotTrusted(InputError):
    """The repository is not used; the text says why, and what to do."""


def refuse_untrusted(repository: LocalRepository, git: Git, environment: Mapping[str, str]) -> None:
    """See that `repository`, where `git` runs, may be asked.

    Raises:
        NotTrusted: it belongs to another user, whom the administrator's ``safe.directory`` does not name; it is a
            partial clone, for which git would run a program to fetch what is missing; or it is bare.
        GitFailed: its configuration cannot be read.
        Stopped: nothing is run any more.
    """
    if (foreign := _foreign(repository, environment)) and not _is_declared_safe(repository, git):
        scope = "--global" if os.geteuid() else "--system"
        raise NotTrusted(
            f"{foreign[0]} belongs to {_user(foreign[1])}, not to you or root; if you trust what is in it, run: "
            f"git config {scope} --add safe.directory {shlex.quote(repository.top)}"
        )
    settings = _settings(git)
    if any(_makes_partial(name, value) for name, value in settings):
        raise NotTrusted(
            f"{repository.directory} is a partial clone, for which git would run a program to fetch what is missing; "
            "use a clone that was made without --filter"
        )
    if repository.claims_work_tree and _is_true(dict(settings).get("core.bare", "")):
        raise NotTrusted(f"{repository.directory} is a bare repository, of which {repository.top} is no work tree")


def _foreign(repository: LocalRepository, environment: Mapping[str, str]) -> tuple[str, int] | None:
    """The first part of `repository` that is not ours, and whose it is."""
    ours = {0, os.geteuid()}
    if os.geteuid() == 0 and (asked := environment.get("SUDO_UID", "")).isdecimal():
        ours.add(int(asked))  # who runs the command by sudo; git does the same
    for part, owner in _owners(repository.parts):
        if owner not in ours:
            return part, owner
    return None


def _owners(parts: Iterable[str]) -> Iterator[tuple[str, int]]:
    for part in parts:
        found = os.lstat(part)
        yield part, found.st_uid
        if stat.S_ISLNK(found.st_mode):
            yield part, os.stat(part).st_uid


def _is_declared_safe(repository: LocalRepository, git: Git) -> bool:
    """Whether the administrator's own settings, never those of a repository, name `repository` (git-config(1))."""
    safe = False
    places = {repository.top, repository.directory}
    for value in git.paths_in_own_settings("safe.directory"):
        if not value:
            safe = False  # an empty value takes back all before it
        elif value == "*" or os.path.realpath(value) in places:
            safe = True
        elif value.endswith("/*"):
            safe |= any(place.startswith(f"{os.path.realpath(value[:-2])}/") for place in places)
    return safe


def _settings(git: Git) -> list[tuple[str, str]]:
    """The settings of the repository where `git` runs, among them those of files that it includes."""
    answer = git.answer("config", "--null", "--list", bounds=_BOUNDS)
    with answer.output:
        if answer.code:
            raise GitFailed(f"its configuration cannot be read: {reason(answer.said)}")
        lines = os.fsdecode(answer.output.read()).split("\0")[:-1]
    return [(name, value if equals else "true") for name, equals, value in (line.partition("\n") for line in lines)]


def _makes_partial(name: str, value: str) -> bool:
    if name == "extensions.partialclone":
        return True
    if not name.startswith("remote."):
        return False
    return name.endswith(".partialclonefilter") or (name.endswith(".promisor") and _is_true(value))


def _is_true(value: str) -> bool:
    return value.lower() not in _FALSE


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"


_COMMIT_BOUNDS: Final = Bounds(10.0)
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


def commit_of(read: Manifests, environment: Mapping[str, str]) -> ManifestsCommit:
    """The commit that is checked out where the first of the manifests in `read` are.

    Args:
        read: what was read.
        environment: where the administrator's settings for git are found.
    """
    repository = repository_above(os.path.realpath(read.given[0]))
    if not repository:
        return ManifestsCommit()
    try:
        with reader(repository, environment) as git:
            commit = _head(git)
            is_unchanged = not commit or _is_unchanged(read, repository.top, commit, git)
        return ManifestsCommit(commit if is_unchanged else f"{commit}+")
    except NoProgram:
        return ManifestsCommit()
    except (NotTrusted, GitFailed) as error:
        return ManifestsCommit(refused=f"the commit of the manifests is not shown: {error}")
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
        return ManifestsCommit(refused=f"the commit of the manifests is not shown: {why}")


def words_of(commit: str, path: str, environment: Mapping[str, str]) -> CommitWords:
    """What `commit` of the repository that `path` is in says of itself; `environment` as in `commit_of`."""
    repository = repository_above(os.path.realpath(path))
    if not repository:
        return CommitWords()
    try:
        with reader(repository, environment) as git:
            return commit_words(git, commit)
    except (NotTrusted, GitFailed, OSError):
        return CommitWords()


@contextmanager
def reader(repository: LocalRepository, environment: Mapping[str, str]) -> Iterator[Git]:
    """What reads the commit that is checked out in `repository`, and the objects of every other.

    Of another user's repository it knows no names of branches, only ids, and what leads on from ``HEAD``.

    Raises:
        NotTrusted, GitFailed: see `refuse_untrusted`.
        OSError: its files cannot be read.
    """
    if _foreign(repository, environment) and _is_of_one_user(repository):
        with tempfile.TemporaryDirectory(prefix="reconcile-") as folder:
            yield _reader_of_data(repository, Path(folder), environment)
        return
    git = Git(Path(repository.directory), Processes(), environment, bare=True, work_tree=repository.top)
    refuse_untrusted(repository, git, environment)
    yield git


def _is_of_one_user(repository: LocalRepository) -> bool:
    """Whether it leads nowhere where another user's repository is, which its owner may not be allowed to read."""
    owners = [os.lstat(part).st_uid for part in (repository.marker, repository.directory, repository.common)]
    return len(set(owners)) == 1


def _reader_of_data(repository: LocalRepository, folder: Path, environment: Mapping[str, str]) -> Git:
    """Git in an empty repository of ours, in `folder`: its HEAD is that of `repository`, and so are its objects."""
    commit = _checked_out(repository)
    for name in ("objects", "refs"):
        (folder / name).mkdir()
    (folder / "HEAD").write_text(f"{commit or 'ref: refs/heads/none'}\n", encoding="ascii")
    (folder / "config").write_text(_DATA_SETTINGS[len(commit) == _SHA256], encoding="ascii")
    objects = os.path.join(repository.common, "objects")
    return Git(folder, Processes(), environment, bare=True, objects=objects)


_ID: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})", re.ASCII)
_SHA256: Final = 64
_MOST_REFS: Final = 64 << 20
_MOST_NAMES: Final = 5
_ONLY_OBJECTS: Final = "\tcommitGraph = false\n\tmultiPackIndex = false\n"
_DATA_SETTINGS: Final = tuple(
    f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{_ONLY_OBJECTS}{more}"
    for version, more in ((0, ""), (1, "[extensions]\n\tobjectFormat = sha256\n"))
)
"""Of our own repository: for ids of 40 digits, and of 64."""


def _checked_out(repository: LocalRepository) -> str:
    """The commit that HEAD of `repository` leads to, read as git would; empty where there is none as yet.

    Raises:
        GitFailed: it is not kept in files that can be read without git.
    """
    if os.path.lexists(os.path.join(repository.common, "reftable")):
        raise GitFailed("its branches are kept as a reftable, which is read only where the repository is yours")
    said = small_text(os.path.join(repository.directory, "HEAD"))
    for _ in range(_MOST_NAMES):
        if _ID.fullmatch(said):
            return said
        name = said.removeprefix("ref: ")
        path = os.path.normpath(os.path.join(repository.common, name))
        # A link could lead to what this user may not read: another repository's branch.
        if not _is_inside(path, os.path.join(repository.common, "refs")) or os.path.realpath(path) != path:
            return ""
        said = small_text(path) or _packed(repository, name)
    return ""


def _packed(repository: LocalRepository, name: str) -> str:
    lines = small_text(os.path.join(repository.common, "packed-refs"), _MOST_REFS).splitlines()
    return next((line.split(" ")[0] for line in lines if line.partition(" ")[2] == name), "")


def _head(git: Git) -> str:
    """The commit that is checked out; empty where there is none as yet."""
    answer = git.answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}", bounds=_COMMIT_BOUNDS)
    with answer.output:
        if answer.code > 1:
            raise GitFailed(reason(answer.said) or f"git rev-parse ended with {answer.code}")
        return os.fsdecode(answer.output.read()).strip()


def _is_unchanged(read: Manifests, top: str, commit: str, git: Git) -> bool:
    """Whether a fresh checkout of `commit` at `top` would be read as exactly the same files.

    So it is where each file that was read is the commit's, each link on the way to one is, and nothing is missing that
    the commit has in the same places. Git's index is no witness: it can be set to overlook files.
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
    answer = git.answer(
        "ls-tree", "-r", "-z", "--full-tree", commit, "--", *names, bounds=_COMMIT_BOUNDS, environment=literal
    )
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
