"""Waiting for triggers, in a time that the tests own."""

import gc
import os
import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from selectors import DefaultSelector, SelectorKey

import pytest

from reconciler.watch.ears import LONGEST_RETRY_SECONDS, Ears
from reconciler.watch.resync import every
from reconciler.watch.triggers import LONGEST_SECONDS, QUIET_SECONDS, Trigger
from testing.clocks import FakeClock


class FakeSelector(DefaultSelector):
    """Waits in the tests' time: `events` are what becomes audible, and when."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.events: list[tuple[float, Callable[[], object]]] = []
        self.waits: list[float | None] = []

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        self.waits.append(timeout)
        assert timeout is not None
        end = self.clock.now + timeout
        while True:
            while self.events and self.events[0][0] <= self.clock.now:
                self.events.pop(0)[1]()
            found = super().select(0)
            if found or self.clock.now >= end:
                return found
            self.clock.now = min([end, *(at for at, _ in self.events)])


class FakeEar:
    """Hears what a test says."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.error: OSError | None = None
        self.closed = False
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self.descriptor

    def hear(self) -> Iterable[Trigger]:
        os.eventfd_read(self.descriptor)
        if self.error:
            raise self.error
        triggers, self.triggers = self.triggers, []
        return triggers

    def close(self) -> None:
        self.closed = True
        os.close(self.descriptor)

    def say(self, *triggers: Trigger) -> None:
        self.triggers += triggers
        os.eventfd_write(self.descriptor, 1)

    def fail(self) -> None:
        self.error = OSError("it broke")
        os.eventfd_write(self.descriptor, 1)


class World:
    """Ears with everything that a test wants to see of them."""

    def __init__(self, resync: Callable[[], float] | None = None) -> None:
        self.clock = FakeClock()
        self.selector = FakeSelector(self.clock)
        self.told: list[str] = []
        self.ears = Ears(self.clock, self.told.append, resync=resync, selector=self.selector)
        self.opened: list[FakeEar] = []

    def opener(self) -> FakeEar:
        self.opened.append(FakeEar())
        return self.opened[-1]

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self.selector.events.append((seconds, action))


@pytest.fixture
def world() -> Iterator[World]:
    """Ears without a resync, and one ear."""
    made = World()
    made.ears.add("files", made.opener)
    yield made
    made.ears.close()


def test_silence_is_told_when_the_time_is_over(world: World) -> None:
    """() after exactly the time that was asked for, with one wake-up."""
    assert world.ears.wait(60) == ()
    assert world.clock.now == 60
    assert world.selector.waits == [0, 60]


def test_hints_are_joined_until_it_is_quiet(world: World) -> None:
    """Those that come close together are one answer."""
    world.at(5.0, lambda: world.opened[0].say(Trigger("files", "a")))
    world.at(5.1, lambda: world.opened[0].say(Trigger("files", "b"), Trigger("files", "a")))
    world.at(9.0, lambda: world.opened[0].say(Trigger("files", "c")))
    assert world.ears.wait(60) == (Trigger("files", "a"), Trigger("files", "b"))
    assert world.clock.now == pytest.approx(5.1 + QUIET_SECONDS)
    assert world.ears.wait(60) == (Trigger("files", "c"),)


def test_who_never_stops_is_answered_nevertheless(world: World) -> None:
    """After the longest wait."""
    for tenth in range(100):
        world.at(tenth / 10, lambda: world.opened[0].say(Trigger("files", "a")))
    assert world.ears.wait(60) == (Trigger("files", "a"),)
    assert world.clock.now == pytest.approx(LONGEST_SECONDS)


def test_a_hint_just_before_the_time_is_over_is_not_cut_off(world: World) -> None:
    """It waits for its quiet."""
    world.at(0.95, lambda: world.opened[0].say(Trigger("files", "a")))
    assert world.ears.wait(1) == (Trigger("files", "a"),)


def test_what_came_while_nobody_waited_is_heard(world: World) -> None:
    """An apply may take longer than any debounce."""
    world.opened[0].say(Trigger("files", "a"))
    world.clock.now = 100
    assert world.ears.wait(0) == (Trigger("files", "a"),)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_to_stop_ends_the_wait_at_once(world: World, name: str) -> None:
    """And stays known."""
    world.at(5, lambda: world.opened[0].say(Trigger("signal", name)))
    assert world.ears.wait(60) == ()
    assert world.clock.now == 5
    assert world.ears.stopping


def test_asking_whether_to_stop_keeps_the_triggers(world: World) -> None:
    """Those that came with the signal, or without one."""
    world.opened[0].say(Trigger("files", "a"))
    assert not world.ears.should_stop()
    assert world.ears.wait(60) == (Trigger("files", "a"),)


def test_an_ear_that_fails_is_told_closed_and_opened_again(world: World) -> None:
    """What happened meanwhile was heard by nobody, so that its return is a trigger."""
    world.at(5, world.opened[0].fail)
    assert world.ears.wait(60) == (Trigger("files", "heard again"),)
    assert [ear.closed for ear in world.opened] == [True, False]
    assert world.told[0] == "files: changes are not noticed, only found at the next resync: it broke; trying again"
    assert world.told[1:] == ["files: changes are noticed again"]
    assert world.ears.deaf == {}


def test_an_ear_that_cannot_be_opened_neither_ends_the_loop_nor_spins() -> None:
    """It is tried with growing distance, told once, and known to be deaf."""
    world, tried = World(), []

    def fails() -> FakeEar:
        tried.append(world.clock.now)
        raise PermissionError(1, "not for you")

    with world.ears:
        world.ears.add("kernel", fails)
        assert world.ears.wait(100_000) == ()
        gaps = [later - earlier for earlier, later in pairwise(tried)]
        assert gaps[:4] == [1, 2, 4, 8]
        assert max(gaps) == LONGEST_RETRY_SECONDS
        assert len(world.told) == 1
        assert "not for you" in world.ears.deaf["kernel"]


def test_a_source_whose_changes_are_found_later_is_known(world: World) -> None:
    """As long as its ear is open: the next opener may find that all is well again."""

    def opener() -> FakeEar:
        world.ears.limited("later", "no watches are left")
        return FakeEar()

    world.ears.add("later", opener)
    assert {"later": "no watches are left"} == world.ears.unheard

    world.at(5, world.opened[0].fail)
    world.ears.wait(0)
    world.ears.limited("files", "it is on a network")
    assert {"files", "later"} == set(world.ears.unheard)
    world.ears.wait(60)
    assert {"later": "no watches are left"} == world.ears.unheard


def test_an_ear_that_the_system_refuses_to_listen_to_is_opened_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as where there are too many in the whole system."""
    world = World()

    def refuse(*_: object) -> SelectorKey:
        raise OSError(28, "no space left on device")

    with world.ears:
        with monkeypatch.context() as patch:
            patch.setattr(world.selector, "register", refuse)
            world.ears.add("files", world.opener)
        assert world.opened[0].closed
        assert world.ears.wait(60) == (Trigger("files", "heard again"),)


def test_an_ear_that_opens_and_fails_at_once_does_not_spin() -> None:
    """Only what it hears proves that it works."""
    world = World()

    def broken() -> FakeEar:
        ear = world.opener()
        ear.fail()
        return ear

    with world.ears:
        world.ears.add("files", broken)
        for _ in range(20):
            world.ears.wait(1000)
        assert len(world.opened) < 60


def test_at_rest_only_the_resync_wakes() -> None:
    """Over a day: two wake-ups each, one for the time and one for its quiet."""
    world = World(resync=every(300, random.Random(1)))
    turns = 0
    with world.ears:
        world.ears.add("files", world.opener)
        while world.clock.now < 86400:
            assert world.ears.wait(100_000) == (Trigger("resync"),)
            turns += 1
        assert 0.9 * 288 <= turns <= 1.1 * 288
        assert len([wait for wait in world.selector.waits if wait]) <= 2 * turns


def test_nothing_grows_over_a_hundred_thousand_triggers(world: World) -> None:
    """Memory is flat."""

    def a_thousand(start: int) -> None:
        world.opened[0].say(*(Trigger("kernel", f"queue {start + number}") for number in range(1000)))
        world.selector.waits.clear()
        assert len(world.ears.wait(10)) == 20

    a_thousand(0)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for thousand in range(1, 101):
            a_thousand(1000 * thousand)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
    assert len(world.opened) == 1
    assert world.ears.dropped == 101 * 980


def test_closing_gives_every_descriptor_back() -> None:
    """Of the ears and of the selector."""
    world = World()
    with world.ears:
        world.ears.add("files", world.opener)
        world.ears.add("kernel", world.opener)
    assert all(ear.closed for ear in world.opened)
    with pytest.raises(ValueError, match="closed epoll"):
        world.selector.fileno()
