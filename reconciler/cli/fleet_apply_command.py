"""``reconcile fleet apply``: what was planned is done on all hosts, or on none."""

import os
from collections.abc import Mapping
from typing import Final

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.fleet_options import FleetOptions, inventory_options, playbooks, say_failed
from reconciler.cli.options import format_option
from reconciler.cli.output import page_for_stdout, report_text, say
from reconciler.cli.tree import command
from reconciler.fleet.answers import Ended, read_ended
from reconciler.fleet.commit import Outcome, Refusal
from reconciler.fleet.plan_file import FleetPlan, fleet_id, plan_content, read_fleet_plan
from reconciler.model.codec import LARGEST, BadRecord, NewerRecord
from reconciler.model.commands import HELD_INSTALL
from reconciler.model.durations import duration_text
from reconciler.model.errors import InputError
from reconciler.model.printable import shell_line
from reconciler.render.fleet_text import ended_json, ended_text
from reconciler.render.text import counted

EXIT_OF_OUTCOME: Final[Mapping[Outcome, Exit]] = {
    Outcome.ALL: Exit.DONE,
    Outcome.STALE: Exit.STALE,
    Outcome.NONE: Exit.ROLLED_BACK,
    Outcome.DEGRADED: Exit.DEGRADED,
    Outcome.BUSY: Exit.BUSY,
    Outcome.MIXED: Exit.MIXED,
}
"""The exit code of each way in which a commit ends."""

_RANDOM_BYTES: Final = 16


class BadFleetPlan(InputError):
    """The file is no plan for several hosts; the text says why."""

    remedy = "reconcile fleet plan --out fleet.json"


class FleetName(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """How the id of a commit begins."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        try:
            fleet_id(str(value), bytes(_RANDOM_BYTES))
        except ValueError as error:
            self.fail(f"{str(value)!r} cannot begin an id: {error}", param, ctx)
        return str(value)


@command("apply")
@click.argument("file", type=click.Path(dir_okay=False, readable=False), metavar="FILE")
@click.option(
    "--name",
    type=FleetName(),
    default="fleet",
    show_default=True,
    metavar="NAME",
    help="How the id of the commit begins; a random number follows.",
)
@format_option("text", "json")
@inventory_options
def fleet_apply_command(file: str, name: str, format: str, fleet: FleetOptions) -> Exit:
    """Do what FILE says, which 'fleet plan --out FILE' has saved: on all its hosts, or on none.

    Every host applies, to be confirmed, and is confirmed when all have. Where anything fails before that, all are
    cancelled; a host that cannot be reached rolls back by its own timer. Run again, it goes on with a commit that was
    interrupted.
    """
    plan = read_plan_file(file)
    chosen = fleet_id(name, os.urandom(_RANDOM_BYTES))
    again = fleet.line("apply", file, manifests=False)
    changed = sum(one.has_changes for one in plan.hosts)
    say(f"commit {chosen}: {counted(changed, 'host')} of {len(plan.hosts)} to change")
    try:
        ended = _ended(plan, chosen, fleet)
    except KeyboardInterrupt:
        say("stopped; hosts that wait to be confirmed roll back by themselves, unless one is confirmed already")
        say(f"  next: {again}    # finds out, and goes on")
        return Exit.MIXED
    if ended is None:
        within = plan.settings.confirm_within
        say(
            "it is not known how far the commit has come; hosts that wait to be confirmed roll back by themselves "
            f"within {duration_text(within)}, unless one is confirmed already"
        )
        say(f"  next: {again}    # finds out, and goes on")
        return Exit.MIXED
    report_text(ended_json(ended, plan) if format == "json" else ended_text(ended, plan, page_for_stdout()))
    _say_next(ended, fleet, plan, file, is_ours=ended.id == chosen)
    return EXIT_OF_OUTCOME[ended.outcome]


def read_plan_file(file: str) -> FleetPlan:
    """The plan saved in `file`.

    Raises:
        BadFleetPlan: it is none, or was changed.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        content = stream.read(LARGEST + 1)
    try:
        return read_fleet_plan(content)
    except BadRecord as error:
        what = error.verdict if isinstance(error, NewerRecord) else "is no plan for several hosts, or is damaged"
        raise BadFleetPlan(f"{file} {what}: {error}") from error


def _ended(plan: FleetPlan, id: str, fleet: FleetOptions) -> Ended | None:
    """How the commit `id` ended; None where Ansible has no result, which was said."""
    with playbooks(fleet) as found:
        file = found.folder / "plan.json"
        file.write_bytes(plan_content(plan))  # what was checked, whatever becomes of the file meanwhile
        names = [one.name for one in plan.hosts]
        ran = found.run("fleet_commit", {"fleet_hosts": names, "fleet_plan": str(file), "fleet_id": id})
        if ran.result is None:
            say_failed(ran, names, found, fleet)
            return None
    try:
        return read_ended(ran.result)
    except BadRecord as error:
        say(f"error: what the collection has reported cannot be read: {error}")
        return None


def _say_next(ended: Ended, fleet: FleetOptions, plan: FleetPlan, file: str, *, is_ours: bool) -> None:
    again = fleet.line("apply", file, manifests=False)
    status = fleet.line("status", "--plan", file, manifests=False)
    if not is_ours:
        say("this was an earlier commit, which had not ended; what FILE says has not been begun")
        say(f"  next: {again}    # does what FILE says")
        return
    for one in ended.hosts:
        if one.why.partition(":")[0] == Refusal.FOLLOWING.value:
            say(f"host {one.name} follows manifests of its own; to have commits change it, run there:")
            say(f"  {shell_line(('reconcile', *HELD_INSTALL.words))}")
    match ended.outcome:
        case Outcome.ALL:
            wait = fleet.line("status", "--plan", file, "--wait", manifests=False)
            say(f"  next: {wait}    # reports queues that are still to come")
        case Outcome.STALE:
            line = shell_line(("reconcile", "fleet", "plan", *plan.command))
            say(f"  next: {line}    # plans for the hosts as they are now")
        case Outcome.MIXED:
            say(f"  next: {again}    # goes forward; nothing is cancelled any more")
        case Outcome.BUSY | Outcome.NONE | Outcome.DEGRADED:
            say(f"  next: {status}    # shows how the hosts stand")
