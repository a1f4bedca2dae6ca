"""How an apply ended, for people and for programs."""

from collections.abc import Sequence
from typing import Final

from reconciler.model.commands import APPLY, NOWHERE, STATUS, Here
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig
from reconciler.model.outcome import Outcome, Result
from reconciler.model.printable import lines_text
from reconciler.planning.plan import Plan
from reconciler.render.plan_json import json_text, plan_record
from reconciler.render.table import Page
from reconciler.render.text import Paint, counted, plain

_RESULT_STYLE: Final = {
    Result.NOTHING: "good",
    Result.APPLIED: "good",
    Result.ROLLED_BACK: "warning",
    Result.DEGRADED: "error",
}

NOTHING_TO_DO: Final = "Nothing to do: the host is as the manifests say."


def outcome_text(
    outcome: Outcome,
    paint: Paint = plain,
    here: Here = NOWHERE,
    nothing: str = NOTHING_TO_DO,
    width: int | None = None,
    in_question: Sequence[str] = (),
) -> str:
    """The outcome as text, ended by a newline.

    Args:
        outcome: of an apply.
        paint: how its heading is painted.
        here: where the commands that it leads to are run.
        nothing: what to say where nothing was to be done.
        width: how wide a line may be, in columns; None: without limit. Commands are not divided.
        in_question: the queues or cards of which the kernel refused one (`in_question`).
    """
    page = Page(width, paint)
    lines = page.wrapped("", _heading(outcome, nothing), style=_RESULT_STYLE[outcome.result])
    if outcome.failure:
        lines += page.wrapped("  because: ", outcome.failure, 0)
    lines += [line for one in outcome.differences for line in page.wrapped("  left:    ", one, 0)]
    lines += [line for one in outcome.refusals for line in page.wrapped("  refused: ", one, 0)]
    if in_question:
        lines += page.with_remark(f"  next:    {here.line(STATUS.with_flags(*in_question))}    # shows who has them")
    if outcome.result is Result.ROLLED_BACK:
        lines += page.wrapped("  next:    ", "remove the cause, then run the same command again", 0)
    if outcome.result is Result.DEGRADED:
        lines += page.with_remark(f"  next:    {here.line(STATUS)}    # shows who holds what")
        lines += page.with_remark(f"  next:    {here.line(APPLY)}    # tries again")
    lines += [line for one in outcome.notes for line in page.wrapped("  note:    ", one, 0)]
    return lines_text(lines)


_MOST_QUEUES: Final = 8


def in_question(outcome: Outcome, plan: Plan) -> tuple[str, ...]:
    """The queues that the failed step of the `plan` gives a guest, as a status takes them; the cards of many.

    None where no step failed that does so: the kernel says that one of the queues is taken, and never which.
    """
    if outcome.result is not Result.ROLLED_BACK or not 0 < outcome.failed_step <= len(plan.steps):
        return ()
    step = plan.steps[outcome.failed_step - 1].step
    if not isinstance(step.after, ApConfig):
        return ()
    before = step.before.matrix if isinstance(step.before, ApConfig) else EMPTY_MATRIX
    queues = [queue for part in step.after.matrix.minus(before) for queue in part.queues()]
    if len(queues) > _MOST_QUEUES:
        return tuple(dict.fromkeys(f"card{one.adapter:02x}" for one in queues))[:_MOST_QUEUES]
    return tuple(map(str, queues))


def _heading(outcome: Outcome, nothing: str) -> str:
    writes = counted(outcome.writes, "kernel write")
    match outcome.result:
        case Result.NOTHING:
            return nothing
        case Result.APPLIED:
            files = f", {counted(outcome.files, 'file')} for the next boot" if outcome.files else ""
            return f"Applied and verified: {writes}{files}."
        case Result.ROLLED_BACK:
            back = counted(outcome.rollback_writes, "write")
            return f"Not applied; everything is as it was before ({writes}, {back} to roll it back)."
        case Result.DEGRADED:
            return "DEGRADED: not applied, and not everything could be rolled back."


def outcome_json(outcome: Outcome, plan: Plan, generation: int = 0) -> str:
    """The outcome with its plan as JSON text, ended by a newline; `generation` is its number, 0 where it has none."""
    record = {
        "formatVersion": 1,
        "result": outcome.result.value,
        "generation": generation or None,
        "kernelWrites": outcome.writes,
        "rollbackWrites": outcome.rollback_writes,
        "files": outcome.files,
        "failure": outcome.failure or None,
        "failedStep": outcome.failed_step or None,
        "differences": list(outcome.differences),
        "refusals": list(outcome.refusals),
        "notes": list(outcome.notes),
        "plan": plan_record(plan),
    }
    return json_text(record)
