"""A private mirror of one branch, and what its commits hold.

The mirror is never anything but a copy: whatever is wrong with it, it is fetched anew. Nothing is checked out: the
files of a commit are listed, and contents are read into memory, with the bytes that git keeps, unfiltered.
"""

import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from errno import ENAMETOOLONG
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from reconciler.integrations.git_address import Address, local_path
from reconciler.integrations.git_command import BOUNDS, Ended, Git, GitFailed, reason
from reconciler.integrations.local_git import NotTrusted, refuse_untrusted
from reconciler.integrations.repositories import repository_at
from reconciler.kernel.processes import Bounds
from reconciler.model.errors import InputError
from reconciler.model.printable import escaped

FILES: Final = 100_000
"""How many files a directory of a commit may have."""

BYTES: Final = 256 << 20
"""How long the files of a directory of a commit may be together."""

FOLDERS: Final = 64
"""How many folders a file may be in, one within the other; manifests in more are not read anyway."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LINE: Final = re.compile(rb"([0-7]{6}) ([a-z]+) ([0-9a-f]+) +([0-9]+|-)\t(.*)", re.DOTALL)
_LINK: Final = b"120000"
_LISTING: Final = BOUNDS._replace(limit=16 << 20)
_CONTENT: Final = BOUNDS._replace(limit=2 * BYTES)
_SHOWN: Final = 80
_LONGEST: Final = 4096
_LONGEST_NAME: Final = 255


class TreeRefused(InputError):
    """The commit holds what cannot be, or must not be, files; the text is a sentence."""


class NoDirectory(TreeRefused):
    """The commit has no such directory as was asked for; the text says what there is instead."""


class Tree(NamedTuple):
    """What a commit has below a directory; all names are paths from the top of the repository.

    Attributes:
        blobs: of each file the object with its content, and the size of that.
        links: what each link leads to.
        folders: what links lead to that is a directory of the commit, but outside of the one that was asked for.
    """

    blobs: Mapping[str, tuple[str, int]]
    links: Mapping[str, str]
    folders: frozenset[str]


class _Entry(NamedTuple):
    """A file or link of a commit: `name` is its path from the directory that was asked for."""

    mode: bytes
    object: bytes
    size: int
    name: bytes


def is_commit(text: str) -> bool:
    """Whether `text` is a full id of a commit."""
    return bool(_COMMIT.fullmatch(text))


def tree_of(git: Git, commit: str, path: str = "") -> Tree:
    """What stands below `path` in `commit`, checked to be few, small and well named; `git` runs in the repository.

    Raises:
        TreeRefused: there is no such directory in the commit, or something in it cannot be a file.
        GitFailed: the repository is broken.
        Stopped: nothing is run any more.
        OSError: no room, or the like.
        ValueError: `commit` is no full id.
    """
    if not is_commit(commit):
        raise ValueError(f"{commit!r} is no id of a commit")
    entries = _entries(git, commit, path)
    prefix = f"{path}/" if path else ""
    blobs = {
        prefix + os.fsdecode(one.name): (one.object.decode("ascii"), one.size) for one in entries if one.mode != _LINK
    }
    links = _links(git, [one for one in entries if one.mode == _LINK], prefix)
    return Tree(blobs, links, _folders(git, commit, path, links))


def contents(git: Git, objects: Iterable[str], most: int) -> dict[str, bytes]:
    """The first `most` bytes of each of the `objects`, by id; `git` runs in the repository that has them.

    Raises:
        GitFailed: the repository is broken.
        Stopped: nothing is run any more.
        OSError: no room, or the like.
    """
    names = list(objects)
    if not names:
        return {}
    given = "".join(f"{name}\n" for name in names).encode("ascii")
    with git.answer("cat-file", "--batch", given=given, bounds=_CONTENT).output as output:
        return {name: _content(output, name, most) for name in names}


def _content(objects: BinaryIO, name: str, most: int) -> bytes:
    """The first `most` bytes of the object `name`, which `objects` (the answer of ``cat-file --batch``) holds next."""
    found, _, size = os.fsdecode(objects.readline()).rstrip("\n").partition(" blob ")
    if found != name or not size.isdecimal():
        raise GitFailed(f"the object {name} is missing")
    content = objects.read(min(int(size), most))
    objects.seek(int(size) - len(content), os.SEEK_CUR)
    if len(content) < min(int(size), most) or objects.read(1) != b"\n":
        raise GitFailed(f"the object {name} is cut off")
    return content


def _links(git: Git, entries: list[_Entry], prefix: str) -> dict[str, str]:
    found = contents(git, dict.fromkeys(one.object.decode("ascii") for one in entries), _LONGEST)
    for entry in entries:
        target = found[entry.object.decode("ascii")]
        if not target or b"\0" in target or len(target) >= _LONGEST:
            raise TreeRefused(f"{_shown(entry.name)} is a link to what can be no name")
    return {prefix + os.fsdecode(one.name): os.fsdecode(found[one.object.decode("ascii")]) for one in entries}


def _folders(git: Git, commit: str, path: str, links: Mapping[str, str]) -> frozenset[str]:
    """What `links` lead to outside of `path` that is a directory of the commit."""
    targets = {os.path.normpath(f"{os.path.dirname(name) or '.'}/{target}") for name, target in links.items()
               if not target.startswith("/")}  # fmt: skip
    asked = [
        target for target in sorted(targets)
        if not f"{target}/".startswith(f"{path}/" if path else "") and not f"{target}/".startswith("../")
        and "\n" not in target
    ]  # fmt: skip
    if not asked:
        return frozenset()
    given = b"".join(os.fsencode(f"{commit}:{'' if one == '.' else one}\n") for one in asked)
    answer = git.answer("cat-file", "--batch-check=%(objecttype)", given=given, bounds=_LISTING)
    with answer.output:
        kinds = answer.output.read().split(b"\n")[: len(asked)]
    return frozenset("" if one == "." else one for one, kind in zip(asked, kinds, strict=True) if kind == b"tree")


def _entries(git: Git, commit: str, path: str) -> list[_Entry]:
    """What stands below `path` in `commit`: files and links, checked to be few, small and well named."""
    answer = git.answer("ls-tree", "-r", "-z", "-l", "--full-tree", _tree(git, commit, path), bounds=_LISTING)
    with answer.output:
        if answer.code:
            raise GitFailed(f"the files of {commit} cannot be listed: {reason(answer.said)}")
        listing = answer.output.read()
    lines = listing.split(b"\0")[:-1]
    if len(lines) > FILES:
        raise TreeRefused(f"it has {len(lines):,} files, more than {FILES:,}; give the directory of one host")
    entries = [_entry(line) for line in lines]
    if (total := sum(entry.size for entry in entries)) > BYTES:
        raise TreeRefused(f"its files have {total:,} bytes, more than {BYTES:,}; give the directory of one host")
    times = Counter(entry.name for entry in entries)
    folders = {name[:end] for name in times for end in _slashes(name)}
    if doubled := {name for name, count in times.items() if count > 1 or name in folders}:
        raise TreeRefused(f"{_shown(min(doubled))} cannot be a file here: it is there twice")
    return entries


def _slashes(name: bytes) -> Iterable[int]:
    end = name.find(b"/")
    while end >= 0:
        yield end
        end = name.find(b"/", end + 1)


def _tree(git: Git, commit: str, path: str) -> str:
    """How git names the directory `path` of `commit`."""
    if git.code("cat-file", "-e", f"{commit}^{{tree}}"):
        raise GitFailed(f"commit {commit} is not there")
    parts = path.split("/") if path else []
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    if not prefixes:
        return f"{commit}:"
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    answer = git.answer("ls-tree", "-z", "-t", "--full-tree", commit, "--", *prefixes, environment=literal)
    with answer.output:
        if answer.code:
            raise GitFailed(f"commit {commit} cannot be read: {reason(answer.said)}")
        lines = [line.partition(b"\t") for line in answer.output.read().split(b"\0")[:-1]]
    found = {os.fsdecode(name): facts.split(b" ") for facts, _, name in lines}
    for prefix in prefixes:
        mode, kind, identity = found.get(prefix, (b"", b"", b""))
        if kind != b"tree":
            raise NoDirectory(_no_directory(git, path, prefix, mode, identity))
    return f"{commit}:{path}"


def _no_directory(git: Git, path: str, prefix: str, mode: bytes, identity: bytes) -> str:
    """Why there is no directory `path`: its part `prefix`, with `mode`, is none; and which to give instead."""
    shown = _shown(os.fsencode(prefix))
    if mode == _LINK:
        answer = git.answer("cat-file", "blob", identity.decode())
        with answer.output:
            target = os.fsdecode(answer.output.read(_LONGEST))
        joined = os.path.normpath(os.path.join(os.path.dirname(prefix), target))
        real = os.path.normpath(joined + path.removeprefix(prefix))
        if target.startswith("/") or real == ".." or real.startswith("../"):
            return f"{shown} is a link in it that leads out of the repository; give a directory of the repository"
        cure = f"--path {shlex.quote(_shown(os.fsencode(real)))}" if real != "." else "no --path"
        return f"{shown} is a link in it, and links are not followed; give the directory itself: {cure}"
    if mode:
        return f"{shown} in it is no directory but {'a submodule' if mode == b'160000' else 'a file'}"
    return f"there is no directory {_shown(os.fsencode(path))} in it"


def _entry(line: bytes) -> _Entry:
    found = _LINE.fullmatch(line)
    if not found:
        raise GitFailed("git lists files in a form that is not known")
    mode, kind, identity, size, name = found.groups()
    if kind != b"blob":
        raise TreeRefused(f"{_shown(name)} is a submodule, and those are not fetched")
    for part in name.split(b"/"):
        if part in {b"", b".", b".."} or part.lower() == b".git":
            raise TreeRefused(f"{_shown(name)} is no name that a file may have in a commit")
        if len(part) > _LONGEST_NAME:
            raise TreeRefused(f"{_shown(name)} cannot be a file here: {os.strerror(ENAMETOOLONG)}")
    if (folders := name.count(b"/")) > FOLDERS:
        raise TreeRefused(f"{_shown(name)} is in {folders:,} folders, one within the other, more than {FOLDERS}")
    return _Entry(mode, identity, int(size), name)


def _shown(name: bytes) -> str:
    """`name` for people: without control characters, and cut where it is very long."""
    text = escaped(os.fsdecode(name))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


FETCH_SECONDS: Final = 300.0
"""How long a fetch may take."""

SIZE_LIMIT: Final = 1 << 30
"""How much one fetch may bring, in bytes."""

_NEWEST: Final = "refs/reconcile/newest"
_HELD: Final = "refs/reconcile/held"

_TIDYING: Final = {"gc.auto": "6700", "gc.autoPackLimit": "20", "gc.autoDetach": "false"}


class NothingToTake(InputError):
    """The repository was reached, and the branch names no commit; the text is a sentence."""


class Unusable(NothingToTake):
    """The repository as it is, not what is in it, keeps its branch from being used; the text says what to do."""


class Mirror:
    """The branch of `address`, with its whole history, in a bare repository below `directory`.

    The history is needed to know whether a commit comes after another. Only one process may use the directory.

    Attributes:
        git: runs git in the mirror.
    """

    def __init__(
        self, directory: Path, git: Git, address: Address, *, seconds: float = FETCH_SECONDS, limit: int = SIZE_LIMIT
    ) -> None:
        """Below `directory`, by `git` (of any place); a fetch may take `seconds` and bring `limit` bytes."""
        self._directory = directory
        self._outside = git
        self._address = address
        self._seconds = seconds
        self._limit = limit
        self._held = ""
        self.git = git.at(directory / "mirror.git")

    def fetch(self) -> str:
        """The id of the branch's newest commit, which is in the mirror then with all that belongs to it.

        Raises:
            NothingToTake: there is no such branch.
            GitFailed: the repository cannot be reached, or what it sends cannot be used.
            Stopped: nothing is run any more.
        """
        self._sweep()
        self._refuse_foreign()
        if not self.git.directory.is_dir() or (self.git.directory / "shallow").exists():
            return self.fetch_anew()
        try:
            return self._fetch_into(self.git)
        except Ended:
            raise
        except GitFailed as failed:
            # If the repository answers, it may be the mirror that is broken.
            try:
                self._advertised()
            except GitFailed:
                raise failed from None
            return self.fetch_anew()

    def fetch_anew(self) -> str:
        """As `fetch`, into a new mirror, which replaces the old one when it is complete."""
        commit = self._advertised()
        new, old = (self._directory / f"mirror.{name}" for name in ("new", "old"))
        _remove(new)
        new.mkdir(mode=0o700)
        fresh = self._outside.at(new)
        kind = ["--object-format=sha256"] if len(commit) == 64 else []
        self._outside.text("init", "--quiet", "--bare", "--template=", *kind, "--", str(fresh.directory))
        commit = self._fetch_into(fresh)
        _remove(old)
        with suppress(FileNotFoundError):
            self.git.directory.rename(old)
        new.rename(self.git.directory)
        _remove(old)
        self._held = ""
        return commit

    def has(self, commit: str) -> bool:
        """Whether the mirror has `commit`.

        Raises:
            GitFailed: the mirror is broken.
        """
        answer = self.git.answer("cat-file", "--batch-check", given=f"{commit}\n".encode())
        with answer.output:
            words = os.fsdecode(answer.output.read()).split()
        if answer.code or len(words) < 2:
            raise GitFailed(f"git cannot say whether it has {commit}: {reason(answer.said)}")
        return words[1] == "commit"

    def comes_after(self, newer: str, older: str) -> bool:
        """Whether `newer`, which the mirror has, is `older` or a descendant of it.

        Raises:
            GitFailed: the mirror is broken.
        """
        if newer == older:
            return True
        if not self.has(older):
            return False  # all ancestors of the newest commit are here
        code = self.git.code("merge-base", "--is-ancestor", older, newer)
        if code not in {0, 1}:
            raise GitFailed(f"git cannot say whether {newer} comes after {older}")
        return code == 0

    def hold(self, commit: str) -> None:
        """Keep `commit`, instead of the one that was held before, even if the branch forgets it."""
        if commit != self._held:
            self.git.code("update-ref", _HELD, commit)
            self._held = commit

    def tidy(self) -> None:
        """Join packs and drop what no ref needs, where much has come together."""
        with suppress(GitFailed):  # then another time
            bounds = Bounds(self._seconds, 2 * self._limit)
            self.git.answer("gc", "--auto", "--quiet", "--prune=now", bounds=bounds, settings=_TIDYING).output.close()

    def _refuse_foreign(self) -> None:
        """Git runs in a repository of this machine as we do, and obeys what is configured there."""
        path = local_path(self._address.url)
        repository = repository_at(path) if path else None
        if not repository:
            return
        git = self._outside.at(Path(repository.directory))
        try:
            refuse_untrusted(repository, git, self._outside.environment)
        except NotTrusted as error:
            raise Unusable(str(error)) from error

    def _fetch_into(self, git: Git) -> str:
        options = ("--update-shallow", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        refspec = f"+refs/heads/{self._address.branch}:{_NEWEST}"
        try:
            git.over_network(
                "fetch", *options, "--", self._address.url, refspec, seconds=self._seconds, limit=self._limit
            )
        except GitFailed as failed:
            if "find remote ref" in str(failed):
                raise self._no_branch() from failed
            raise
        if git.text("rev-parse", "--is-shallow-repository") == "true":
            path = local_path(self._address.url)
            command = f"git {f'-C {shlex.quote(path)} ' if path else ''}fetch --unshallow"
            raise Unusable(
                "the repository is a shallow clone: it lacks the history that shows whether a commit comes after the "
                f"one that was applied; complete it there with: {command}"
            )
        if git.text("cat-file", "-t", _NEWEST) not in {"commit", "tag"}:
            raise NothingToTake(f"branch {self._address.branch} names no commit")
        return git.text("rev-parse", "--verify", "--quiet", f"{_NEWEST}^{{commit}}")

    def _advertised(self) -> str:
        """What the repository says the newest commit is.

        Raises:
            NothingToTake: there is no such branch.
            GitFailed: the repository cannot be reached.
        """
        ref = f"refs/heads/{self._address.branch}"
        listed = self._outside.over_network("ls-remote", "--quiet", "--", self._address.url, ref, seconds=self._seconds)
        for line in listed.splitlines():
            commit, _, name = line.partition("\t")
            if name == ref:
                return commit
        raise self._no_branch()

    def _no_branch(self) -> NothingToTake:
        return NothingToTake(f"there is no branch {self._address.branch} in the repository, or not any more")

    def _sweep(self) -> None:
        """Remove what commands have left that were killed: locks that no process holds, and parts of packs."""
        for pattern in ("**/*.lock", "**/tmp_*", "gc.pid"):
            for left in list(self.git.directory.glob(pattern)):
                _remove(left)  # where that fails, git says what is wrong with it
        for name in ("new", "old"):
            _remove(self._directory / f"mirror.{name}")


def _remove(path: Path) -> None:
    """Remove the file or folder at `path`, as far as that is possible."""
    with suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
