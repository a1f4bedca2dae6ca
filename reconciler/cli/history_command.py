"""``reconcile history`` and ``reconcile rollback``."""

import click

from reconciler.cli import apply_command
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import command_line, opened, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import TerminalProgress, paint_for_stdout, result, tell
from reconciler.cli.recovered import exit_of, tell_recovered, tell_unfinished
from reconciler.cli.second_thoughts import refused_recovery, roll_back_pending
from reconciler.machine import alone
from reconciler.reconcile import Request, Terms
from reconciler.recovery import settle
from reconciler.transaction.history import History
from reconciler.transaction.journal import Books


def run_history(host: HostOptions, words: tuple[str, ...], *, format: str) -> Exit:
    """List the generations, or show one."""
    from reconciler.render.history_text import generation_json, generation_text, history_json, history_text

    tell_unfinished(host)
    history = History(state_of(host)[0])
    match words:
        case ():
            generations = history.generations()
            result(history_json(generations) if format == "json" else history_text(generations, paint_for_stdout()))
        case ("show", number) if number.isascii() and number.isdigit():
            record = history.record(int(number))
            result(generation_json(record) if format == "json" else generation_text(record))
        case _:
            raise click.UsageError("write 'reconcile history' or 'reconcile history show NUMBER'")
    return Exit.DONE


def run_rollback(host: HostOptions, number: int | None, *, format: str, yes: bool, terms: Terms) -> Exit:
    """Go back to an earlier generation, or undo what waits to be confirmed; asks before unless `yes`."""
    if number is None and (undone := roll_back_pending(host, yes=yes)):
        if isinstance(undone, Exit):
            return undone
        tell_recovered([undone])
        return Exit.DONE if exit_of([undone]) is Exit.ROLLED_BACK else Exit.DEGRADED
    state, boot_id = state_of(host)
    # Which generation is the present one depends on what becomes of an apply that was not finished.
    if not yes and (refused := refused_recovery(host, terms.lock_seconds)) is not None:
        return refused
    if yes and Books(state, boot_id).unfinished():
        with opened(host, changes=True) as machine, alone(machine, TerminalProgress(), command_line()):
            tell_recovered(settle(machine))
    tell_unfinished(host)
    history = History(state)
    wanted = number if number is not None else history.newest_target(before=history.newest_target())
    history.desired(wanted)  # one that is not there is told before anything else
    tell(f"going back to generation {wanted}; the manifests stay as they are, and the next --apply follows them again")
    return apply_command.run_request(host, Request((), None, wanted), format=format, yes=yes, terms=terms)
