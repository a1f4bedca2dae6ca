"""Repositories that would have git run a program, for tests: every setting by which one of its commands may do that."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from testing.git_repositories import Repository

ATTRIBUTES: Final = "* filter=trap diff=trap merge=trap\n"
"""What a commit can say of its files by itself."""


class Trap:
    """A program that leaves a trace when it runs, and the settings that name it."""

    def __init__(self, folder: Path) -> None:
        """Make the program in `folder`."""
        self._ran = folder / "the-trap-was-sprung"
        self.program = folder / "trap"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self._ran}\nexit 1\n', encoding="utf-8")
        self.program.chmod(0o755)

    @property
    def ran(self) -> str:
        """How it was called, a line each time; empty if it never was."""
        return self._ran.read_text(encoding="utf-8") if self._ran.exists() else ""

    def settings(self) -> str:
        """The text of a ``config`` that names the program wherever git may run one."""
        program = self.program
        return f"""\
[core]
	repositoryFormatVersion = 0
	bare = false
	fsmonitor = {program}
	hooksPath = {program.parent}/hooks
	sshCommand = {program}
	gitProxy = {program}
	pager = {program}
	editor = {program}
	askPass = {program}
	alternateRefsCommand = {program}
[filter "trap"]
	clean = {program} clean
	smudge = {program} smudge
	process = {program} process
	required = true
[diff]
	external = {program}
[diff "trap"]
	textconv = {program}
	command = {program}
[merge "trap"]
	driver = {program}
[alias]
	status = !{program}
	rev-parse = !{program}
	ls-tree = !{program}
	config = !{program}
[pager]
	config = {program}
	rev-parse = {program}
	ls-tree = {program}
[gpg]
	program = {program}
[gpg "ssh"]
	program = {program}
[credential]
	helper = !{program}
[uploadpack]
	packObjectsHook = {program}
[sequence]
	editor = {program}
[interactive]
	diffFilter = {program}
[submodule]
	recurse = true
[trace2]
	eventTarget = {program.parent}/trace
"""

    def promisor(self) -> str:
        """Settings of a partial clone, in which git fetches what is missing by a program that it is told."""
        return f"""\
[core]
	repositoryFormatVersion = 1
[extensions]
	partialClone = origin
[remote "origin"]
	url = {self.program.parent}
	promisor = true
	partialCloneFilter = blob:none
	uploadpack = {self.program}
"""

    def hooks(self) -> None:
        """Make the program every hook that git knows."""
        folder = self.program.parent / "hooks"
        folder.mkdir(exist_ok=True)
        for name in (
            "post-index-change",
            "reference-transaction",
            "post-checkout",
            "pre-auto-gc",
            "fsmonitor-watchman",
        ):
            shutil.copy(self.program, folder / name)


def _in_the_config(repository: Repository, trap: Trap) -> Path:
    """Settings in the repository's own ``.git/config``."""
    with (repository.path / ".git/config").open("a", encoding="utf-8") as config:
        config.write(trap.settings())
    return repository.path / "site"


def _included(repository: Repository, trap: Trap) -> Path:
    """Settings in a file that ``.git/config`` includes."""
    (repository.path / "settings").write_text(trap.settings(), encoding="utf-8")
    with (repository.path / ".git/config").open("a", encoding="utf-8") as config:
        config.write("[include]\n\tpath = ../settings\n")
    return repository.path / "site"


def _of_the_worktree(repository: Repository, trap: Trap) -> Path:
    """Settings of one work tree."""
    repository.git("config", "extensions.worktreeConfig", "true")
    (repository.path / ".git/config.worktree").write_text(trap.settings(), encoding="utf-8")
    return repository.path / "site"


def _in_a_partial_clone(repository: Repository, trap: Trap) -> Path:
    """The tree of the commit is missing, and would be fetched."""
    tree = repository.git("rev-parse", "HEAD:site")
    (repository.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with (repository.path / ".git/config").open("a", encoding="utf-8") as config:
        config.write(trap.promisor())
    return repository.path / "site"


def _bare(repository: Repository, trap: Trap) -> Path:
    """The directory of manifests is itself a bare repository, of plain files such as a commit may hold."""
    site = repository.path / "site"
    for name in ("HEAD", "objects", "refs", "index"):
        source = repository.path / ".git" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, site / name)
    (site / "config").write_text(trap.settings().replace("bare = false", "worktree = ."), encoding="utf-8")
    return site


def _bare_with_a_clone_above(repository: Repository, trap: Trap) -> Path:
    """The same, committed and checked out."""
    site = _bare(repository, trap)
    repository.commit()
    return site


def _bare_alone(repository: Repository, trap: Trap) -> Path:
    """The same, in no repository."""
    site = _bare(repository, trap)
    shutil.rmtree(repository.path / ".git")
    return site


def _bare_beside_an_empty_git(repository: Repository, trap: Trap) -> Path:
    """The same, with a ``.git`` that is none, after which git looks at the folder itself."""
    site = _bare_alone(repository, trap)
    (site / ".git").mkdir()
    return site


def _led_elsewhere(repository: Repository, trap: Trap) -> Path:
    """``.git`` is a file that names a folder with such settings."""
    _in_the_config(repository, trap)
    (repository.path / ".git").rename(repository.path / "elsewhere")
    (repository.path / ".git").write_text("gitdir: elsewhere\n", encoding="utf-8")
    return repository.path / "site"


TRAPS: Final[Mapping[str, Callable[[Repository, Trap], Path]]] = {
    "config": _in_the_config,
    "included": _included,
    "worktree-config": _of_the_worktree,
    "partial-clone": _in_a_partial_clone,
    "bare-alone": _bare_alone,
    "bare-in-a-clone": _bare_with_a_clone_above,
    "bare-beside-an-empty-git": _bare_beside_an_empty_git,
    "git-file": _led_elsewhere,
}
"""Ways to lay the trap in a repository with manifests in ``site``: each gives the directory to be read."""


def trapped(kind: str, repository: Repository, trap: Trap, manifests: Path) -> Path:
    """The directory with a copy of `manifests`, in which reading the commit would spring the `trap` of `kind`."""
    trap.hooks()
    shutil.copytree(manifests, repository.path / "site")
    repository.commit({".gitattributes": ATTRIBUTES, "site/.gitattributes": ATTRIBUTES})
    directory = TRAPS[kind](repository, trap)
    for file in directory.glob("*.yaml"):
        os.utime(file, (1, 1))  # git must look at the content to know whether it is the same
    return directory
