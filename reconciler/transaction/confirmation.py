"""Applies that hold only if a person confirms them in time.

``pending.json`` is written before the first write. It holds the journal's first line, so that rolling back later is the
recovery of a transaction like any other, and the deadline in seconds of the host's monotonic clock, which starts afresh
at boot as sysfs does. A timer that does not depend on the process that applied asks for it (`reconciler.integrations`).
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.model.commands import Advised, Command
from reconciler.model.errors import BusyError, InputError
from reconciler.model.steps import Holdings
from reconciler.transaction.journal import FirstLine, Journal, Unfinished, unfinished_of
from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

PENDING: Final = "pending.json"


class NotPending(Advised, InputError):
    """What is to be confirmed does not wait for that; the text says what does."""


class AwaitsConfirmation(Advised, BusyError):
    """An earlier apply waits to be confirmed, so that no other one can begin; the text says which.

    `generation` is its number, and `seconds_left` how long it still waits: 0 where it is only to be rolled back.
    """

    def __init__(self, text: str, advice: Command, generation: int, seconds_left: float) -> None:
        super().__init__(text, advice)
        self.generation = generation
        self.seconds_left = seconds_left


class Pending(NamedTuple):
    """An apply that waits to be confirmed.

    Attributes:
        generation: its number, by which it is confirmed.
        boot_id: the boot in which it was made.
        deadline: when it is rolled back, in seconds of the monotonic clock of that boot.
        is_cancelled: whether a person or a program has ended its time before it was over.
        journal: what its journal began with.
    """

    generation: int
    boot_id: str
    deadline: float
    is_cancelled: bool
    journal: FirstLine

    def seconds_left(self, boot_id: str, now: float) -> float:
        """How long it still waits, 0 or more; `now` is of the monotonic clock of the boot `boot_id`."""
        return max(0.0, self.deadline - now) if boot_id == self.boot_id else 0.0


class Awaited(NamedTuple):
    """How the apply that waits to be confirmed stands.

    Attributes:
        generation: its number.
        seconds_left: how long it still waits; 0 where its time is over.
        rolled_back: whether the host is as it was before it, so that only the record of that is missing.
        obstacle: why that cannot be recorded now, as far as the file system says; empty otherwise.
    """

    generation: int
    seconds_left: float
    rolled_back: bool
    obstacle: str

    def __str__(self) -> str:
        """How it stands, for people."""
        number = self.generation
        if self.rolled_back:
            why = f" ({self.obstacle})" if self.obstacle else ""
            return f"generation {number} was rolled back, which could not be recorded yet{why}"
        if self.seconds_left:
            from reconciler.model.durations import duration_text

            return f"generation {number} waits to be confirmed for another {duration_text(self.seconds_left)}"
        return f"generation {number} was not confirmed in time"

    @property
    def remark(self) -> str:
        """The same in the history, beside the result."""
        if self.rolled_back:
            return "not recorded yet"
        return "waits to be confirmed" if self.seconds_left else "not confirmed in time"


class Confirmations:
    """What waits to be confirmed, in a state directory; at most one apply."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state

    def pending(self) -> Pending | None:
        """What waits, if anything does.

        Raises:
            BadRecord: the file is not as we write it.
        """
        return read_record(self._state, PENDING, Pending)

    def put(self, pending: Pending) -> None:
        """Record that `pending` waits; on disk when it returns.

        Raises:
            OSError: it cannot be written.
        """
        write_record(self._state, PENDING, pending)

    def close(self, pending: Pending, now: float) -> None:
        """Record that `pending` is cancelled: its time is over at `now`, and whatever comes next rolls it back.

        Where that cannot be recorded, nothing is changed: no disk keeps a host from being rolled back.
        """
        with suppress(OSError):
            write_record(self._state, PENDING, pending._replace(deadline=now, is_cancelled=True))

    def clear(self) -> None:
        """Record that nothing waits."""
        self._state.remove(PENDING)

    def awaited(
        self, boot_id: str, now: float, found: Callable[[], Holdings | None], root: Path | None
    ) -> Awaited | None:
        """How the apply that waits stands, if one does.

        Args:
            boot_id: names the present boot of the host.
            now: of the monotonic clock of that boot.
            found: gives what the host holds; None where it cannot be read.
            root: precedes the paths of the files of other tools.

        Raises:
            BadRecord: a file is not as we write it.
        """
        pending = self.pending()
        if pending is None:
            return None
        # While its journal is there it is being applied, or was killed.
        is_begun = Journal(self._state, boot_id).unfinished() is not None
        rolled_back = not is_begun and is_as_before(self.begun_by(pending, boot_id), found, root)
        obstacle = self._state.obstacle() if rolled_back else ""
        return Awaited(pending.generation, pending.seconds_left(boot_id, now), rolled_back, obstacle)

    def begun_by(self, pending: Pending, boot_id: str) -> Unfinished:
        """The transaction of `pending`; `boot_id` names the present boot."""
        return unfinished_of(pending.journal, boot_id)


def is_as_before(begun: Unfinished, found: Callable[[], Holdings | None], root: Path | None) -> bool:
    """Whether nothing is left of what `begun` has done; False where that is not known.

    Args:
        begun: the transaction.
        found: gives what the host holds; None where it cannot be read.
        root: precedes the paths of the files of other tools.
    """
    from reconciler.transaction.persist import unlike
    from reconciler.transaction.rollback import differences_of

    if not begun.steps or not begun.same_boot or len(unlike(begun.files, root)) < len(begun.files):
        return False
    holdings = found()
    return holdings is not None and not differences_of(begun.start, holdings, begun.touched)


def is_changed(begun: Unfinished, holdings: Holdings | None, root: Path | None) -> bool:
    """Whether what `begun` has done is not on the host any more as it left it; True where that is not known.

    Args:
        begun: the transaction.
        holdings: what the host holds; None where it cannot be read.
        root: precedes the paths of the files of other tools.
    """
    from reconciler.transaction.persist import unlike
    from reconciler.transaction.rollback import differences_of

    if holdings is None or unlike(begun.files, root):
        return True
    return bool(differences_of(begun.target, holdings, begun.touched))
