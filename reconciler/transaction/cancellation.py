"""Cancelling an apply by its id or by its number: what waits to be confirmed is rolled back before its time is over.

An apply that has not begun yet never does, however late it comes: its id is blocked for ever.
"""

from enum import Enum, auto
from typing import NamedTuple

from reconciler.model.commands import HISTORY, ROLLBACK, Advised, rollback_to
from reconciler.model.errors import ConflictError
from reconciler.model.outcome import Generation, Result
from reconciler.transaction.apply_ids import ApplyIds, number_of, waiting
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import Recovered, expire, recover
from reconciler.transaction.state_directory import StateDirectory


class CannotCancel(Advised, ConflictError):
    """The apply does not wait to be confirmed any more: it stays; the text says why."""


class Cancelled(Enum):
    """What cancelling an apply has done."""

    ROLLED_BACK = auto()
    ALREADY = auto()
    WITHOUT_EFFECT = auto()
    BLOCKED = auto()


class Cancellation(NamedTuple):
    """How cancelling an apply ended.

    Attributes:
        done: what was done: it was rolled back, or had been already, had changed nothing, or its id is blocked now.
        generation: its number; 0 where no apply with the id has begun.
        recovered: what earlier runs had left, this apply among them, and what became of it.
        differences: what could not be rolled back, a sentence each; empty where all is as before it.
    """

    done: Cancelled
    generation: int
    recovered: tuple[Recovered, ...] = ()
    differences: tuple[str, ...] = ()


def cancel(machine: OpenHost, which: int | str | None = None) -> Cancellation:
    """Roll back the apply `which`, if it still waits to be confirmed; an unknown id is blocked for ever.

    Only under the locks. It recovers from what earlier runs have left first. Whatever interrupts it, running it again
    ends the same way.

    Args:
        machine: what we work on.
        which: its number, or the id that its caller chose; None: the one that waits, or the newest where none does.

    Raises:
        CannotCancel: it was applied, and confirmed where that was asked for: only a rollback undoes it.
        NoSuchGeneration: there is no such number.
        NotPending: `which` is None, and nothing waits, since nothing has been applied yet.
        NotBlocked: the id cannot be blocked.
        BadRecord, UnsafeState: what we know of earlier runs cannot be used.
    """
    waited = Confirmations(machine.state).pending()  # the recovery takes away one whose time is over
    recovered = recover(machine)
    if which is None:
        number = waited.generation if waited else _newest(machine.state)
    else:
        try:
            number = number_of(machine.state, which)
        except NoSuchGeneration:
            if isinstance(which, int):
                raise
            ApplyIds(machine.state).block(which)
            return Cancellation(Cancelled.BLOCKED, 0, recovered)
    pending = Confirmations(machine.state).pending()
    if pending and pending.generation == number:
        undone = expire(machine, now=True)
        recovered += (undone,) if undone else ()
    for one in recovered:
        # Of what an earlier boot left nothing is on the host; how it ended is in the history, if that can be written.
        if one.unfinished.generation == number and not one.applied and (one.returned or one.unrecorded):
            differences = one.returned.differences if one.returned else ()
            return Cancellation(Cancelled.ROLLED_BACK, number, recovered, differences)
    return _ended_before(machine.state, number, recovered)


def _newest(state: StateDirectory) -> int:
    newest = History(state).newest()
    return newest.number if newest else waiting(state)


def _ended_before(state: StateDirectory, number: int, recovered: tuple[Recovered, ...]) -> Cancellation:
    history = History(state)
    one = history.get(number)
    if one.ended_as is Result.ROLLED_BACK:
        return Cancellation(Cancelled.ALREADY, number, recovered)
    if one.outcome and one.ended_as is Result.DEGRADED:
        return Cancellation(Cancelled.ALREADY, number, recovered, one.outcome.differences)
    before = _target_before(history, number)
    if one.ended_as is Result.NOTHING and before and before.digest == one.digest:
        if one.origin.id:
            ApplyIds(state).block(one.origin.id)
        return Cancellation(Cancelled.WITHOUT_EFFECT, number, recovered)
    text = f"generation {number} does not wait to be confirmed: it stays"
    newest = history.newest()
    if newest is None or newest.number == number:
        raise CannotCancel(f"{text}; to undo it, roll back", rollback_to(before.number) if before else ROLLBACK)
    if before is None:
        raise CannotCancel(f"{text}; it cannot be rolled back any more, since later generations came after it", HISTORY)
    later = f"{number + 1} to {newest.number}" if newest.number > number + 1 else f"{newest.number}"
    what = "generations" if newest.number > number + 1 else "generation"
    raise CannotCancel(f"{text}; to roll it back also undoes {what} {later}", rollback_to(before.number))


def _target_before(history: History, number: int) -> Generation | None:
    try:
        return history.get(history.newest_target(before=number))
    except NoSuchGeneration:
        return None
