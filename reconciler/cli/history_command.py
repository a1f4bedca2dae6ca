"""``reconcile history`` and ``reconcile rollback``."""

import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import click

from reconciler import OfGeneration, Terms, rollback_target
from reconciler.cli.apply_command import run_wanted
from reconciler.cli.command_lines import again
from reconciler.cli.confirm_command import refused_recovery, roll_back_pending
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import command_line, opened, require_host, state_of
from reconciler.cli.options import HostOptions, consent_options, format_option, host_options, lock_option
from reconciler.cli.output import paint_for_stdout, result, say
from reconciler.cli.publishing import publish
from reconciler.cli.recovered import TerminalProgress, awaited_of, exit_of, show_recovered, show_unfinished
from reconciler.cli.tree import command
from reconciler.model.commands import resume
from reconciler.model.errors import StateError
from reconciler.model.outcome import Generation, Outcome, Result
from reconciler.model.strict_json import BadRecord
from reconciler.transaction.confirmation import Awaited
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.journal import Journal
from reconciler.transaction.machine import locked
from reconciler.transaction.recovery import recover
from reconciler.transaction.suspensions import read_suspensions


@command("history")
@click.argument("words", nargs=-1, metavar="[show NUMBER]")
@format_option("text", "json")
@host_options
def history_command(words: tuple[str, ...], format: str, host: HostOptions) -> Exit:
    """List what was applied, or show one generation."""
    require_host(host)
    from reconciler.render.history_text import generation_json, generation_text, history_json, history_text

    show_unfinished(host)
    history = History(state_of(host)[0])
    found = _awaited(host)
    match words:
        case ():
            generations = [_as_it_stands(one, found) for one in history.generations()]
            result(history_json(generations) if format == "json" else history_text(generations, paint_for_stdout()))
            _show_suspended(host, generations[-1].suspended if generations else ())
        case ("show", number) if number.isascii() and number.isdigit():
            record = _record_as_it_stands(history.record(int(number)), found)
            result(generation_json(record) if format == "json" else generation_text(record))
            _show_suspended(host, record["plan"].get("suspended", ()))
        case (number,) if number.isascii() and number.isdigit():
            raise click.UsageError(f"To show that generation: {again(words=('show', number))}")
        case _:
            raise click.UsageError("write 'reconcile history' or 'reconcile history show NUMBER'")
    return Exit.DONE


def _show_suspended(host: HostOptions, names: Collection[str]) -> None:
    """Say which of the guests called `names`, which differed from their manifests, are suspended still."""
    try:
        found = read_suspensions(state_of(host)[0]).at(time.time()).guests
    except (StateError, OSError):
        return  # the history does not depend on it; `status` says what is wrong
    if still := [name for name in names if name in found]:
        say(f"warning: suspended, and left as it was by the loop: {', '.join(still)}")
        say(f"  next: {host.line(resume(still))}    # when the reason is gone")


def _awaited(host: HostOptions) -> Awaited | None:
    try:
        return awaited_of(host)
    except BadRecord:  # which `show_unfinished` has reported
        return None


def _as_it_stands(one: Generation, found: Awaited | None) -> Generation:
    """`one` as the host shows it, where its record is not written yet or may still change."""
    if found is None or one.number != found.generation:
        return one
    outcome = one.outcome
    if found.rolled_back:
        outcome = (outcome or Outcome(Result.ROLLED_BACK))._replace(result=Result.ROLLED_BACK)
    return one._replace(outcome=outcome, remark=found.remark)


def _record_as_it_stands(record: dict[str, Any], found: Awaited | None) -> dict[str, Any]:
    """The same for everything that is known of a generation."""
    if found is None or record["number"] != found.generation:
        return record
    outcome = {**(record["outcome"] or {})}
    if found.rolled_back:
        outcome["result"] = Result.ROLLED_BACK.value
    return {**record, "outcome": {**outcome, "notes": [*outcome.get("notes", ()), str(found)]}}


@command("rollback")
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@consent_options
@lock_option
@format_option("text", "json")
@host_options
def rollback_command(
    number: int | None, yes: bool, consents: frozenset[str], lock_timeout: int, format: str, host: HostOptions
) -> Exit:
    """Undo the newest apply, or roll back to what generation NUMBER wanted.

    It is a plan like any other, shown first. An apply that waits to be confirmed is undone instead.
    """
    require_host(host)
    return _roll_back(host, number, format=format, yes=yes, terms=Terms(consents, lock_seconds=lock_timeout))


def _roll_back(host: HostOptions, number: int | None, *, format: str, yes: bool, terms: Terms) -> Exit:
    if number is None and (undone := roll_back_pending(host, yes=yes)):
        if isinstance(undone, Exit):
            return undone
        show_recovered([undone], host)
        publish(host)
        return Exit.DONE if exit_of([undone]) is Exit.ROLLED_BACK else Exit.DEGRADED
    state, boot_id = state_of(host)
    # Which generation is the present one depends on what becomes of an apply that was not finished.
    if not yes and (refused := refused_recovery(host, terms.lock_seconds)) is not None:
        return refused
    history = History(state)
    if yes and (Journal(state, boot_id).unfinished() or history.lacks_outcome()):
        with opened(host, changes=True) as machine, locked(machine, TerminalProgress(host), command_line()):
            show_recovered(recover(machine), host)
    show_unfinished(host)
    wanted = number if number is not None else _before_the_newest(host, history)
    if wanted is None:
        return Exit.DONE
    history.desired(wanted)  # one that is not there is reported before anything else
    say(f"rolling back to generation {wanted}; the manifests stay as they are, and the next apply follows them again")
    return run_wanted(host, OfGeneration(wanted), format=format, yes=yes, terms=terms)


def _before_the_newest(host: HostOptions, history: History) -> int | None:
    """The generation to roll back to so that the newest one is undone; None where that was rolled back already."""
    with opened(host) as machine:
        target = rollback_target(machine)
    newest = target.newest
    if newest is None:
        return target.number
    if target.number is None:
        say(f"nothing was done: generation {newest.number} was rolled back already{_because(newest)}")
        _show_how_to_go_further(history, newest)
    else:
        say(f"this undoes generation {newest.number}, by {newest.origin.user}: {newest.summary}")
    return target.number


def _because(newest: Generation) -> str:
    return f" ({newest.outcome.failure})" if newest.outcome and newest.outcome.failure else ""


def _show_how_to_go_further(history: History, newest: Generation) -> None:
    with suppress(NoSuchGeneration):
        present = history.newest_target(before=newest.number)
        say(f"the host is as generation {present} wants")
        further = history.newest_target(before=present)
        say(f"  next: to roll back to generation {further}: {again('--yes', number=further)}")
