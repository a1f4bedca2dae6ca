"""What the loop works with from its start to its end, and what it knows from one cycle to the next: two values."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from reconciler.model.commands import NOWHERE, Here
from reconciler.model.matrix import Matrix
from reconciler.model.observed import Observed
from reconciler.model.outcome import Origin
from reconciler.model.stopping import NEVER, StopToken
from reconciler.transaction.apply import Progress
from reconciler.transaction.loop_records import NONE, LastGood, Suspensions
from reconciler.transaction.open_host import OpenHost
from reconciler.watch.configurations import Configurations
from reconciler.watch.cycle_result import PLAN_SECONDS
from reconciler.watch.decisions import (
    HealBudgets,
    Policy,
)
from reconciler.watch.hot_plug import HotPlugState
from reconciler.watch.manifest_sources import ManifestSource
from reconciler.watch.schedule import Backoff
from reconciler.watch.triggers import BY_PEOPLE, Noticed, Trigger

_MANIFESTS_ONLY: Final[frozenset[str]] = frozenset({Noticed.FILES, Noticed.GIT})


class Clock(Protocol):
    """Time: `time` of the standard library, or a test's."""

    def time(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""


class Observer(Progress, Protocol):
    """What watches cycles and their applies, such as the log."""

    def begins(self) -> None:
        """A cycle begins."""

    def enforcing(self, host: str, commit: str) -> None:
        """The Host `host` is about to become as `commit` says."""

    def transaction(self, number: int) -> None:
        """Generation `number` is about to be made; 0: that has ended."""

    def unforeseen(self, error: Exception) -> None:
        """A bug, which ends the cycle and not the loop."""


class EnforcedHost(NamedTuple):
    """The host that the loop works on.

    Attributes:
        opened: the machine, to be looked at or (True) to be changed, for one cycle.
        origin: who asks for an apply, with manifests of a commit.
        authorised_since: since when a guest has been granted queues; see `appeared`.
        here: the options that lead to this machine and state, for the command to run next.
    """

    opened: Callable[[bool], AbstractContextManager[OpenHost]]
    origin: Callable[[str], Origin]
    authorised_since: Callable[[str, Matrix], str]
    here: Here = NOWHERE


class LoopContext(NamedTuple):
    """What the loop works with, from its start to its end.

    Attributes:
        host: what it works on.
        source: where manifests come from.
        configurations: which of them are enforced.
        policy: whether it applies, and heals.
        clock: time.
        observer: watches cycles and applies.
        stop: set when the loop is to end; asked again and again while a plan is made, and before each step.
        plan_seconds: how long reading and planning one configuration may take.
    """

    host: EnforcedHost
    source: ManifestSource
    configurations: Configurations
    policy: Policy
    clock: Clock
    observer: Observer
    stop: StopToken = NEVER
    plan_seconds: float = PLAN_SECONDS


class LoopState(NamedTuple):
    """What the loop knows from one cycle to the next, since the next one cannot find it out.

    Attributes:
        healing: how often the drift of which holder was corrected.
        retry: when an apply that has failed may be tried again.
        look_again: the same of cycles that could not even look: no reason to put off an apply once they can.
        hot_plug: which hardware was there, and which guests wait for some.
        observed: the host as it is, where nothing has happened to it since; None where it must be looked at.
        like: the host as it was when it was last looked at, which spares most of the next look.
        kept: the last good configuration that is on disk.
        generation: what was applied last; 0 where nothing was.
        is_proved: whether what is enforced has been applied, where that is our task.
        suspensions: what was suspended when that was last read.
    """

    healing: HealBudgets = HealBudgets()
    retry: Backoff = Backoff()
    look_again: Backoff = Backoff()
    hot_plug: HotPlugState | None = None
    observed: Observed | None = None
    like: Observed | None = None
    kept: LastGood | None = None
    generation: int = 0
    is_proved: bool = False
    suspensions: Suspensions = NONE

    def triggered(self, triggers: Collection[Trigger]) -> "LoopState":
        """What is still known when `triggers` have come."""
        state = self
        if not triggers or any(trigger.source not in _MANIFESTS_ONLY for trigger in triggers):
            state = state._replace(observed=None)
        if any(trigger.source in BY_PEOPLE for trigger in triggers):
            # A person has looked: what was given up is begun again.
            state = state._replace(healing=HealBudgets(), retry=Backoff())
        if any(trigger.source == Noticed.RECORDS for trigger in triggers):
            state = state._replace(retry=Backoff())  # what has failed was of what was applied before
        return state
