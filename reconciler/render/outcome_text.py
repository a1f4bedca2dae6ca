"""How an apply ended, for people and for programs."""

from typing import Final

from reconciler.model.commands import APPLY, NOWHERE, STATUS, Here
from reconciler.model.outcome import Outcome, Result
from reconciler.model.printable import lines_text
from reconciler.planning.plan import Plan
from reconciler.render.diagnostics import counted
from reconciler.render.paint import Paint, plain
from reconciler.render.plan_json import json_text, plan_record

_STYLE: Final = {
    Result.NOTHING: "good",
    Result.APPLIED: "good",
    Result.ROLLED_BACK: "warning",
    Result.DEGRADED: "error",
}


def outcome_text(outcome: Outcome, paint: Paint = plain, here: Here = NOWHERE) -> str:
    """The outcome as text, ended by a newline; `here` is where the commands that it leads to are run."""
    lines = [paint(_STYLE[outcome.result], _heading(outcome))]
    if outcome.failure:
        lines.append(f"  because: {outcome.failure}")
    lines += [f"  left:    {difference}" for difference in outcome.differences]
    lines += [f"  refused: {refusal}" for refusal in outcome.refusals]
    if outcome.result is Result.ROLLED_BACK:
        lines.append("  next:    remove the cause, then run the same command again")
    if outcome.result is Result.DEGRADED:
        lines.append(f"  next:    {here.line(STATUS)}    # shows who holds what")
        lines.append(f"  next:    {here.line(APPLY)}    # tries again")
    lines += [f"  note:    {note}" for note in outcome.notes]
    return lines_text(lines)


def _heading(outcome: Outcome) -> str:
    writes = counted(outcome.writes, "kernel write")
    match outcome.result:
        case Result.NOTHING:
            return "Nothing to do: the host is as the manifests say."
        case Result.APPLIED:
            files = f", {counted(outcome.files, 'file')} for the next boot" if outcome.files else ""
            return f"Applied and verified: {writes}{files}."
        case Result.ROLLED_BACK:
            back = counted(outcome.writes_back, "write")
            return f"Not applied; everything is as it was before ({writes}, {back} to put it back)."
        case Result.DEGRADED:
            return "DEGRADED: not applied, and not everything could be put back."


def outcome_json(outcome: Outcome, plan: Plan, generation: int = 0) -> str:
    """The outcome with its plan as JSON text, ended by a newline; `generation` is its number, 0 where it has none."""
    record = {
        "formatVersion": "1",
        "result": outcome.result.value,
        "generation": generation or None,
        "kernelWrites": outcome.writes,
        "kernelWritesBack": outcome.writes_back,
        "files": outcome.files,
        "failure": outcome.failure or None,
        "failedStep": outcome.failed_step or None,
        "differences": list(outcome.differences),
        "refusals": list(outcome.refusals),
        "notes": list(outcome.notes),
        "plan": plan_record(plan),
    }
    return json_text(record)
