"""``reconcile plan``, ``drift`` and ``observe``: the host as it is, against what is wanted or for a plan elsewhere."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from reconciler import InvalidManifests, NoSuchGuest, plan
from reconciler.cli.apply_progress import readable, say_as_root, show_readable, waiting_for, waiting_of
from reconciler.cli.command_lines import changed_line, repeated
from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import (
    by_record,
    opened,
    refuse_standard_output,
    refuse_to_replace,
    require_simulated_host,
    say_unchosen_host,
    wanted_source,
)
from reconciler.cli.options import (
    HostOptions,
    fleet_option,
    format_option,
    host_options,
    manifest_arguments,
    recorded_options,
    target_options,
    with_target_flags,
)
from reconciler.cli.output import (
    REVIEW_FORMATS,
    page_for_stderr,
    page_for_stdout,
    paint_for_stdout,
    result,
    say,
    show_for_review,
    show_problems,
)
from reconciler.cli.tree import Refused, command
from reconciler.manifests.files import STDIN
from reconciler.model.commands import APPLY, DRIFT_WIDE, PLAN, PLAN_WIDE, Here
from reconciler.model.machines import ACCEPT_MACHINE, WRONG_MACHINE
from reconciler.model.printable import shell_line
from reconciler.planning.plan import Plan
from reconciler.planning.scope import WHOLE, Scope, Targets, Whole

if TYPE_CHECKING:
    from reconciler import RecordedHost
    from reconciler.model.outcome import FleetCommit
    from reconciler.render.changes import Waiting


@command("plan")
@manifest_arguments
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Save the plan for 'apply FILE'.")
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit with 2 where there are changes.")
@click.option(
    "--observed",
    type=click.Path(dir_okay=False, readable=False),
    metavar="FILE",
    help="Plan for the host that 'reconcile observe' has recorded in FILE, not for this one; - is standard input.",
)
@click.option(
    "--accept-machine",
    "is_accepted",
    is_flag=True,
    help="Accept the machine and LPAR that the host runs in, whatever the manifests say.",
)
@fleet_option("Plan a part of the commit to several hosts that FILE describes.")
@target_options
@format_option("text", "wide", "diff", "json", "markdown", "github", "sarif")
@host_options
@recorded_options
def plan_command(
    out: str | None,
    detailed: bool,
    observed: str | None,
    is_accepted: bool,
    fleet: "FleetCommit | None",
    targets: Targets | None,
    format: str,
    host: HostOptions,
) -> Exit:
    """Show what an apply would do.

    -o wide cuts nothing, diff compares line by line, json is for programs, markdown for the comment on a pull request,
    github for annotations in GitHub Actions, and sarif for code scanning.
    """
    if out:
        _require_file(out, host)
    if fleet and observed is not None:
        raise click.UsageError("--fleet is about this host; leave --observed out")
    if observed == STDIN and STDIN in host.paths:
        raise click.UsageError("--observed - and -f -: standard input is only one of them; name a file for the other")
    says_waiting = format in _TEXTS
    try:
        scope, consents = targets or WHOLE, ((ACCEPT_MACHINE,) if is_accepted else ())
        if observed is None:
            said = _for_its_readers(host, format)
            made, here = _planned(said, scope, consents, fleet, but_waiting=says_waiting), said.here
            waiting = waiting_of(said) if says_waiting else None
        else:
            recorded, made = _planned_by_record(observed, host, out, scope, consents, but_waiting=says_waiting)
            here = recorded.here
            waiting = waiting_for(recorded.record.left.awaited, here) if says_waiting else None
    except NoSuchGuest as error:
        from reconciler.cli.meant.names import other_targets

        raise other_targets(error) from None
    except InvalidManifests as error:
        if format not in REVIEW_FORMATS:
            raise
        show_for_review(error.problems, "plan", format)
        return Exit.INVALID
    show(made, format, here.line(with_target_flags(PLAN_WIDE, targets)), waiting)
    if made.unread and observed is None:
        say_as_root()
    if not made.is_valid:
        return Exit.REFUSED
    if out:
        _save(made, host, out, host.here if observed is None else here, elsewhere=observed is not None)
    return Exit.CHANGES if detailed and made.changes else Exit.DONE


_TEXTS: Final = ("text", "wide")
"""The formats that say in the plan itself what waits to be confirmed."""

_TYPED: Final = (*_TEXTS, "diff")
"""The formats for a person at a terminal, who is in the directory in which the command was typed."""


def _for_its_readers(host: HostOptions, format: str) -> HostOptions:
    """`host` as commands in a plan name it: with absolute paths, as in a record, where others may read it elsewhere."""
    if format in _TYPED and sys.stderr.isatty():
        return host
    require_simulated_host(host)  # which names it as it was typed
    return host.findable._replace(paths=host.paths)


def _planned(
    host: HostOptions, scope: Scope, consents: Sequence[str], fleet: "FleetCommit | None", *, but_waiting: bool
) -> Plan:
    source = wanted_source(host)
    if fleet:
        from reconciler.cli.verified_commit import verified

        source = verified(host, source, fleet)
    with opened(host) as machine:
        denied = show_readable(host, but_waiting=but_waiting)
        wanted = source.read(machine)
        say_unchosen_host(host, wanted, machine.name)
        return plan(wanted, readable(host, machine, denied), scope, consents=consents)


def _planned_by_record(
    file: str, host: HostOptions, out: str | None, scope: Scope, consents: Sequence[str], *, but_waiting: bool
) -> "tuple[RecordedHost, Plan]":
    """The host that `file` records, and the plan for it."""
    if others := [one for one in (*host.here.machine[:1], host.recorded) if one]:
        raise click.UsageError(f"--observed names the host that is planned for; leave {others[0]} out")
    if out and os.path.exists(out) and os.path.exists(file) and os.path.samefile(out, file):
        raise click.UsageError(f"--out {out}: this is the record of the host; name another file")
    recorded, wanted = by_record(host, file, but_waiting=but_waiting)
    return recorded, plan(wanted, recorded, scope, consents=consents)


def _require_file(out: str, host: HostOptions) -> None:
    """Return if a plan for `host` can be saved in `out`, and be applied from there."""
    refuse_standard_output(out)
    refuse_to_replace("--out", out, host, manifests=not host.recorded)
    if STDIN in host.paths:
        raise click.UsageError(
            f"-f {STDIN} with --out: an apply of a saved plan reads the manifests again, which standard input "
            "cannot be; write them to a file and name it with -f"
        )


def _save(made: Plan, host: HostOptions, file: str, here: Here, *, elsewhere: bool) -> None:
    from reconciler.integrations.files import is_kept, write_named
    from reconciler.render.saved_plan import IncompletePlan, plan_file_text

    try:
        text = plan_file_text(made, () if host.recorded else host.manifests, host.recorded)
    except IncompletePlan as error:
        if error.advice:  # once more, into the record that the plan is made of
            observed = click.get_current_context().params["observed"]
            again = error.advice if observed in (None, STDIN) else error.advice.with_flags("--out", observed)
            error.remedy, error.advice = here.line(again), None
        raise
    write_named(file, text.encode("ascii"))
    if is_kept(file):
        named = os.path.join(os.curdir, file) if file.startswith("-") else file
        # It was accepted for the run that made the plan, and has to be for the one that applies it.
        accepted = [ACCEPT_MACHINE] if any(one.id == WRONG_MACHINE for one in made.problems) else []
        flags = [*accepted, *made.flags]
        # By a record it is planned elsewhere, and the host has its own checkout of the manifests.
        if not made.changes:
            say(f"saved: {file}; an apply of it changes nothing")
        elif elsewhere:
            copied = os.path.join(os.curdir, name) if (name := os.path.basename(file)).startswith("-") else name
            line = here.reading(host.manifests).line(APPLY.with_flags(copied, *flags))
            say(*_on_the_host(made, file, line))
        else:
            line = here.reading(()).line(APPLY.with_flags(named, *flags))
            say(f"saved: {file}", f"  next: {line}    # {'consents, and ' if made.flags else ''}does exactly this")
    else:
        say(f"written to {file}, from which it cannot be applied")


def _on_the_host(made: Plan, file: str, line: str) -> list[str]:
    """How the plan that is saved in `file` is applied on its host, which has its own checkout of the manifests."""
    commit = made.commit.rstrip("+")
    same = f"check out commit {commit[:12]}" if commit else "have the same manifests"
    changes = ", with what is not committed here," if made.commit.endswith("+") else ""
    consents = ", which consents" if made.flags else ""
    return [
        f"saved: {file}",
        "to do exactly this on the host:",
        "  1. copy this file to it",
        f"  2. {same}{changes} there",
        f"  3. run beside it{consents}; if the manifests have another path there, change -f:",
        f"     {line}",
    ]


def show(made: Plan, format: str, whole: str, waiting: "Waiting | None") -> None:
    """Print the plan in `format`; the command `whole` shows what the text leaves out, which names what is `waiting`."""
    if format == "json":
        from reconciler.render.plan_json import plan_json

        result(plan_json(made))
    elif format == "markdown":
        from reconciler.render.plan_text import plan_markdown

        result(plan_markdown(made))
    elif format in REVIEW_FORMATS:
        show_for_review(made, "plan", format)
    elif format == "diff":
        _show_diff(made)
    else:
        from reconciler.render.plan_text import plan_text
        from reconciler.render.text import MOST_LINES

        show_problems(made.problems)
        most = None if format == "wide" else MOST_LINES
        result(plan_text(made, page_for_stdout(), most=most, whole=whole, waiting=waiting))


def _show_diff(made: Plan) -> None:
    """Print the diff alone to stdout, which may be a file; all else that the plan says goes to stderr.

    That not everything could be read stands in both: what reads a diff passes over the lines before its heading.
    """
    from reconciler.model.printable import lines_text
    from reconciler.render.diff_text import plan_diff
    from reconciler.render.plan_text import after_diff_lines

    show_problems(made.problems)
    notes = (f"# Note: {note}." for note in made.notes) if made.unread else ()
    result(lines_text(notes) + plan_diff(made, paint_for_stdout(), page_for_stdout()))
    sys.stdout.flush()
    say(*after_diff_lines(made, page_for_stderr()))


@command("drift")
@manifest_arguments
@format_option("text", "wide", "json")
@host_options
@recorded_options
def drift_command(format: str, host: HostOptions) -> Exit:
    """Show where the host differs from the manifests, and what of that is drift.

    Drift is what another program has changed since the last apply. The exit code is 2 where anything differs.
    """
    from reconciler.render.drift import drift_json, drift_text
    from reconciler.render.text import MOST_LINES

    says_waiting = format in _TEXTS
    with opened(host) as machine:
        denied = show_readable(host, but_waiting=says_waiting)
        wanted = wanted_source(host, with_commit=False).read(machine)
        say_unchosen_host(host, wanted, machine.name)
        made = plan(wanted, readable(host, machine, denied), Whole(with_boot=True))
    if format == "json":
        result(drift_json(made))
    else:
        show_problems(made.problems)
        most = None if format == "wide" else MOST_LINES
        waiting = waiting_of(host)
        whole = host.line(DRIFT_WIDE)
        result(drift_text(made, page_for_stdout(), most=most, whole=whole, waiting=waiting, here=host.here))
    if made.unread:
        say_as_root()
    if not made.is_valid:
        return Exit.REFUSED
    return Exit.CHANGES if made.changes else Exit.DONE


@command("observe")
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write it to FILE (0640), as a whole; - is standard output.",
)
@host_options
def observe_command(out: str | None, host: HostOptions) -> Exit:
    """Print a record of the host, from which 'plan --observed' plans anywhere.

    It has everything that a plan rests on: masks, cards, queues and devices, which process has a device open, the names
    of VMs, what was applied last and is suspended, and the files that the host boots from. It has no command lines.
    What cannot be read is named in it.
    """
    from reconciler import record_host, record_text, write_host_record

    if host.paths or host.host:
        option = "-f" if host.paths else "--host"
        line = changed_line(click.get_current_context(), file=None, host_name=None)
        raise Refused(f"a record is of the host alone, without manifests; leave {option} out", line)
    out = None if out == "-" else out
    if out is not None:
        refuse_to_replace("--out", out, host, manifests=False)
    require_simulated_host(host)
    with opened(host.findable) as machine:  # what it names is read elsewhere
        record = record_host(machine)
    if out is None:
        result(record_text(record))
    else:
        write_host_record(record, out)
    if record.unread:
        say("warning: not everything could be read; a plan by this record says so, and cannot be saved")
        say(*(f"  {one}" for one in record.unread))
        if os.geteuid():
            say(f"  next: {repeated(click.get_current_context(), 'sudo')}")
    elif out is not None:
        if not os.geteuid() and os.path.isfile(out):
            group = shell_line(("chgrp", "GROUP", out))
            say(f"note: only root and its group may read {out}; to let another group read it: {group}")
        say(f"recorded; to plan for this host elsewhere: {Here().line(PLAN.with_flags('--observed', out))}")
    return Exit.DONE
