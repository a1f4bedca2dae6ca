"""Ids that callers choose for their applies, and cancelling an apply by its id or by its number.

A controller that has sent an apply and got no answer does not know whether it began. It cancels the id: what waits to
be confirmed is rolled back, and an apply that has not begun yet never does, however late it comes. So an id is used
once, for ever: the files in ``ids/`` of the state directory say for each whose generation it is, or that it is blocked.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from hashlib import sha256
from typing import Final, NamedTuple

from reconciler.model.codec import BadRecord
from reconciler.model.commands import HISTORY, ROLLBACK, Advised, history_of, rollback_to
from reconciler.model.errors import ConflictError, StateError
from reconciler.model.outcome import Generation, Result
from reconciler.model.printable import error_text
from reconciler.transaction.confirmation import Confirmations, NotPending
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.recovery import Recovered, expire, recover
from reconciler.transaction.state_directory import StateDirectory, UnsafeState

IDS: Final = "ids"
_BLOCKED: Final = 0
_RECORD: Final = re.compile(r"[0-9a-f]{2}\.json", re.ASCII)


class IdTaken(Advised, ConflictError):
    """An apply has an id that was used or cancelled before; the text says which."""


class CannotCancel(Advised, ConflictError):
    """The apply does not wait to be confirmed any more: it stays; the text says why."""


class NotBlocked(StateError):
    """An id could not be blocked, since that cannot be recorded; the text says why."""


class _Ids(NamedTuple):
    """Some of the ids, each with the number of its generation; 0 for one that is blocked."""

    generations: Mapping[str, int]


class ApplyIds:
    """The ids of applies in the state directory `state`."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = StateDirectory(state.path / IDS)
        self._history = History(state)

    def generation(self, apply_id: str) -> int:
        """The number of the generation with this id.

        Raises:
            NoSuchGeneration: no apply with it has begun.
            BadRecord: its record is not as we write it.
        """
        found = self._found(apply_id)
        if found is None:
            raise NoSuchGeneration(f"no apply has the id {apply_id}", HISTORY)
        if found == _BLOCKED:
            raise NoSuchGeneration(f"the id {apply_id} was cancelled before an apply with it began", HISTORY)
        return found

    def refuse_taken(self, apply_id: str) -> None:
        """Return if an apply may begin with this id.

        Raises:
            IdTaken: it was used or cancelled before.
            BadRecord: its record is not as we write it.
        """
        found = self._found(apply_id)
        if found == _BLOCKED:
            raise IdTaken(
                f"nothing was done: the id {apply_id} was cancelled before this apply came; a new apply needs a new id"
            )
        if found is not None:
            raise IdTaken(
                f"nothing was done: the id {apply_id} was used already, by generation {found}; "
                "a new apply needs a new id",
                history_of(found),
            )

    def claim(self, apply_id: str, number: int) -> None:
        """Record that generation `number`, which is about to begin, has this id; on disk when it returns.

        Where that generation never begins, the claim means nothing: its own record has the id as well.

        Raises:
            OSError: it cannot be written.
        """
        self._put(apply_id, number)

    def block(self, apply_id: str) -> None:
        """Refuse each apply with this id from now on; on disk when it returns.

        Raises:
            NotBlocked: it cannot be written.
        """
        try:
            self._put(apply_id, _BLOCKED)
        except (OSError, UnsafeState) as error:
            raise NotBlocked(f"the id {apply_id} could not be blocked: {error_text(error)}") from error

    def check(self) -> None:
        """Read the records of all ids.

        Raises:
            BadRecord: one of them is not as we write it.
            UnsafeState: one cannot be trusted.
        """
        try:
            names = self._state.names()
        except FileNotFoundError:
            return
        for name in sorted(names):
            if _RECORD.fullmatch(name):
                read_record(self._state, name, _Ids)

    def _put(self, apply_id: str, number: int) -> None:
        self._state.prepare()
        known = self._read(apply_id)
        write_record(self._state, _file_of(apply_id), _Ids(dict(sorted({**known, apply_id: number}.items()))))

    def _read(self, apply_id: str) -> Mapping[str, int]:
        found = read_record(self._state, _file_of(apply_id), _Ids)
        return found.generations if found else {}

    def _found(self, apply_id: str) -> int | None:
        """The number of its generation, `_BLOCKED`, or None where no apply with it has begun."""
        number = self._read(apply_id).get(apply_id)
        if number is None or number == _BLOCKED:
            return number
        kept = self._history.numbers()
        if number not in kept:
            return number if kept and number < kept[0] else None  # too old to be kept, or never begun
        try:
            return number if self._history.get(number).origin.id == apply_id else None
        except BadRecord:
            return number


def _file_of(apply_id: str) -> str:
    # Ids are kept for ever: many small files, so that each apply reads and writes one that stays small.
    return f"{sha256(apply_id.encode('ascii')).hexdigest()[:2]}.json"


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


def waiting(state: StateDirectory) -> int:
    """The number of the apply that waits to be confirmed.

    Raises:
        NotPending: none does.
        BadRecord: what waits is not known.
    """
    pending = Confirmations(state).pending()
    if pending is None:
        raise NotPending("no apply waits to be confirmed", HISTORY)
    return pending.generation


def number_of(state: StateDirectory, which: int | str) -> int:
    """The number of the generation that `which` names: itself, or the id that its caller chose.

    Raises:
        NoSuchGeneration: no apply has that id.
        BadRecord: the record of the id is not as we write it.
    """
    return which if isinstance(which, int) else ApplyIds(state).generation(which)


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
    return _ended_before(History(machine.state), number, recovered)


def _newest(state: StateDirectory) -> int:
    newest = History(state).newest()
    return newest.number if newest else waiting(state)


def _ended_before(history: History, number: int, recovered: tuple[Recovered, ...]) -> Cancellation:
    one = history.get(number)
    if one.ended_as is Result.ROLLED_BACK:
        return Cancellation(Cancelled.ALREADY, number, recovered)
    if one.outcome and one.ended_as is Result.DEGRADED:
        return Cancellation(Cancelled.ALREADY, number, recovered, one.outcome.differences)
    before = _target_before(history, number)
    if one.ended_as is Result.NOTHING and before and before.digest == one.digest:
        return Cancellation(Cancelled.WITHOUT_EFFECT, number, recovered)
    text = f"generation {number} does not wait to be confirmed: it stays"
    if before:
        raise CannotCancel(f"{text}; to undo it, roll back", rollback_to(before.number))
    newest = history.newest()
    if newest and newest.number == number:  # without a number a rollback undoes that one only
        raise CannotCancel(f"{text}; to undo it, roll back", ROLLBACK)
    raise CannotCancel(f"{text}, and later generations came after it", HISTORY)


def _target_before(history: History, number: int) -> Generation | None:
    try:
        return history.get(history.newest_target(before=number))
    except NoSuchGeneration:
        return None
