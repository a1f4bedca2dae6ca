"""The thread that asks, and what the loop hears of it."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from reconciler.integrations.git_address import Address
from reconciler.kernel.processes import Stopped
from reconciler.manifests.committed import KeptFiles
from reconciler.watch.git_source import CommitRefused, Fetched, GitPoller, GitSource, NewestCommit, Unreachable
from reconciler.watch.triggers import Trigger
from testing.clocks import FakeClock
from testing.event_loops import Noticing
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
        self.clock = FakeClock()
        self.times: list[float] = []

    def refresh(self, accepted: str, *, allow_older: bool) -> Fetched:
        self.times.append(self.clock.now)
        self.asked.append((accepted, allow_older))
        if self.stopped:
            raise Stopped
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self) -> None:
        self.stopped = True


@contextmanager
def poller_of(source: Script, accepted: str = "") -> Iterator[tuple[GitPoller, Noticing, FakeClock]]:
    """A poller that has begun, what it notices, and its time."""
    clock = FakeClock()
    poller = GitPoller(
        cast("GitSource", source), accepted, interval=60, longest=900, chance=lambda: 0.5, clock=lambda: 7.0
    )
    with Noticing(poller, clock) as noticing:
        yield poller, noticing, clock


FIRST, SECOND = NewestCommit("a" * 40, KeptFiles("a", {})), NewestCommit("b" * 40, KeptFiles("b", {}))


def test_news_are_noticed_once() -> None:
    """What is as before leads to no cycle."""
    with poller_of(Script(FIRST, FIRST, SECOND)) as (poller, noticing, clock):
        assert noticing.next() == (Trigger("git", f"commit {'a' * 40}"),)
        assert poller.take() == FIRST
        assert noticing.next(100.0) == ()
        assert noticing.next(100.0) == (Trigger("git", f"commit {'b' * 40}"),)
        assert clock.now == 120.0
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
    with poller_of(Script(found)) as (_, noticing, _):
        assert noticing.next() == (Trigger("git", what),)


def test_failures_make_it_patient() -> None:
    """A refusal is no failure: the repository has answered."""
    refusal, gone = CommitRefused("c" * 40, ("no",), 1.0), Unreachable("no", 1.0)
    source = Script(FIRST, gone, gone, gone, gone, gone, refusal)
    with poller_of(source) as (_, noticing, clock):
        source.clock = clock
        while noticing.next(4000.0):
            pass
    waits = [later - earlier for earlier, later in pairwise(source.times)]
    assert waits[:7] == [60, 120, 240, 480, 900, 900, 60]


def test_what_was_applied_is_given_to_the_source() -> None:
    """What is newest must come after it."""
    source = Script(FIRST, SECOND)
    with poller_of(source, "0" * 40) as (poller, noticing, _):
        noticing.next()
        poller.take()
        noticing.next(70.0)
        poller.accept(FIRST.commit)
        noticing.next(70.0)
    assert source.asked[:3] == [("0" * 40, False), ("0" * 40, False), (FIRST.commit, False)]


def test_a_wish_for_an_older_commit_is_asked_once() -> None:
    """It is the source that remembers for which commit."""
    source = Script(FIRST)
    with poller_of(source) as (poller, noticing, _):
        noticing.next()
        poller.ask(allow_older=True)
        poller.ask()
        noticing.next(70.0)
        noticing.next(70.0)
    assert [allow_older for _, allow_older in source.asked[:3]] == [False, True, False]


def test_an_unforeseen_failure_is_reported_and_survived() -> None:
    """A poller that has died would look like a repository where nothing happens."""
    with poller_of(Script(ValueError("odd"), FIRST)) as (poller, noticing, _):
        noticing.next()
        found = poller.take()
        noticing.next(200.0)
        assert poller.take() == FIRST
    assert found == Unreachable("/x branch main: an unforeseen failure: ValueError: odd", 7.0)


def test_asking_ends_the_wait(tmp_path: Path) -> None:
    """With real time, git and threads: an interval of an hour, and the next commit is there at once."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"a": "b"})
    source = GitSource(Address(repository.url, "main"), tmp_path / "ours", ENVIRONMENT)
    poller = GitPoller(source, interval=3600)
    assert poller.take() is None
    with Noticing(poller) as noticing:
        for content in ("c", "d"):
            expected = repository.commit({"a": content})
            noticing.run(poller.ask)
            found = poller.take()
            while not (isinstance(found, NewestCommit) and found.commit == expected):
                assert noticing.next(LONG)
                found = poller.take()
    source.close()


def is_there(pid: int) -> bool:
    """Whether process `pid` has not ended yet."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_closing_ends_a_fetch_that_hangs(tmp_path: Path) -> None:
    """Thread, process and descriptors are gone."""
    before = set(os.listdir("/proc/self/fd")), threading.active_count()
    os.mkfifo(tmp_path / "begun")
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/begun\nexec sleep 1000\n", encoding="utf-8")
    ssh.chmod(0o755)
    environment = {**ENVIRONMENT, "GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "simple"}
    source = GitSource(Address("host:x", "main"), tmp_path / "ours", environment)
    with Noticing(GitPoller(source)) as noticing:
        assert noticing.next(0.05) == ()
        pid = int((tmp_path / "begun").read_text())
    source.close()
    deadline = time.monotonic() + LONG
    while (is_there(pid) or threading.active_count() > before[1]) and time.monotonic() < deadline:
        os.sched_yield()
    assert not is_there(pid)
    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_a_question_is_answered_by_what_was_begun_after_it_even_if_that_is_no_news() -> None:
    """So that whoever has asked is answered when there is nothing new, too."""
    with poller_of(Script(FIRST)) as (poller, noticing, _):
        noticing.next()
        coming = [poller.is_coming]
        poller.ask()
        coming.append(poller.is_coming)
        assert noticing.next() == (Trigger("git", f"commit {'a' * 40}"),)
        assert [*coming, poller.is_coming] == [False, True, False]
    assert GitPoller(cast("GitSource", Script(FIRST))).is_coming
