"""A private mirror of one branch, which is never anything but a copy: whatever is wrong with it, it is fetched anew."""

import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.integrations.bounded_process import Bounds
from reconciler.integrations.discard import ASIDE, discard, moved_aside
from reconciler.integrations.git_address import Address, local_path
from reconciler.integrations.git_command import Ended, Git, GitFailed, reason
from reconciler.integrations.git_trust import NotTrusted, refuse_untrusted
from reconciler.integrations.local_repository import repository_at

FETCH_SECONDS: Final = 300.0
"""How long a fetch may take."""

SIZE_LIMIT: Final = 1 << 30
"""How much one fetch may bring, in bytes."""

_NEWEST: Final = "refs/reconcile/newest"
_HELD: Final = "refs/reconcile/held"

_TIDYING: Final = {"gc.auto": "6700", "gc.autoPackLimit": "20", "gc.autoDetach": "false"}


class NothingToTake(Exception):
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
