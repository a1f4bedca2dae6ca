"""Second thoughts: an apply that holds only if somebody confirms it in time.

``pending.json`` is written before the first write. It holds the journal's first line, so that going back later is the
recovery of a transaction like any other, and the deadline in seconds of the host's monotonic clock, which starts afresh
at boot as sysfs does. A timer that does not depend on the process that applied asks for it (`reconciler.integrations`).
"""

import json
from typing import Final, NamedTuple

from reconciler.model.commands import Advised
from reconciler.model.strict_json import BadRecord, field, members, seconds, text, whole
from reconciler.transaction.journal import read_journal
from reconciler.transaction.records import read_kept
from reconciler.transaction.state_directory import StateDirectory

PENDING: Final = "pending.json"


class NotPending(Advised):
    """What is to be confirmed does not wait for that; the text says what does."""


class AwaitsConfirmation(Advised):
    """An earlier apply waits to be confirmed, so that no other one can begin; the text says which."""


class Pending(NamedTuple):
    """An apply that waits to be confirmed.

    Attributes:
        generation: its number, by which it is confirmed.
        boot_id: the boot in which it was made.
        deadline: when it is put back, in seconds of the monotonic clock of that boot.
        journal: the first line of its journal.
    """

    generation: int
    boot_id: str
    deadline: float
    journal: bytes

    def seconds_left(self, boot_id: str, now: float) -> float:
        """How long it still waits, 0 or more; `now` is of the monotonic clock of the boot `boot_id`."""
        return max(0.0, self.deadline - now) if boot_id == self.boot_id else 0.0


class Confirmations:
    """What waits to be confirmed, in a state directory; at most one apply."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state

    def pending(self) -> Pending | None:
        """What waits, if anything does.

        Raises:
            BadRecord: the file is not as we write it.
        """
        return read_kept(self._state, PENDING, _read_pending)

    def put(self, pending: Pending) -> None:
        """Record that `pending` waits; on disk when it returns.

        Raises:
            OSError: it cannot be written.
        """
        record = {
            "generation": pending.generation,
            "bootId": pending.boot_id,
            "deadline": pending.deadline,
            "journal": pending.journal.decode(),
        }
        self._state.replace(PENDING, json.dumps(record).encode())

    def clear(self) -> None:
        """Record that nothing waits."""
        self._state.remove(PENDING)


def _read_pending(record: object) -> Pending:
    found = members(record, ("generation", "bootId", "deadline", "journal"))
    return Pending(
        field(found, "generation", whole),
        field(found, "bootId", text),
        field(found, "deadline", seconds),
        field(found, "journal", _first_line),
    )


def _first_line(value: object) -> bytes:
    """`value`, which is what a journal begins with; found out now, and not when it is needed."""
    try:
        line = text(value).encode()
    except UnicodeEncodeError:
        raise BadRecord("it is not UTF-8") from None
    read_journal(line, "")
    return line
