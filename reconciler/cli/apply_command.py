"""``reconcile --apply``."""

import sys
import time

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import manifests_commit, opened, origin_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import EXIT_OF, TerminalProgress, paint_for_stdout, result, tell, tell_problems
from reconciler.cli.recovered import tell_recovered
from reconciler.kernel.lock_wait import patience
from reconciler.model.outcome import Result
from reconciler.planning.plan import Plan
from reconciler.reconcile import Applied, NotApplicable, Request, Terms, apply, plan
from reconciler.render.plan_text import plan_text


def run(host: HostOptions, *, planfile: str | None, format: str, yes: bool, terms: Terms) -> Exit:
    """Apply, after asking where a person sits at a terminal and has not said ``--yes``."""
    request, terms = _request(host, planfile, terms)
    return run_request(host, request, format=format, yes=yes, terms=terms)


def run_request(host: HostOptions, request: Request, *, format: str, yes: bool, terms: Terms) -> Exit:
    """Apply what is requested; see `run`."""
    asks = not yes and at_terminal()
    if asks:
        shown = _asked(host, request, terms)
        terms = terms._replace(basis=terms.basis or shown.basis)
    progress = TerminalProgress()
    with opened(host, changes=True, wait=patience(time, terms.lock_seconds, progress.waiting)) as machine:
        try:
            applied = apply(request, machine, progress, origin_of(request.commit), terms, tell_recovered)
        except NotApplicable as error:
            if not asks:
                _show_refused(error.plan, format)
            return _refused(error.plan)
    _show_applied(applied, format, with_plan=not asks)
    if terms.confirm_within is not None and applied.outcome.result is Result.APPLIED:
        return _await_confirmation(host, applied.generation, terms.confirm_within)
    return EXIT_OF[applied.outcome.result]


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked(host: HostOptions, request: Request, terms: Terms) -> Plan:
    # No lock is held while a person thinks; what was shown is done, or nothing (`Terms.basis`).
    with opened(host) as machine:
        shown = plan(request, machine)
    _show_plan(shown)
    if shown.is_valid and shown.changes and terms.consents.issuperset(shown.flags):
        click.confirm("Apply this?", abort=True)
    return shown


def _await_confirmation(host: HostOptions, number: int, seconds: float) -> Exit:
    from reconciler.cli.second_thoughts import wait_at_terminal

    if at_terminal():
        return wait_at_terminal(host, number)
    tell(f"it is put back in {seconds:.0f} s unless you type: reconcile confirm {number}{host.where}")
    return Exit.DONE


def _request(host: HostOptions, planfile: str | None, terms: Terms) -> tuple[Request, Terms]:
    if planfile is None:
        return Request(host.manifests, host.host, commit=manifests_commit(host)), terms
    from reconciler.render.plan_file import load_plan

    saved = load_plan(planfile)
    host = host._replace(paths=host.paths or saved.manifests)
    return Request(host.paths, saved.host, commit=manifests_commit(host)), terms._replace(basis=saved.basis)


def _show_plan(made: Plan) -> None:
    tell_problems(made.problems)
    result(plan_text(made, paint_for_stdout()))
    sys.stdout.flush()


def _show_refused(made: Plan, format: str) -> None:
    if format == "json":
        from reconciler.render.plan_json import plan_json

        result(plan_json(made))
    else:
        _show_plan(made)


def _refused(made: Plan) -> Exit:
    if made.is_valid:
        tell(f"not applied: this needs consent; to give it: {' '.join(made.flags)}")
    else:
        tell("not applied: mend the errors first")
    return Exit.REFUSED


def _show_applied(applied: Applied, format: str, *, with_plan: bool) -> None:
    from reconciler.render.outcome_text import outcome_json, outcome_text

    if format == "json":
        result(outcome_json(applied.outcome, applied.plan, applied.generation))
        return
    if with_plan and applied.plan.changes:
        _show_plan(applied.plan)
    result(outcome_text(applied.outcome, paint_for_stdout()))
