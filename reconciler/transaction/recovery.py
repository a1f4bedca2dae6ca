"""What earlier runs have left: transactions that were not ended, and applies that wait to be confirmed."""

from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from reconciler.integrations.timers import CannotArm
from reconciler.kernel.observe import observe
from reconciler.model.commands import ROLLBACK, confirm_of, history_of
from reconciler.model.errors import StateError
from reconciler.model.outcome import Outcome, Result, Unconfirmed, interrupting
from reconciler.model.printable import error_text
from reconciler.model.steps import Holdings
from reconciler.model.stopping import NEVER
from reconciler.planning.planner import holdings_of
from reconciler.transaction.confirmation import AwaitsConfirmation, Confirmations, NotPending, is_as_before
from reconciler.transaction.journal import Journal, Unfinished
from reconciler.transaction.open_host import OpenHost, holdings_now

if TYPE_CHECKING:
    from reconciler.transaction.rollback import RollbackResult
    from reconciler.transaction.state_directory import StateDirectory


class Left(StrEnum):
    """In which state an earlier apply was found."""

    UNFINISHED = "was not finished"
    EXPIRED = "was not confirmed in time"
    CANCELLED = "was cancelled before it was confirmed"


class Recovered(NamedTuple):
    """Result of recovering an unfinished transaction.

    Attributes:
        unfinished: the transaction.
        returned: how rolling it back ended; None where it was not rolled back.
        left: in which state it was found.
        notes: what else there is to know, a sentence each.
        unrecorded: why that could not be recorded, although the host is rolled back; empty where it was. It is done
            again by the next run, since its journal, or what waits to be confirmed, is still there.
        applied: whether it has reached its target.
    """

    unfinished: Unfinished
    returned: "RollbackResult | None"
    left: Left = Left.UNFINISHED
    notes: tuple[str, ...] = ()
    unrecorded: str = ""
    applied: bool = False


class NotRecorded(StateError, OSError):
    """What earlier runs had left was recovered and could not be recorded, so that no apply can begin."""


def refuse_unrecorded(recovered: Iterable[Recovered]) -> None:
    """Return if all that was `recovered` is recorded.

    Raises:
        NotRecorded: some is not.
    """
    for one in recovered:
        if one.unrecorded:
            raise NotRecorded(
                f"nothing was begun: what became of generation {one.unfinished.generation} cannot be recorded: "
                f"{one.unrecorded}"
            )


def is_left(state: "StateDirectory", boot_id: str, now: float) -> bool:
    """Whether `recover` would recover something: an unfinished transaction, or an apply whose time to confirm is over.

    Args:
        state: where that is recorded.
        boot_id: names the present boot of the host.
        now: the monotonic clock, in seconds.

    Raises:
        BadRecord, UnsafeState: what we know of earlier runs cannot be used.
    """
    pending = Confirmations(state).pending()
    expired = pending is not None and not pending.seconds_left(boot_id, now)
    return expired or Journal(state, boot_id).unfinished() is not None


def recover(machine: OpenHost) -> tuple[Recovered, ...]:
    """Recover from earlier runs: a transaction that was not ended, an apply that was not confirmed in time.

    Only under the locks. What it did, in order.
    """
    from reconciler.transaction.history import History

    done = tuple(one for one in (recover_unfinished(machine), expire(machine)) if one is not None)
    history = History(machine.state)
    if not any(one.unrecorded for one in done) and history.lacks_outcome():
        with suppress(OSError):  # the next run does it; a disk that is full must not keep anybody from confirming
            history.close(Journal(machine.state, machine.boot_id).applied().generation, machine.clock.time())
    return done


def recover_unfinished(machine: OpenHost) -> Recovered | None:
    """Lead the host back to the start of a transaction that was begun and not ended, if there is one.

    Where all its steps were verified and are still there, only its journal is closed. Where it was killed and the
    kernel bars the rollback (from 6.19), it is finished. Only under the locks.
    """
    unfinished = Journal(machine.state, machine.boot_id).unfinished()
    return None if unfinished is None else _recovered(unfinished, machine, Left.UNFINISHED)


def _recovered(unfinished: Unfinished, machine: OpenHost, left: Left) -> Recovered:
    outcome, returned = _recovered_outcome(unfinished, machine, left)
    if outcome.result is not Result.APPLIED:
        outcome = outcome._replace(failure=f"it {left}", unconfirmed=_why_unconfirmed(unfinished, left))
    if returned and returned.interrupted:
        known = {**unfinished.before.guests, **unfinished.after.guests}
        outcome = interrupting(outcome, [known[one][0] if one in known else one for one in returned.interrupted])
    unrecorded = ""
    try:
        _record(unfinished, outcome, machine)
    except OSError as error:
        # The host is what counts. The record of the start is still there, so that the next run does this again.
        unrecorded = error_text(error)
    return Recovered(unfinished, returned, left, outcome.notes, unrecorded, outcome.result is Result.APPLIED)


def _why_unconfirmed(unfinished: Unfinished, left: Left) -> Unconfirmed | None:
    if left is Left.UNFINISHED:
        return None
    if left is Left.CANCELLED:
        return Unconfirmed.CANCELLED
    return Unconfirmed.EXPIRED if unfinished.same_boot else Unconfirmed.REBOOTED


def _record(unfinished: Unfinished, outcome: Outcome, machine: OpenHost) -> None:
    """Record how `unfinished` has ended.

    What it could be recovered from is removed last, and the journal after what waits to be confirmed: whatever
    interrupts us before, the next run does all this again.
    """
    from reconciler.transaction.history import History

    journal, confirmations = Journal(machine.state, machine.boot_id), Confirmations(machine.state)
    History(machine.state).end(unfinished.generation, outcome, machine.clock.time())
    if outcome.result is Result.APPLIED:
        journal.finish(unfinished.after)
        return
    if outcome.result is Result.DEGRADED:
        journal.keep_degraded(unfinished, outcome.differences)
    else:
        journal.keep_start(unfinished, outcome.unconfirmed)
    pending = confirmations.pending()
    if pending and pending.generation == unfinished.generation:
        confirmations.clear()
    journal.close()


def _recovered_outcome(
    unfinished: Unfinished, machine: OpenHost, left: Left
) -> "tuple[Outcome, RollbackResult | None]":
    from reconciler.transaction.persist import NotPersisted, persist, restore, unlike
    from reconciler.transaction.rollback import differences_of, roll_back
    from reconciler.transaction.step import Host

    if not unfinished.same_boot:
        return _booted_since(unfinished, machine), None
    # Killed between the last step and the closing of the journal: verified then, and looked at again now, since others
    # may have changed the host meanwhile.
    observed = observe(machine.sysfs)
    differences = differences_of(unfinished.target, holdings_of(observed), unfinished.touched)
    if unfinished.verified and not (differences or unlike(unfinished.files, machine.root)):
        return Outcome(Result.APPLIED), None
    host = Host(machine.sysfs, machine.clock, observed.abilities, observed.queues, machine.stop or NEVER)

    def led_to(holdings: Holdings) -> "RollbackResult":
        return roll_back(holdings, unfinished.touched, host, unfinished.interruptible)

    returned = led_to(unfinished.start)
    writes = returned.writes
    # All or nothing (I4): a run that was killed had no failure, so that the target can be reached where this kernel
    # bars the start. An apply that was not confirmed must not stand, so that it is never finished.
    if returned.barred and left is Left.UNFINISHED:
        forward = led_to(unfinished.target)
        writes += forward.writes
        if not forward.differences:
            with suppress(NotPersisted):  # the next plan says which file it is
                persist(unfinished.files, machine.root)
            return Outcome(Result.APPLIED, writes, notes=(f"it was finished, since {returned.refusals[0]}",)), None
        # Neither can be reached: as near to the start as this kernel allows, and reported as degraded.
        again = led_to(unfinished.start)
        writes += again.writes
        returned = forward._replace(differences=again.differences)
    returned = returned._replace(differences=(*returned.differences, *restore(unfinished.files, machine.root)))
    if returned.differences:
        return Outcome(
            Result.DEGRADED, 0, writes, differences=returned.differences, refusals=returned.refusals
        ), returned
    return Outcome(Result.ROLLED_BACK, 0, writes), returned


def _booted_since(unfinished: Unfinished, machine: OpenHost) -> Outcome:
    """What becomes of a transaction of an earlier boot: the host started afresh, but files are still there."""
    from reconciler.transaction.persist import restore, unlike

    if unfinished.verified and not unlike(unfinished.files, machine.root):
        return Outcome(Result.APPLIED, notes=("the host has been booted since",))
    left = restore(unfinished.files, machine.root)
    return Outcome(
        Result.DEGRADED if left else Result.ROLLED_BACK, differences=left, notes=("the host has been booted since",)
    )


def refuse_pending(machine: OpenHost) -> None:
    """Return if no apply waits to be confirmed.

    Raises:
        AwaitsConfirmation: one does.
    """
    from reconciler.transaction.history import History

    pending = Confirmations(machine.state).pending()
    if pending:
        name = History(machine.state).look(pending.generation).origin.id
        called = f"generation {pending.generation} ({name})" if name else f"generation {pending.generation}"
        left = pending.seconds_left(machine.boot_id, machine.clock.monotonic())
        from reconciler.model.durations import duration_text

        raise AwaitsConfirmation(
            f"{called} waits to be confirmed for another {duration_text(left)}",
            confirm_of(pending.generation),
            pending.generation,
            left,
        )


def expire(machine: OpenHost, *, now: bool = False) -> Recovered | None:
    """Roll back the apply that was not confirmed in time, if there is one; with `now` also before its time is over.

    What waits to be confirmed holds the start, and stays until all is recorded: so this needs no space on any disk, and
    is begun again where it was killed. Only under the locks.
    """
    confirmations, monotonic = Confirmations(machine.state), machine.clock.monotonic()
    pending = confirmations.pending()
    if pending is None:
        return None
    if pending.seconds_left(machine.boot_id, monotonic):
        if not now:
            return None
        # Killed while it rolls back, it must not be confirmed any more: half of it would stay (I4).
        confirmations.close(pending, monotonic)
    left = Left.CANCELLED if now or pending.is_cancelled else Left.EXPIRED
    return _recovered(confirmations.begun_by(pending, machine.boot_id), machine, left)


def confirm(machine: OpenHost, number: int, extend: float | None = None) -> bool:
    """Confirm generation `number`, or give it `extend` more seconds from now instead.

    Only under the locks, after `recover`.

    Returns:
        Whether it waited; otherwise it stands already, and nothing was done.

    Raises:
        NotPending: it does not wait to be confirmed, and does not stand; the text says why.
        NoSuchGeneration: there is no such number.
        CannotArm: the time cannot be extended.
    """
    from reconciler.transaction.apply_ids import ApplyState, standing

    confirmations = Confirmations(machine.state)
    pending = confirmations.pending()
    if pending is None or pending.generation != number:
        found = standing(machine.state, number, machine.boot_id, machine.clock.monotonic())
        if found.state in (ApplyState.CONFIRMED, ApplyState.NOTHING) and extend is None:
            return False
        raise NotPending(f"generation {number} {found}", history_of(number))
    begun = confirmations.begun_by(pending, machine.boot_id)
    if is_as_before(begun, lambda: holdings_now(machine), machine.root):
        raise NotPending(f"generation {number} has been rolled back, which could not be recorded yet", ROLLBACK)
    if extend is None:
        # Removing a file needs no space, and nothing else has to be recorded.
        confirmations.clear()
        return True
    if machine.timer is None:
        raise CannotArm("there is no timer here that could roll it back")
    # Armed before it is recorded: a timer too many finds nothing to do, one too few would leave the apply unconfirmed.
    machine.timer.arm(number, extend)
    confirmations.put(pending._replace(deadline=machine.clock.monotonic() + extend))
    return True
