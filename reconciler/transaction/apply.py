"""The transaction: journal, steps, verification, bookkeeping; or back to the start.

    journal (fsync) → for each step: check, write, read back → verify the whole → persist → done
                             └──────── on any failure: plan the rollback, make it, verify it ─────┘

Called by `reconciler.operations.apply`, which has taken the lock and made the plan.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.kernel.locks import AtWork
from reconciler.kernel.observe import Clock, Seen, look_again
from reconciler.kernel.sysfs import Sysfs
from reconciler.model.errors import HostError
from reconciler.model.observed import its_vm
from reconciler.model.outcome import Outcome, Result, interrupting
from reconciler.model.printable import error_text
from reconciler.model.steps import FileChange, Holdings, holdings_after
from reconciler.model.stopping import NEVER, StopToken
from reconciler.planning.plan import Plan, PlannedStep
from reconciler.planning.planner import holdings_of
from reconciler.transaction.rollback import RollbackResult, differences_of, roll_back
from reconciler.transaction.step import Host, StepFailed, execute, held_queues

if TYPE_CHECKING:
    from reconciler.transaction.recovery import Recovered


class Bookkeeping(Protocol):
    """What has to be on disk before, during and after the writes. Every method raises OSError where it cannot be."""

    def begin(self, plan: Plan, start: Holdings) -> None:
        """Record the start and the plan; on disk when it returns."""

    def step(self, number: int) -> None:
        """Record that step `number`, from 1, is about to be made."""

    def verified(self) -> None:
        """Record that the host is as planned, and that only the journal is left to be closed."""

    def commit(self, plan: Plan) -> None:
        """Record what is ours now, and that the transaction is finished."""

    def rolled_back(self) -> None:
        """Record that the start is back."""

    def degraded(self, differences: tuple[str, ...]) -> None:
        """Record that it is not."""


class Progress(Protocol):
    """Shows how an apply gets on, while it does. What comes of it is returned as well."""

    def recovered(self, found: "Sequence[Recovered]") -> None:
        """What earlier runs had left was recovered, before anything else; mostly nothing."""

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """Step `number` of `total`, from 1, is about to be made."""

    def rolling_back(self, reason: str) -> None:
        """Something failed; the rollback begins."""

    def waiting(self, holder: AtWork) -> None:
        """Another process holds a lock, our own or that of the s390-tools."""


class NoProgress:
    """Shows nothing."""

    def recovered(self, found: "Sequence[Recovered]") -> None:
        """See `Progress`."""

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """See `Progress`."""

    def rolling_back(self, reason: str) -> None:
        """See `Progress`."""

    def waiting(self, holder: AtWork) -> None:
        """See `Progress`."""


class Executed(NamedTuple):
    """How executing a plan ended, and how everything that it touched was found then; None where it was not applied."""

    outcome: Outcome
    seen: Seen | None = None


class _Failure(NamedTuple):
    """Why the target was not reached, at which step (from 1; 0: at none), and whether a signal or deadline ended it."""

    reason: str
    step: int = 0
    interrupted: bool = False


class _Forward(NamedTuple):
    """How far the plan was executed.

    Attributes:
        writes: so many writes the kernel took.
        files: the changes of files that were made.
        seen: how everything that it touched was found afterwards; None where it was not looked at.
        failure: why it ended early; None where the target is reached and recorded.
    """

    writes: int
    files: tuple[FileChange, ...] = ()
    seen: Seen | None = None
    failure: _Failure | None = None


def apply_plan(
    plan: Plan,
    sysfs: Sysfs,
    clock: Clock,
    journal: Bookkeeping,
    progress: Progress,
    stop: StopToken = NEVER,
    root: Path | None = None,
) -> Executed:
    """Execute `plan`, wholly or not at all.

    Args:
        plan: a valid plan whose consents have been given, for the host behind `sysfs` as it is now.
        sysfs: the host.
        clock: time, for the bounded waits.
        journal: journal and inventory.
        progress: who watches.
        stop: asked before each step of the plan, never while it is rolled back.
        root: precedes the paths of the files that `plan` changes; needed where it does.
    """
    start = holdings_of(plan.observed)
    target = holdings_after(start, (planned.step for planned in plan.steps))
    host = Host(sysfs, clock, plan.abilities, held_queues(plan.observed.queues, target), stop)
    try:
        journal.begin(plan, start)
    except OSError as error:
        failure = f"the journal cannot be written, so nothing was begun: {error_text(error)}"
        return Executed(Outcome(Result.ROLLED_BACK, failure=failure))
    forward = _forward(plan, target, host, journal, progress, stop, root)
    if forward.failure is not None:
        with suppress(OSError):  # a terminal that has gone away must not stop the rollback
            progress.rolling_back(forward.failure.reason)
        return Executed(_rolled_back(plan, start, target, host, journal, forward, forward.failure, root))
    notes = (*_left_to_do(plan), *(_surprises(plan, forward.seen) if forward.seen else ()))
    result = Result.APPLIED if plan.changes else Result.NOTHING
    return Executed(Outcome(result, forward.writes, notes=notes, files=len(forward.files)), forward.seen)


def _forward(
    plan: Plan,
    target: Holdings,
    host: Host,
    journal: Bookkeeping,
    progress: Progress,
    stop: StopToken,
    root: Path | None,
) -> _Forward:
    """Steps, verification, files, records, in that order; each only after all before it."""
    done = _make_steps(plan, host, journal, progress, stop)
    if done.failure:
        return done
    try:
        seen = look_again(host.sysfs, _touched(plan), plan.abilities)
    except (HostError, OSError) as error:
        return done._replace(failure=_Failure(f"the result cannot be verified: {error_text(error)}"))
    done = done._replace(seen=seen)
    if differences := differences_of(target, _holdings_seen(seen), _touched(plan)):
        return done._replace(failure=_Failure(f"the host is not as planned: {'; '.join(differences)}"))
    files, failure = _persisted(plan, root)
    done = done._replace(files=files)
    if failure:
        return done._replace(failure=_Failure(failure))
    try:
        if plan.changes:
            journal.verified()
        journal.commit(plan)
    except OSError as error:
        return done._replace(failure=_Failure(f"the result cannot be recorded: {error_text(error)}"))
    return done


def _make_steps(plan: Plan, host: Host, journal: Bookkeeping, progress: Progress, stop: StopToken) -> _Forward:
    total, writes = len(plan.steps), 0
    for number, planned in enumerate(plan.steps, 1):
        if stop.is_set:
            reason = f"interrupted before step {number} of {total}"
            return _Forward(writes, failure=_Failure(reason, number, interrupted=True))
        try:
            journal.step(number)
            progress.step(number, total, planned)
            writes += execute(planned.step, host)
        except (StepFailed, OSError) as error:
            writes += error.writes if isinstance(error, StepFailed) else 0
            reason = f"step {number} of {total}, {planned.holder}: {error_text(error)}"
            return _Forward(writes, failure=_Failure(reason, number))
    return _Forward(writes)


def _holdings_seen(seen: Seen) -> Holdings:
    return Holdings(seen.pool, {one.uuid: one.config for one in seen.mdevs})


def _rolled_back(
    plan: Plan,
    start: Holdings,
    target: Holdings,
    host: Host,
    journal: Bookkeeping,
    forward: _Forward,
    failure: _Failure,
    root: Path | None,
) -> Outcome:
    """Back to `start`; or to `target`, where this kernel allows no rollback of a plan that was only interrupted."""
    touched, interruptible = _touched(plan), plan.interruptible
    returned = roll_back(start, touched, host, interruptible)
    if returned.barred and failure.interrupted:
        # No step had failed, so that the target can be reached where this kernel bars the rollback.
        finished = roll_back(target, touched, host, interruptible)
        writes = returned.writes + finished.writes
        if not finished.differences:
            written = Outcome(Result.APPLIED, forward.writes + writes)
            return _finished(written, plan, journal, returned.refusals[0], root)
        returned = returned._replace(writes=writes)
    returned = returned._replace(differences=(*returned.differences, *_restored_files(forward.files, root)))
    names = {one.uuid: one.name for one in plan.guests}
    outcome = Outcome(Result.ROLLED_BACK, forward.writes, returned.writes, failure.reason, failure.step)
    outcome = interrupting(outcome, [names.get(one, one) for one in returned.interrupted])
    return _ended(outcome, returned, journal)


def _left_to_do(plan: Plan) -> list[str]:
    return [
        f"'{one.name}': {its_vm(one.opened_by)} still has the emptied device open; "
        "an apply after it has ended removes it"
        for one in plan.guests
        if one.goes and one.after is not None
    ]


def _surprises(plan: Plan, seen: Seen) -> list[str]:
    found = {one.uuid: one for one in seen.mdevs}
    notes = []
    for guest in plan.guests:
        mdev = found.get(guest.uuid)
        if mdev is None or mdev.effective is None or guest.sees_after is None or not guest.changes:
            continue
        if not (mdev.effective.covers(guest.sees_after) and guest.sees_after.covers(mdev.effective)):
            notes.append(
                f"guest '{guest.name}' sees {mdev.effective.size} queues, but {guest.sees_after.size} were predicted"
            )
    return notes


def _persisted(plan: Plan, root: Path | None) -> tuple[tuple[FileChange, ...], str]:
    """Make the changes of files; those that were made, and why another one could not be, or nothing."""
    if not plan.files:
        return (), ""
    from reconciler.transaction.persist import NotPersisted, persist

    try:
        persist(plan.files, root)
    except NotPersisted as error:
        return error.made, str(error)
    return plan.files, ""


def _restored_files(made: tuple[FileChange, ...], root: Path | None) -> tuple[str, ...]:
    if not made:
        return ()
    from reconciler.transaction.persist import restore

    return restore(made, root)


def _touched(plan: Plan) -> frozenset[str]:
    return frozenset(planned.step.uuid for planned in plan.steps if planned.step.uuid)


def _finished(outcome: Outcome, plan: Plan, journal: Bookkeeping, reason: str, root: Path | None) -> Outcome:
    notes = [f"it was interrupted, but finished, since {reason}"]
    files, failure = _persisted(plan, root)
    if failure:
        notes.append(f"{failure}; the next apply does that")
    try:
        journal.commit(plan)
    except OSError as error:
        notes.append(f"the result could not be recorded: {error_text(error)}; the next apply does that")
    return outcome._replace(notes=tuple(notes), files=len(files))


def _ended(outcome: Outcome, returned: RollbackResult, journal: Bookkeeping) -> Outcome:
    if returned.differences:
        outcome = outcome._replace(result=Result.DEGRADED, differences=returned.differences, refusals=returned.refusals)
    try:
        if outcome.result is Result.DEGRADED:
            journal.degraded(outcome.differences)
        else:
            journal.rolled_back()
    except OSError as error:
        # The host is what counts; an unfinished journal only makes the next run look again.
        outcome = outcome._replace(notes=(*outcome.notes, f"the journal could not be closed: {error_text(error)}"))
    return outcome
