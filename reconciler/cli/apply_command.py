"""``reconcile apply``: nothing is done to a host unless a person agrees at a terminal, or ``--yes`` was said."""

import os
import sys
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from reconciler import (
    AppliedAlready,
    ApplyResult,
    AsCommitted,
    BeforeGeneration,
    Manifests,
    NoSuchGuest,
    NotApplicable,
    OfGeneration,
    StalePlan,
    Terms,
    WantedSource,
    agreed_plan,
    apply,
    refuse_repeated,
)
from reconciler.cli.apply_progress import TerminalProgress, standing_json, stands_here
from reconciler.cli.asking import terminal
from reconciler.cli.command_lines import Before, again, again_from_anywhere
from reconciler.cli.confirm_command import RECOVERED_ONLY, UNCHANGED, agreed, refused_recovery, wait_at_terminal
from reconciler.cli.exit_codes import EXIT_OF, Exit
from reconciler.cli.open_host import opened, origin_of, refuse_unchosen_host, state_of, wanted_source, with_words
from reconciler.cli.options import (
    ApplyId,
    Duration,
    HostOptions,
    consent_options,
    fleet_option,
    format_option,
    host_options,
    lock_option,
    recorded_options,
    target_options,
    with_target_flags,
)
from reconciler.cli.output import acts, page_for_stdout, paint_for_stdout, report_text, result, say, show_problems
from reconciler.cli.publishing import publish_applied
from reconciler.cli.suspended_changes import show_suspended
from reconciler.cli.tree import command
from reconciler.kernel.locks import patience
from reconciler.model.commands import APPLY, HELD_INSTALL, PLAN, PLAN_WIDE, Command, ends_of, history_of
from reconciler.model.outcome import FleetCommit, Result
from reconciler.planning.plan import ALLOW_SUSPENDED, Plan, replanned
from reconciler.planning.scope import WHOLE, Scope, Targets
from reconciler.render.changes import few_text, summary_text
from reconciler.render.diagnostics import problems_text
from reconciler.render.plan_text import plan_text
from reconciler.transaction.apply_ids import ApplyState
from reconciler.transaction.history import History
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import refuse_pending

if TYPE_CHECKING:
    from reconciler.render.saved_plan import SavedPlan


@command("apply")
@click.argument("planfile", type=click.Path(), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@consent_options
@click.option(
    "--confirm-within",
    type=Duration(),
    metavar="DURATION",
    help="Roll everything back unless 'reconcile confirm' comes in time, e.g. 5m.",
)
@click.option(
    "--id",
    "apply_id",
    type=ApplyId(),
    metavar="ID",
    help="Name this apply ID, such as deploy-42, so that confirm, cancel, rollback and history find it by that. 1 to "
    "64 letters a to z, digits and dashes, neither a dash first nor digits only. Choose a new ID for each apply: one "
    "that was used or cancelled is refused, unless the same plan comes again.",
)
@fleet_option(
    "This apply is a part of the commit to several hosts that FILE describes; it needs --id, and is refused where this "
    "host's loop follows manifests."
)
@lock_option
@target_options
@format_option("text", "json")
@host_options
@recorded_options
def apply_command(
    planfile: str | None,
    yes: bool,
    consents: frozenset[str],
    confirm_within: float | None,
    apply_id: str | None,
    fleet: FleetCommit | None,
    lock_timeout: float,
    targets: Targets | None,
    format: str,
    host: HostOptions,
) -> Exit:
    """Change the host as the manifests say, wholly or not at all.

    With PLANFILE, which 'reconcile plan --out PLANFILE' has written, exactly what that plan says.
    """
    if fleet and not apply_id:
        raise click.UsageError(f"--fleet needs --id, by which the controller confirms and cancels: --id {fleet.id}")
    terms, planned_for = Terms(consents, confirm_within=confirm_within, lock_seconds=lock_timeout), host
    if planfile is None:
        source, whole = wanted_source(host), host.line(with_target_flags(PLAN_WIDE, targets))
        refuse_unchosen_host(host, source)
        scope: Scope = targets or WHOLE
    else:
        if targets:
            raise click.UsageError("a saved plan says itself which guests it is about; leave --target and -l out")
        planned_for, saved = _saved(host, planfile)
        terms, scope = terms._replace(agreed=saved), _scope_of(saved)
        targets = scope if isinstance(scope, Targets) else None
        source, whole = wanted_source(planned_for), planned_for.line(with_target_flags(PLAN_WIDE, targets))
    if fleet:
        from reconciler.cli.verified_commit import verified

        source = verified(host, source, fleet)
    called = Called(apply_id or "", fleet)
    try:
        return run_wanted(host, source, format=format, yes=yes, terms=terms, whole=whole, called=called, scope=scope)
    except StalePlan as error:
        if planfile is not None:  # another one in the same file, of the same manifests
            anew = with_target_flags(PLAN.with_flags("--out", planfile), targets)
            error.anew = Command((*anew.words, *planned_for.here.manifests))
            if error.advice == PLAN:
                error.advice, error.anew = error.anew, None
        raise


class Called(NamedTuple):
    """What a caller calls its apply: the `id`, empty where it chose none, and the commit to several hosts, if any."""

    id: str = ""
    fleet: FleetCommit | None = None


NOT_CALLED: Final = Called()


def _scope_of(saved: "SavedPlan") -> Scope:
    return WHOLE if saved.targets is None else Targets(frozenset(saved.targets))


def run_wanted(
    host: HostOptions,
    source: WantedSource,
    *,
    format: str,
    yes: bool,
    terms: Terms,
    whole: str = "",
    called: Called = NOT_CALLED,
    scope: Scope = WHOLE,
    unchanged: str = UNCHANGED,
    before: Before | None = None,
) -> Exit:
    """Apply what is wanted.

    Args:
        host: where.
        source: what.
        format: how to print.
        yes: do not ask. Otherwise the plan is shown and a person asked; where there is none, nothing is done.
        terms: on which terms.
        whole: the command that shows what a plan leaves out before it is applied; empty where there is none.
        called: what the caller calls this apply.
        scope: how much of the host.
        unchanged: what is said to a person who does not agree.
        before: what is run before this is run again, where it is refused; None where nothing is.
    """
    acts()
    try:
        return _run(host, source, format, terms, whole, called, scope, None if yes else unchanged, before)
    except AppliedAlready as error:
        return _show_already(host, error, format)


def _run(
    host: HostOptions,
    source: WantedSource,
    format: str,
    terms: Terms,
    whole: str,
    called: Called,
    scope: Scope,
    unchanged: str | None,
    before: Before | None,
) -> Exit:
    """The same; what is said to a person who does not agree is None where none is asked."""
    if unchanged is not None:
        asked = _asked(host, source, terms, format, whole, called, scope, unchanged, before)
        if isinstance(asked, Exit):
            return asked
        terms = terms._replace(agreed=terms.agreed or asked.basis)
    progress = TerminalProgress(host)
    commit = source.commit if isinstance(source, Manifests | AsCommitted) else ""
    number = source.number if isinstance(source, OfGeneration) else None
    with opened(host, changes=True, wait=patience(time, terms.lock_seconds, progress.waiting)) as machine:
        try:
            _refuse_following(host, source, machine, called, terms, scope)
            origin = origin_of(commit)._replace(id=called.id, fleet=called.fleet)
            origin = with_words(origin, host) if isinstance(source, Manifests) else origin
            applied = apply(source, machine, scope, progress=progress, origin=origin, terms=terms)
        except NotApplicable as error:
            return _refused(error.plan, _Asked(host, source, terms, format, whole, before), number)
        except NoSuchGuest as error:
            from reconciler.cli.meant.names import other_targets

            raise other_targets(error) from None
    with_plan, nothing = unchanged is None or not sys.stdout.isatty(), _nothing_text(source, applied.plan)
    _show_applied(applied, format, host, with_plan=with_plan, nothing=nothing)
    seen = applied.seen
    is_known = seen is not None and applied.plan.only is None  # of a partial plan not how the rest of the host is
    publish_applied(host, applied.outcome, replanned(applied.plan, seen.mdevs) if seen and is_known else None)
    if terms.confirm_within is not None and applied.outcome.result is Result.APPLIED:
        return wait_at_terminal(host, applied.generation, terms.confirm_within)
    return EXIT_OF[applied.outcome.result]


def _refuse_following(
    host: HostOptions, source: WantedSource, machine: OpenHost, called: Called, terms: Terms, scope: Scope
) -> None:
    """Return if `host` may take part in the commit to several hosts that `called` names, if it names one.

    Raises:
        AppliedAlready, IdTaken: the apply came before; see `refuse_repeated`.
        FollowsManifests: the host's loop does, and would change what the commit makes.
    """
    if called.fleet is None:
        return
    from reconciler.cli.loop_seen import loop_mode
    from reconciler.watch.report import Mode
    from reconciler.watch.requests import FollowsManifests

    refuse_repeated(source, machine, called.id, terms, scope, fleet=called.fleet)
    found = loop_mode(machine.state)
    if found.mode is Mode.FOLLOWING:
        text = "nothing was done: the loop of this host follows manifests of its own, and would apply them again"
        raise FollowsManifests(f"{text}; to have it hold what is applied: {found.change or host.line(HELD_INSTALL)}")


def _show_already(host: HostOptions, error: AppliedAlready, format: str) -> Exit:
    """Answer an apply that came again."""
    found = error.standing
    say(str(error))
    if found.state is ApplyState.PENDING:
        say(*(f"  next: {host.line(one)}    # {what}" for one, what in ends_of(found.id)))
    if format == "json":
        state, boot_id = state_of(host)
        here = stands_here(host, found)
        result(standing_json(found, boot_id, here, History(state).get(found.generation).result))
    return Exit.DONE


def _asked(
    host: HostOptions,
    source: WantedSource,
    terms: Terms,
    format: str,
    whole: str,
    called: Called,
    scope: Scope,
    unchanged: str,
    before: Before | None,
) -> Plan | Exit:
    """The plan that a person agrees to, or that has nothing to do; otherwise the exit code, and nothing was done."""
    # No lock is held while a person thinks; what was shown is done, or nothing (`Terms.agreed`).
    recovery = refused_recovery(host, terms.lock_seconds)
    if recovery is Exit.REFUSED:
        return recovery
    with opened(host) as machine:
        try:
            # Before a person is asked, and again under the locks.
            refuse_repeated(source, machine, called.id, terms, scope, fleet=called.fleet)
            _refuse_following(host, source, machine, called, terms, scope)
            refuse_pending(machine)
            wanted = source.read(machine)
            shown = agreed_plan(wanted, machine, terms, scope)
        except NoSuchGuest as error:
            from reconciler.cli.meant.names import other_targets

            raise other_targets(error) from None
    number = source.number if isinstance(source, OfGeneration) else None
    if not shown.is_valid or not terms.consents.issuperset(shown.flags):
        return _refused(shown, _Asked(host, source, terms, format, whole, before), number)
    unchanged = unchanged if recovery is None else RECOVERED_ONLY
    if shown.changes and not _agreed(shown, format, number, whole, unchanged, before):
        return Exit.REFUSED
    return shown


def _agreed(shown: Plan, format: str, number: int | None, whole: str, unchanged: str, before: Before | None) -> bool:
    with terminal() as person:
        if person is None:
            _show(shown, format, whole, shown.flags)
        else:
            show_problems(shown.problems)
            if shown.problems and not sys.stderr.isatty():
                person.show(f"{problems_text(shown.problems, person.paint, person.page.width, person.page.shown)}\n")
            person.show(plan_text(shown, person.page, whole=whole, given=shown.flags))
    return agreed("Apply this?", number, unchanged, before)


def _saved(host: HostOptions, planfile: str) -> tuple[HostOptions, "SavedPlan"]:
    """The host and the manifests of a saved plan, and what it says."""
    if host.recorded:
        raise click.UsageError(f"a saved plan says itself what it was made of; leave {host.recorded} out")
    from reconciler.cli.meant.commands import not_a_plan
    from reconciler.cli.meant.files import not_a_saved_plan
    from reconciler.manifests.skipped import is_ours
    from reconciler.render.saved_plan import BadPlanFile, load_plan

    if planfile == "-":
        raise click.UsageError(
            "a saved plan is read from a file, not from standard input; to write one: "
            f"{host.line(PLAN.with_flags('--out', 'PLANFILE'))}"
        )
    try:
        saved = load_plan(planfile)
    except FileNotFoundError as error:
        if not (meant := not_a_plan(planfile, host.paths)):
            raise
        raise click.UsageError(f"there is no file {planfile}. {meant}") from error
    except (BadPlanFile, IsADirectoryError) as error:
        if refused := not_a_saved_plan(planfile, host.here):
            raise refused from error
        is_named_so = os.path.isdir(planfile) or planfile.lower().endswith((".yaml", ".yml"))
        if not is_named_so and not is_ours(planfile):
            raise
        raise click.UsageError(f"{planfile} is no saved plan. {not_a_plan(planfile, host.paths)}") from error
    if missing := [path for path in saved.manifests if not host.paths and not os.path.exists(path)]:
        raise click.UsageError(
            f"{planfile} was made of the manifests in {missing[0]}, which is not here; name the same ones with -f: "
            f"{host.here.reading(('MANIFESTS',)).line(APPLY.with_flags(planfile))}"
        )
    recorded = "" if host.paths else saved.recorded
    paths = host.paths or tuple(map(_as_seen_from_here, saved.manifests))
    return host._replace(paths=paths, host=saved.host, recorded=recorded), saved


def _as_seen_from_here(path: str) -> str:
    """The absolute `path` as a person names it who works in the current directory: by the shorter one of its names."""
    return min(os.path.relpath(path), path, key=len)


def _show(made: Plan, format: str, whole: str, given: Collection[str] = ()) -> None:
    if format == "json":
        from reconciler.render.plan_json import plan_json

        result(plan_json(made))
    else:
        show_problems(made.problems)
        result(plan_text(made, page_for_stdout(), whole=whole, given=given))
        sys.stdout.flush()


class _Asked(NamedTuple):
    """What was asked for when an apply was refused; see `run_wanted`."""

    host: HostOptions
    source: WantedSource
    terms: Terms
    format: str
    whole: str
    before: Before | None


def _refused(made: Plan, asked: _Asked, number: int | None) -> Exit:
    """Show `made`, and why it is not applied: first that it is not, last what can be run."""
    if asked.format == "json":
        from reconciler.cli.failures import Refusal, reason_of, refusal_json

        kind = Refusal.CONSENT if made.is_valid else Refusal.INVALID
        result(refusal_json(kind, reason_of(NotApplicable(made), asked.host.here), made))
    if not made.is_valid:
        if asked.format != "json":
            _show(made, asked.format, asked.whole)
        say("not applied: fix the errors above, then run again")
        return Exit.REFUSED
    consents = [flag for flag in made.flags if flag not in asked.terms.consents]
    is_suspended = ALLOW_SUSPENDED in consents
    # Who suspended what is said once, behind the outcome.
    if asked.format != "json":
        shown = _without_suspensions(made) if is_suspended else made
        _show(shown, asked.format, asked.whole, asked.terms.consents)
    names = _others(made) if is_suspended else ()
    before = asked.before
    consents += [flag for flag in (before.flags if before else ()) if flag not in consents]
    with terminal() as person:
        line = again(*consents, number=number) if person else again_from_anywhere(*consents, "--yes", number=number)
        others = _line_for(names, made, is_asked=bool(person)) if names and _can_apply(names, asked) else ""
    say("not applied: this needs consent")
    if is_suspended:
        show_suspended(made, asked.host)
    if before:
        say(before.step)
    say(f"  next: {line}    # {'then: ' if before else ''}gives it")
    if others:
        say(f"  next: {others}    # applies what is not suspended")
    return Exit.REFUSED


def _without_suspensions(made: Plan) -> Plan:
    """`made` without the problems that say who suspended what."""
    return made._replace(problems=tuple(one for one in made.problems if one.id != "suspended"))


def _can_apply(names: tuple[str, ...], asked: _Asked) -> bool:
    """Whether a plan for the guests called `names` alone is possible: one may need what a suspended guest has."""
    with opened(asked.host) as machine:
        terms = asked.terms._replace(agreed=None)
        return agreed_plan(asked.source.read(machine), machine, terms, Targets(frozenset(names))).is_valid


_MOST_OTHERS: Final = 8
"""How many guests the command names that applies those which are not suspended."""


def _others(made: Plan) -> tuple[str, ...]:
    """The names of the guests that `made` changes and that are not suspended, a few of them where they are many."""
    held = {one.holder for one in made.consents if one.flag == ALLOW_SUSPENDED}
    context = click.get_current_context()
    takes_targets = any(one.name == "target" for one in context.command.params)
    if "host" in held or not takes_targets or context.params.get("planfile"):
        return ()
    wanted = {one.name for one in made.desired.guests}
    return tuple(one.name for one in made.guests if one.changes and one.name in wanted - held)[:_MOST_OTHERS]


def _line_for(names: tuple[str, ...], made: Plan, *, is_asked: bool) -> str:
    """The apply that changes the guests called `names` alone."""
    flags = dict.fromkeys(one.flag for one in made.consents if one.holder in names)
    if is_asked:
        return again(*flags, target=names, labels=None)
    return again_from_anywhere(*flags, "--yes", target=names, labels=None)


def _nothing_text(source: WantedSource, plan: Plan) -> str:
    """What to say of `plan` where nothing was to be done: of the guests that were chosen, or of the whole host."""
    who = "the host is" if plan.targets is None else f"{few_text(plan.targets)} {_are(len(plan.targets))}"
    match source:
        case OfGeneration(number):
            return f"Nothing to do: {who} as generation {number} wanted it."
        case BeforeGeneration(number):
            return f"Nothing to do: {who} as before generation {number}."
        case _:
            return summary_text(plan)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _show_applied(applied: ApplyResult, format: str, host: HostOptions, *, with_plan: bool, nothing: str) -> None:
    from reconciler.render.outcome_text import in_question, outcome_json, outcome_text

    asked = in_question(applied.outcome, applied.plan)
    summary = outcome_text(applied.outcome, here=host.here, nothing=nothing, in_question=asked)
    if format == "json":
        report_text(outcome_json(applied.outcome, applied.plan, applied.generation), summary)
        return
    if not applied.plan.changes:
        show_problems(applied.plan.problems)  # who is suspended, above all
    elif with_plan:
        _show(
            applied.plan,
            format,
            host.line(history_of(applied.generation).with_flags("-o", "wide")) if applied.generation else "",
            applied.plan.flags,
        )
    width = page_for_stdout().width
    report_text(outcome_text(applied.outcome, paint_for_stdout(), host.here, nothing, width, asked), summary)
