"""What a command publishes after it has changed something, whether or not a loop runs.

It is the loop's own report, made of what was applied last and of the host as it is now; a loop replaces it after its
next cycle. That it cannot be published is said, and is never a reason for a command to fail.
"""

import time
from contextlib import suppress
from typing import Final

from reconciler import Wanted, plan
from reconciler.cli.open_host import opened, run_directory_of, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import say
from reconciler.cli.time_limit import TimeIsUp, ends_within
from reconciler.model.errors import ReconcileError
from reconciler.model.outcome import Outcome, Result
from reconciler.model.printable import error_text
from reconciler.planning.plan import Plan
from reconciler.planning.scope import AllBut
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import Suspensions, read_suspensions, suspended_devices
from reconciler.transaction.open_host import OpenHost
from reconciler.watch.decisions import HealBudgets, Policy, Times, decide
from reconciler.watch.published import LOOP, REPORT, NotPublished, PublishedReader, publish_report
from reconciler.watch.publishing_views import AT_ONCE, Views
from reconciler.watch.report import Condition
from reconciler.watch.reporter import Finding, report_of_command
from reconciler.watch.requests import records_changed
from reconciler.watch.run_directory import RunDirectory
from reconciler.watch.schedule import Backoff

UNATTENDED_SECONDS: Final = 5.0
"""How long publishing may take where a boot, or the start of a VM, waits for it."""


def publish_unattended(host: HostOptions, outcome: Outcome) -> None:
    """As `publish`, where a boot or the start of a VM waits for us."""
    try:
        with ends_within(UNATTENDED_SECONDS):
            publish(host, outcome)
    except TimeIsUp:
        say(f"warning: no report on this is published: it took more than {UNATTENDED_SECONDS:.0f} s")


def publish_applied(host: HostOptions, outcome: Outcome | None = None, after: Plan | None = None) -> None:
    """As `publish`, after the records of what was applied have changed: then the loop looks, once."""
    publish(host, outcome, after)
    records_changed(state_of(host)[0].path)


def publish(host: HostOptions, outcome: Outcome | None = None, after: Plan | None = None) -> None:
    """Publish how the host that `host` names is now.

    Args:
        host: which.
        outcome: of the apply that was just made; None where none was.
        after: the plan of the host as that apply has left it; left out, it is made.
    """
    directory = RunDirectory(run_directory_of(host))
    try:
        directory.prepare()
        before = None
        with suppress(NotPublished):  # a damaged one is replaced
            before = PublishedReader(directory.path).read().report
        with opened(host) as machine:
            finding = _finding(machine, outcome, after)
            report = report_of_command(finding, before, time.time())
            readable = directory.like(LOOP).like(REPORT)
            publish_report(readable, report)
            views = Views(machine.state, at_once=AT_ONCE)
            views.publish(readable, report, finding.plan, is_loop=False)
    except (ReconcileError, OSError) as error:
        say(f"warning: no report on this is published in {directory.path}: {error_text(error)}")


def _finding(machine: OpenHost, outcome: Outcome | None, after: Plan | None) -> Finding:
    applied = Journal(machine.state, machine.boot_id).applied()
    suspensions = read_suspensions(machine.state).at(machine.clock.time())
    wanted = _applied_last(machine)
    made, found = after, (Condition.WAITING, "nothing was applied yet")
    if made is None and wanted is not None:
        scope = AllBut(suspended_devices(wanted.desired, applied.guests, suspensions))
        try:
            made = plan(wanted, machine, scope)
        except ReconcileError as error:
            found = Condition.FAILED, error_text(error)
    if made is not None:
        found = _standing(made, suspensions)
    return Finding(
        made,
        *(_after(machine, outcome) or found),
        suspensions,
        applied.generation,
        wanted.commit if wanted else "",
        outcome is not None and outcome.result is Result.ROLLED_BACK,
    )


def _standing(made: Plan, suspensions: Suspensions) -> tuple[Condition, str]:
    times, only_reports = Times(time.monotonic(), time.time()), Policy(applies=False, self_heal=False)
    decision = decide(made, only_reports, HealBudgets(), Backoff(), times, suspended=suspensions.host is not None)
    return decision.condition, decision.summary


def _after(machine: OpenHost, outcome: Outcome | None) -> tuple[Condition, str] | None:
    """What is the case whatever the plan says, after the apply that ended with `outcome`."""
    if outcome is not None and outcome.result is Result.DEGRADED:
        return Condition.DEGRADED, f"an apply failed, and not everything could be rolled back: {outcome.failure}"
    if pending := Confirmations(machine.state).pending():
        return Condition.WAITING, f"generation {pending.generation} waits to be confirmed"
    if outcome is not None and outcome.result is Result.ROLLED_BACK:
        return Condition.FAILED, f"an apply failed, and everything was rolled back: {outcome.failure}"
    return None


def _applied_last(machine: OpenHost) -> Wanted | None:
    history = History(machine.state)
    try:
        number = history.newest_target()
        return Wanted(history.desired(number), commit=history.get(number).origin.commit)
    except NoSuchGeneration:
        return None
