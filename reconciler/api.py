"""What the Python API has of its own; the rest of it is where `reconciler.__init__` says.

Each function stands for one verb of a user: read, observe, plan, apply, confirm, roll back, look at status and history.
They are imported when they are called, since a program that only plans needs none of what an apply needs.
"""

import os
import pwd
import sys
import time
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.commands import Advised
from reconciler.model.errors import InputError
from reconciler.model.outcome import Actor, Extent, Generation, Origin, Result
from reconciler.model.printable import shell_line
from reconciler.planning.scope import WHOLE, Scope, Targets, Whole

if TYPE_CHECKING:
    from reconciler.model.observed import Observed
    from reconciler.operations.apply import ApplyResult, Terms
    from reconciler.operations.wanted import Named, Wanted, WantedSource
    from reconciler.planning.status import ComparedWith, Known, Status
    from reconciler.transaction.apply import Progress
    from reconciler.transaction.apply_ids import Standing
    from reconciler.transaction.cancellation import Cancellation
    from reconciler.transaction.history import History
    from reconciler.transaction.loop_records import Suspensions
    from reconciler.transaction.open_host import OpenHost
    from reconciler.transaction.recovery import Recovered


class NothingToRollBack(Advised, InputError):
    """The newest apply was rolled back already; the text says which."""


def read_manifests(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]], *, host: str | None = None, machine: "Named"
) -> "Wanted":
    """What the manifests in files and directories want of `machine`.

    Args:
        paths: one path, or several.
        host: the name of the Host; left out, that of the machine, or the only one.
        machine: the host that is worked on, or the record of one.

    Raises:
        InvalidManifests: they cannot be used; its `problems` say why, with file, line and column.
    """
    from reconciler.operations.wanted import Manifests

    found = (paths,) if isinstance(paths, str | PathLike) else tuple(paths)
    return Manifests(found, host).read(machine)


def observe(machine: "OpenHost") -> "Observed":
    """How the host is now: masks, cards, queues, mediated devices and what its kernel can do.

    Raises:
        UnreadableHost: it cannot be read.
    """
    from reconciler.operations.plan import observe_host

    return observe_host(machine)


def status(wanted: "Wanted", machine: "OpenHost", reported: "Suspensions | None" = None) -> "Status":
    """For each guest what is wanted, authorised and effective, and why they differ.

    Where a record of ours is damaged, that is a problem of the plan, which then rests on what can be read.

    Args:
        wanted: what is wanted.
        machine: the host.
        reported: what a report says of suspensions, for a user who may not read the record of them.

    Raises:
        what `plan` raises.
    """
    from reconciler.operations.plan import Readable, plan
    from reconciler.operations.suspended import suspended_by
    from reconciler.planning.status import status_of

    made = plan(wanted, Readable(machine, reported, skips_damaged=True), Whole(with_boot=True))
    return status_of(made, wanted.compared, suspended_by(machine, reported))


def host_status(
    machine: "OpenHost",
    compared: "ComparedWith",
    known: "Sequence[Known]" = (),
    reported: "Suspensions | None" = None,
) -> "Status":
    """The host as it is, where nothing says what is wanted of it.

    Args:
        machine: the host.
        compared: why it is compared with nothing.
        known: what a report says of guests.
        reported: what it says of suspensions, as `status` has it.

    Raises:
        UnreadableHost: it cannot be read.
    """
    from reconciler.operations.suspended import suspended_by
    from reconciler.planning.status import host_status as made

    suspended = suspended_by(machine, reported)
    return made(machine.name, observe(machine), compared, known)._replace(
        suspended=suspended.host, suspension=suspended.values.get("")
    )


def apply(
    wanted: "WantedSource",
    machine: "OpenHost",
    scope: Scope = WHOLE,
    *,
    terms: "Terms | None" = None,
    progress: "Progress | None" = None,
    origin: Origin | None = None,
) -> "ApplyResult":
    """Make the host as it is wanted, wholly or not at all.

    Args:
        wanted: what is wanted; a source such as `Manifests` is read under the locks, and a `Wanted` applied as it is.
        machine: the host.
        scope: how much of the host.
        terms: consents, the plan that was agreed to, and limits; left out: no consent, whatever the plan is.
        progress: is shown each step; left out, no step is shown.
        origin: who asks, for the history; left out, who runs this process.

    Returns:
        how it ended: `outcome.result` is `APPLIED`, `NOTHING`, `ROLLED_BACK` or `DEGRADED`.

    Raises:
        NotApplicable: the plan has errors, or needs consent that `terms` do not give; it has the plan.
        StalePlan: the plan is another than the one that was agreed to.
        AwaitsConfirmation: an earlier apply waits to be confirmed.
        Busy, ToolsBusy: another process held a lock for too long.
        and what reading `wanted` and `plan` raise.
    """
    from reconciler.operations import apply as operation
    from reconciler.transaction.apply import NoProgress

    return operation.apply(
        wanted, machine, progress or NoProgress(), origin or caller(), terms or operation.NO_TERMS, scope
    )


def history(machine: "OpenHost") -> list[Generation]:
    """The applies that changed anything, ascending by number."""
    from reconciler.transaction.history import History

    return History(machine.state).generations()


class RollbackTarget(NamedTuple):
    """Where a rollback leads that names no generation.

    Attributes:
        newest: the generation that it undoes.
        number: the generation that it rolls back to; 0: to what there was before `newest`, where that is not what any
            generation wanted as a whole; None where nothing is left to undo: `newest` was rolled back already, or is a
            rollback itself.
        scope: how much of the host that is about.
        undid: where `newest` is a rollback: the generation whose wish was that of the host before it; 0 where that is
            of none as a whole; None where `newest` is no rollback.
    """

    newest: Generation
    number: int | None
    scope: Whole | Targets = WHOLE
    undid: int | None = None


def rollback_target(machine: "OpenHost") -> RollbackTarget:
    """Where a rollback leads that names no generation: to the one before the newest.

    Where the newest one did not last, rolling back would undo the one before it, which was not asked for. Where it is a
    rollback, that would bring back what it undid: asking twice undoes once.

    Raises:
        NoSuchGeneration: nothing has been applied yet.
        BadRecord: it is not known how the newest one ended.
    """
    from reconciler.transaction.history import History, NoSuchGeneration
    from reconciler.transaction.journal import Journal

    found = History(machine.state)
    newest = found.newest()
    if newest is None:
        raise NoSuchGeneration("nothing has been applied yet, so that there is nothing to roll back")
    if newest.outcome is None:  # the process ended before it could record that; the inventory is of what stayed
        lasted = Journal(machine.state, machine.boot_id).applied().generation == newest.number
    else:
        lasted = newest.ended_as is not Result.ROLLED_BACK
    if not lasted:
        return RollbackTarget(newest, None)
    number = _undoing(newest, found)
    if newest.is_rollback and newest.ended_as is not Result.DEGRADED:
        return RollbackTarget(newest, None, undid=number)
    is_partial = newest.extent is Extent.PARTIAL and not number
    return RollbackTarget(newest, number, Targets(frozenset(newest.guests)) if is_partial else WHOLE)


def _undoing(newest: Generation, history: "History") -> int:
    """The generation whose wish is that of the host before `newest`; 0 where none is, or that is not known."""
    for number in reversed(history.numbers()):
        if number < newest.number:
            one = history.look(number)
            if one.is_damaged or (one.extent is Extent.PARTIAL and one.ended_as is not Result.ROLLED_BACK):
                return 0
            if one.is_target:
                return number
    return 0


def roll_back(
    machine: "OpenHost",
    to: int | None = None,
    *,
    terms: "Terms | None" = None,
    progress: "Progress | None" = None,
    origin: Origin | None = None,
) -> "ApplyResult":
    """Make the host as generation `to` of the history wanted it; left out, as before the newest.

    It is an apply like any other: planned from what is there, checked and recorded. `undo_unconfirmed` rolls back an
    apply that waits to be confirmed.

    Raises:
        NothingToRollBack: the newest generation was rolled back already, or is a rollback itself, and `to` is left out.
        NoSuchGeneration: there is no such generation.
        and what `apply` raises.
    """
    from reconciler.operations.wanted import BeforeGeneration, OfGeneration

    if to is None:
        target = rollback_target(machine)
        if target.number is None:
            is_one = target.undid is not None
            what = "is itself a rollback" if is_one else "was rolled back already"
            raise NothingToRollBack(f"generation {target.newest.number} {what}")
        if not target.number:
            before = BeforeGeneration(target.newest.number)
            return apply(before, machine, target.scope, terms=terms, progress=progress, origin=origin)
        to = target.number
    return apply(OfGeneration(to), machine, terms=terms, progress=progress, origin=origin)


def confirm(machine: "OpenHost", which: int | str | None = None) -> None:
    """Keep what an apply did that was made with `Terms.confirm_within`; one that was confirmed already stays so.

    Args:
        machine: the host.
        which: its generation, or its `Origin.id`; left out, the apply that waits.

    Raises:
        NotPending: it does not wait to be confirmed, since it was rolled back; the text says why.
        NoSuchGeneration: no apply has that id.
    """
    from reconciler.transaction import recovery
    from reconciler.transaction.apply import NoProgress
    from reconciler.transaction.apply_ids import number_of, waiting
    from reconciler.transaction.open_host import locked

    with locked(machine, NoProgress(), caller().command, recording=False):
        number = number_of(machine.state, waiting(machine.state) if which is None else which)
        recovery.recover(machine)
        recovery.confirm(machine, number)


def cancel(machine: "OpenHost", which: int | str | None = None) -> "Cancellation":
    """Roll back an apply that waits to be confirmed; one with an unknown id never begins, however late it comes.

    It may be called again, and then does nothing.

    Args:
        machine: the host.
        which: its generation, or its `Origin.id`; left out, the apply that waits, or the newest where none does.

    Raises:
        CannotCancel: the apply stays: it was confirmed, or asked for no confirmation.
        NoSuchGeneration: there is no such number.
        NotPending: `which` is left out, and nothing has been applied yet.
        NotBlocked: that the id is refused from now on cannot be recorded.
    """
    from reconciler.transaction import cancellation
    from reconciler.transaction.apply import NoProgress
    from reconciler.transaction.open_host import locked

    with locked(machine, NoProgress(), caller().command, recording=False):
        return cancellation.cancel(machine, which)


def standing(machine: "OpenHost", which: int | str) -> "Standing":
    """How an apply stands, and how long it still waits to be confirmed; of an unknown id that it is unknown.

    Args:
        machine: the host.
        which: its generation, or its `Origin.id`.

    Raises:
        NoSuchGeneration: there is no such number.
    """
    from reconciler.transaction import apply_ids

    return apply_ids.standing(machine.state, which, machine.boot_id, machine.clock.monotonic())


def undo_unconfirmed(machine: "OpenHost") -> "Recovered | None":
    """Roll back the apply that waits to be confirmed; None where no apply waits."""
    from reconciler.transaction import recovery
    from reconciler.transaction.apply import NoProgress
    from reconciler.transaction.open_host import locked

    with locked(machine, NoProgress(), caller().command, recording=False):
        late = [one for one in recovery.recover(machine) if one.left is not recovery.Left.UNFINISHED]
        return late[0] if late else recovery.expire(machine, now=True)


def caller(commit: str = "", actor: Actor = Actor.PERSON) -> Origin:
    """Who runs this process, and as what, with manifests of `commit`."""
    return Origin(os.environ.get("SUDO_USER") or user_name(), shell_line(sys.argv), time.time(), commit, actor)


def user_name() -> str:
    """Who runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
