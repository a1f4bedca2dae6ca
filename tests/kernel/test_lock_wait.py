"""Waiting for a lock: how long, and what is told meanwhile."""

import pytest

from reconciler.kernel.locks import AtWork, patience, wait_for
from testing.clocks import FakeClock

FIRST, SECOND = AtWork(1, "first"), AtWork(2, "second")


class Held(Exception):
    """The lock was not to be had."""


class Lock:
    """A lock that is free from the moment `free` on, and is held by whoever `holders` says from its moment on."""

    def __init__(self, clock: FakeClock, free: float, holders: dict[float, AtWork]) -> None:
        self._clock = clock
        self._free = free
        self._holders = holders

    def take(self) -> str | None:
        """Take it, where that is possible now."""
        return "taken" if self._clock.now >= self._free else None

    def holder(self) -> AtWork:
        """Who has it now."""
        return next(one for since, one in reversed(self._holders.items()) if since <= self._clock.now)


def waited(seconds: float, free: float, holders: dict[float, AtWork]) -> tuple[float, list[tuple[float, AtWork]]]:
    """When the lock was taken, and what was told when (in whole seconds)."""
    clock = FakeClock()
    lock = Lock(clock, free, holders)
    told: list[tuple[float, AtWork]] = []
    wait = patience(clock, seconds, lambda who: told.append((clock.now // 1, who)))
    assert wait_for(lock.take, lock.holder, wait, Held) == "taken"
    return clock.now, told


def test_a_free_lock_is_taken_without_a_word() -> None:
    """Even without any patience."""
    assert waited(0, 0, {0: FIRST}) == (0, [])


def test_a_held_lock_is_waited_for_and_told_from_time_to_time() -> None:
    """At first, when somebody else has it, and every ten seconds."""
    when, told = waited(60, 25, {0: FIRST, 5: SECOND})

    assert 25 <= when < 25.1
    assert told == [(0, FIRST), (5, SECOND), (15, SECOND)]


def test_who_has_no_name_yet_is_told_only_where_it_stays_so() -> None:
    """A name is written down a moment after the lock is taken."""
    assert waited(60, 3, {0: AtWork(0), 0.5: FIRST})[1] == [(0, FIRST)]
    assert waited(60, 3, {0: AtWork(0)})[1] == [(1, AtWork(0))]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "process 1, first; try again when it is done, or end it if it hangs"),
        (60, "process 1, first; gave up waiting after 60 s; try again when it is done"),
    ],
)
def test_patience_has_an_end(seconds: float, text: str) -> None:
    """Then it is told who has the lock."""
    clock = FakeClock()
    lock = Lock(clock, 1000, {0: FIRST})

    with pytest.raises(Held) as caught:
        wait_for(lock.take, lock.holder, patience(clock, seconds, lambda _: None), Held)

    assert text in str(caught.value)
    assert seconds <= clock.now < seconds + 0.1


def test_patience_is_for_all_locks_together() -> None:
    """What the first has used up is missing for the second."""
    clock = FakeClock()
    wait = patience(clock, 10, lambda _: None)
    wait_for(Lock(clock, 8, {0: FIRST}).take, lambda: FIRST, wait, Held)

    with pytest.raises(Held):
        wait_for(Lock(clock, 15, {0: FIRST}).take, lambda: FIRST, wait, Held)

    assert 10 <= clock.now < 10.1


@pytest.mark.parametrize(
    ("who", "text"),
    [
        (AtWork(0), "an unknown process"),
        (AtWork(0, "x", 1.0), "an unknown process"),
        (AtWork(4711), "process 4711"),
        (AtWork(4711, "reconcile apply", 12.9), "process 4711, reconcile apply, at work for 12 s"),
        (AtWork(4711, "", 119.9), "process 4711, at work for 119 s"),
        (AtWork(4711, "", 120), "process 4711, at work for 2 min"),
        (AtWork(4711, "\x1b[2J\n"), "process 4711, \\x1b[2J\\n"),
        (AtWork(4711, "x" * 300), f"process 4711, {'x' * 200}…"),
    ],
)
def test_who_is_at_work_in_words(who: AtWork, text: str) -> None:
    """What is known, in plain characters and not too many."""
    assert str(who) == text
