"""Where manifests come from: files as they are, and the commits of a branch."""

from pathlib import Path
from typing import cast

from reconciler.manifests.committed import KeptFiles
from reconciler.watch.git_source import CommitRefused, GitPoller, NewestCommit, Unreachable
from reconciler.watch.manifest_sources import FilesSource, GitFiles, Offer
from reconciler.watch.report import Obstacle


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


def git_files() -> tuple[GitFiles, Poller]:
    """A source, and the poller that it asks."""
    poller = Poller()
    return GitFiles(cast("GitPoller", poller), "git@example:ap main"), poller


def test_files_are_offered_with_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    """Which is looked up each time."""
    commits = iter(("first", "second"))
    source = FilesSource((str(tmp_path), "/other"), lambda: next(commits))

    first, second = source.offer(), source.offer()

    assert (first.paths, first.commit, first.is_piecemeal) == ((str(tmp_path), "/other"), "first", True)
    assert second == first._replace(commit="second")
    assert source.location == f"{tmp_path}, /other"


def test_a_commit_is_offered_with_its_files() -> None:
    """As they were read: nothing of it is on disk."""
    source, poller = git_files()
    files = KeptFiles("commit a", {})
    poller.found = NewestCommit("a", files)

    assert source.offer() == Offer(files, "a")


def test_what_may_not_be_used_offers_nothing() -> None:
    """A refused commit, a repository that cannot be asked, and one that was not asked yet."""
    source, poller = git_files()

    waiting = source.offer()
    poller.found = Unreachable("no answer", 1.0)
    unreachable = source.offer()
    poller.found = CommitRefused("c", ("it is not signed",), 1.0, (Obstacle.SIGNATURE,))
    refused = source.offer()

    assert not waiting.files
    assert waiting.unreachable
    assert unreachable == Offer(None, unreachable="no answer")
    assert refused == Offer(None, "c", ("it is not signed",), obstacles=(Obstacle.SIGNATURE,))


def test_questions_and_answers_go_to_the_poller() -> None:
    """Both of them."""
    source, poller = git_files()

    source.ask(allow_older=True)
    source.accepted("a")

    assert (poller.asked, poller.accepted) == ([True], ["a"])
