"""The thread that asks, and what the loop hears of it."""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from reconciler.integrations.git_address import Address
from reconciler.kernel.processes import Stopped
from reconciler.manifests.committed import KeptFiles
from reconciler.watch.git_poller import GitPoller
from reconciler.watch.git_source import CommitRefused, Fetched, GitSource, Newest, Unreachable
from reconciler.watch.triggers import Trigger
from testing.git_repositories import ENVIRONMENT, Repository

LONG = 30.0
"""How long a test waits for a thread before it fails, in seconds."""


class Script:
    """A source that gives what it is told, and remembers how it was asked."""

    location = "/x branch main"

    def __init__(self, *results: Fetched | Exception) -> None:
        self.results = list(results)
        self.asked: list[tuple[str, bool]] = []
        self.stopped = False

    def refresh(self, accepted: str, *, allow_older: bool) -> Fetched:
        self.asked.append((accepted, allow_older))
        if self.stopped:
            raise Stopped
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self) -> None:
        self.stopped = True


class Sleeps:
    """Waits of the poller: the test is told how long each is to be, and ends it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._begun = threading.Semaphore(0)
        self._over = threading.Semaphore(0)

    def __call__(self, asked: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        self._begun.release()
        return self._over.acquire(timeout=LONG)

    def until_asleep(self) -> None:
        """Wait until the poller waits."""
        assert self._begun.acquire(timeout=LONG)

    def over(self) -> None:
        """End its wait."""
        self._over.release()


@contextmanager
def poller_of(source: Script, sleeps: Sleeps, accepted: str = "") -> Iterator[GitPoller]:
    """A poller that has asked once."""
    poller = GitPoller(
        cast("GitSource", source),
        accepted,
        interval=60,
        longest=900,
        chance=lambda: 0.5,
        clock=lambda: 7.0,
        sleep=sleeps,
    )
    poller.start()
    sleeps.until_asleep()
    try:
        yield poller
    finally:
        sleeps.over()
        poller.close()


def again(sleeps: Sleeps) -> None:
    """Let the poller ask once more."""
    sleeps.over()
    sleeps.until_asleep()


def is_readable(poller: GitPoller) -> bool:
    """Whether a loop would wake."""
    return bool(select.select([poller], [], [], 0)[0])


FIRST, SECOND = Newest("a" * 40, KeptFiles("a", {})), Newest("b" * 40, KeptFiles("b", {}))


def test_news_are_heard_once() -> None:
    """What is as before wakes nobody."""
    source, sleeps = Script(FIRST, FIRST, SECOND), Sleeps()
    with poller_of(source, sleeps) as poller:
        assert is_readable(poller)
        assert list(poller.hear()) == [Trigger("git", f"commit {'a' * 40}")]
        assert list(poller.hear()) == []
        assert poller.take() == FIRST
        again(sleeps)
        assert not is_readable(poller)
        again(sleeps)
        assert list(poller.hear()) == [Trigger("git", f"commit {'b' * 40}")]
        assert poller.take() == SECOND


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (CommitRefused("c" * 40, ("no",), 1.0), f"commit {'c' * 40} is refused"),
        (CommitRefused("", ("no",), 1.0), "the branch names no commit"),
        (Unreachable("no", 1.0), "the repository cannot be reached"),
    ],
)
def test_bad_news_are_news(found: Fetched, what: str) -> None:
    """In words for the log."""
    with poller_of(Script(found), Sleeps()) as poller:
        assert list(poller.hear()) == [Trigger("git", what)]


def test_failures_make_it_patient() -> None:
    """A refusal is no failure: the repository has answered."""
    refusal, gone = CommitRefused("c" * 40, ("no",), 1.0), Unreachable("no", 1.0)
    sleeps = Sleeps()
    with poller_of(Script(FIRST, gone, gone, gone, gone, gone, refusal), sleeps):
        for _ in range(6):
            again(sleeps)
    assert sleeps.seconds == [60, 120, 240, 480, 900, 900, 60]


def test_what_was_applied_is_told_to_the_source() -> None:
    """What is newest must come after it."""
    source, sleeps = Script(FIRST, SECOND), Sleeps()
    with poller_of(source, sleeps, "0" * 40) as poller:
        poller.take()
        again(sleeps)
        poller.accept(FIRST.commit)
        again(sleeps)
    assert source.asked[:3] == [("0" * 40, False), ("0" * 40, False), (FIRST.commit, False)]


def test_a_wish_for_an_older_commit_is_asked_once() -> None:
    """It is the source that remembers for which commit."""
    source, sleeps = Script(FIRST), Sleeps()
    with poller_of(source, sleeps) as poller:
        poller.ask(allow_older=True)
        poller.ask()
        again(sleeps)
        again(sleeps)
    assert [allow_older for _, allow_older in source.asked[:3]] == [False, True, False]


def test_an_unforeseen_failure_is_told_and_survived() -> None:
    """A thread that has died would look like a repository where nothing happens."""
    sleeps = Sleeps()
    with poller_of(Script(ValueError("odd"), FIRST), sleeps) as poller:
        found = poller.take()
        again(sleeps)
        assert poller.take() == FIRST
    assert found == Unreachable("/x branch main: an unforeseen failure: ValueError: odd", 7.0)


def test_asking_ends_the_wait(tmp_path: Path) -> None:
    """With real time, git and threads: an interval of an hour, and the next commit is there at once."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"a": "b"})
    source = GitSource(Address(repository.url, "main"), tmp_path / "ours", ENVIRONMENT)
    poller = GitPoller(source, interval=3600)
    assert poller.take() is None
    poller.start()
    try:
        for content in ("c", "d"):
            expected = repository.commit({"a": content})
            poller.ask()
            found = poller.take()
            while not (isinstance(found, Newest) and found.commit == expected):
                assert select.select([poller], [], [], LONG)[0]
                list(poller.hear())
                found = poller.take()
    finally:
        poller.close()
        source.close()
    poller.close()


def test_closing_ends_a_fetch_that_hangs(tmp_path: Path) -> None:
    """Thread, process and descriptors are gone."""
    before = set(os.listdir("/proc/self/fd")), threading.active_count()
    os.mkfifo(tmp_path / "begun")
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/begun\nexec sleep 1000\n", encoding="utf-8")
    ssh.chmod(0o755)
    environment = {**ENVIRONMENT, "GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "simple"}
    source = GitSource(Address("host:x", "main"), tmp_path / "ours", environment)
    poller = GitPoller(source)
    poller.start()
    pid = int((tmp_path / "begun").read_text())
    poller.close()
    source.close()
    status = Path(f"/proc/{pid}/stat")
    assert not status.exists() or ") Z " in status.read_text()
    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_one_that_was_never_started_can_be_closed() -> None:
    """Nothing has to be joined."""
    poller = GitPoller(cast("GitSource", Script(FIRST)))
    poller.close()
    poller.close()


def test_a_question_is_answered_by_what_was_begun_after_it_even_if_that_is_no_news() -> None:
    """So that whoever has asked is told when there is nothing new, too."""
    sleeps = Sleeps()
    with poller_of(Script(FIRST), sleeps) as poller:
        list(poller.hear())
        coming = [poller.is_coming]
        poller.ask()
        coming.append(poller.is_coming)
        again(sleeps)
        assert [*coming, poller.is_coming] == [False, True, False]
        assert is_readable(poller)
        assert list(poller.hear()) == [Trigger("git", f"commit {'a' * 40}")]
    assert GitPoller(cast("GitSource", Script(FIRST))).is_coming
