"""Where manifests come from: files as they are, and a branch through a link that bears one name for all commits."""

import os
from pathlib import Path
from typing import cast

import pytest

from reconciler.watch.git_poller import GitPoller
from reconciler.watch.git_source import CommitRefused, Newest, Unreachable
from reconciler.watch.report import Obstacle
from reconciler.watch.sources import FilesSource, GitFiles, Offer


class Poller:
    """A poller that has found what a test says."""

    def __init__(self) -> None:
        self.found: object = None
        self.asked: list[bool] = []
        self.accepted: list[str] = []
        self.is_coming = False

    def take(self) -> object:
        """See `GitPoller`."""
        return self.found

    def ask(self, *, allow_older: bool) -> None:
        """See `GitPoller`."""
        self.asked.append(allow_older)

    def accept(self, commit: str) -> None:
        """See `GitPoller`."""
        self.accepted.append(commit)


def git_files(tmp_path: Path) -> tuple[GitFiles, Poller]:
    """A branch, and who polls it."""
    poller = Poller()
    return GitFiles(cast("GitPoller", poller), "git@example:ap main", tmp_path / "manifests"), poller


def test_files_are_offered_with_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    """Which is looked up each time."""
    commits = iter(("first", "second"))
    source = FilesSource((str(tmp_path), "/other"), lambda: next(commits))

    first, second = source.offer(), source.offer()

    assert (first.paths, first.commit, first.is_piecemeal) == ((str(tmp_path), "/other"), "first", True)
    assert second == first._replace(commit="second")
    assert source.location == f"{tmp_path}, /other"


def test_each_commit_is_offered_under_one_name(tmp_path: Path) -> None:
    """So that what has not changed between two commits is known again; the link is replaced as a whole."""
    source, poller = git_files(tmp_path)
    for commit in ("a", "b"):
        (tmp_path / commit).mkdir()
        (tmp_path / commit / "site.yaml").write_text(commit)
        poller.found = Newest(commit, tmp_path / commit)

        offer = source.offer()

        assert offer.files is not None
        assert offer.files.where == str(tmp_path / "manifests")
        assert offer.commit == commit
        assert (tmp_path / "manifests" / "site.yaml").read_text() == commit
    inode = os.lstat(tmp_path / "manifests").st_ino
    source.offer()
    assert os.lstat(tmp_path / "manifests").st_ino == inode


@pytest.mark.parametrize("left", ["", "nowhere"])
def test_a_link_that_a_killed_run_has_left_is_no_obstacle(left: str, tmp_path: Path) -> None:
    """Neither the new one beside it nor one that leads nowhere."""
    source, poller = git_files(tmp_path)
    (tmp_path / ".manifests.new").symlink_to("x")
    if left:
        (tmp_path / "manifests").symlink_to(left)
    (tmp_path / "a").mkdir()
    poller.found = Newest("a", tmp_path / "a")

    source.offer()

    assert (tmp_path / "manifests").resolve() == tmp_path / "a"


def test_what_may_not_be_used_offers_nothing(tmp_path: Path) -> None:
    """A refused commit, a repository that cannot be asked, and one that was not asked yet."""
    source, poller = git_files(tmp_path)

    waiting = source.offer()
    poller.found = Unreachable("no answer", 1.0)
    unreachable = source.offer()
    poller.found = CommitRefused("c", ("it is not signed",), 1.0, (Obstacle.SIGNATURE,))
    refused = source.offer()

    assert not waiting.files
    assert waiting.unreachable
    assert unreachable == Offer(None, unreachable="no answer")
    assert refused == Offer(None, "c", ("it is not signed",), obstacles=(Obstacle.SIGNATURE,))


def test_questions_and_answers_go_to_the_poller(tmp_path: Path) -> None:
    """Both of them."""
    source, poller = git_files(tmp_path)

    source.ask(allow_older=True)
    source.accepted("a")

    assert (poller.asked, poller.accepted) == ([True], ["a"])
