"""The loop: level-triggered, one cycle after the other, through the same code as the command's plan and apply.

A cycle looks at everything that may have changed, whatever has woken it, and leaves the host as the enforced
configuration says, or says why not. What woke it only decides what need not be read again.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

from reconciler.model.commands import NOWHERE, Advised, Here
from reconciler.model.desired import Unmanaged
from reconciler.model.errors import BusyError, HostError, InputError, StateError
from reconciler.model.outcome import Outcome, Result
from reconciler.model.stopping import Abandoned, Deadline
from reconciler.operations.apply import ApplyResult, NotApplicable, Terms, apply
from reconciler.operations.plan import observe_host, plan
from reconciler.operations.stale_plan import StalePlan
from reconciler.operations.wanted import NothingConfirmed
from reconciler.planning.plan import Plan, replanned
from reconciler.planning.scope import FILES, NOTHING_SPARED, AllBut, Spared
from reconciler.transaction.confirmation import AwaitsConfirmation, Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import Suspensions, read_suspensions, suspended_devices, write_last_good
from reconciler.transaction.open_host import OpenHost, locked
from reconciler.transaction.recovery import recover, refuse_pending
from reconciler.transaction.state_directory import UnsafeState
from reconciler.watch.configurations import Configuration, look_after, reported
from reconciler.watch.cycle_result import NOTHING_OFFERED, CycleResult, Ending, TookTooLong, awaiting, plan_deadline
from reconciler.watch.decisions import (
    Act,
    Decision,
    Times,
    corrections,
    decide,
    drifted,
    in_need_of_consent,
    is_drift,
    stopped_until,
)
from reconciler.watch.hot_plug import hot_plugged, next_look
from reconciler.watch.loop_context import LoopContext, LoopState
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition
from reconciler.watch.schedule import Backoff
from reconciler.watch.triggers import BY_PEOPLE, TRIGGER_OLDER, Trigger

LOCK_SECONDS: Final = 10.0
"""How long a cycle waits for other processes at work; then there is another cycle."""

_SOON_SECONDS: Final = 5.0

_NOTHING_TO_ENFORCE: Final = Ending(Condition.NEEDS_PERSON, "there is no configuration that can be enforced")
_NEW: Final = Decision(Act.APPLY, Condition.CHANGES, "a new configuration")
_CHANGING: Final = Ending(Condition.WAITING, "another process is just changing the host")


class Cycles:
    """Runs one cycle after the other; what it knows in between is a `LoopState`."""

    def __init__(self, context: LoopContext) -> None:
        """Nothing is known yet but what is on disk."""
        enforced = context.configurations.enforced
        self._context = context
        self.state = LoopState(kept=enforced and enforced.good)
        """What is known between two cycles."""

    @property
    def enforced(self) -> Configuration | None:
        """What is enforced; None where nothing can be."""
        return self._context.configurations.enforced

    def ask(self, triggers: Collection[Trigger]) -> bool:
        """Ask the source for its newest where people are among `triggers`; whether that is on its way still."""
        source = self._context.source
        if any(trigger.source in BY_PEOPLE for trigger in triggers):
            source.ask(allow_older=TRIGGER_OLDER in triggers)
        return source.is_coming

    def run_cycle(self, triggers: Collection[Trigger]) -> CycleResult:
        """Run one cycle; what went wrong is in its result, and not raised."""
        result, self.state = run_cycle(self._context, self.state, triggers)
        return result

    def rest(self) -> None:
        """Do what can wait until no request does: keep the last good configuration. After each cycle.

        Raises:
            OSError, UnsafeState: it cannot be written.
        """
        enforced, state = self.enforced, self.state
        if enforced is not None and state.is_proved and not enforced.good.is_like(state.kept):
            with self._context.host.opened(False) as machine:
                write_last_good(machine.state, enforced.good)
            self.state = state._replace(kept=enforced.good)
        record_refusal(self._context)


def record_refusal(context: LoopContext) -> None:
    """Have on disk what is refused, before a person hears of it, and looks with `--refused`."""
    if not context.configurations.is_recorded:
        with context.host.opened(False) as machine:
            context.configurations.record_refusal(machine.state)


def run_cycle(context: LoopContext, state: LoopState, triggers: Collection[Trigger]) -> tuple[CycleResult, LoopState]:
    """Run one cycle, to which `triggers` have led; its result, in which is what went wrong, and what is known now."""
    clock = context.clock
    context.configurations.look = look_after(triggers, clock.monotonic())
    context.observer.begins()
    began = clock.monotonic()
    cycle = _Cycle(context, state.triggered(triggers))
    result = cycle.ended()
    with suppress(OSError, UnsafeState):  # `Cycles.rest` tries again, and says why it cannot
        record_refusal(context)
    seconds = clock.monotonic() - began - (result.apply_seconds or 0.0)
    result = reported(result, context.configurations.removals, clock.monotonic(), context.host.here)
    result = result._replace(refused=context.configurations.refused, generation=cycle.state.generation, seconds=seconds)
    return result, cycle.state._replace(suspensions=result.suspensions)


class _Cycle:
    """One cycle under way: what it has found so far is still known where the rest of it fails."""

    def __init__(self, context: LoopContext, state: LoopState) -> None:
        self.context = context
        self.state = state
        self.found = CycleResult(_NOTHING_TO_ENFORCE, suspensions=state.suspensions)

    @property
    def enforced(self) -> Configuration | None:
        return self.context.configurations.enforced

    def ended(self) -> CycleResult:
        """Run it to its end, whichever that is."""
        here = self.context.host.here
        try:
            result = self._run()
            self._know(look_again=Backoff())
        except AwaitsConfirmation as error:
            # Whoever ends that has the loop look; by itself it looks only where that was due and has not come.
            self._know(observed=None)
            ending = awaiting(error, here, self.context.clock.time())
            result = self.found._replace(ending=ending, wait=error.seconds_left + _SOON_SECONDS)
        except NothingConfirmed as error:
            result = self.found._replace(ending=Ending(Condition.WAITING, one_line(error, here)))
        except BusyError as error:
            waiting = Ending(Condition.WAITING, one_line(error, here))
            result = self.found._replace(ending=waiting, wait=_SOON_SECONDS)
        except TookTooLong as error:
            result = self._failed(one_line(error))
        except Abandoned as error:
            result = self.found._replace(ending=Ending(Condition.WAITING, one_line(error)), is_abandoned=True)
        except (InputError, HostError, StateError, OSError) as error:
            result = self._failed(one_line(error))
        except Exception as error:  # noqa: BLE001 - a host that no loop enforces any more helps no one
            self.context.observer.unforeseen(error)
            result = self._failed(f"unforeseen, please report it: {type(error).__name__}: {one_line(error)}")
        return result

    def _know(self, **what: Any) -> None:
        self.state = self.state._replace(**what)

    def _deadline(self) -> Deadline:
        context = self.context
        return plan_deadline(context.plan_seconds, context.clock.monotonic())

    def _failed(self, summary: str) -> CycleResult:
        """The result of a cycle that could not be finished; what was found before is still so."""
        now = self.context.clock.monotonic()
        again = self.state.look_again.failed(now)
        self._know(observed=None, look_again=again)
        return self.found._replace(ending=Ending(Condition.FAILED, summary), wait=again.wait(now))

    def _run(self) -> CycleResult:
        context, configurations = self.context, self.context.configurations
        offer = context.source.offer()
        self.found = self.found._replace(offer=offer)
        with context.host.opened(False) as machine:
            machine.state.prepare()
            suspensions = read_suspensions(machine.state).at(context.clock.time())
            self.found = self.found._replace(suspensions=suspensions)
            changes = context.policy.applies and not suspensions.host
            is_left = _is_left(machine, changes=changes)
        if is_left:
            self._recovered(changes=changes)
        try:
            return self._turned(offer, suspensions, changes=changes)
        except TookTooLong as error:
            if offer.confirmed:
                raise
            # No verdict on it: the next cycle tries again, and the last good one goes on being enforced.
            configurations.refuse(offer.commit, (one_line(error),), context.clock.time())
        with context.host.opened(False) as machine:
            made = self._enforced_plan(None, offer, machine, suspensions, self._deadline())
        return self.found if made is None else self._acted(self.found, made)

    def _turned(self, offer: Offer, suspensions: Suspensions, *, changes: bool) -> CycleResult:
        """The result with what `offer` has, where the loop `changes` the host; raises `TookTooLong`."""
        context, configurations, by = self.context, self.context.configurations, self._deadline()
        stop = context.stop.by(by, context.clock.monotonic)
        with context.host.opened(False) as machine:
            newest = configurations.confirmed(offer.confirmed, machine, stop) if offer.confirmed else None
            if not offer.confirmed:
                newest = configurations.newest(offer, machine.name, context.clock.time(), stop)
            applied = Journal(machine.state, machine.boot_id).applied().digest
            if newest and not self._may_be_enforced(newest, offer, applied):
                newest = None
        if newest and configurations.is_new(newest) and changes and newest.wanted.desired.digest != applied:
            # What may be applied is planned once, and applied. What a person has applied is looked at for drift first.
            done = self._applied(self.found, newest, None, _NEW, by=by)
            if done is not None:
                return done
            newest = None
        with context.host.opened(False) as machine:
            made = self._enforced_plan(newest, offer, machine, suspensions, by)
        return self.found if made is None else self._acted(self.found, made)

    def _may_be_enforced(self, newest: Configuration, offer: Offer, applied: str) -> bool:
        """Whether `newest` may replace what is enforced, as far as that does not depend on the host.

        A person has the last word: what was `applied`, by its digest, may.
        """
        configurations = self.context.configurations
        if not configurations.is_new(newest) or newest.wanted.desired.digest == applied:
            return True
        return configurations.may_replace(newest, offer, self.context.host.here, self.context.clock.time())

    def _recovered(self, *, changes: bool) -> None:
        """Recover from a run that was killed; wait for one that is still at work.

        Where the loop `changes` nothing, nothing is rolled back.
        """
        context = self.context
        self._know(observed=None)
        command = context.host.origin("").command
        with (
            context.host.opened(changes) as machine,
            # Rolling back what was not confirmed needs no disk that can be written.
            locked(machine, context.observer, command, LOCK_SECONDS, recording=not changes),
        ):
            if changes:
                context.observer.recovered(recover(machine))

    def _enforced_plan(
        self, newest: Configuration | None, offer: Offer, machine: OpenHost, suspensions: Suspensions, by: Deadline
    ) -> Plan | None:
        """The plan of what is enforced from now on; None where nothing can be."""
        configurations, made = self.context.configurations, None
        if newest and configurations.is_new(newest):
            made = self._plan(newest, machine, suspensions, by=by)
            if more := self._without_consent(machine, made):
                made = self._plan(newest, machine, suspensions, more, by)
            corrected = self._corrected(newest, machine, suspensions, made)
            if not configurations.judge(
                newest, made, offer, self.context.host.here, self.context.clock.time(), corrected
            ):
                newest, made = None, None
        if newest:
            self._accept(newest)
        return made or (self._plan(self.enforced, machine, suspensions, by=by) if self.enforced else None)

    def _accept(self, newest: Configuration) -> None:
        if self.context.configurations.is_new(newest):
            self._know(retry=Backoff())
        self.context.configurations.accept(newest)
        self.context.source.accepted(newest.commit)

    def _plan(
        self,
        configuration: Configuration,
        machine: OpenHost,
        suspensions: Suspensions,
        spared: Spared | None = None,
        by: Deadline | None = None,
    ) -> Plan:
        if self.state.observed is None:
            observed = observe_host(machine, self.state.like)
            self._know(observed=observed, like=observed)
        scope = self._scope(configuration, machine, suspensions, spared)
        stop = self.context.stop.by(by or self._deadline(), self.context.clock.monotonic)
        made = plan(configuration.wanted, machine, scope, self.state.observed, stop)
        _refuse_waiting(machine)  # what an apply changes that has begun since the cycle did is no drift
        return made

    def _scope(
        self, configuration: Configuration, machine: OpenHost, suspensions: Suspensions, spared: Spared | None = None
    ) -> AllBut:
        applied = Journal(machine.state, machine.boot_id).applied()
        self._know(generation=applied.generation)
        desired = configuration.wanted.desired
        if spared is None:
            is_news = desired.digest != applied.digest
            spared = self._unconcerned(applied.digest) if is_news else NOTHING_SPARED
        return AllBut(suspended_devices(desired, applied.guests, suspensions), spared)

    def _unconcerned(self, applied: str) -> Spared:
        """The drift that a new configuration does not correct; `applied` is the digest of the last one."""
        if self.context.policy.self_heal:
            return Spared(self.state.healing.paused(self.context.clock.monotonic()) - {FILES})
        enforced = self.enforced and self.enforced.wanted.desired
        strangers = enforced and enforced.digest == applied and enforced.host.unmanaged is Unmanaged.REMOVE
        return Spared(None, strangers=bool(strangers))

    def _without_consent(self, machine: OpenHost, made: Plan) -> Spared | None:
        """Which drift to spare so that the plan `made` becomes one that needs no consent; None where none helps."""
        needing = in_need_of_consent(made) if self.context.policy.self_heal else None
        if not needing:
            return None
        applied = Journal(machine.state, machine.boot_id).applied()
        already = self._unconcerned(applied.digest) if made.is_news else NOTHING_SPARED
        return Spared((already.holders or frozenset()) | needing)

    def _corrected(
        self, configuration: Configuration, machine: OpenHost, suspensions: Suspensions, made: Plan
    ) -> Plan | None:
        """The plan that also corrects the drift which `made` leaves; None where `made` is valid or leaves none."""
        if made.is_valid or not made.spared:
            return None
        return self._plan(configuration, machine, suspensions, NOTHING_SPARED)

    def _acted(self, result: CycleResult, made: Plan) -> CycleResult:
        enforced = self.enforced
        assert enforced is not None
        if self.context.policy.self_heal and is_drift(made):
            self._know(healing=self.state.healing.asked(drifted(made), self.context.clock.monotonic()))
        decision = self._decided(made, result.suspensions)
        spared = None
        is_mixed = decision.condition is Condition.DRIFT and any(one.is_of_manifests for one in made.causes)
        if is_mixed and self.context.policy.applies and decision.act is Act.NOTHING:
            # What the manifests ask of one guest, such as one that was suspended, does not wait for another's drift.
            with self.context.host.opened(False) as machine:
                spared = self._unconcerned(enforced.wanted.desired.digest)
                without = self._plan(enforced, machine, result.suspensions, spared)
            if without.changes and without.is_valid:
                made, decision = without, self._decided(without, result.suspensions)
        if decision.rest is not None:
            spared = Spared(decision.spared)
            with self.context.host.opened(False) as machine:
                without = self._plan(enforced, machine, result.suspensions, spared)
            if not without.is_valid or without.consents or not without.changes:
                decision = decision.rest
        if decision.act is Act.NOTHING:
            return self._ended(result, made, decision)
        done = self._applied(result, enforced, made, decision, spared)
        return done or result._replace(ending=_CHANGING, wait=1.0)

    def _decided(self, made: Plan, suspensions: Suspensions) -> Decision:
        context = self.context
        suspended = suspensions.host is not None
        now = Times(context.clock.monotonic(), context.clock.time())
        return decide(made, context.policy, self.state.healing, self.state.retry, now, suspended=suspended)

    def _applied(
        self,
        result: CycleResult,
        configuration: Configuration,
        made: Plan | None,
        decision: Decision,
        spared: Spared | None = None,
        *,
        by: Deadline | None = None,
    ) -> CycleResult | None:
        """Apply `configuration`, exactly as `made` says where that is given; None where that cannot be done."""
        context, clock = self.context, self.context.clock
        terms = Terms(agreed=made.basis if made else None, lock_seconds=LOCK_SECONDS)
        origin, began = context.host.origin(configuration.commit), clock.monotonic()
        self._know(observed=None)
        try:
            with context.host.opened(True) as machine:
                scope = self._scope(configuration, machine, result.suspensions, spared)
                context.observer.enforcing(configuration.wanted.desired.host.name, configuration.commit)
                context.observer.transaction(History(machine.state).next_number())
                wanted, confirmed = configuration.wanted, result.offer and result.offer.confirmed
                done = apply(
                    confirmed.still(wanted) if confirmed else wanted,
                    machine,
                    context.observer,
                    origin,
                    terms,
                    scope,
                    like=self.state.like,
                    plan_by=by or self._deadline(),
                )
        except StalePlan:
            return None
        except NotApplicable as error:
            with context.host.opened(False) as machine:
                more = self._without_consent(machine, error.plan)
            if more and spared is None:
                return self._applied(result, configuration, None, decision, more)
            self._refuse(result, configuration, error.plan)
            return None
        finally:
            context.observer.transaction(0)
        if configuration is not self.enforced:  # to apply that again says nothing of a newer one that is refused
            self._accept(configuration)
        self._know(like=done.plan.observed)
        succeeded = done.outcome.result in (Result.APPLIED, Result.NOTHING)
        self._know(retry=Backoff() if succeeded else self.state.retry.failed(clock.monotonic()))
        is_healed = succeeded and decision.act is Act.HEAL
        if is_healed:
            self._know(healing=self.state.healing.healed(drifted(done.plan), clock.monotonic()))
        result = self.found = result._replace(
            outcome=done.outcome,
            applied=done.plan,
            recorded=done.generation,
            healed=is_healed,
            apply_seconds=clock.monotonic() - began,
        )
        after = self._after(done, configuration, result.suspensions, all_of_it=not (spared and spared.holders))
        then = self._decided(after, result.suspensions)
        if then.act is not Act.NOTHING:  # it has changed again meanwhile
            then = then._replace(wait=1.0)
        return self._ended(result, after, then if succeeded else _unsuccessful(done.outcome, then))

    def _refuse(self, result: CycleResult, configuration: Configuration, made: Plan) -> None:
        """Note why `configuration`, whose plan this is, is not used."""
        context, offer = self.context, result.offer or NOTHING_OFFERED
        with context.host.opened(False) as machine:
            corrected = self._corrected(configuration, machine, result.suspensions, made)
        context.configurations.judge(configuration, made, offer, context.host.here, context.clock.time(), corrected)

    def _after(self, done: ApplyResult, enforced: Configuration, suspensions: Suspensions, *, all_of_it: bool) -> Plan:
        """The plan of the host as an apply has left it."""
        if done.seen is not None and all_of_it and not done.plan.spared:
            self._know(generation=done.generation or self.state.generation)
            return replanned(done.plan, done.seen.mdevs)
        with self.context.host.opened(False) as machine:
            return self._plan(enforced, machine, suspensions)

    def _ended(self, result: CycleResult, made: Plan, decision: Decision) -> CycleResult:
        clock = self.context.clock
        self._know(is_proved=not (made.is_news and self.context.policy.applies))
        hot_plug, appeared = hot_plugged(
            self.state.hot_plug, made, clock.monotonic(), self.context.host.authorised_since
        )
        self._know(hot_plug=hot_plug)
        ends = [max(0.0, one - clock.time()) for one in result.suspensions.ends]
        waits = [one for one in (decision.wait, next_look(hot_plug, clock.monotonic()), *ends) if one is not None]
        ending = Ending(decision.condition, decision.summary)
        wait = min(waits) if waits else None
        known = drifted(made)
        until = stopped_until(self.state.healing, Times(clock.monotonic(), clock.time()))
        stopped = {known[one]: end for one, end in until.items() if one in known}
        return result._replace(
            ending=ending,
            plan=made,
            appeared=appeared,
            wait=wait,
            stopped=stopped,
            corrected=corrections(self.state.healing, made, clock.monotonic()),
            drifting=tuple(known.values()),
        )


def _is_left(machine: OpenHost, *, changes: bool) -> bool:
    """Whether an apply was begun and not ended, or, where the loop `changes` anything, was not confirmed in time.

    Raises:
        AwaitsConfirmation: one waits to be confirmed, or, where the loop changes nothing, to be rolled back.
    """
    pending = Confirmations(machine.state).pending()
    if not changes or (pending and pending.seconds_left(machine.boot_id, machine.clock.monotonic())):
        _refuse_waiting(machine)
    unfinished = Journal(machine.state, machine.boot_id).unfinished()
    return unfinished is not None or (changes and pending is not None)


def _refuse_waiting(machine: OpenHost) -> None:
    """Return if no apply waits to be confirmed, or to be rolled back since it was not; one of an earlier boot is none.

    Raises:
        AwaitsConfirmation: one does.
    """
    pending = Confirmations(machine.state).pending()
    if pending and pending.boot_id == machine.boot_id:
        refuse_pending(machine)


def _unsuccessful(outcome: Outcome, decision: Decision) -> Decision:
    if outcome.result is Result.DEGRADED:
        return decision._replace(condition=Condition.DEGRADED, summary="; ".join(outcome.differences))
    return decision._replace(condition=Condition.FAILED, summary=f"everything was rolled back: {outcome.failure}")


def one_line(error: Exception, here: Here = NOWHERE) -> str:
    """What `error` says, in one line, with the command to run next where it has one."""
    advice = error.advice if isinstance(error, Advised) else None
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text}; next: {here.line(advice)}" if advice else text
