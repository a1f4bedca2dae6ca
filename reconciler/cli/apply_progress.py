"""What is shown of an apply while it is made, and of earlier ones: those that were recovered, or have to be."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import opened, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import control, say
from reconciler.model.codec import BadRecord
from reconciler.model.commands import APPLY, PLAN, ROLLBACK, Here, cancel_of, confirm_of
from reconciler.model.printable import error_text, one_line
from reconciler.transaction.confirmation import Awaited, Confirmations
from reconciler.transaction.journal import Journal
from reconciler.transaction.open_host import awaited, is_changed_since

if TYPE_CHECKING:
    from reconciler import LeftBehind, Readable
    from reconciler.cli.loop_seen import LoopMode
    from reconciler.kernel.locks import AtWork
    from reconciler.planning.plan import PlannedStep
    from reconciler.render.changes import Waiting
    from reconciler.transaction.apply_ids import Standing
    from reconciler.transaction.open_host import OpenHost
    from reconciler.transaction.recovery import Recovered

_CLEAR_LINE: Final = "\r\033[K"


def show_recovered(recovered: "Iterable[Recovered]", host: HostOptions) -> None:
    """Show what became of what earlier runs had left on `host`."""
    for one in recovered:
        _show_recovered_one(one, host)


class TerminalProgress:
    """Shows on one line of a terminal which step is being made, and what becomes of what earlier runs had left."""

    def __init__(self, host: HostOptions) -> None:
        """Show it with the commands that lead to `host`."""
        self._host = host
        self._shows = sys.stderr.isatty()
        self._shown: tuple[Recovered, ...] = ()

    def recovered(self, found: "Sequence[Recovered]") -> None:
        """See `reconciler.transaction.apply.Progress`; what cannot be recorded is found, and not shown, twice."""
        show_recovered((one for one in found if one not in self._shown), self._host)
        self._shown += tuple(found)

    def step(self, number: int, total: int, step: "PlannedStep") -> None:
        """See `reconciler.transaction.apply.Progress`."""
        if self._shows:
            control(sys.stderr, _CLEAR_LINE)
            sys.stderr.write(one_line(f"[{number}/{total}] {step.holder}: {step.step.action.value}"))
            if number == total:
                control(sys.stderr, _CLEAR_LINE)
            sys.stderr.flush()

    def rolling_back(self, reason: str) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        if self._shows:
            control(sys.stderr, _CLEAR_LINE)
            say(f"failed ({reason}); rolling everything back ...")

    def waiting(self, holder: "AtWork") -> None:
        """See `reconciler.transaction.apply.Progress`."""
        say(f"waiting for {holder}")


def exit_of(recovered: "Iterable[Recovered]") -> Exit:
    """The exit code of a command that did nothing but recover from earlier runs."""
    found = list(recovered)
    if any(one.returned and one.returned.differences for one in found):
        return Exit.DEGRADED
    return Exit.ROLLED_BACK if found else Exit.DONE


def show_unfinished(host: HostOptions, *, but_waiting: bool = False) -> None:
    """Show what earlier runs have left on `host`, for a command that changes nothing.

    Args:
        host: which.
        but_waiting: not what `waiting_of` gives.

    Raises:
        UnsafeState: it cannot be trusted.
    """
    state, boot_id = state_of(host)
    journal = Journal(state, boot_id)
    here = host.here
    bars = "no apply begins before it is moved away"
    looks: tuple[tuple[Callable[[], list[str]], str], ...] = (
        (lambda: _unfinished(here, is_left=journal.unfinished() is not None), bars),
        (lambda: _pending(awaited_of(host), here, but_waiting=but_waiting), bars),
        (lambda: _degraded(journal.left_degraded(), here), "the next apply that succeeds takes it away"),
    )
    for look, consequence in looks:
        try:
            lines = look()
        except BadRecord as error:
            lines = [f"warning: a file that we keep {error.verdict}: {error}; {consequence}"]
            lines += [f"  next: {error.remedy}"] if error.remedy else []
        for line in lines:
            say(line)


def waiting_of(host: HostOptions) -> "Waiting | None":
    """The apply on `host` that waits to be confirmed, or waited until its time was over; None where none is known."""
    try:
        found = awaited_of(host)
    except (BadRecord, PermissionError):  # which `show_unfinished` or `show_readable` says
        return None
    return waiting_for(found, host.here)


def waiting_for(found: Awaited | None, here: Here) -> "Waiting | None":
    """What is said of the apply that was `found` to wait, with commands to be run `here`; None where none waits."""
    if found is None or found.rolled_back:
        return None
    from reconciler.render.changes import Waiting

    if not found.seconds_left:
        return Waiting(f"{found}, and is not rolled back yet", (f"{here.line(ROLLBACK)}    # rolls it back",))
    keeps, undoes = here.line(confirm_of(found.generation)), here.line(cancel_of(found.generation))
    return Waiting(
        f"{found}; then it is rolled back", (f"{keeps}    # keeps it", f"{undoes}    # rolls it back at once")
    )


def show_readable(host: HostOptions, *, but_waiting: bool = False) -> str:
    """As `show_unfinished`, for a command that goes on where this user may not read that: why, or empty."""
    try:
        show_unfinished(host, but_waiting=but_waiting)
    except PermissionError as error:
        return error_text(error)
    return ""


def readable(host: HostOptions, machine: "OpenHost", denied: str) -> "Readable":
    """`machine`, with suspensions as they are published where something was `denied` to this user (else empty)."""
    from reconciler import Readable

    if not denied:
        return Readable(machine)
    from reconciler.cli.loop_seen import published_report, reported_suspensions

    report = published_report(host)
    return Readable(machine, report and reported_suspensions(report))


def say_as_root() -> None:
    """Say to stderr that root sees all of it."""
    if os.geteuid():
        from reconciler.cli.command_lines import repeated

        say(f"  next: {repeated(click.get_current_context(), 'sudo')}    # shows what this user cannot see")


def show_left(left: "LeftBehind", here: Here, *, but_waiting: bool = False) -> None:
    """Show what earlier runs had left on a host when it was recorded; commands are to be run `here`.

    With `but_waiting` what `waiting_for` gives is left out.
    """
    for lines in (
        _unfinished(here, is_left=left.unfinished),
        _pending(left.awaited, here, but_waiting=but_waiting),
        _degraded(left.degraded, here),
    ):
        say(*lines)


def _unfinished(here: Here, *, is_left: bool) -> list[str]:
    if not is_left:
        return []
    return [f"warning: an earlier apply was not finished; to recover from it: {here.line(APPLY)}"]


def _pending(found: Awaited | None, here: Here, *, but_waiting: bool = False) -> list[str]:
    if found is None or (but_waiting and not found.rolled_back):
        return []
    if found.rolled_back:
        return [
            f"warning: {found}",
            f"  next: {here.line(ROLLBACK)}    # records it; the timer and the next apply try that, too",
        ]
    if not found.seconds_left:
        return [f"warning: {found}; to undo it: {here.line(ROLLBACK)}"]
    number = found.generation
    return [
        f"note: {found}; to keep it: {here.line(confirm_of(number))}",
        f"note: to roll it back at once: {here.line(cancel_of(number))}",
    ]


def awaited_of(host: HostOptions) -> Awaited | None:
    """How the apply that waits to be confirmed stands, if one does.

    Raises:
        BadRecord: a file that we keep is not as we write it.
    """
    if Confirmations(state_of(host)[0]).pending() is None:
        return None  # no host has to be opened for that
    with opened(host) as machine:
        return awaited(machine)


class StandsHere(NamedTuple):
    """What a controller of several hosts needs to know beside how its apply stands.

    Attributes:
        is_drifted: whether what waits to be confirmed is not on the host any more as it was applied, as far as is
            known; None where it does not wait.
        mode: of the host's loop.
        pending: the other apply that waits to be confirmed; None where none does.
    """

    is_drifted: bool | None
    mode: "LoopMode"
    pending: "Standing | None"


def stands_here(host: HostOptions, found: "Standing") -> StandsHere:
    """What there is to know beside how an apply stands, which was `found`.

    Raises:
        BadRecord, UnsafeState: a file that we keep is damaged.
    """
    from reconciler.cli.loop_seen import loop_mode
    from reconciler.transaction.apply_ids import standing

    state, boot_id = state_of(host)
    pending = Confirmations(state).pending()
    other = None
    if pending is not None and pending.generation != found.generation:
        other = standing(state, pending.generation, boot_id, time.monotonic())
    changed = None
    if found.is_pending:
        with opened(host) as machine:
            changed = is_changed_since(machine)
    return StandsHere(changed, loop_mode(state), other)


def standing_json(found: "Standing", boot_id: str, here: StandsHere, result: str = "") -> str:
    """How an apply stands as JSON text, ended by a newline.

    Args:
        found: how it stands.
        boot_id: names the present boot of the host, in which the seconds that are left count.
        here: what else there is to know on this host.
        result: how the apply ended, where this is the answer to one that came again.
    """
    from reconciler.render.plan_json import json_text

    other = here.pending
    record = {
        "formatVersion": 1,
        **({"result": result} if result else {}),
        "id": found.id or None,
        "generation": found.generation or None,
        "state": found.state,
        "secondsLeft": found.seconds_left if found.is_pending else None,
        "bootId": boot_id,
        "fingerprint": found.fingerprint or None,
        "isDrifted": here.is_drifted,
        "mode": here.mode.mode or "none",
        "changeMode": here.mode.change or None,
        "pending": other
        and {"id": other.id or None, "generation": other.generation, "secondsLeft": other.seconds_left},
        "fleet": found.fleet and found.fleet.record,
    }
    return json_text(record)


def _degraded(differences: Sequence[str], here: Here) -> list[str]:
    if not differences:
        return []
    return [
        "warning: an earlier apply failed and not everything could be rolled back; it left:",
        *(f"  {difference}" for difference in differences),
        f"  next: {here.line(PLAN)}    # shows what an apply would do about it",
    ]


def _show_recovered_one(one: "Recovered", host: HostOptions) -> None:
    number = one.unfinished.generation
    what = f"generation {number} {one.left}" if number else f"an earlier apply {one.left}"
    if not one.unfinished.same_boot:
        closed = "" if one.unrecorded else "; its journal was closed"
        say(f"note: {what}, but the host has been booted since{closed}")
    elif one.returned is None:
        say(f"note: {what}; {one.notes[0]}" if one.notes else f"note: {what}, but was done; its journal was closed")
    elif one.returned.differences:
        say(f"warning: {what}, and not everything could be rolled back:")
        for difference in one.returned.differences:
            say(f"  left: {difference}")
        say(f"  next: {host.line(PLAN)}    # shows what an apply would do about it")
    else:
        say(f"note: {what}; what it had done was rolled back")
    show_remarks(one)


def show_remarks(one: "Recovered") -> None:
    """Show what else there is to know of how `one` was recovered."""
    if one.returned is not None:
        for note in one.notes:
            say(f"warning: {note}")
    if one.unrecorded:
        who = "the timer and the next apply try" if one.unfinished.same_boot else "the next apply tries"
        say(f"warning: that could not be recorded: {one.unrecorded}; {who} again")
