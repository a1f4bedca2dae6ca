"""Repositories that tests own, made by real git without anybody's settings."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reconciler.integrations.git_command import Git
from reconciler.integrations.processes import Processes

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "LC_ALL": "C", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
    "HOME": "/nonexistent",
}  # fmt: skip
"""An administrator's environment in which nothing is set."""

_PEOPLE = {
    "GIT_AUTHOR_NAME": "Kim", "GIT_AUTHOR_EMAIL": "kim@example.com", "GIT_COMMITTER_NAME": "Kim",
    "GIT_COMMITTER_EMAIL": "kim@example.com",
}  # fmt: skip


class Repository:
    """A repository with a work tree, whose branch is ``main``."""

    def __init__(self, path: Path, *options: str) -> None:
        """Make it at `path`, with `options` for ``git init``."""
        self.path = path
        self.url = f"file://{path}"
        self.settings: list[str] = []
        self.environment: dict[str, str] = {}
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *words: str, given: bytes = b"") -> str:
        """The answer of git here."""
        done = subprocess.run(
            ["git", *self.settings, *words],
            cwd=self.path,
            input=given,
            capture_output=True,
            env={**ENVIRONMENT, **_PEOPLE, **self.environment},
            check=False,
        )
        assert not done.returncode, done.stderr.decode()
        return os.fsdecode(done.stdout).strip()

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "Change", *words: str) -> str:
        """The id of a commit that has `files` beside or instead of what there was."""
        for name, content in (files or {}).items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        return self.record(message, *words)

    def record(self, message: str = "Change", *words: str) -> str:
        """The id of a commit of what is in the index."""
        self.git("commit", "--quiet", "--allow-empty", "--message", message, *words)
        return self.head()

    def head(self) -> str:
        """The id of the commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def tree(self, *entries: tuple[str, str, bytes]) -> str:
        """The id of a tree of `entries` (mode, id, name), whatever git thinks of it."""
        content = b"".join(
            f"{mode} ".encode() + name + b"\0" + bytes.fromhex(identity) for mode, identity, name in entries
        )
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=content)

    def blob(self, content: bytes) -> str:
        """The id of an object with `content`."""
        return self.git("hash-object", "-w", "--stdin", given=content)

    def commit_tree(self, tree: str) -> str:
        """The id of a commit of `tree`, which is the branch then."""
        commit = self.git("commit-tree", tree, "-m", "Change")
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def runner(self) -> Git:
        """What runs git here for the program."""
        return Git(self.path / ".git", Processes(), ENVIRONMENT, bare=True)
