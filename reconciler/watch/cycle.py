"""The loop: level-triggered, one turn after the other, by the same way as the command's plan and apply.

A turn looks at everything that may have changed, whatever has woken it, and leaves the host as the enforced
configuration says, or says why not. What woke it only decides what need not be read again.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from reconciler.model.commands import NOWHERE, Advised, Here
from reconciler.model.desired import Unmanaged
from reconciler.model.errors import BusyError, HostError, InputError, StateError
from reconciler.model.matrix import Matrix
from reconciler.model.observed import Observed
from reconciler.model.outcome import Origin, Outcome, Result
from reconciler.model.stopping import NEVER, Abandoned, Deadline, StopToken
from reconciler.operations.apply import ApplyResult, NotApplicable, StalePlan, Terms, apply
from reconciler.operations.plan import observe_host, plan
from reconciler.planning.plan import Cause, Plan, settled
from reconciler.planning.scope import FILES, NOTHING_SPARED, AllBut, Spared
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import LastGood, write_last_good
from reconciler.transaction.machine import Machine, locked
from reconciler.transaction.recovery import recover, refuse_pending
from reconciler.transaction.state_directory import UnsafeState
from reconciler.transaction.suspensions import Suspensions, read_suspensions, suspended_devices
from reconciler.watch.arrivals import Arrivals, arrived, next_look
from reconciler.watch.configurations import Configuration, Configurations
from reconciler.watch.deciding import (
    Act,
    Decision,
    Policy,
    Times,
    decide,
    drifted,
    in_need_of_consent,
    is_drift,
    stopped_until,
)
from reconciler.watch.healing import HealBudgets
from reconciler.watch.plan_time import PLAN_SECONDS, TookTooLong, plan_deadline
from reconciler.watch.removals import look_after, reported
from reconciler.watch.report import Condition
from reconciler.watch.retry import Retry
from reconciler.watch.sources import Offer, Source
from reconciler.watch.triggers import BY_PEOPLE, TRIGGER_OLDER, Noticed, Trigger
from reconciler.watch.turns import NOTHING_OFFERED, Ending, Turn

if TYPE_CHECKING:
    from reconciler.transaction.apply import Progress

LOCK_SECONDS: Final = 10.0
"""How long others at work are waited for in a turn; then there is another turn."""

_SOON_SECONDS: Final = 5.0

_NOTHING_TO_ENFORCE: Final = Ending(Condition.NEEDS_PERSON, "there is no configuration that can be enforced")
_NEW: Final = Decision(Act.APPLY, Condition.CHANGES, "a new configuration")
_CHANGING: Final = Ending(Condition.WAITING, "somebody else is just changing the host")
_MANIFESTS_ONLY: Final[frozenset[str]] = frozenset({Noticed.FILES, Noticed.GIT})


class Clock(Protocol):
    """Time: `time` of the standard library, or a test's."""

    def time(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class Place(NamedTuple):
    """What the loop works with.

    Attributes:
        opened: the machine, to be looked at or (True) to be changed, for one turn.
        source: where manifests come from.
        configurations: which of them are enforced.
        policy: what it was told to do.
        clock: time.
        origin: who asks for an apply, with manifests of a commit.
        progress: who watches an apply.
        authorised_since: tells since when a guest has been granted queues; see `arrived`.
        unforeseen: is told of a bug, which ends the turn and not the loop.
        transaction: is told the number of the generation that is about to be made, and 0 when that has ended.
        enforcing: is told the name of the Host and the git commit of what is about to be applied.
        here: the options that lead to this machine and state, for the command to run next.
        stop: set when the loop is to end; asked again and again while a plan is made, and before each step.
        plan_seconds: how long reading and planning one configuration may take.
        begins: is told that a turn begins.
    """

    opened: Callable[[bool], AbstractContextManager[Machine]]
    source: Source
    configurations: Configurations
    policy: Policy
    clock: Clock
    origin: Callable[[str], Origin]
    progress: "Progress"
    authorised_since: Callable[[str, Matrix], str]
    unforeseen: Callable[[Exception], object]
    transaction: Callable[[int], object]
    enforcing: Callable[[str, str], object] = lambda _host, _commit: None
    here: Here = NOWHERE
    stop: StopToken = NEVER
    plan_seconds: float = PLAN_SECONDS
    begins: Callable[[], object] = lambda: None


class Cycles:
    """Makes one turn after the other, and remembers in between what a turn cannot find out."""

    def __init__(self, place: Place) -> None:
        """Nothing is remembered yet."""
        self._place = place
        self._healing = HealBudgets()
        self._retry = Retry()
        self._blind = Retry()  # turns that could not even look: no reason to put off an apply once they can
        self._known = Turn(_NOTHING_TO_ENFORCE)
        self._arrivals: Arrivals | None = None
        self._observed: Observed | None = None
        self._like: Observed | None = None
        self._kept: LastGood | None = place.configurations.enforced and place.configurations.enforced.good
        self._generation = 0
        self._is_proved = False  # whether what is enforced has been applied, where that is our task

    @property
    def enforced(self) -> Configuration | None:
        """What is enforced; None where nothing can be."""
        return self._place.configurations.enforced

    def ask(self, triggers: Collection[Trigger]) -> bool:
        """Ask the source for its newest where people are among `triggers`; whether that is on its way still."""
        source = self._place.source
        if any(trigger.source in BY_PEOPLE for trigger in triggers):
            source.ask(allow_older=TRIGGER_OLDER in triggers)
        return source.is_coming

    def turn(self, triggers: Collection[Trigger]) -> Turn:
        """Make one turn; what went wrong is in it, and not raised."""
        self._heed(triggers)
        self._place.begins()
        place, clock = self._place, self._place.clock
        began = clock.monotonic()
        self._known = Turn(_NOTHING_TO_ENFORCE, suspensions=self._known.suspensions)
        try:
            turn = self._turn()
            self._blind = Retry()
        except BusyError as error:
            waiting = Ending(Condition.WAITING, one_line(error, self._place.here))
            turn = self._known._replace(ending=waiting, wait=_SOON_SECONDS)
        except TookTooLong as error:
            turn = self._blinded(one_line(error))
        except Abandoned as error:
            turn = self._known._replace(ending=Ending(Condition.WAITING, one_line(error)), is_abandoned=True)
        except (InputError, HostError, StateError, OSError) as error:
            turn = self._blinded(one_line(error))
        except Exception as error:  # noqa: BLE001 - a host that nobody enforces any more helps nobody
            place.unforeseen(error)
            turn = self._blinded(f"unforeseen, please report it: {type(error).__name__}: {one_line(error)}")
        with suppress(OSError, UnsafeState):  # `rest` tries again, and says why it cannot
            self._record_refusal()
        seconds = clock.monotonic() - began - (turn.apply_seconds or 0.0)
        turn = reported(turn, place.configurations.removals, clock.monotonic(), place.here)
        return turn._replace(refused=place.configurations.refused, generation=self._generation, seconds=seconds)

    def _record_refusal(self) -> None:
        """Have on disk what is refused, before a person is told of it, and looks with `--refused`."""
        if not self._place.configurations.is_recorded:
            with self._place.opened(False) as machine:
                self._place.configurations.record_refusal(machine.state)

    def _deadline(self) -> Deadline:
        place = self._place
        return plan_deadline(place.plan_seconds, place.clock.monotonic())

    def _blinded(self, told: str) -> Turn:
        """The turn that could not be made; what was known before is still so."""
        now = self._place.clock.monotonic()
        self._observed = None
        self._blind = self._blind.failed(now)
        return self._known._replace(ending=Ending(Condition.FAILED, told), wait=self._blind.wait(now))

    def _heed(self, triggers: Collection[Trigger]) -> None:
        self._place.configurations.look = look_after(triggers, self._place.clock.monotonic())
        if not triggers or any(trigger.source not in _MANIFESTS_ONLY for trigger in triggers):
            self._observed = None
        if any(trigger.source in BY_PEOPLE for trigger in triggers):
            # A person has looked: what was given up is begun again.
            self._healing, self._retry = HealBudgets(), Retry()

    def rest(self) -> None:
        """Do what can wait until no request does: keep the last good configuration. After each turn, once it was told.

        Raises:
            OSError, UnsafeState: it cannot be written.
        """
        enforced = self.enforced
        if enforced is not None and self._is_proved and not enforced.good.is_like(self._kept):
            with self._place.opened(False) as machine:
                write_last_good(machine.state, enforced.good)
            self._kept = enforced.good
        self._record_refusal()

    def _turn(self) -> Turn:
        place, configurations = self._place, self._place.configurations
        offer = place.source.offer()
        self._known = self._known._replace(offer=offer)
        with place.opened(False) as machine:
            machine.state.prepare()
            suspensions = read_suspensions(machine.state).at(place.clock.time())
            self._known = self._known._replace(suspensions=suspensions)
            changes = place.policy.applies and not suspensions.host
            is_left = _is_left(machine, changes=changes)
        if is_left:
            self._put_in_order(changes=changes)
        try:
            return self._turned(offer, suspensions, changes=changes)
        except TookTooLong as error:
            # No verdict on it: the next cycle tries again, and the last good one goes on being enforced.
            configurations.refuse(offer.commit, (one_line(error),), place.clock.time())
        with place.opened(False) as machine:
            made = self._enforced_plan(None, offer, machine, suspensions, self._deadline())
        return self._known if made is None else self._acted(self._known, made)

    def _turned(self, offer: Offer, suspensions: Suspensions, *, changes: bool) -> Turn:
        """The turn with what `offer` has, where the loop `changes` the host; raises `TookTooLong`."""
        place, configurations, by = self._place, self._place.configurations, self._deadline()
        stop = place.stop.by(by, place.clock.monotonic)
        with place.opened(False) as machine:
            newest = configurations.newest(offer, machine.name, place.clock.time(), stop)
            applied = Journal(machine.state, machine.boot_id).applied().digest
            if newest and not self._may_be_enforced(newest, offer, applied):
                newest = None
        if newest and configurations.is_new(newest) and changes and newest.wanted.desired.digest != applied:
            # What may be applied is planned once, and applied. What a person has applied is looked at for drift first.
            done = self._applied(self._known, newest, None, _NEW, by=by)
            if done is not None:
                return done
            newest = None
        with place.opened(False) as machine:
            made = self._enforced_plan(newest, offer, machine, suspensions, by)
        return self._known if made is None else self._acted(self._known, made)

    def _may_be_enforced(self, newest: Configuration, offer: Offer, applied: str) -> bool:
        """Whether `newest` may replace what is enforced, as far as that does not depend on the host.

        A person has the last word: what was `applied`, by its digest, may.
        """
        configurations = self._place.configurations
        if not configurations.is_new(newest) or newest.wanted.desired.digest == applied:
            return True
        return configurations.may_replace(newest, offer, self._place.here, self._place.clock.time())

    def _put_in_order(self, *, changes: bool) -> None:
        """See to what a run has left that was killed, or is still at work: then it is waited for.

        Where that `changes` nothing, nothing is put back.
        """
        place = self._place
        self._observed = None
        command = place.origin("").command
        with (
            place.opened(changes) as machine,
            # Rolling back what was not confirmed needs no disk that can be written.
            locked(machine, place.progress, command, LOCK_SECONDS, recording=not changes),
        ):
            if changes:
                place.progress.recovered(recover(machine))

    def _enforced_plan(
        self, newest: Configuration | None, offer: Offer, machine: Machine, suspensions: Suspensions, by: Deadline
    ) -> Plan | None:
        """The plan of what is enforced from now on; None where nothing can be."""
        configurations, made = self._place.configurations, None
        if newest and configurations.is_new(newest):
            made = self._plan(newest, machine, suspensions, by=by)
            if more := self._without_consent(machine, made):
                made = self._plan(newest, machine, suspensions, more, by)
            corrected = self._corrected(newest, machine, suspensions, made)
            if not configurations.judge(newest, made, offer, self._place.here, self._place.clock.time(), corrected):
                newest, made = None, None
        if newest:
            self._accept(newest)
        return made or (self._plan(self.enforced, machine, suspensions, by=by) if self.enforced else None)

    def _accept(self, newest: Configuration) -> None:
        if self._place.configurations.is_new(newest):
            self._retry = Retry()
        self._place.configurations.accept(newest)
        self._place.source.accepted(newest.commit)

    def _plan(
        self,
        configuration: Configuration,
        machine: Machine,
        suspensions: Suspensions,
        spared: Spared | None = None,
        by: Deadline | None = None,
    ) -> Plan:
        if self._observed is None:
            self._observed = self._like = observe_host(machine, self._like)
        scope = self._scope(configuration, machine, suspensions, spared)
        stop = self._place.stop.by(by or self._deadline(), self._place.clock.monotonic)
        return plan(configuration.wanted, machine, scope, self._observed, stop)

    def _scope(
        self, configuration: Configuration, machine: Machine, suspensions: Suspensions, spared: Spared | None = None
    ) -> AllBut:
        applied = Journal(machine.state, machine.boot_id).applied()
        self._generation = applied.generation
        desired = configuration.wanted.desired
        if spared is None:
            is_news = desired.digest != applied.digest
            spared = self._unconcerned(applied.digest) if is_news else NOTHING_SPARED
        return AllBut(suspended_devices(desired, applied.guests, suspensions), spared)

    def _unconcerned(self, applied: str) -> Spared:
        """The drift that a new configuration does not correct; `applied` is the digest of the last one."""
        if self._place.policy.self_heal:
            return Spared(self._healing.paused(self._place.clock.monotonic()) - {FILES})
        enforced = self.enforced and self.enforced.wanted.desired
        strangers = enforced and enforced.digest == applied and enforced.host.unmanaged is Unmanaged.REMOVE
        return Spared(None, strangers=bool(strangers))

    def _without_consent(self, machine: Machine, made: Plan) -> Spared | None:
        """Which drift to spare so that the plan `made` becomes one that needs no consent; None where none helps."""
        needing = in_need_of_consent(made) if self._place.policy.self_heal else None
        if not needing:
            return None
        applied = Journal(machine.state, machine.boot_id).applied()
        already = self._unconcerned(applied.digest) if made.is_news else NOTHING_SPARED
        return Spared((already.holders or frozenset()) | needing)

    def _corrected(
        self, configuration: Configuration, machine: Machine, suspensions: Suspensions, made: Plan
    ) -> Plan | None:
        """The plan that also corrects the drift which `made` leaves; None where `made` is valid or leaves none."""
        if made.is_valid or not made.spared:
            return None
        return self._plan(configuration, machine, suspensions, NOTHING_SPARED)

    def _acted(self, turn: Turn, made: Plan) -> Turn:
        enforced = self.enforced
        assert enforced is not None
        if self._place.policy.self_heal and is_drift(made):
            self._healing = self._healing.asked(drifted(made), self._place.clock.monotonic())
        decision = self._decided(made, turn.suspensions)
        spared = None
        is_mixed = decision.condition is Condition.DRIFT and Cause.INTENTIONAL in made.causes
        if is_mixed and self._place.policy.applies and decision.act is Act.NOTHING:
            # What the manifests ask of one guest, such as one that was suspended, does not wait for another's drift.
            with self._place.opened(False) as machine:
                spared = self._unconcerned(enforced.wanted.desired.digest)
                without = self._plan(enforced, machine, turn.suspensions, spared)
            if without.changes and without.is_valid:
                made, decision = without, self._decided(without, turn.suspensions)
        if decision.rest is not None:
            spared = Spared(decision.spared)
            with self._place.opened(False) as machine:
                without = self._plan(enforced, machine, turn.suspensions, spared)
            if not without.is_valid or without.consents or not without.changes:
                decision = decision.rest
        if decision.act is Act.NOTHING:
            return self._ended(turn, made, decision)
        done = self._applied(turn, enforced, made, decision, spared)
        return done or turn._replace(ending=_CHANGING, wait=1.0)

    def _decided(self, made: Plan, suspensions: Suspensions) -> Decision:
        place = self._place
        suspended = suspensions.host is not None
        now = Times(place.clock.monotonic(), place.clock.time())
        return decide(made, place.policy, self._healing, self._retry, now, suspended=suspended)

    def _applied(
        self,
        turn: Turn,
        configuration: Configuration,
        made: Plan | None,
        decision: Decision,
        spared: Spared | None = None,
        *,
        by: Deadline | None = None,
    ) -> Turn | None:
        """Apply `configuration`, exactly as `made` says where that is given; None where that cannot be done."""
        place, clock = self._place, self._place.clock
        terms = Terms(agreed=made.basis if made else None, lock_seconds=LOCK_SECONDS)
        origin, began = place.origin(configuration.commit), clock.monotonic()
        self._observed = None
        try:
            with place.opened(True) as machine:
                scope = self._scope(configuration, machine, turn.suspensions, spared)
                place.enforcing(configuration.wanted.desired.host.name, configuration.commit)
                place.transaction(History(machine.state).next_number())
                done = apply(
                    configuration.wanted,
                    machine,
                    place.progress,
                    origin,
                    terms,
                    scope,
                    like=self._like,
                    plan_by=by or self._deadline(),
                )
        except StalePlan:
            return None
        except NotApplicable as error:
            with place.opened(False) as machine:
                more = self._without_consent(machine, error.plan)
            if more and spared is None:
                return self._applied(turn, configuration, None, decision, more)
            self._refuse(turn, configuration, error.plan)
            return None
        finally:
            place.transaction(0)
        if configuration is not self.enforced:  # to apply that again says nothing of a newer one that is refused
            self._accept(configuration)
        self._like = done.plan.observed
        succeeded = done.outcome.result in (Result.APPLIED, Result.NOTHING)
        self._retry = Retry() if succeeded else self._retry.failed(clock.monotonic())
        is_healed = succeeded and decision.act is Act.HEAL
        if is_healed:
            self._healing = self._healing.healed(drifted(done.plan), clock.monotonic())
        turn = self._known = turn._replace(
            outcome=done.outcome,
            recorded=done.generation,
            healed=is_healed,
            apply_seconds=clock.monotonic() - began,
        )
        after = self._after(done, configuration, turn.suspensions, all_of_it=not (spared and spared.holders))
        then = self._decided(after, turn.suspensions)
        if then.act is not Act.NOTHING:  # it has changed again meanwhile
            then = then._replace(wait=1.0)
        return self._ended(turn, after, then if succeeded else _failed(done.outcome, then))

    def _refuse(self, turn: Turn, configuration: Configuration, made: Plan) -> None:
        """Note why `configuration`, whose plan this is, is not used."""
        place, offer = self._place, turn.offer or NOTHING_OFFERED
        with place.opened(False) as machine:
            corrected = self._corrected(configuration, machine, turn.suspensions, made)
        place.configurations.judge(configuration, made, offer, place.here, place.clock.time(), corrected)

    def _after(self, done: ApplyResult, enforced: Configuration, suspensions: Suspensions, *, all_of_it: bool) -> Plan:
        """The plan of the host as an apply has left it."""
        if done.seen is not None and all_of_it and not done.plan.spared:
            self._generation = done.generation or self._generation
            return settled(done.plan, done.seen.mdevs)
        with self._place.opened(False) as machine:
            return self._plan(enforced, machine, suspensions)

    def _ended(self, turn: Turn, made: Plan, decision: Decision) -> Turn:
        clock = self._place.clock
        self._is_proved = not (made.is_news and self._place.policy.applies)
        self._arrivals, appeared = arrived(self._arrivals, made, clock.monotonic(), self._place.authorised_since)
        ends = [max(0.0, one - clock.time()) for one in turn.suspensions.ends]
        waits = [one for one in (decision.wait, next_look(self._arrivals, clock.monotonic()), *ends) if one is not None]
        ending = Ending(decision.condition, decision.summary)
        wait = min(waits) if waits else None
        known = drifted(made)
        until = stopped_until(self._healing, Times(clock.monotonic(), clock.time()))
        stopped = {known[one]: end for one, end in until.items() if one in known}
        return turn._replace(ending=ending, plan=made, appeared=appeared, wait=wait, stopped=stopped)


def _is_left(machine: Machine, *, changes: bool) -> bool:
    """Whether an apply was begun and not ended, or, where the loop `changes` anything, was not confirmed in time.

    Raises:
        AwaitsConfirmation: one waits to be confirmed.
    """
    pending = Confirmations(machine.state).pending()
    if pending and pending.seconds_left(machine.boot_id, machine.clock.monotonic()):
        refuse_pending(machine)
    unfinished = Journal(machine.state, machine.boot_id).unfinished()
    return unfinished is not None or (changes and pending is not None)


def _failed(outcome: Outcome, decision: Decision) -> Decision:
    if outcome.result is Result.DEGRADED:
        return decision._replace(condition=Condition.DEGRADED, summary="; ".join(outcome.differences))
    return decision._replace(condition=Condition.FAILED, summary=f"everything was put back: {outcome.failure}")


def one_line(error: Exception, here: Here = NOWHERE) -> str:
    """What `error` says, in one line, with the command to run next where it has one."""
    advice = error.advice if isinstance(error, Advised) else None
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text}; next: {here.line(advice)}" if advice else text
