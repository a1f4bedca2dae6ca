"""Watching: ears, turns and reports, until somebody ends it."""

import gc
from collections.abc import Collection
from typing import Final, NamedTuple

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.transaction.state_directory import UnsafeState
from reconciler.watch.ears import Ears
from reconciler.watch.loop import Clock, Loop
from reconciler.watch.reporter import Moment, Reporter
from reconciler.watch.request_ear import RequestEar
from reconciler.watch.sinks import FanOut
from reconciler.watch.triggers import BY_PEOPLE, Trigger

START: Final = Trigger("start")
ANSWER_SECONDS: Final = 30.0
"""How long a turn waits for the repository where somebody wants to know what it has now."""

_LONG_SECONDS: Final = 3600.0


class Watch(NamedTuple):
    """What watching needs.

    Attributes:
        ears: all that is listened to, open.
        requests: the ear of them whose questions are answered.
        loop: makes the turns.
        reporter: makes reports of them.
        telling: tells the reports.
        systemd: is told that all is well.
        clock: time.
        resync: how often there is a turn without a trigger, in seconds, at least.
    """

    ears: Ears
    requests: RequestEar
    loop: Loop
    reporter: Reporter
    telling: FanOut
    systemd: SystemdNotify
    clock: Clock
    resync: float


def watch(what: Watch) -> None:
    """Make turns until SIGTERM or SIGINT comes."""
    number = 0
    triggers = with_newest(what, (START,))
    while not what.ears.stopping:
        number += 1
        what.requests.begin(number)
        began = what.clock.monotonic()
        turn = what.loop.turn(triggers)
        if turn.is_abandoned:
            break  # it has nothing to report
        took = what.clock.monotonic() - began
        until = min(turn.wait if turn.wait is not None else what.resync, what.resync)
        now = what.clock.time()
        moment = Moment(now, now + until + 2 * took, what.ears.unheard)
        report = what.reporter.report(turn, what.loop.enforced, triggers, moment)
        what.telling.publish(report)
        refused = report.source.refused.reasons if report.source.refused else ()
        suspended = turn.plan.suspended_names if turn.plan else ()
        what.requests.answer(number, report.condition, report.summary, refused, report.source.unreachable, suspended)
        if any(trigger.source == "signal" for trigger in triggers):
            what.systemd.ready()
        _rest(what)
        triggers = with_newest(what, _next_triggers(what, turn.wait))


def with_newest(what: Watch, triggers: Collection[Trigger]) -> Collection[Trigger]:
    """`triggers`, and what else is heard until the source has its newest, if that is what somebody waits for."""
    end = what.clock.monotonic() + ANSWER_SECONDS
    heard, new = set(triggers), triggers
    while True:
        if any(trigger.source == "signal" for trigger in new):
            what.systemd.reloading()
        is_coming = what.loop.ask(new)
        left = end - what.clock.monotonic()
        waits = START in heard or any(trigger.source in BY_PEOPLE for trigger in heard)
        if not (waits and is_coming) or left <= 0 or what.ears.stopping:
            return tuple(sorted(heard))
        new = _heard(what, left)
        heard.update(new)


def _rest(what: Watch) -> None:
    """What can wait until nobody waits for anything."""
    try:
        what.loop.rest()
    except (OSError, UnsafeState) as error:
        what.telling.warn("the last good configuration cannot be kept", error)
    # Garbage is collected between turns only: with ten thousand guests in memory that takes as long as a plan.
    gc.collect()


def _next_triggers(what: Watch, wait: float | None) -> Collection[Trigger]:
    """What leads to the next turn; () only where somebody has ended it."""
    end = what.clock.monotonic() + (wait if wait is not None else _LONG_SECONDS)
    while True:
        triggers = _heard(what, max(0.0, end - what.clock.monotonic()))
        if triggers or what.ears.stopping:
            return triggers
        if what.clock.monotonic() >= end:
            return (Trigger("resync", "due"),)


def _heard(what: Watch, seconds: float) -> Collection[Trigger]:
    """What is heard in `seconds`, or in less where systemd wants to know that we are alive."""
    what.systemd.watchdog()
    pause = what.systemd.watchdog_seconds
    return what.ears.wait(min(seconds, pause / 2) if pause else seconds)
