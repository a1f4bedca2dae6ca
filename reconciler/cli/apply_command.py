"""``reconcile --apply``."""

import shlex
import sys
import time

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened
from reconciler.cli.options import HostOptions
from reconciler.cli.output import EXIT_OF, TerminalProgress, paint_for_stdout, result, tell, tell_problems
from reconciler.kernel.lock_wait import patience
from reconciler.planning.plan import Basis, Plan
from reconciler.reconcile import Applied, NotApplicable, Recovered, Request, apply, plan
from reconciler.render.plan_text import plan_text


def run(host: HostOptions, *, planfile: str | None, format: str, yes: bool, consent: bool, lock_seconds: float) -> Exit:
    """Apply, after asking where a person sits at a terminal and has not said ``--yes``."""
    request, basis = _request(host, planfile)
    asks = not yes and sys.stdin.isatty() and sys.stdout.isatty()
    if asks:
        # Nothing is locked while somebody thinks; that nothing has changed until then is seen by the basis.
        basis = _asked(host, request, basis, consent=consent)
    progress = TerminalProgress()
    with opened(host, changes=True, wait=patience(time, lock_seconds, progress.waiting)) as machine:
        try:
            applied = apply(
                request,
                machine,
                progress,
                command=_command(),
                consent=consent,
                basis=basis,
                lock_seconds=lock_seconds,
            )
        except NotApplicable as error:
            if not asks:
                _show_refused(error.plan, format)
            return _refused(error.plan)
    _tell_recovered(applied.recovered)
    _show_applied(applied, format, with_plan=not asks)
    return EXIT_OF[applied.outcome.result]


def _asked(host: HostOptions, request: Request, basis: Basis | None, *, consent: bool) -> Basis | None:
    """What the plan must rest on after it was shown and, where it can be applied, agreed to."""
    with opened(host) as machine:
        shown = plan(request, machine)
    _show_plan(shown)
    if shown.is_valid and shown.steps and (consent or not shown.consents):
        click.confirm("Apply this?", abort=True)
        return basis or shown.basis
    return basis


def _request(host: HostOptions, planfile: str | None) -> tuple[Request, Basis | None]:
    if planfile is None:
        return Request(host.manifests, host.host), None
    from reconciler.render.plan_file import load_plan

    saved = load_plan(planfile)
    return Request(host.paths or saved.manifests, saved.host), saved.basis


def _command() -> str:
    return shlex.join(["reconcile", *sys.argv[1:]])


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
        tell("not applied: this needs consent; to give it: --allow-disruption")
    else:
        tell("not applied: mend the errors first")
    return Exit.REFUSED


def _tell_recovered(recovered: Recovered | None) -> None:
    if recovered is None:
        return
    if not recovered.unfinished.same_boot:
        tell("note: an earlier apply was not finished, but the host has been booted since; its journal was closed")
    elif recovered.returned.differences:
        tell("warning: an earlier apply was not finished, and not everything could be put back:")
        for difference in recovered.returned.differences:
            tell(f"  left: {difference}")
    else:
        tell("note: an earlier apply was not finished; what it had done was put back first")


def _show_applied(applied: Applied, format: str, *, with_plan: bool) -> None:
    from reconciler.render.outcome_text import outcome_json, outcome_text

    if format == "json":
        result(outcome_json(applied.outcome, applied.plan))
        return
    if with_plan and applied.plan.steps:
        _show_plan(applied.plan)
    result(outcome_text(applied.outcome, paint_for_stdout()))
