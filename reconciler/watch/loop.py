"""The loop: one event loop in the main thread waits for triggers, one worker thread runs one cycle at a time.

All that is decided about time is in `reconciler.watch.schedule`, all that a cycle does in `reconciler.watch.cycle`.
While a cycle runs, triggers, signals and requests are taken as ever; a signal that ends the loop sets the stop token,
which ends the cycle before its next step, with everything rolled back.
"""

import asyncio
import gc
import math
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, Self, TypeVar

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.model.stopping import StopToken
from reconciler.transaction.state_directory import UnsafeState
from reconciler.watch.cycle import Cycles
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.loop_context import Clock
from reconciler.watch.report import Report
from reconciler.watch.reporter import Moment, Reporter
from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.schedule import (
    START,
    Schedule,
    batch,
    beaten,
    begun,
    collected,
    ended,
    next_wakeup,
    ready,
    resynced,
)
from reconciler.watch.sinks import FanOut
from reconciler.watch.trigger_inbox import Inbox, TriggerSources
from reconciler.watch.triggers import Noticed, Trigger

_Result = TypeVar("_Result")


class Worker(Protocol):
    """Where cycles run."""

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """The result of `work`."""


class WorkerThread:
    """One thread, which does one thing at a time. A context manager."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="cycle")

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """See `Worker`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()


class Watch(NamedTuple):
    """What watching needs.

    Attributes:
        sources: all sources of triggers.
        inbox: where their triggers arrive, and where the loop waits.
        requests: the source whose clients are answered.
        cycles: runs the cycles.
        reporter: makes reports of them.
        sinks: where the reports go.
        systemd: hears that all is well.
        clock: time.
        resync: how often there is a cycle without a trigger, in seconds, at least.
        following: how long it is to the next regular cycle, about `resync`.
        stop: set when the loop is to end.
        worker: where cycles run.
    """

    sources: TriggerSources
    inbox: Inbox
    requests: RequestTriggers
    cycles: Cycles
    reporter: Reporter
    sinks: FanOut
    systemd: SystemdNotify
    clock: Clock
    resync: float
    following: Callable[[], float]
    stop: StopToken
    worker: Worker


async def watch(what: Watch) -> None:
    """Run cycles until the stop token is set; a cycle that runs then is ended, and waited for."""
    now = what.clock.monotonic()
    pause = (what.systemd.watchdog_seconds or math.inf) / 2
    schedule = Schedule(resync_at=now + what.following(), beat_at=now if what.systemd.watchdog_seconds else math.inf)
    schedule = _asked(what, schedule, (START,), now)
    number, cycle = 0, None
    while True:
        now = what.clock.monotonic()
        for trigger, at in what.inbox.take():
            schedule = schedule._replace(noticed=schedule.noticed.add(trigger, at))
        if cycle is not None and cycle.done():
            wait = cycle.result()
            schedule, cycle = ended(schedule, now, wait), None
        if what.stop.is_set and cycle is None:
            return
        schedule = resynced(schedule, now, what.following)
        triggers, schedule = batch(schedule, now)
        if triggers:
            schedule = _asked(what, schedule, triggers, now)
        if leading := ready(schedule, now):
            number += 1
            schedule = begun(schedule, now, what.stop.progress)
            cycle = asyncio.ensure_future(_cycle(what, number, leading))
            cycle.add_done_callback(lambda _: what.inbox.wake())
        is_beat, schedule = beaten(schedule, now, pause, what.stop.progress)
        if is_beat:
            what.systemd.watchdog()
        await what.inbox.wait(next_wakeup(schedule, now))


def _asked(what: Watch, schedule: Schedule, triggers: Collection[Trigger], now: float) -> Schedule:
    """`schedule` after the repository was asked for its newest where people are behind `triggers`."""
    if any(one.source == Noticed.SIGNAL for one in triggers):
        what.systemd.reloading()
    return collected(schedule, triggers, now, is_coming=what.cycles.ask(triggers))


async def _cycle(what: Watch, number: int, triggers: Collection[Trigger]) -> float:
    """Run cycle `number`, to which `triggers` have led, report it, and answer; in how many seconds to run the next."""
    what.requests.begin(number)
    result, report = await what.worker.run(lambda: _reported(what, triggers))
    if report is None:
        return math.inf
    refused = report.source.refused.reasons if report.source.refused else ()
    suspended = result.plan.suspended_names if result.plan else ()
    what.requests.answer(number, report.condition, report.summary, refused, report.source.unreachable, suspended)
    if any(one.source == Noticed.SIGNAL for one in triggers):
        what.systemd.ready()
    await what.worker.run(lambda: _rest(what))
    return min(math.inf if result.wait is None else result.wait, what.reporter.seconds_to_news(what.clock.time()))


def _reported(what: Watch, triggers: Collection[Trigger]) -> tuple[CycleResult, Report | None]:
    """Run one cycle and report it; no report of one that was ended before it had a result."""
    began = what.clock.monotonic()
    result = what.cycles.run_cycle(triggers)
    if result.is_abandoned:
        return result, None
    took = what.clock.monotonic() - began
    until = min(result.wait if result.wait is not None else what.resync, what.resync)
    now = what.clock.time()
    report = what.reporter.report(
        result, what.cycles.enforced, triggers, Moment(now, now + until + 2 * took, what.sources.unnoticed)
    )
    what.sinks.publish(report, result.plan)
    return result, report


def _rest(what: Watch) -> None:
    """Do what can wait until no client waits for an answer."""
    try:
        what.cycles.rest()
    except (OSError, UnsafeState) as error:
        what.sinks.warn("the last good configuration cannot be kept", error)
    # Garbage is collected between cycles only: with ten thousand guests in memory that takes as long as a plan.
    gc.collect()
