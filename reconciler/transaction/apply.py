"""The transaction: journal, steps, verification, bookkeeping; or back to the start.

    journal (fsync) → for each step: check, write, read back → verify the whole → persist → done
                             └──────── on any failure: plan the rollback, make it, verify it ─────┘

Called by `reconciler.operations.reconcile`, which has taken the lock and made the plan.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from reconciler.kernel.locks import AtWork
from reconciler.kernel.observe import Seen, UnreadableHost, look_again
from reconciler.kernel.sysfs import KernelBusy, Sysfs
from reconciler.kernel.waiting import Clock
from reconciler.model.boot_files import FileChange
from reconciler.model.observed import its_vm
from reconciler.model.outcome import Outcome, Result, interrupting
from reconciler.model.printable import error_text
from reconciler.model.steps import Holdings, Write, holdings_after
from reconciler.model.stopping import NEVER, StopToken
from reconciler.planning.plan import Plan, PlannedStep
from reconciler.planning.planner import holdings_of
from reconciler.transaction.rollback import RollbackResult, differences_of, roll_back
from reconciler.transaction.step import Host, StepFailed, execute, held_queues


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
    """Who wants to watch."""

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """Step `number` of `total`, from 1, is about to be made."""

    def rolling_back(self, reason: str) -> None:
        """Something failed; the rollback begins."""

    def waiting(self, holder: AtWork) -> None:
        """Somebody else holds a lock, our own or that of the s390-tools."""


class _Failed(Exception):
    def __init__(self, step: int, reason: str, *, interrupted: bool = False) -> None:
        super().__init__(reason)
        self.step = step
        self.interrupted = interrupted


def apply_plan(
    plan: Plan,
    sysfs: Sysfs,
    clock: Clock,
    journal: Bookkeeping,
    progress: Progress,
    stop: StopToken = NEVER,
    root: Path | None = None,
    on_verified: Callable[[Seen], object] = lambda _: None,
) -> Outcome:
    """Carry out `plan`, wholly or not at all.

    Args:
        plan: a valid plan whose consents have been given, for the host behind `sysfs` as it is now.
        sysfs: the host.
        clock: time, for the bounded waits.
        journal: journal and inventory.
        progress: who watches.
        stop: asked before each step of the plan, never while it is rolled back.
        root: precedes the paths of the files that `plan` changes; needed where it does.
        on_verified: is told how everything that the plan has touched was found afterwards.
    """
    forward: list[Write] = []
    files: list[FileChange] = []
    start = holdings_of(plan.observed)
    target = holdings_after(start, (planned.step for planned in plan.steps))
    host = Host(sysfs, clock, plan.abilities, held_queues(plan.observed.queues, target), forward.append, stop)
    try:
        journal.begin(plan, start)
    except OSError as error:
        return Outcome(
            Result.ROLLED_BACK, failure=f"the journal cannot be written, so nothing was begun: {error_text(error)}"
        )
    try:
        _make_steps(plan, host, journal, progress, stop)
        seen = _verify(plan, target, sysfs)
        _persist(plan, root, files.append)
        _commit(plan, journal)
        on_verified(seen)
    except _Failed as error:
        with suppress(OSError):  # a terminal that has gone away must not stop the rollback
            progress.rolling_back(str(error))
        back: list[Write] = []
        returning = host._replace(on_write=back.append)
        touched, interruptible = _touched(plan), plan.interruptible
        returned = roll_back(start, touched, returning, interruptible)
        if (
            returned.barred
            and error.interrupted
            and not roll_back(target, touched, returning, interruptible).differences
        ):
            # No step had failed, so that the target can be reached where this kernel bars the rollback.
            written = Outcome(Result.APPLIED, len(forward) + len(back))
            return _finished(written, plan, journal, returned.refusals[0], root)
        returned = returned._replace(differences=(*returned.differences, *_files_back(files, root)))
        names = {one.uuid: one.name for one in plan.guests}
        outcome = Outcome(Result.ROLLED_BACK, len(forward), len(back), str(error), error.step)
        outcome = interrupting(outcome, [names.get(one, one) for one in returned.interrupted])
        return _ended(outcome, returned, journal)
    notes = (*_left_to_do(plan), *_surprises(plan, seen))
    return Outcome(Result.APPLIED if plan.changes else Result.NOTHING, len(forward), notes=notes, files=len(files))


def _make_steps(plan: Plan, host: Host, journal: Bookkeeping, progress: Progress, stop: StopToken) -> None:
    for number, planned in enumerate(plan.steps, 1):
        if stop.is_set:
            raise _Failed(number, f"interrupted before step {number} of {len(plan.steps)}", interrupted=True)
        try:
            journal.step(number)
            progress.step(number, len(plan.steps), planned)
            execute(planned.step, host)
        except (StepFailed, OSError) as error:
            raise _Failed(
                number, f"step {number} of {len(plan.steps)}, {planned.holder}: {error_text(error)}"
            ) from error


def _verify(plan: Plan, target: Holdings, sysfs: Sysfs) -> Seen:
    """How the host is; fails where it does not hold what the plan says."""
    touched = _touched(plan)
    try:
        seen = look_again(sysfs, touched, plan.abilities)
    except (UnreadableHost, KernelBusy, OSError) as error:
        raise _Failed(0, f"the result cannot be verified: {error_text(error)}") from error
    differences = differences_of(target, Holdings(seen.pool, {one.uuid: one.config for one in seen.mdevs}), touched)
    if differences:
        raise _Failed(0, f"the host is not as planned: {'; '.join(differences)}")
    return seen


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


def _persist(plan: Plan, root: Path | None, on_made: Callable[[FileChange], object]) -> None:
    if not plan.files:
        return
    from reconciler.transaction.persist import NotPersisted, persist

    try:
        persist(plan.files, root, on_made)
    except NotPersisted as error:
        raise _Failed(0, str(error)) from error


def _files_back(made: list[FileChange], root: Path | None) -> tuple[str, ...]:
    if not made:
        return ()
    from reconciler.transaction.persist import put_back

    return put_back(made, root)


def _commit(plan: Plan, journal: Bookkeeping) -> None:
    try:
        if plan.changes:
            journal.verified()
        journal.commit(plan)
    except OSError as error:
        raise _Failed(0, f"the result cannot be recorded: {error_text(error)}") from error


def _touched(plan: Plan) -> frozenset[str]:
    return frozenset(planned.step.uuid for planned in plan.steps if planned.step.uuid)


def _finished(outcome: Outcome, plan: Plan, journal: Bookkeeping, reason: str, root: Path | None) -> Outcome:
    notes = [f"it was interrupted, but finished, since {reason}"]
    files: list[FileChange] = []
    try:
        _persist(plan, root, files.append)
    except _Failed as error:
        notes.append(f"{error}; the next apply does that")
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
