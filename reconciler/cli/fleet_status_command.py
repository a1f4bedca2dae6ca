"""``reconcile fleet status`` and ``history``: how the hosts stand, and what was done on them together."""

import time
from typing import Final

import click

from reconciler import InvalidManifests, read_site
from reconciler.cli.exit_codes import Exit
from reconciler.cli.fleet_apply_command import read_plan_file
from reconciler.cli.fleet_options import (
    FleetFailed,
    FleetOptions,
    chosen_hosts,
    hosts_options,
    playbooks,
    say_failed,
    say_unanswered,
)
from reconciler.cli.open_host import named_manifests
from reconciler.cli.options import Duration, WholeNumber, format_option
from reconciler.cli.output import page_for_stdout, result, say
from reconciler.cli.tree import command
from reconciler.fleet.answers import Standings, Stands, read_standings
from reconciler.integrations.playbooks import Playbooks
from reconciler.model.codec import BadRecord
from reconciler.model.problems import errors_of
from reconciler.render.fleet_text import (
    history_json,
    history_text,
    past_commits,
    pending_queues,
    status_json,
    status_text,
)
from reconciler.render.text import counted

EVERY: Final = 15.0
"""How long ``--wait`` waits before it asks all hosts again, in seconds."""

_FOR_EVER: Final = "0"


_PLAN: Final = click.option(
    "--plan",
    type=click.Path(dir_okay=False, readable=False),
    metavar="FILE",
    help="Ask the hosts of this saved plan, also those that it left out, instead of those of manifests.",
)


@command("status")
@click.option(
    "--wait",
    type=Duration(least=0),
    is_flag=False,
    flag_value=_FOR_EVER,
    metavar="[DURATION]",
    help="Report each queue that is still to come when it is there, until all are, or for so long.",
)
@_PLAN
@format_option("text", "json")
@hosts_options
def fleet_status_command(wait: float | None, plan: str | None, format: str, fleet: FleetOptions) -> Exit:
    """Show how the hosts stand, which queues are still to come, and who was left out.

    With --wait exit with 2 where queues are missing still when the time is over.
    """
    names = _names(fleet, plan)
    with playbooks(fleet) as found:
        standings = _standings(found, names, fleet)
        if format == "text":
            result(status_text(standings, page_for_stdout()))
        code = _unreached(standings, names)
        if wait is not None:
            standings, code = _waited(found, names, fleet, standings, wait)
    if format == "json":
        result(status_json(standings))
    return code


def _waited(
    found: Playbooks, names: tuple[str, ...], fleet: FleetOptions, standings: Standings, seconds: float
) -> tuple[Standings, Exit]:
    """Report the queues that appear until none is pending, or for so many `seconds`; 0: however long it takes."""
    start = time.monotonic()
    pending = pending_queues(standings)
    while pending or _unreached(standings, names):
        left = seconds - (time.monotonic() - start) if seconds else EVERY
        if left <= 0:
            say(f"{counted(len(pending), 'queue')} are missing still" if pending else "some hosts cannot be reached")
            return standings, Exit.CHANGES
        time.sleep(min(EVERY, left))
        standings = _standings(found, names, fleet)
        answered = {name for name, one in standings.hosts.items() if isinstance(one, Stands)}
        now = pending_queues(standings)
        for host, guest, queue in pending:
            if host in answered and (host, guest, queue) not in now:
                say(f"{host}: {guest} sees {queue}")
        pending = [*now, *(one for one in pending if one[0] not in answered)]
    say("every guest sees every queue that it may have")
    return standings, Exit.DONE


@command("history")
@click.option(
    "-n",
    "newest",
    type=WholeNumber(min=0),
    default=20,
    show_default=True,
    metavar="NUMBER",
    help="How many of the newest to list; 0: all.",
)
@_PLAN
@format_option("text", "json")
@hosts_options
def fleet_history_command(newest: int, plan: str | None, format: str, fleet: FleetOptions) -> Exit:
    """List the commits to several hosts that the hosts remember."""
    names = _names(fleet, plan)
    with playbooks(fleet) as found:
        standings = _standings(found, names, fleet)
    commits = past_commits(standings)
    shown = commits[:newest] if newest else commits
    result(history_json(shown) if format == "json" else history_text(shown, page_for_stdout()))
    for name, one in sorted(standings.hosts.items()):
        if not isinstance(one, Stands):
            say(f"warning: {name} has not answered; what it remembers is missing here")
    return _unreached(standings, names)


def _names(fleet: FleetOptions, plan: str | None) -> tuple[str, ...]:
    if plan is not None:
        if fleet.paths or fleet.selector.pairs:
            raise click.UsageError("choose one of --plan and manifests; a saved plan has its own hosts")
        saved = read_plan_file(plan)
        return tuple(sorted({*(one.name for one in saved.hosts), *saved.without}))
    paths, given = named_manifests(fleet.host)
    site = read_site(paths, given=given)
    if errors_of(site.problems):
        raise InvalidManifests(site.problems)
    return chosen_hosts(site, fleet)


def _standings(found: Playbooks, names: tuple[str, ...], fleet: FleetOptions) -> Standings:
    ran = found.run("fleet_status", {"fleet_hosts": list(names)})
    if ran.result is None:
        say_failed(ran, names, found, fleet)
        raise FleetFailed("no host has reported how it stands; -v shows all that Ansible writes")
    try:
        standings = read_standings(ran.result)
    except BadRecord as error:
        raise FleetFailed(f"what the collection has reported cannot be read: {error}") from error
    say_unanswered([name for name in names if name not in standings.hosts], fleet)
    return standings


def _unreached(standings: Standings, names: tuple[str, ...]) -> Exit:
    """The exit code by whether all of the hosts `names` have answered."""
    is_whole = all(isinstance(standings.hosts.get(name), Stands) for name in names)
    return Exit.DONE if is_whole else Exit.FAILURE
