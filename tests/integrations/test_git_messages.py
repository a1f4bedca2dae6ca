"""Addresses and repositories that cannot be used say why, and what to give instead."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from reconciler.integrations.git_address import NotAnAddress, address
from reconciler.watch.git_source import CommitRefused, GitSource, NewestCommit
from reconciler.watch.report import Obstacle
from testing.git_repositories import ENVIRONMENT, Repository
from testing.git_traps import TRAPS, Trap, trapped


def judged(url: str, folder: Path, path: str = "") -> NewestCommit | str:
    """What becomes of the branch main at `url`: the newest commit, or why it is not used."""
    source = GitSource(address(url, "main", path), folder / "ours", ENVIRONMENT)
    found = source.refresh()
    source.close()
    if isinstance(found, NewestCommit):
        return found
    assert isinstance(found, CommitRefused), found
    assert found.obstacles == (Obstacle.SOURCE,)  # the next command that is shown reverts no commit
    return found.reasons[0]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two commits, with a directory, a file and links."""
    made = Repository(tmp_path / "repository")
    made.commit({"hosts/lpar7/host.yaml": "kind: Host\n"})
    for name, target in (("current", "hosts/lpar7"), ("all", "hosts"), ("out", "/etc"), ("up", "../.."), ("top", ".")):
        (made.path / name).symlink_to(target)
    made.commit({"file": ""})
    return made


@pytest.mark.parametrize(
    ("path", "cure"), [("current", "hosts/lpar7"), ("all/lpar7", "hosts/lpar7"), ("top/hosts/lpar7", "hosts/lpar7")]
)
def test_a_path_at_a_link_names_the_directory(repository: Repository, tmp_path: Path, path: str, cure: str) -> None:
    """And that directory can be given."""
    said = judged(repository.url, tmp_path, path)
    assert isinstance(said, str)
    assert "is a link in it" in said
    assert said.endswith(f": --path {cure}")
    assert isinstance(judged(repository.url, tmp_path, cure), NewestCommit)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("out", "leads out of the repository"),
        ("up", "leads out of the repository"),
        ("file", "file in it is no directory but a file"),
        ("file/x", "file in it is no directory but a file"),
        ("hosts/none", "there is no directory hosts/none in it"),
    ],
)
def test_a_path_that_is_no_directory_says_what_it_is(
    repository: Repository, tmp_path: Path, path: str, why: str
) -> None:
    """The part that is none."""
    assert why in str(judged(repository.url, tmp_path, path))


@pytest.mark.parametrize("path", ["/hosts/lpar7", "//hosts/./lpar7/"])
def test_a_path_with_a_leading_slash_says_what_to_give(repository: Repository, tmp_path: Path, path: str) -> None:
    """And that works."""
    with pytest.raises(NotAnAddress, match="begins with a slash") as refused:
        address(repository.url, "main", path)
    cure = str(refused.value).rpartition("--path ")[2]
    assert isinstance(judged(repository.url, tmp_path, cure), NewestCommit)
    with pytest.raises(NotAnAddress, match="leave --path out"):
        address(repository.url, "main", "/")


@pytest.mark.parametrize("form", ["{path}", "file://{path}"])
def test_a_shallow_source_says_so_and_is_used_when_it_is_complete(
    repository: Repository, tmp_path: Path, form: str
) -> None:
    """The command in the message completes it."""
    repository.git("clone", "--quiet", "--depth", "1", repository.url, str(tmp_path / "shallow"))
    url = form.format(path=tmp_path / "shallow")
    said = judged(url, tmp_path)
    assert isinstance(said, str)
    assert "is a shallow clone" in said
    assert judged(url, tmp_path) == said
    subprocess.run(shlex.split(said.partition("with: ")[2]), check=True, env=ENVIRONMENT, capture_output=True)
    assert isinstance(judged(url, tmp_path), NewestCommit)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_source_of_another_user_names_the_cure(repository: Repository, tmp_path: Path) -> None:
    """By the settings that git would use."""
    os.chown(repository.path / ".git", 54321, 54321)
    said = str(judged(repository.url, tmp_path))
    assert "belongs to user 54321" in said
    assert f"git config --system --add safe.directory {repository.path}" in said


@pytest.mark.parametrize("kind", ["config", "included", "partial-clone", "git-file"])
def test_a_source_of_this_machine_runs_no_program_of_its_own(kind: str, tmp_path: Path) -> None:
    """Git runs in it with our rights."""
    assert kind in TRAPS
    trap = Trap(tmp_path)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/host.yaml").write_text("kind: Host\n", encoding="utf-8")
    trapped(kind, Repository(tmp_path / "repository"), trap, tmp_path / "manifests")
    found = judged(f"file://{tmp_path}/repository", tmp_path)
    assert trap.ran == ""
    assert isinstance(found, NewestCommit) == (kind != "partial-clone")
