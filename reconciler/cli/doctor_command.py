"""``reconcile doctor``."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from reconciler.cli.command_lines import repeated
from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import opened
from reconciler.cli.options import HostOptions, format_option, host_options
from reconciler.cli.output import paint_for_stdout, result, say
from reconciler.cli.tree import command
from reconciler.doctor.examination import examined, identified
from reconciler.doctor.finding import findings_json, findings_text
from reconciler.doctor.host import identity_line
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.problems import Severity
from reconciler.transaction.state_directory import StateDirectory


@command("doctor")
@format_option("text", "json")
@host_options
def doctor_command(format: str, host: HostOptions) -> Exit:
    """Find what keeps guests from their queues, and say what to do; exit with 2 where an error is found."""
    with opened(host) as machine:
        identity, unidentified = identified(machine)
        findings = examined(machine, _root(host), _of_the_loop(machine.state))
    shown = (
        findings_json(findings, host.here, identity, unidentified)
        if format == "json"
        else findings_text(findings, paint_for_stdout(), host.here, identity_line(identity, unidentified))
    )
    result(shown)
    if os.geteuid() and any(one.id == "needs-root" for one in findings):
        say(f"  next: {repeated(click.get_current_context(), 'sudo')}")
    return Exit.CHANGES if any(one.severity is Severity.ERROR for one in findings) else Exit.DONE


def _of_the_loop(state: StateDirectory) -> tuple[Callable[[], object], ...]:
    """Look at what only the loop reads; importing that takes longer than most of the examination."""
    from reconciler.transaction.loop_records import read_last_good, read_refusal
    from reconciler.watch.requests import LOCK
    from reconciler.watch.status_file import read_kept

    git = StateDirectory(state.path / "git")
    return (
        lambda: read_kept(state),
        lambda: read_last_good(state),
        lambda: read_refusal(state),
        lambda: state.read(LOCK),
        lambda: git.read("lock"),
    )


def _root(host: HostOptions) -> Path | None:
    # Files of this machine say nothing of another host.
    if host.simulate or os.path.realpath(host.sysfs) != DEFAULT_SYSFS:
        return None
    return Path("/")
