"""Ids that callers choose for their applies, and how the apply with an id stands.

A controller that has sent an apply and got no answer does not know whether it began: it sends it again, asks, or
cancels it. So an id is used once, for ever: the files in ``ids/`` of the state directory say for each whose generation
it is, or that it was cancelled. Everything else is in that generation, and in what waits to be confirmed. Clocks of two
machines are never compared: a host says how many seconds are left, and in which boot.
"""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from reconciler.model.codec import BadRecord
from reconciler.model.commands import HISTORY, Advised, history_of
from reconciler.model.errors import ConflictError, StateError
from reconciler.model.outcome import FleetCommit, Outcome, Result, Unconfirmed
from reconciler.model.printable import error_text
from reconciler.transaction.confirmation import Confirmations, NotPending
from reconciler.transaction.history import RETAINED, History, NoSuchGeneration
from reconciler.transaction.journal import Journal
from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.state_directory import StateDirectory, UnsafeState

IDS: Final = "ids"
_RECORD: Final = re.compile(r"[0-9a-f]{2}\.json", re.ASCII)


class IdTaken(Advised, ConflictError):
    """An apply has an id that was used or cancelled before; the text says which."""


class OtherPlan(IdTaken):
    """An apply with this id stands, or waits to be confirmed, and had another plan; the text says which."""


class NotBlocked(StateError):
    """An id could not be blocked, since that cannot be recorded; the text says why."""


class LostIds(StateError):
    """Whether an id was used is not known, since the record that would say so was moved away; the text says which."""


class ApplyState(StrEnum):
    """How the apply with an id stands."""

    UNKNOWN = "unknown"  # no apply with it has begun
    UNFINISHED = "unfinished"  # it is at work, or was killed: the next command that changes anything recovers it
    PENDING = "pending"  # it waits to be confirmed
    CONFIRMED = "confirmed"  # or applied without having to be
    NOTHING = "nothing to do"  # the host was as wanted, so that nothing waits
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # not confirmed in time
    REBOOTED = "rebooted"  # the host was booted before it was confirmed
    ROLLED_BACK = "rolled back"  # it failed
    DEGRADED = "degraded"  # and not everything could be rolled back
    FORGOTTEN = "forgotten"  # its generation is not kept any more


STANDS: Final = (ApplyState.PENDING, ApplyState.CONFIRMED, ApplyState.NOTHING)
"""An apply that comes again with its id has nothing to do."""

_UNCONFIRMED: Final[Mapping[Unconfirmed, ApplyState]] = {
    Unconfirmed.EXPIRED: ApplyState.EXPIRED,
    Unconfirmed.CANCELLED: ApplyState.CANCELLED,
    Unconfirmed.REBOOTED: ApplyState.REBOOTED,
}

_ENDED: Final[Mapping[Result, ApplyState]] = {
    Result.APPLIED: ApplyState.CONFIRMED,
    Result.NOTHING: ApplyState.NOTHING,
    Result.ROLLED_BACK: ApplyState.ROLLED_BACK,
    Result.DEGRADED: ApplyState.DEGRADED,
}


class Standing(NamedTuple):
    """How an apply stands.

    Attributes:
        id: what its caller calls it; empty where it chose no id.
        generation: its number; 0 where no apply with the id has begun.
        state: how it stands.
        seconds_left: how long it still waits to be confirmed, whole seconds; 0 unless it is pending.
        fingerprint: of its plan (SHA-256, hex); empty where that is not known.
        fleet: the commit to several hosts that it is a part of; None where it is of this host alone, or not known.
    """

    id: str
    generation: int
    state: ApplyState
    seconds_left: int = 0
    fingerprint: str = ""
    fleet: FleetCommit | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it waits to be confirmed."""
        return self.state is ApplyState.PENDING

    def __str__(self) -> str:
        """How it stands, for people, without what it is called."""
        match self.state:
            case ApplyState.PENDING:
                from reconciler.model.durations import duration_text

                return f"waits to be confirmed for another {duration_text(self.seconds_left)}"
            case ApplyState.EXPIRED:
                return "was not confirmed in time, and is rolled back"
            case ApplyState.CANCELLED if not self.generation:
                return "was cancelled before an apply with it began"
            case ApplyState.CANCELLED:
                return "was cancelled: nothing of it is left"
            case ApplyState.REBOOTED:
                return "was lost: the host was booted before it was confirmed"
            case ApplyState.ROLLED_BACK:
                return "failed, and is rolled back"
            case ApplyState.DEGRADED:
                return "failed, and not everything could be rolled back"
            case ApplyState.UNFINISHED:
                return "is at work, or was killed"
            case ApplyState.NOTHING:
                return "had nothing to do"
            case ApplyState.CONFIRMED:
                return "was applied, and waits for nothing"
            case ApplyState.FORGOTTEN:
                return "is not in the history any more, so that it is not known how it ended"
            case ApplyState.UNKNOWN:
                return "is not known: no apply with it has begun"


def standing(state: StateDirectory, which: int | str, boot_id: str, now: float) -> Standing:
    """How an apply stands, as far as it is recorded.

    Args:
        state: where that is recorded.
        which: its number, or the id that its caller chose.
        boot_id: names the present boot of the host.
        now: of the monotonic clock of that boot.

    Raises:
        NoSuchGeneration: there is no such number.
        BadRecord, UnsafeState: what is recorded cannot be used.
    """
    ids, history = ApplyIds(state), History(state)
    number = which if isinstance(which, int) else 0
    if isinstance(which, str):
        found = ids.found(which)
        if found.is_cancelled or not found.generation:
            return Standing(which, found.generation, ApplyState.CANCELLED if found.is_cancelled else ApplyState.UNKNOWN)
        if found.generation not in history.numbers():
            return Standing(which, found.generation, ApplyState.FORGOTTEN)
        number = found.generation
    pending = Confirmations(state).pending()
    one = history.get(number)
    fingerprint = history.fingerprint(number)
    known = Standing(one.origin.id, number, ApplyState.UNFINISHED, 0, fingerprint, one.origin.fleet)
    if known.id and ids.found(known.id).is_cancelled:
        return known._replace(state=ApplyState.CANCELLED)
    unfinished = Journal(state, boot_id).unfinished()
    if unfinished is not None and unfinished.generation == number:
        return known
    if pending != Confirmations(state).pending():
        return standing(state, which, boot_id, now)  # no lock is held: what was read is of two different moments
    if pending is None or pending.generation != number:
        return known._replace(state=ended_state(one.outcome))
    if pending.is_cancelled:
        return known._replace(state=ApplyState.CANCELLED)
    if pending.boot_id != boot_id:
        return known._replace(state=ApplyState.REBOOTED)
    left = pending.seconds_left(boot_id, now)
    if not left:
        return known._replace(state=ApplyState.EXPIRED)
    return known._replace(state=ApplyState.PENDING, seconds_left=math.floor(left))


def newest_standing(state: StateDirectory, which: int | str | None, boot_id: str, now: float) -> Standing:
    """How the newest apply stands that is meant by `which`; see `standing`.

    A commit to several hosts is applied again by another id where it was confirmed elsewhere and has ended here: its
    own id leads to the newest of these applies. None means the newest commit; where there was none, it is unknown.
    """
    number = FleetApplies(state).newest(which) if which is None or isinstance(which, str) else 0
    if number and isinstance(which, str) and number <= ApplyIds(state).found(which).generation:
        number = 0
    if number:
        return standing(state, number, boot_id, now)
    return Standing("", 0, ApplyState.UNKNOWN) if which is None else standing(state, which, boot_id, now)


def ended_state(outcome: Outcome | None) -> ApplyState:
    """How an apply stands that has ended so, and does not wait."""
    if outcome is None:
        return ApplyState.UNFINISHED
    if outcome.result is Result.ROLLED_BACK and outcome.unconfirmed:
        return _UNCONFIRMED[outcome.unconfirmed]
    return _ENDED[outcome.result]


class _Ids(NamedTuple):
    """Some of the ids: those that have a generation, with its number, and those that were cancelled."""

    generations: Mapping[str, int]
    cancelled: frozenset[str]


class FoundId(NamedTuple):
    """What is recorded of an id: the number of its generation, 0 where none has begun, and whether it was cancelled."""

    generation: int
    is_cancelled: bool


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
        found = self.found(apply_id)
        if found.generation:
            return found.generation
        if found.is_cancelled:
            raise NoSuchGeneration(f"the id {apply_id} was cancelled before an apply with it began", HISTORY)
        raise NoSuchGeneration(f"no apply has the id {apply_id}", HISTORY)

    def found(self, apply_id: str) -> FoundId:
        """What is recorded of this id.

        Raises:
            BadRecord: its record is not as we write it.
            LostIds: it was not, and was moved away, and no generation that is kept has the id.
        """
        known = self._read(apply_id)
        number, is_cancelled = known.generations.get(apply_id, 0), apply_id in known.cancelled
        if not number and not is_cancelled and (lost := self._moved_away(apply_id)):
            return FoundId(self._kept_with(apply_id, lost), is_cancelled=False)
        return FoundId(number if number and self._has_begun(number, apply_id) else 0, is_cancelled)

    def claim(self, apply_id: str, number: int) -> None:
        """Record that generation `number`, which is about to begin, has this id; on disk when it returns.

        Where that generation never begins, the claim means nothing: its own record has the id as well.

        Raises:
            OSError: it cannot be written.
        """
        known = self._read(apply_id)
        self._put(apply_id, known._replace(generations=dict(sorted({**known.generations, apply_id: number}.items()))))

    def block(self, apply_id: str) -> None:
        """Refuse each apply with this id from now on; on disk when it returns.

        Raises:
            NotBlocked: it cannot be written.
        """
        known = self._read(apply_id)
        if apply_id in known.cancelled:
            return
        try:
            self._put(apply_id, known._replace(cancelled=known.cancelled | {apply_id}))
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

    def _put(self, apply_id: str, known: _Ids) -> None:
        self._state.prepare()
        write_record(self._state, _file_of(apply_id), known)

    def _read(self, apply_id: str) -> _Ids:
        return read_record(self._state, _file_of(apply_id), _Ids) or _Ids({}, frozenset())

    def _moved_away(self, apply_id: str) -> str:
        """The path of the record that was damaged and moved away by the command that we print; empty where none was."""
        file = _file_of(apply_id)
        try:
            is_moved = any(name.startswith(f"{file}.") for name in self._state.names())
        except FileNotFoundError:
            return ""
        return str(self._state.path / file) if is_moved else ""

    def _kept_with(self, apply_id: str, lost: str) -> int:
        """The number of the generation that is kept and has this id; raises LostIds where none has."""
        for number in reversed(self._history.numbers()):
            with suppress(BadRecord):
                if self._history.get(number).origin.id == apply_id:
                    return number
        raise LostIds(
            f"nothing was done: whether the id {apply_id} was used is not known, since {lost} was damaged and moved "
            "away; use another id"
        )

    def _has_begun(self, number: int, apply_id: str) -> bool:
        if number not in self._history.numbers():
            # Its record is not kept any more or was moved away; or it never began, and its number is still free.
            return number < self._history.next_number()
        try:
            return self._history.get(number).origin.id == apply_id
        except BadRecord:
            return True


FLEET: Final = "fleet.json"


class _FleetApply(NamedTuple):
    generation: int
    id: str


class _FleetApplies(NamedTuple):
    """The applies that were parts of commits to several hosts, ascending."""

    applies: tuple[_FleetApply, ...]


class FleetApplies:
    """Which generations in the state directory `state` are parts of commits to several hosts.

    Each of them says so itself. This finds the newest one without reading all of them, which takes long where there
    are many guests.
    """

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self._history = History(state)

    def note(self, number: int, fleet_id: str) -> None:
        """Record that generation `number`, which is about to begin, is a part of that commit; on disk when it returns.

        Raises:
            OSError: it cannot be written.
        """
        applies = (*self._applies(), _FleetApply(number, fleet_id))
        write_record(self._state, FLEET, _FleetApplies(applies[-RETAINED:]))

    def newest(self, fleet_id: str | None = None) -> int:
        """The newest generation that is a part of that commit, or of any; 0 where none is, or is kept.

        Raises:
            BadRecord: what is recorded is not as we write it.
        """
        kept = frozenset(self._history.numbers())
        for number, one in reversed(self._applies()):
            if number in kept and fleet_id in (None, one):
                fleet = self._history.get(number).origin.fleet
                if fleet and fleet.id == one:  # otherwise it never began, and its number was used again
                    return number
        return 0

    def check(self) -> None:
        """Read what is recorded.

        Raises:
            BadRecord: it is not as we write it.
            UnsafeState: it cannot be trusted.
        """
        self._applies()

    def _applies(self) -> tuple[_FleetApply, ...]:
        found = read_record(self._state, FLEET, _FleetApplies)
        return found.applies if found else ()


def _file_of(apply_id: str) -> str:
    # Ids are kept for ever: many small files, so that each apply reads and writes one that stays small.
    return f"{sha256(apply_id.encode('ascii')).hexdigest()[:2]}.json"


def refusal(found: Standing) -> IdTaken:
    """Why no apply begins with the id of `found`."""
    again = "a new apply needs a new id"
    if not found.generation:
        return IdTaken(f"nothing was done: the id {found.id} was cancelled before this apply came; {again}")
    what = f"generation {found.generation}, which {found}"
    shows = HISTORY if found.state is ApplyState.FORGOTTEN else history_of(found.generation)
    return IdTaken(f"nothing was done: the id {found.id} was used already, by {what}; {again}", shows)


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
