"""``reconcile confirm`` and ``cancel``, and what waits for a confirmation that may not come."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.apply_progress import (
    TerminalProgress,
    awaited_of,
    exit_of,
    show_recovered,
    show_remarks,
    show_unfinished,
)
from reconciler.cli.asking import GoneAway, terminal
from reconciler.cli.command_lines import Before, again, again_from_anywhere
from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.cli.open_host import command_line, opened, require_ap_bus, require_host, state_of
from reconciler.cli.options import Duration, HostOptions, OneApply, WholeNumber, host_options
from reconciler.cli.output import note, say, say_elsewhere_too
from reconciler.cli.publishing import publish_applied
from reconciler.cli.tree import command, completes
from reconciler.integrations.timers import READY, to_system_log
from reconciler.model.commands import PLAN, Command, cancel_of, confirm_of, ends_of
from reconciler.model.durations import duration_text
from reconciler.model.errors import BusyError, HostError
from reconciler.model.printable import error_text, lines_text
from reconciler.transaction.apply_ids import ApplyState, NotBlocked, number_of, standing, waiting
from reconciler.transaction.cancellation import Cancelled, cancel
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.loop_records import read_suspensions
from reconciler.transaction.open_host import LOCK_SECONDS, OpenHost, awaited, locked
from reconciler.transaction.recovery import Left, Recovered, confirm, expire, is_left, recover
from reconciler.transaction.state_directory import UnsafeState

if TYPE_CHECKING:
    from reconciler.render.table import Page

_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 60.0
"""After how long rolling back, or recording it, is tried again at first, and at most: twice as long each time."""

_PASSING: Final = (OSError, BusyError, HostError, UnsafeState)
"""What may prevent a rollback now and not later."""

_LOOK_SECONDS: Final = 1.0
"""How often a waiting process looks whether the deadline was moved."""


UNCHANGED: Final = "nothing was changed"
"""What is said where a person does not agree."""

RECOVERED_ONLY: Final = "nothing more was changed"
"""The same after a recovery to which they did."""


@command("confirm")
@click.argument("number", type=OneApply(), required=False, metavar="[ID]", shell_complete=completes("applies"))
@click.option("--extend", type=Duration(), metavar="DURATION", help="Do not confirm yet, allow this much more time.")
@host_options
def confirm_command(number: int | str | None, extend: float | None, host: HostOptions) -> Exit:
    """Keep what an apply with --confirm-within has done.

    ID is the number of its generation, or the id that 'apply --id' gave it; left out, the apply that waits.
    """
    require_host(host)
    return run_confirm(host, number, extend)


@command("cancel")
@click.argument("number", type=OneApply(), required=False, metavar="[ID]", shell_complete=completes("applies"))
@host_options
def cancel_command(number: int | str | None, host: HostOptions) -> Exit:
    """Roll back an apply that waits to be confirmed, or block an apply with this id before it begins.

    ID is the number of its generation, or the id that 'apply --id' gives it; left out, the apply that waits. It does
    not ask, and may be run again: what was rolled back before stays so. An apply that stays is not touched.
    """
    require_ap_bus(host)
    require_host(host)
    return run_cancel(host, number)


@command("expire")
@click.argument("number", type=WholeNumber(min=1))
@host_options
def expire_command(number: int, host: HostOptions) -> Exit:
    """Wait until the time of a generation is over, and roll it back unless it was confirmed."""
    return run_expire(host, number)


def run_confirm(host: HostOptions, which: int | str | None, extend: float | None) -> Exit:
    """Confirm an apply, or give it more time: `which`, or the one that waits."""
    with opened(host, changes=True) as machine, _locked_on_any_disk(host, machine, command_line()):
        try:
            number = number_of(machine.state, waiting(machine.state) if which is None else which)
        except NoSuchGeneration as error:
            if not Confirmations(machine.state).pending():
                raise
            say(f"error: {error}")
            show_waiting(host, confirm_of, "keeps that one")
            return exit_code_of(NoSuchGeneration)
        for one in recover(machine):
            _show_but_for(number, one, host)
            if one.unfinished.generation == number and one.returned:
                say(f"error: generation {number} {one.left}; it has been rolled back")
                waited: bool | Exit = Exit.ROLLED_BACK
                break
        else:
            waited = _confirmed(machine, number, extend)
        others = Confirmations(machine.state).pending()
    if waited is True or waited is Exit.ROLLED_BACK:
        publish_applied(host)
    if isinstance(waited, Exit):
        return waited
    if not waited:
        say(f"nothing to confirm: generation {number} is confirmed already")
        if others:  # a person may have named the wrong one
            say(f"  next: {host.line(confirm_of(others.generation))}    # for the one that waits")
    elif extend is None:
        say(f"confirmed: generation {number} stays")
    else:
        say(f"extended: generation {number} waits for another {duration_text(extend)}")
    return Exit.DONE


def run_cancel(host: HostOptions, which: int | str | None) -> Exit:
    """Cancel the apply `which`, or the one that waits."""
    with opened(host, changes=True) as machine, _locked_on_any_disk(host, machine, command_line()):
        try:
            done = cancel(machine, which)
        except NotBlocked as error:
            say(f"error: {error}")
            say(f"  next: {again()}    # once the cause is gone")
            return Exit.FAILURE
    number = done.generation
    for one in done.recovered:
        _show_but_for(number, one, host)
    publish_applied(host)
    if done.differences:
        say(f"error: generation {number} was cancelled, and not everything could be rolled back; it left:")
        say(*(f"  {one}" for one in done.differences))
        say(f"  next: {host.line(PLAN)}    # shows what an apply would do about it")
        return Exit.DEGRADED
    match done.done:
        case Cancelled.ROLLED_BACK:
            say(f"cancelled: generation {number} is rolled back")
            _show_suspended(host, number)
            _show_still_wanted(host, number)
        case Cancelled.ALREADY:
            say(f"nothing to cancel: generation {number} was rolled back already")
        case Cancelled.WITHOUT_EFFECT:
            say(f"nothing to cancel: generation {number} had nothing to do")
        case Cancelled.BLOCKED:
            say(f"blocked: no apply with the id {which} has begun, and each that comes with it is refused")
            show_waiting(host, cancel_of, "if that one was meant")
    return Exit.DONE


def _show_suspended(host: HostOptions, number: int) -> None:
    """Say which suspended guests the end of generation `number` has changed all the same."""
    state = state_of(host)[0]
    found = read_suspensions(state).at(time.time())
    for name in History(state).get(number).guests:
        if one := found.guests.get(name, found.host):
            note(f"it changed {name}, which is suspended by {one.by} {one.until_text}: {one.reason}", lead="")


def show_waiting(host: HostOptions, command: Callable[[int | str], Command], remark: str) -> None:
    """Say which apply waits, where one does and another id was named, with the `command` for it."""
    if pending := Confirmations(state_of(host)[0]).pending():
        name = History(state_of(host)[0]).get(pending.generation).origin.id
        say(f"generation {pending.generation}{f' ({name})' if name else ''} waits to be confirmed")
        say(f"  next: {host.line(command(pending.generation))}    # {remark}")


def _show_but_for(number: int, one: Recovered, host: HostOptions) -> None:
    """Show what became of `one`, but of generation `number` only what is not said at the end."""
    if one.unfinished.generation == number and one.returned:
        show_remarks(one)
    else:
        show_recovered([one], host)


def _confirmed(machine: OpenHost, number: int, extend: float | None) -> bool | Exit:
    """Whether it waited, and is confirmed or extended now; the exit code where that could not be recorded."""
    try:
        return confirm(machine, number, extend)
    except OSError as error:
        pending = Confirmations(machine.state).pending()
        left = pending.seconds_left(machine.boot_id, machine.clock.monotonic()) if pending else 0.0
        what = "confirmed" if extend is None else "given more time"
        say(f"error: generation {number} was not {what}: {error_text(error)}")
        say(f"  it is rolled back in {duration_text(left)}, as before")
        if extend is not None:
            say(f"  next: {machine.here.line(confirm_of(number))}    # keeps it; this needs no space on a disk")
        say(f"  next: {again()}    # once the cause is gone")
        return Exit.FAILURE


def refused_recovery(host: HostOptions, lock_seconds: float) -> Exit | None:
    """Recover what earlier runs left if a person agrees.

    It changes the host, so that whoever has not said ``--yes`` is asked before.

    Returns:
        None where nothing was left, ``DONE`` where the host was changed, or the exit code of a person who refuses.
    """
    if not _is_left(host):
        return None
    with opened(host) as machine, _locked_on_any_disk(host, machine, command_line(), lock_seconds):
        pass  # whoever is at work has finished now
    if not _is_left(host):
        return None
    show_unfinished(host)
    if not agreed("Recover from that first?"):
        return Exit.REFUSED
    with opened(host, changes=True) as machine, _locked_on_any_disk(host, machine, command_line(), lock_seconds):
        show_recovered(recover(machine), host)
    return Exit.DONE


def agreed(question: str, number: int | None = None, unchanged: str = UNCHANGED, before: Before | None = None) -> bool:
    """Whether a person agrees; where none can be asked, the command that does it unasked is shown.

    Args:
        question: what is asked.
        number: of the generation to roll back to, for that command.
        unchanged: what is said to a person who does not agree.
        before: what is run before that command; None where nothing is.

    Raises:
        click.Abort: the person was interrupted, or went away.
    """
    with terminal() as person:
        if person is None:
            line = again_from_anywhere("--yes", *(before.flags if before else ()), number=number)
            if before:
                say("nothing was done, since there is no terminal to ask at", before.step, f"  next: {line}    # then")
                return False
            say(f"nothing was done, since there is no terminal to ask at; to do it: {line}")
            return False
        if not person.agrees(question):
            say(f"not agreed: {unchanged}")
            return False
        return True


def _is_left(host: HostOptions) -> bool:
    return is_left(*state_of(host), time.monotonic())


def roll_back_pending(host: HostOptions, *, yes: bool) -> Recovered | Exit | None:
    """Roll back the apply that waits to be confirmed, after asking unless `yes`; None where no apply waits.

    An exit code where it was not rolled back: the answer was no, or it was confirmed or rolled back meanwhile.
    """
    found = awaited_of(host)
    if found is None:
        return None
    number = found.generation
    if found.rolled_back:
        say(f"generation {number} was rolled back already; this only records it")
    else:
        what = "waits to be confirmed" if found.seconds_left else "was not confirmed in time"
        say(f"generation {number} {what}; this {'rolls' if yes else 'would roll'} it back")
        if not yes and not agreed("Roll it back?"):
            return Exit.REFUSED
    with opened(host, changes=True) as machine, _locked_on_any_disk(host, machine, command_line()):
        if found.rolled_back and (now := awaited(machine)) and not now.rolled_back:
            say(f"stale: the host is not as before generation {number} any more; nothing was done")
            return Exit.STALE
        recovered = recover(machine)
        late = [one for one in recovered if one.left is not Left.UNFINISHED]
        show_recovered((one for one in recovered if one not in late), host)
        if late:
            return late[0]
        pending = Confirmations(machine.state).pending()
        if pending is not None and pending.generation == number:
            return expire(machine, now=True)
    # Never one generation more than was said.
    say(f"stale: generation {number} does not wait to be confirmed any more; nothing was done")
    return Exit.STALE


def wait_at_terminal(host: HostOptions, number: int, seconds: float) -> Exit:
    """Wait for Enter at a terminal, which confirms generation `number`, or for the end of its time, in `seconds`."""
    with terminal() as person:
        if person is None:
            say(*_until(host, number, seconds))
            return Exit.DONE
        try:  # from the moment in which Ctrl-C is offered
            person.forget_typed()
            person.show(lines_text(_offered(host, number, _seconds_left(host, number), person.page)))
            while _seconds_left(host, number):
                if person.entered(_LOOK_SECONDS):
                    return run_confirm(host, number, None)
        except (KeyboardInterrupt, GoneAway) as stopped:
            if isinstance(stopped, KeyboardInterrupt):
                with suppress(GoneAway):
                    person.show("\n")  # the terminal has written ^C
            say(*_until(host, number, _seconds_left(host, number)))
            return Exit.DONE
    # The timer may be rolling back right now; only under the lock the history says how it has ended.
    if (code := _expired(host, number)) is not Exit.DONE:
        if code is Exit.ROLLED_BACK:
            _show_still_wanted(host, number)
        return code
    if History(state_of(host)[0]).get(number).is_target:
        say(f"confirmed from elsewhere: generation {number} stays")
        return Exit.DONE
    state, boot_id = state_of(host)
    was_cancelled = standing(state, number, boot_id, time.monotonic()).state is ApplyState.CANCELLED
    how = "cancelled from elsewhere" if was_cancelled else "it was not confirmed"
    say(f"{how}: generation {number} was rolled back")
    _show_still_wanted(host, number)
    return Exit.ROLLED_BACK


def _until(host: HostOptions, number: int, seconds: float) -> Iterator[str]:
    """For how many `seconds` generation `number` waits, and how it is kept or rolled back, once a command has ended."""
    yield f"to roll it back at once: {host.line(cancel_of(number))}"
    yield f"it is rolled back in {duration_text(seconds)} unless you run: {host.line(confirm_of(number))}"


def _offered(host: HostOptions, number: int, seconds: float, page: "Page") -> Iterator[str]:
    """What a person at the terminal can do in the `seconds` in which generation `number` still waits."""
    from reconciler.render.history_list import local_time

    until = f"until {local_time(time.time() + seconds)}, for {duration_text(round(seconds))}"
    yield from page.wrapped("", f"Generation {number} waits to be confirmed {until}; then it is rolled back.", 0)
    yield "From another terminal:"
    for ending, what in ends_of(number):
        yield from page.with_remark(f"  next: {host.line(ending)}    # {what}")
    yield "Here: press Enter to keep it."
    yield "Ctrl-C ends this command; the time runs on."


def _show_still_wanted(host: HostOptions, number: int) -> None:
    from reconciler.cli.rollback_command import show_still_wanted  # which asks as we do

    show_still_wanted(host, before=number)


def run_expire(host: HostOptions, number: int) -> Exit:
    """Wait until the time of generation `number` is over, then roll it back unless it was confirmed."""
    sys.stdout.write(READY.decode())
    sys.stdout.flush()
    distance = _FIRST_RETRY_SECONDS
    while True:
        # Without systemd its stderr is a file in the state directory, whose disk may be full.
        say_elsewhere_too(to_system_log)
        try:
            while left := _seconds_left(host, number):
                time.sleep(min(left, _LOOK_SECONDS))
            if not _waits(host, number):
                return Exit.DONE  # confirmed, rolled back, or the state directory is gone: other applies are not ours
            code, unrecorded = _rolled_back(host, number)
            if not (unrecorded and _waits(host, number)):
                return code
        except _PASSING as error:
            say(f"warning: generation {number} cannot be rolled back yet: {error_text(error)}")
        say(f"trying again in {distance:.0f} s")
        time.sleep(distance)
        distance = min(2 * distance, _LAST_RETRY_SECONDS)


def _expired(host: HostOptions, number: int) -> Exit:
    return _rolled_back(host, number)[0]


def _rolled_back(host: HostOptions, number: int) -> tuple[Exit, bool]:
    """Roll back what was not confirmed in time; the exit code, and whether something could not be recorded."""
    with opened(host, changes=True) as machine, _locked_on_any_disk(host, machine, f"reconcile expire {number}"):
        recovered = recover(machine)
    show_recovered(recovered, host)
    if recovered:  # otherwise another process has rolled it back, or confirmed it, and has published that
        publish_applied(host)
    return exit_of(recovered), any(one.unrecorded for one in recovered)


def _locked_on_any_disk(
    host: HostOptions, machine: OpenHost, command: str, lock_seconds: float = LOCK_SECONDS
) -> AbstractContextManager[object]:
    # A disk that is full or read-only prevents no rollback, and one that is full no confirmation.
    return locked(machine, TerminalProgress(host), command, lock_seconds, recording=False)


def _waits(host: HostOptions, number: int) -> bool:
    pending = Confirmations(state_of(host)[0]).pending()
    return pending is not None and pending.generation == number


def _seconds_left(host: HostOptions, number: int) -> float:
    state, boot_id = state_of(host)
    pending = Confirmations(state).pending()
    if pending is None or pending.generation != number:
        return 0.0
    return pending.seconds_left(boot_id, time.monotonic())
