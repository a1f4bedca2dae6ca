"""``reconcile status`` and ``reconcile drift``."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from reconciler import plan, status
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened, state_of, wanted_source
from reconciler.cli.options import HostOptions, format_option, host_options, manifest_arguments, recorded_options
from reconciler.cli.output import control, paint_for_stdout, result, tell, tell_problems
from reconciler.cli.recovered import tell_unfinished
from reconciler.cli.tree import command
from reconciler.model.commands import WATCH
from reconciler.planning.scope import Whole
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler.watch.report_text import Ended
    from reconciler.watch.status_file import Kept

_FOLLOW_SECONDS: Final = 2.0
_CLEAR: Final = "\x1b[H\x1b[2J"


@command("status")
@click.option("--watch", is_flag=True, help="Show what the loop found last; at a terminal, keep showing it.")
@format_option("text", "json")
@host_options
@recorded_options
def status_command(watch: bool, format: str, host: HostOptions) -> Exit:
    """Show who has what, and why it is not what was wanted."""
    return _show_watched(host, format) if watch else _show_status(host, format)


def _show_status(host: HostOptions, format: str) -> Exit:
    from reconciler.render.status_text import status_json, status_text

    with opened(host) as machine:
        tell_unfinished(host)
        found = status(wanted_source(host, with_commit=False).read(machine), machine)
    if format == "json":
        result(status_json(found))
    else:
        tell_problems(found.plan.problems)
        result(status_text(found, paint_for_stdout(), host.here))
    return Exit.DONE


def _show_watched(host: HostOptions, format: str) -> Exit:
    """Show what the loop has found last; at a terminal again and again, until Ctrl-C."""
    from reconciler.watch.report_text import report_json

    state, _ = state_of(host)
    kept = _kept(state)
    if kept is None:
        tell(f"error: no loop has been watching with the state directory {state.path}")
        tell(f"  next: {host.line(WATCH)}    # starts one; for another place: --state-dir, --sysfs or --simulate")
        return Exit.FAILURE
    if format == "json":
        result(report_json(kept.report, _end_of(kept)))
        return _code(kept)
    if not sys.stdout.isatty():
        _show(kept, host)
        return _code(kept)
    with suppress(KeyboardInterrupt):
        while True:
            control(sys.stdout, _CLEAR)
            _show(kept, host)
            sys.stdout.flush()
            time.sleep(_FOLLOW_SECONDS)
            kept = _kept(state) or kept
    return _code(kept)


def _code(kept: "Kept") -> Exit:
    """A loop that has ended enforces nothing, however the host was when it last looked."""
    if kept.ended is None:
        return Exit.DONE
    tell("error: the loop has ended; no loop enforces the manifests of this host")
    return Exit.FAILURE


def _end_of(kept: "Kept") -> "Ended | None":
    from reconciler.watch.report_text import Ended

    return None if kept.ended is None else Ended(kept.ended, kept.how, kept.command)


def _kept(state: StateDirectory) -> "Kept | None":
    """What the loop has left; where it was killed, it ended after its last turn."""
    from reconciler.watch.requests import is_watched
    from reconciler.watch.status_file import read_kept

    kept = read_kept(state)
    if kept is None or kept.ended is not None or is_watched(state.path):
        return kept
    return kept._replace(ended=kept.report.turned)


def _show(kept: "Kept", host: HostOptions) -> None:
    from reconciler.watch.report_text import report_text

    result(report_text(kept.report, time.time(), paint_for_stdout(), _end_of(kept), host.findable.here))


@command("drift")
@manifest_arguments
@format_option("text", "json")
@host_options
@recorded_options
def drift_command(format: str, host: HostOptions) -> Exit:
    """Show whether the host is still as the manifests say; exit with 2 where it is not."""
    from reconciler.render.status_text import drift_json, drift_text

    with opened(host) as machine:
        tell_unfinished(host)
        made = plan(wanted_source(host, with_commit=False).read(machine), machine, Whole(with_boot=True))
    if format == "json":
        result(drift_json(made))
    else:
        tell_problems(made.problems)
        result(drift_text(made, paint_for_stdout()))
    if not made.is_valid:
        return Exit.REFUSED
    return Exit.CHANGES if made.changes else Exit.DONE
