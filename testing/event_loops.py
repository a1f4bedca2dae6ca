"""Event loops in a time that tests own, and sources of triggers that run only while a test asks."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from selectors import DefaultSelector, SelectorKey
from typing import Any, Final, Self, TypeVar

from reconciler.watch.trigger_inbox import THREAD_NAME
from reconciler.watch.triggers import Listening, Trigger, TriggerSource
from testing.clocks import FakeClock

PATIENCE: Final = 30.0
"""Seconds; reached only where something is broken."""

_MOMENT: Final = 0.25
"""Seconds; a thread that takes longer hangs, as some do on purpose, and time passes without it."""

_Result = TypeVar("_Result")


class FakeSelector(DefaultSelector):
    """Waits in the tests' time: `events` are what happens, and when. Where nothing is timed, it waits for threads."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.events: list[tuple[float, Callable[[], object]]] = []
        self.waits: list[float | None] = []

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """See `selectors.BaseSelector`."""
        self.waits.append(timeout)
        if timeout is None and not self.events:
            return super().select(None)
        end = float("inf") if timeout is None else self.clock.now + timeout
        while True:
            happened = False
            while self.events and self.events[0][0] <= self.clock.now:
                self.events.pop(0)[1]()
                happened = True
            at_work = [one for one in threading.enumerate() if one.name == THREAD_NAME]
            found = super().select(0)
            if found or happened or self.clock.now >= end:
                return found
            if _has_one_ended(at_work):
                continue  # before time passes, what it has found is heard
            self.clock.now = min([end, *(at for at, _ in self.events)])


def _has_one_ended(at_work: Sequence[threading.Thread]) -> bool:
    """Whether one of the threads that work for a source of triggers has ended, or does in the next moment."""
    for one in at_work:
        one.join(_MOMENT)
    return not all(one.is_alive() for one in at_work)


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a test's clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.waiting = FakeSelector(clock)
        super().__init__(self.waiting)

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop`."""
        return self.waiting.clock.monotonic()


def in_fake_time(clock: FakeClock, work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of `work`, for which no test waits."""
    with asyncio.Runner(loop_factory=lambda: FakeTimeLoop(clock)) as runner:
        return runner.run(work)


class Noticing:
    """One source of triggers that has begun. A context manager that closes it."""

    def __init__(self, source: TriggerSource, clock: FakeClock | None = None) -> None:
        """Begin; with a `clock` in the time that it has."""
        factory = None if clock is None else lambda: FakeTimeLoop(clock)
        self._runner = asyncio.Runner(loop_factory=factory)
        self._closed = False
        self._found = source.listen()
        self._next: asyncio.Future[Listening | tuple[Trigger, ...]] | None = None
        first = self._awaited(PATIENCE)
        assert isinstance(first, Listening)
        self.limit = first.limit
        """Why changes are found late; empty where they are not."""

    def next(self, seconds: float = PATIENCE) -> tuple[Trigger, ...]:
        """What is noticed next; () where nothing is in `seconds`."""
        found = self._awaited(seconds)
        assert not isinstance(found, Listening)
        return found

    def now(self) -> list[Trigger]:
        """All that has been noticed."""
        found: list[Trigger] = []
        while more := self.next(0.02):
            found += more
        return found

    def run(self, work: Callable[[], _Result]) -> _Result:
        """The result of `work`, in the event loop."""

        async def worked() -> _Result:
            found = work()
            await asyncio.sleep(0.01)  # what it has begun, such as the end of a connection, is done
            return found

        return self._runner.run(worked())

    def close(self) -> None:
        """End it, as the loop does; may be called again."""
        if self._closed:
            return
        self._closed = True
        self._runner.run(self._ended())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _awaited(self, seconds: float) -> Listening | tuple[Trigger, ...]:
        async def awaited() -> Listening | tuple[Trigger, ...]:
            self._next = self._next or asyncio.ensure_future(anext(self._found))
            done, _ = await asyncio.wait({self._next}, timeout=seconds)
            if not done:
                return ()
            found, self._next = self._next, None
            return found.result()

        return self._runner.run(awaited())

    async def _ended(self) -> None:
        if self._next:
            self._next.cancel()
            await asyncio.wait({self._next})
        await self._found.aclose()
