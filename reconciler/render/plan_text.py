"""The plan for people: grouped by holder, then the steps, the summary last."""

from collections.abc import Iterator
from typing import Final

from reconciler.kernel.writes import writes_of
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.printable import lines_text
from reconciler.model.steps import Action, Step
from reconciler.planning.plan import Plan, PlannedStep
from reconciler.render.changes import Change, config_text, file_change, guest_change, plural, pool_change, summary_text
from reconciler.render.text import Paint, counted, plain

MOST_GUESTS: Final = 1000
"""How many changed guests are shown one by one; more is not read, and the JSON form has them all."""

MOST_STEPS: Final = 40
"""How many steps are listed one by one."""


def plan_text(plan: Plan, paint: Paint = plain) -> str:
    """The whole plan as text; problems are shown apart, by `reconciler.render.diagnostics`."""
    lines = [paint("bold", heading_text(plan)), ""]
    if plan.is_valid and plan.changes:
        lines += _change_lines(plan, paint)
        lines += _step_lines(plan, paint) if plan.steps else []
        lines += file_lines(plan, paint)
        lines += _consent_lines(plan, paint)
        lines += [line for note in plan.notes for line in (f"Note: {note}.", "")]
    elif plan.is_valid:
        lines += _pending_lines(plan)
    lines.append(paint("bold", summary_text(plan)))
    return lines_text(lines)


def after_diff_lines(plan: Plan) -> list[str]:
    """What a diff does not say of the plan: which consents it needs, its notes, the summary."""
    consents = [line for line in _consent_lines(plan, plain) if line]
    return [*consents, *(f"Note: {note}." for note in plan.notes), summary_text(plan)]


def heading_text(plan: Plan) -> str:
    """Which host, and what is there."""
    observed = plan.observed
    return (
        f"Host {plan.desired.host.name}{_commit(plan)}: kernel {observed.release}, "
        f"{counted(len(observed.cards), 'adapter')} and {counted(len(observed.queues), 'queue')} present, "
        f"{counted(len(observed.mdevs), 'mediated device')}"
    )


def _commit(plan: Plan) -> str:
    return f", commit {plan.commit[:12]}{'+' if plan.commit.endswith('+') else ''}" if plan.commit else ""


def _change_lines(plan: Plan, paint: Paint) -> list[str]:
    lines: list[str] = []
    if pool := pool_change(plan):
        lines += _painted(pool, paint)
    changed = [guest for guest in plan.guests if guest.changes]
    for guest in changed[:MOST_GUESTS]:
        lines += _painted(guest_change(guest), paint)
    if len(changed) > MOST_GUESTS:
        lines += [f"    … and {len(changed) - MOST_GUESTS:,} more guests; -o json has them all", ""]
    unchanged = len(plan.guests) - len(changed)
    if unchanged:
        lines += [paint("faint", f"    {unchanged:,} unchanged"), ""]
    return lines


def _painted(change: Change, paint: Paint) -> list[str]:
    symbol = paint(change.kind, change.kind.symbol)
    return [f"  {symbol} {paint('bold', change.heading)}", *(f"      {line}" for line in change.lines), ""]


def _pending_lines(plan: Plan) -> list[str]:
    lines = []
    for guest in plan.guests:
        if guest.because:
            change = guest_change(guest)
            lines += [f"    {change.heading}", *(f"      {line}" for line in change.lines), ""]
    return lines


def _step_lines(plan: Plan, paint: Paint) -> list[str]:
    width = len(str(len(plan.steps)))
    lines = [paint("bold", "Steps, in this order:")]
    for number, planned in enumerate(plan.steps[:MOST_STEPS], 1):
        lines.append(f"  {number:>{width}}. {step_text(planned)}{_write_count(plan, planned)}")
    if len(plan.steps) > MOST_STEPS:
        lines.append(f"  … and {len(plan.steps) - MOST_STEPS:,} more; -o json has them all")
    return [*lines, ""]


def file_lines(plan: Plan, paint: Paint = plain) -> list[str]:
    """The files of other tools that change, a line each."""
    if not plan.files:
        return []
    changes = [file_change(one) for one in plan.files[:MOST_STEPS]]
    lines = [paint("bold", "So that the host boots into it:")]
    lines += [f"  {paint(one.kind, one.kind.symbol)} {one.heading}  {one.lines[0]}" for one in changes]
    if len(plan.files) > MOST_STEPS:
        lines.append(f"  … and {len(plan.files) - MOST_STEPS:,} more; -o json has them all")
    return [*lines, ""]


def _write_count(plan: Plan, planned: PlannedStep) -> str:
    if planned.step.action is not Action.CONFIGURE or plan.abilities.ap_config:
        return ""
    return f" ({len(writes_of(planned.step, plan.abilities))} writes)"


def step_text(planned: PlannedStep) -> str:
    """One step in one line."""
    step = planned.step
    match step.action:
        case Action.APMASK | Action.AQMASK:
            return f"host: {mask_text(step)} ({step.action.value})"
        case Action.CREATE:
            return f"{planned.holder}: create its mediated device"
        case Action.REMOVE:
            return f"{planned.holder}: remove its mediated device"
        case _:
            assert isinstance(step.after, ApConfig)
            return f"{planned.holder}: {config_text(step.after)}"


def mask_text(step: Step) -> str:
    """What a mask write does to the host's drivers."""
    before, after = step.before, step.after
    assert isinstance(before, IdSet)
    assert isinstance(after, IdSet)
    noun = "adapter" if step.action is Action.APMASK else "domain"
    moves = (("gives up", before - after), ("gets back", after - before))
    return ", ".join(f"{verb} {plural(noun, ids)} {ids}" for verb, ids in moves if ids)


def _consent_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    if plan.consents:
        yield paint("warning", f"Needs consent ({' '.join(plan.flags)}):")
        yield from (f"  {one.holder}: {one.reason}" for one in plan.consents)
        yield ""
