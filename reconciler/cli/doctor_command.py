"""``reconcile doctor``."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from reconciler import InvalidManifests, Nearest, NothingWanted, Wanted
from reconciler.cli.command_lines import repeated
from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import is_unchosen, opened, require_host, wanted_source
from reconciler.cli.options import HostOptions, format_option, host_options
from reconciler.cli.output import page_for_stdout, result, say
from reconciler.cli.tree import command
from reconciler.doctor.examination import examined, identified
from reconciler.doctor.finding import Finding, findings_json, findings_text
from reconciler.doctor.host import identity_line, other_manifests
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.errors import InputError, StateError
from reconciler.model.problems import Severity
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory


@command("doctor")
@format_option("text", "json")
@host_options
def doctor_command(format: str, host: HostOptions) -> Exit:
    """Find what keeps guests from their queues, and say what to do; exit with 2 where an error is found.

    Where the host runs is compared with the manifests; where there are none here, with what was applied last.
    """
    with opened(host) as machine:
        identity, unidentified = identified(machine)
        findings = findings_on(machine, host)
    shown = (
        findings_json(findings, host.here, identity, unidentified)
        if format == "json"
        else findings_text(findings, page_for_stdout(), host.here, identity_line(identity, unidentified))
    )
    result(shown)
    if os.geteuid() and any(one.id == "needs-root" for one in findings):
        say(f"  next: {repeated(click.get_current_context(), 'sudo')}")
    return Exit.CHANGES if any(one.severity is Severity.ERROR for one in findings) else Exit.DONE


def findings_on(machine: OpenHost, host: HostOptions) -> list[Finding]:
    """Everything that is wrong with `machine`, which the options `host` name; errors first."""
    wanted = _wanted(machine, host)
    found = examined(
        machine,
        _root(host),
        _of_the_loop(machine.state),
        wanted.desired.places if wanted else (),
        is_simulated=host.simulate is not None,
    )
    if wanted and is_unchosen(host, wanted, machine.name):
        found.append(other_manifests(machine.name, wanted.desired.host.name))
    return found


def _wanted(machine: OpenHost, host: HostOptions) -> Wanted | None:
    """What is wanted of the host: by the manifests, if they were named or are here, else by our records.

    Raises:
        InvalidManifests: the Host that was named is none of the manifests here.
        click.UsageError: nothing is known of it here.
    """
    if host.paths:
        return wanted_source(host).read(machine)
    try:
        return Nearest(".", host.host).read(machine)
    except InvalidManifests:
        raise
    except NothingWanted as error:
        if not error.is_invalid_here:  # with its manifests in order, it might be the one that they describe
            require_host(host)
        return None
    except (InputError, StateError, OSError):  # nothing says it, or what is wrong is one of the findings
        return None


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
