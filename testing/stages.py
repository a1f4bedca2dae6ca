"""The loop on a stage: real waiting in a time that tests own; what is noticed and how cycles end a test says."""

import asyncio
import gc
import math
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from typing import Any, TypeVar, cast

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.model.stopping import StopToken
from reconciler.planning.plan import Plan
from reconciler.watch.cycle import Cycles
from reconciler.watch.cycle_result import CycleResult, Ending
from reconciler.watch.loop import Watch, watch
from reconciler.watch.report import Condition, Report
from reconciler.watch.reporter import Reporter
from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.sinks import FanOut
from reconciler.watch.trigger_inbox import Inbox, TriggerSources
from reconciler.watch.triggers import Listening, Trigger
from testing.clocks import FakeClock
from testing.event_loops import FakeSelector, FakeTimeLoop

_Result = TypeVar("_Result")


class FakeSource:
    """A source that notices what a test says, and fails when it says so."""

    def __init__(self, name: str = "files", limit: str = "") -> None:
        self.name = name
        self.limit = limit
        self.opened: list[float] = []
        """When it was opened."""
        self.refusal: OSError | None = None
        """Why it cannot be opened."""
        self.closed = 0
        self._found: asyncio.Queue[tuple[Trigger, ...] | Exception] = asyncio.Queue()

    def say(self, *what: str) -> None:
        """Notice so many things."""
        self._found.put_nowait(tuple(Trigger(self.name, one) for one in what))

    def fail(self) -> None:
        """Break."""
        self._found.put_nowait(OSError("it broke"))

    async def listen(self) -> AsyncGenerator[Listening | tuple[Trigger, ...], None]:
        """See `reconciler.watch.triggers.TriggerSource`."""
        self.opened.append(asyncio.get_running_loop().time())
        if self.refusal:
            raise self.refusal
        try:
            yield Listening(self.limit)
            while True:
                found = await self._found.get()
                if isinstance(found, Exception):
                    raise found
                yield found
        finally:
            self.closed += 1


class Stage:
    """Everything that watching needs."""

    watchdog_seconds: float | None = None
    enforced = None
    is_coming = False
    """Whether the repository has not answered yet."""

    def __init__(
        self,
        waits: Iterable[float | None] = (),
        noticed: Iterable[tuple[float, Trigger]] = (),
        *,
        sources: Iterable[FakeSource] = (),
        ends: float = 1000.0,
        resync: float = math.inf,
    ) -> None:
        """Cycles end with `waits`, then with none; what is `noticed` comes at its times; the end comes after `ends`."""
        self.clock = FakeClock()
        self.stop = StopToken()
        self.done: list[str] = []
        self.cycles: list[tuple[float, tuple[Trigger, ...]]] = []
        """When each began, and what has led to it."""
        self.took = 0.0
        """How long each takes."""
        self.reports: list[Report] = []
        self.told: list[str] = []
        self.questions: list[float] = []
        self.following: Callable[[], float] = lambda: resync
        """How long it is to the next regular cycle."""
        self.selector: FakeSelector | None = None
        self._sources = sources
        self._waits = list(waits)
        self._events: list[tuple[float, Callable[[], object]]] = [(ends, self.end)]
        for at, trigger in noticed:
            self.at(at, lambda trigger=trigger: self.inbox.put((trigger,)))  # type: ignore[misc]

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Have `action` happen at that time."""
        self._events.append((seconds, action))

    def end(self) -> None:
        """As SIGTERM does."""
        self.stop.stop("the loop ends")
        self.inbox.wake()

    def run(self) -> None:
        """Watch until the end."""
        # The loop collects garbage after each cycle: in a process of tests that would go through all of their objects.
        gc.freeze()
        try:
            with asyncio.Runner(loop_factory=lambda: FakeTimeLoop(self.clock)) as runner:
                runner.run(self._run())
        finally:
            gc.unfreeze()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FakeTimeLoop)
        self.selector = loop.waiting
        self.selector.events = sorted(self._events, key=lambda one: one[0])
        self.inbox = Inbox(self.clock.monotonic)
        every: Any = self
        async with TriggerSources(self._sources, self.inbox, self.told.append) as self.sources:
            what = Watch(
                self.sources,
                self.inbox,
                cast("RequestTriggers", every),
                cast("Cycles", every),
                Reporter("site", None, applies=True),
                cast("FanOut", every),
                cast("SystemdNotify", every),
                self.clock,
                300.0,
                self.following,
                self.stop,
                Inline(self),
            )
            await watch(what)

    # Cycles

    def run_cycle(self, triggers: Collection[Trigger]) -> CycleResult:
        """See `Cycles`."""
        self.cycles.append((self.clock.now, tuple(triggers)))
        wait = self._waits.pop(0) if self._waits else None
        return CycleResult(Ending(Condition.IN_SYNC, "well"), wait=wait)

    def ask(self, triggers: Collection[Trigger]) -> bool:
        """See `Cycles`."""
        self.questions += [self.clock.now for one in triggers if one.source in {"request", "signal"}]
        return self.is_coming

    def rest(self) -> None:
        """See `Cycles`."""

    # RequestTriggers

    def begin(self, cycle: int) -> None:
        """See `RequestTriggers`."""
        self.done.append(f"begin {cycle}")

    def answer(self, cycle: int, condition: str, *_: object) -> None:
        """See `RequestTriggers`."""
        self.done.append(f"answer {cycle} {condition}")

    # FanOut, systemd

    def publish(self, report: Report, plan: Plan | None = None) -> None:
        """See `FanOut`."""
        self.reports.append(report)

    def watchdog(self) -> None:
        """See `SystemdNotify`."""
        self.done.append("watchdog")

    def reloading(self) -> None:
        """See `SystemdNotify`."""
        self.done.append("reloading")

    def ready(self) -> None:
        """See `SystemdNotify`."""
        self.done.append("ready")


class Inline:
    """A worker that does everything at once; a cycle begins, and then takes the time that the stage says."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """See `reconciler.watch.loop.Worker`."""
        begun = len(self._stage.cycles)
        found = work()
        if len(self._stage.cycles) > begun and self._stage.took:
            await asyncio.sleep(self._stage.took)
        return found
