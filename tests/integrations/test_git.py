"""Which commit manifests come from, by real git."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.integrations.git import commit_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Kim", "GIT_AUTHOR_EMAIL": "kim@example.com", "GIT_COMMITTER_NAME": "Kim",
    "GIT_COMMITTER_EMAIL": "kim@example.com", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


def git(directory: Path, *words: str) -> str:
    """The answer of git in `directory`."""
    done = subprocess.run(
        ["git", *words], cwd=directory, check=True, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT}
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one manifest."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/host.yaml").write_text("kind: Host\n", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


def test_the_commit_of_files_as_they_were_committed(repository: Path) -> None:
    """The whole id, for a directory and for a file."""
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of(repository / "site") == head
    assert commit_of(repository / "site/host.yaml") == head


def test_files_that_differ_are_marked(repository: Path) -> None:
    """A plus says that the commit is not the whole truth."""
    head = git(repository, "rev-parse", "HEAD")
    (repository / "site/new.yaml").write_text("", encoding="utf-8")
    assert commit_of(repository / "site") == f"{head}+"


def test_elsewhere_there_is_no_commit(tmp_path: Path) -> None:
    """No repository, one without a commit, or a directory that is none."""
    assert commit_of(tmp_path) == ""
    git(tmp_path, "init", "--quiet")
    assert commit_of(tmp_path) == ""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/.git").write_text("gitdir: nowhere", encoding="utf-8")
    assert commit_of(tmp_path / "broken") == ""


def test_a_repository_runs_no_program_of_its_own(repository: Path) -> None:
    """Its settings are data of whoever can write to it, and we may be root."""
    (repository / "program").write_text(f"#!/bin/sh\ntouch {repository}/ran\n", encoding="utf-8")
    (repository / "program").chmod(0o755)
    git(repository, "config", "core.fsmonitor", f"{repository}/program")

    assert commit_of(repository / "site")
    assert not (repository / "ran").exists()


def test_without_git_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is worth knowing, never needed."""
    monkeypatch.setenv("PATH", str(repository))
    assert commit_of(repository) == ""
