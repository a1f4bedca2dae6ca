"""When the loop wakes, and for what: one value with all times, and pure functions of it. Time is given.

A cycle runs when triggers have come and it has been quiet for a moment, when the last cycle has asked for another one,
and regularly, since not every change is reported (docs/kernel-rules.md, "Uevents"). A person who asks for a cycle waits
until the repository has answered, but not for ever. What has failed is tried again later and later, and not by all
hosts in the same second.
"""

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.watch.triggers import BY_PEOPLE, Debounce, Noticed, Trigger

if TYPE_CHECKING:
    from random import Random

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 600.0

JITTER: Final = 0.1
"""The part of a wait by which it differs at most, so that a thousand hosts don't ask a server in the same second."""

_MOST_DOUBLINGS: Final = 64


def backoff(first: float, failures: int, longest: float) -> float:
    """Seconds to wait: `first`, doubled for each of `failures` in a row, `longest` at most."""
    return min(first * 2.0 ** min(failures, _MOST_DOUBLINGS), longest)


def spread_wait(interval: float, failures: int, longest: float, chance: float) -> float:
    """Seconds until a server is asked again: about `interval`, later after `failures`, as `backoff` and `JITTER` say.

    An interval above `longest` is not shortened. `chance` is a number from 0 to 1 that differs each time.
    """
    return backoff(interval, failures, max(longest, interval)) * (1 + JITTER * (2 * chance - 1))


class Backoff(NamedTuple):
    """How often it has failed in a row, and when it may be tried again (on a monotonic clock)."""

    failures: int = 0
    at: float = 0.0

    def failed(self, now: float) -> "Backoff":
        """What becomes of this after one more failure."""
        return Backoff(self.failures + 1, now + backoff(FIRST_SECONDS, self.failures, LONGEST_SECONDS))

    def wait(self, now: float) -> float:
        """How long to wait; 0 where it may be tried now."""
        return max(0.0, self.at - now) if self.failures else 0.0


RESYNC_SECONDS: Final = 300.0
"""How often a cycle runs without a trigger, where changes are noticed."""

UNNOTICED_RESYNC_SECONDS: Final = 10.0
"""How often where the host itself reports no change: a sysfs root that is not this machine's."""

START: Final = Trigger(Noticed.START)

ANSWER_SECONDS: Final = 30.0
"""How long a cycle waits for the repository where a person wants to know what it has now."""

PROGRESS_SECONDS: Final = 120.0
"""How long one part of a cycle may take: a kernel write and waiting until all queues are bound again, one document."""

_RESYNC: Final = Trigger(Noticed.RESYNC)
_DUE: Final = Trigger(Noticed.RESYNC, "due")


def every(seconds: float, random: "Random", jitter: float = JITTER) -> Callable[[], float]:
    """A function that says how long it is to the next time.

    Args:
        seconds: on average.
        random: chance.
        jitter: by which part of `seconds` a time is shorter or longer, so that hosts that were started together do not
            ask the same server together for ever.
    """
    return lambda: seconds * random.uniform(1 - jitter, 1 + jitter)


class Schedule(NamedTuple):
    """What the loop waits for. Times are seconds on a monotonic clock; infinite: never.

    Attributes:
        cycle_at: when the last cycle has asked for the next one.
        resync_at: when it is time for the next regular one.
        beat_at: when systemd is to hear from us again.
        noticed: triggers that came since.
        collected: those that lead to the next cycle, while the repository is asked.
        answer_by: until when it is waited for.
        is_running: whether a cycle runs.
        progress: how much the running one had done, at `progressed_at`.
        progressed_at: when that was last found to have grown.
    """

    cycle_at: float = math.inf
    resync_at: float = math.inf
    beat_at: float = math.inf
    noticed: Debounce = Debounce()
    collected: frozenset[Trigger] = frozenset()
    answer_by: float = math.inf
    is_running: bool = False
    progress: int = 0
    progressed_at: float = 0.0


def next_wakeup(schedule: Schedule, now: float) -> float:
    """In how many seconds the loop is to wake although nothing happens; 0 where there is something to do.

    What was noticed just before another time comes has its moment of quiet all the same.
    """
    due = schedule.noticed.due()
    quiet_at = math.inf if due is None else due
    if schedule.is_running:
        at = math.inf
    elif schedule.collected:
        at = min(schedule.answer_by, quiet_at)
    else:
        at = min(schedule.cycle_at, schedule.resync_at) if due is None else quiet_at
    return max(0.0, min(at, schedule.beat_at) - now)


def resynced(schedule: Schedule, now: float, following: Callable[[], float]) -> Schedule:
    """`schedule` with a trigger if it is time for a regular cycle; `following` says how long it is to the next one."""
    if schedule.is_running or now < schedule.resync_at:
        return schedule
    return schedule._replace(noticed=schedule.noticed.add(_RESYNC, now), resync_at=now + following())


def batch(schedule: Schedule, now: float) -> tuple[tuple[Trigger, ...], Schedule]:
    """The triggers that are to lead to a cycle at `now`, and what is left; () where there are none yet."""
    if schedule.is_running:
        return (), schedule
    due = schedule.noticed.due()
    if due is not None and now >= due:
        taken, left = schedule.noticed.take()
        return taken, schedule._replace(noticed=left)
    if due is None and not schedule.collected and now >= schedule.cycle_at:
        return (_DUE,), schedule
    return (), schedule


def collected(schedule: Schedule, triggers: Collection[Trigger], now: float, *, is_coming: bool) -> Schedule:
    """`schedule` with `triggers` that lead to the next cycle; `is_coming`: the repository has not answered yet."""
    every_one = schedule.collected.union(triggers)
    end = now + ANSWER_SECONDS if math.isinf(schedule.answer_by) else schedule.answer_by
    waits = is_coming and any(one == START or one.source in BY_PEOPLE for one in every_one)
    return schedule._replace(collected=every_one, answer_by=end if waits else now)


def ready(schedule: Schedule, now: float) -> tuple[Trigger, ...]:
    """The triggers of a cycle that is to begin at `now`; () where none is."""
    return tuple(sorted(schedule.collected)) if schedule.collected and now >= schedule.answer_by else ()


def begun(schedule: Schedule, now: float, progress: int) -> Schedule:
    """`schedule` when a cycle begins, before which so much `progress` was counted."""
    return schedule._replace(
        collected=frozenset(), answer_by=math.inf, is_running=True, progress=progress, progressed_at=now
    )


def ended(schedule: Schedule, now: float, wait: float) -> Schedule:
    """`schedule` when the cycle has ended, which has asked for the next one in `wait` seconds."""
    return schedule._replace(is_running=False, cycle_at=now + wait)


def beaten(schedule: Schedule, now: float, pause: float, progress: int) -> tuple[bool, Schedule]:
    """Whether systemd is to hear at `now` that we are alive, and when it is the next time, after `pause` seconds.

    It hears it only while no cycle runs, or where the running one gets on: its `progress` has grown lately.
    """
    if now < schedule.beat_at:
        return False, schedule
    schedule = schedule._replace(beat_at=now + pause)
    if progress != schedule.progress:
        schedule = schedule._replace(progress=progress, progressed_at=now)
    return not schedule.is_running or now - schedule.progressed_at <= PROGRESS_SECONDS, schedule
