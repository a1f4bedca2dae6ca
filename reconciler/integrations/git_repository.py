"""A private mirror of one branch, and commits of it as files.

The mirror is never anything but a copy: whatever is wrong with it, it is fetched anew. Files hold the bytes that git
keeps, unfiltered, in a directory of ours that is named for the commit.
"""

import os
import re
import shlex
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST, EILSEQ, EINVAL, ENAMETOOLONG, ENOTDIR
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from reconciler.integrations.files import ASIDE, discard, moved_aside
from reconciler.integrations.git_address import Address, local_path
from reconciler.integrations.git_command import BOUNDS, Ended, Git, GitFailed, reason
from reconciler.integrations.local_git import NotTrusted, refuse_untrusted, repository_at
from reconciler.kernel.processes import Bounds
from reconciler.model.errors import InputError
from reconciler.model.printable import escaped

FILES: Final = 100_000
"""How many files a checkout may have."""

BYTES: Final = 256 << 20
"""How long the files of a checkout may be together."""

FOLDERS: Final = 64
"""How many folders a file of a checkout may be in, one within the other; manifests in more are not read anyway."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LINE: Final = re.compile(rb"([0-7]{6}) ([a-z]+) ([0-9a-f]+) +([0-9]+|-)\t(.*)", re.DOTALL)
_LINK: Final = b"120000"
_NEW: Final = ".new-"
_CHUNK: Final = 1 << 20
_LISTING: Final = BOUNDS._replace(limit=16 << 20)
_CONTENT: Final = BOUNDS._replace(limit=2 * BYTES)
_SHOWN: Final = 80
_LONGEST: Final = 4096
_NO_FILE: Final = (EEXIST, EILSEQ, EINVAL, ENAMETOOLONG, ENOTDIR)


class CheckoutRefused(InputError):
    """The commit holds what cannot be, or must not be, files of ours; the text is a sentence."""


class NoDirectory(CheckoutRefused):
    """The commit has no such directory as was asked for; the text says what there is instead."""


class _Entry(NamedTuple):
    """A file or link of a commit: `name` is its path from the top of the checkout."""

    mode: bytes
    object: bytes
    size: int
    name: bytes


class Checkouts:
    """The checkouts of one directory of the commits, below `directory`, each complete from the moment it has its name.

    Only one process may use `directory`. A checkout that an earlier process has left is not trusted but made again: the
    machine may have lost power before it was on disk.
    """

    def __init__(self, directory: Path, path: str = "") -> None:
        """Below `directory`, of the files below `path` in the commits."""
        self._directory = directory
        self._path = path
        self._lock = threading.Lock()
        self._made: dict[str, Path] = {}
        self._last: tuple[bytes, dict[bytes, bytes]] = (b"", {})  # what was made last: where, and names by object

    def of(self, commit: str, git: Git) -> Path:
        """The directory with the files of `commit`, from the repository where `git` runs.

        All files are 0600, whatever their mode in git. Links are made as they are; whoever reads must not leave the
        checkout by them.

        Raises:
            CheckoutRefused: there is no such directory in the commit, or something in it cannot be a file of ours.
            GitFailed: the repository is broken.
            Stopped: nothing is run any more.
            OSError: no room, or the like.
            ValueError: `commit` is no full id.
        """
        if not _COMMIT.fullmatch(commit):
            raise ValueError(f"{commit!r} is no id of a commit")
        with self._lock:
            if commit not in self._made or not self._made[commit].is_dir():
                self._made[commit] = self._make(commit, git)
            return self._made[commit]

    def keep(self, commits: Collection[str]) -> None:
        """Remove all checkouts but those of `commits`; each is renamed first, so that none is ever seen in part.

        What cannot be removed stays, and the next call tries again.
        """
        with self._lock:
            self._made = {commit: place for commit, place in self._made.items() if commit in commits}
            kept = {place.name for place in self._made.values()} | set(commits)
            for name in _names(self._directory) - kept:
                with suppress(OSError):
                    discard(moved_aside(self._directory / name))

    def _make(self, commit: str, git: Git) -> Path:
        entries = _entries(git, commit, self._path)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._directory))
        try:
            _write(git, _not_linked(entries, os.fsencode(fresh), self._last), os.fsencode(fresh))
            target = self._free(commit)
            fresh.rename(target)
        except BaseException:
            discard(fresh)
            raise
        self._last = (os.fsencode(target), {one.object: one.name for one in entries if one.mode != _LINK})
        return target

    def _free(self, commit: str) -> Path:
        """Where the checkout of `commit` can be: where an older one cannot be moved away, beside it."""
        target, number = self._directory / commit, 1
        while True:
            try:
                discard(moved_aside(target))
            except OSError:
                number += 1
                target = self._directory / f"{commit}.{number}"
            else:
                return target


def _names(directory: Path) -> set[str]:
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


def _entries(git: Git, commit: str, path: str) -> list[_Entry]:
    """What stands below `path` in `commit`: files and links, checked to be few, small and well named."""
    answer = git.answer("ls-tree", "-r", "-z", "-l", "--full-tree", _tree(git, commit, path), bounds=_LISTING)
    with answer.output:
        if answer.code:
            raise GitFailed(f"the files of {commit} cannot be listed: {reason(answer.said)}")
        listing = answer.output.read()
    lines = listing.split(b"\0")[:-1]
    if len(lines) > FILES:
        raise CheckoutRefused(f"it has {len(lines):,} files, more than {FILES:,}; give the directory of one host")
    entries = [_entry(line) for line in lines]
    if (total := sum(entry.size for entry in entries)) > BYTES:
        raise CheckoutRefused(f"its files have {total:,} bytes, more than {BYTES:,}; give the directory of one host")
    return entries


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
        raise CheckoutRefused(f"{_shown(name)} is a submodule, and those are not fetched")
    for part in name.split(b"/"):
        if part in {b"", b".", b".."} or part.lower() == b".git":
            raise CheckoutRefused(f"{_shown(name)} is no name that a file may have in a commit")
    if (folders := name.count(b"/")) > FOLDERS:
        raise CheckoutRefused(f"{_shown(name)} is in {folders:,} folders, one within the other, more than {FOLDERS}")
    return _Entry(mode, identity, int(size), name)


def _not_linked(entries: list[_Entry], root: bytes, last: tuple[bytes, dict[bytes, bytes]]) -> list[_Entry]:
    """The `entries` that have to be written, after the folders of all were made below `root`.

    A file whose content is in the `last` checkout is the same file: nothing writes to it, and to link a name is a third
    of the work.
    """
    place, names = last
    with _named(root):
        for folder in sorted({os.path.dirname(entry.name) for entry in entries} - {b""}):
            os.makedirs(os.path.join(root, folder), mode=0o700, exist_ok=True)
    left = []
    for entry in entries:
        known = names.get(entry.object) if entry.mode != _LINK else None
        try:
            if known is None:
                left.append(entry)
            else:
                os.link(os.path.join(place, known), os.path.join(root, entry.name), follow_symlinks=False)
        except OSError:  # it was removed, has too many names, or cannot be there: writing it will tell
            left.append(entry)
    return left


def _write(git: Git, entries: list[_Entry], root: bytes) -> None:
    """Write `entries` below `root`, where their folders are: links last, so that nothing is written through them."""
    files = [entry for entry in entries if entry.mode != _LINK]
    links = [entry for entry in entries if entry.mode == _LINK]
    answer = git.answer(
        "cat-file", "--batch", given=b"".join(entry.object + b"\n" for entry in files + links), bounds=_CONTENT
    )
    with answer.output as objects, _named(root):
        for entry in files:
            _write_file(objects, entry, os.path.join(root, entry.name))
        for entry in links:
            content = b"".join(_content(objects, entry))
            if not content or b"\0" in content:
                raise CheckoutRefused(f"{_shown(entry.name)} is a link to what can be no name")
            os.symlink(content, os.path.join(root, entry.name))


@contextmanager
def _named(root: bytes) -> Iterator[None]:
    """Turn what the system says of a name below `root` into a refusal of the commit, and nothing else."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        name = os.path.relpath(os.fsencode(error.filename2 or error.filename or root), root)
        raise CheckoutRefused(f"{_shown(name)} cannot be a file here: {error.strerror}") from error


def _write_file(objects: BinaryIO, entry: _Entry, path: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        for part in _content(objects, entry):
            file.write(part)


def _content(objects: BinaryIO, entry: _Entry) -> Iterator[bytes]:
    """The bytes of `entry`, which `objects` (the answer of ``cat-file --batch``) holds next."""
    if objects.readline() != b"%s blob %d\n" % (entry.object, entry.size):
        raise GitFailed(f"the content of {_shown(entry.name)} is missing")
    left = entry.size
    while left:
        part = objects.read(min(left, _CHUNK))
        if not part:
            raise GitFailed(f"the content of {_shown(entry.name)} is cut off")
        left -= len(part)
        yield part
    objects.read(1)  # the end of a line after each object


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
        fresh = self._outside.at(Path(tempfile.mkdtemp(prefix=".mirror.", dir=self._directory)))
        kind = ["--object-format=sha256"] if len(commit) == 64 else []
        self._outside.text("init", "--quiet", "--bare", "--template=", *kind, "--", str(fresh.directory))
        commit = self._fetch_into(fresh)
        old = moved_aside(self.git.directory)
        fresh.directory.rename(self.git.directory)
        discard(old)
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
            raise GitFailed(f"git cannot tell whether it has {commit}: {reason(answer.said)}")
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
            raise GitFailed(f"git cannot tell whether {newer} comes after {older}")
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
        told = self._outside.over_network("ls-remote", "--quiet", "--", self._address.url, ref, seconds=self._seconds)
        for line in told.splitlines():
            commit, _, name = line.partition("\t")
            if name == ref:
                return commit
        raise self._no_branch()

    def _no_branch(self) -> NothingToTake:
        return NothingToTake(f"there is no branch {self._address.branch} in the repository, or not any more")

    def _sweep(self) -> None:
        """Remove what commands have left that were killed: locks that nobody holds, and parts of packs."""
        for folder, folders, files in os.walk(self.git.directory):
            for name in files:
                if name.endswith(".lock") or name.startswith("tmp_") or name == "gc.pid":
                    with suppress(OSError):  # git will say what is wrong with it
                        os.unlink(os.path.join(folder, name))
            for name in [name for name in folders if name.startswith("tmp_")]:
                discard(Path(folder, name))
                folders.remove(name)
        for left in self._directory.glob(".mirror.*"):
            discard(left)
        for left in self._directory.glob(f"{ASIDE}*"):
            discard(left)
