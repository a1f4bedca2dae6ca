"""The history, and how an apply ended, for people and for programs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.commands import APPLY, NOWHERE, STATUS, Here
from reconciler.model.outcome import Generation, Outcome, Result
from reconciler.model.printable import lines_text
from reconciler.planning.plan import Plan
from reconciler.render.plan_json import json_text, plan_record
from reconciler.render.text import Paint, counted, moment, plain

_RESULT_STYLE: Final = {
    Result.NOTHING: "good",
    Result.APPLIED: "good",
    Result.ROLLED_BACK: "warning",
    Result.DEGRADED: "error",
}


def outcome_text(outcome: Outcome, paint: Paint = plain, here: Here = NOWHERE) -> str:
    """The outcome as text, ended by a newline; `here` is where the commands that it leads to are run."""
    lines = [paint(_RESULT_STYLE[outcome.result], _heading(outcome))]
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
            back = counted(outcome.rollback_writes, "write")
            return f"Not applied; everything is as it was before ({writes}, {back} to roll it back)."
        case Result.DEGRADED:
            return "DEGRADED: not applied, and not everything could be rolled back."


def outcome_json(outcome: Outcome, plan: Plan, generation: int = 0) -> str:
    """The outcome with its plan as JSON text, ended by a newline; `generation` is its number, 0 where it has none."""
    record = {
        "formatVersion": "1",
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


_STYLE: Final = {"applied": "good", "rolled back": "warning"}
_SHORT: Final = 12


def history_text(generations: Iterable[Generation], paint: Paint = plain) -> str:
    """A line for each generation, the newest first, ended by a newline."""
    shown = list(generations)
    rows = [_row(one) for one in shown]
    if not rows:
        return "Nothing has been applied yet.\n"
    styles = [_STYLE.get(one.result, "error") for one in reversed(shown)]
    table = [("NUMBER", "STARTED (UTC)", "RESULT", "BY", "COMMIT", "PLAN"), *reversed(rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row, style in zip(table, ("", *styles), strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[2] = paint(style, cells[2]) if style else cells[2]
        lines.append("  ".join(cells).rstrip())
    return lines_text(lines)


def _row(one: Generation) -> tuple[str, ...]:
    origin = one.origin
    started = moment(origin.started) if origin.started else "-"
    interrupted = one.outcome.interrupted if one.outcome else ()
    remarks = [one.remark] if one.remark else []
    if interrupted:
        remarks.append(f"interrupted {', '.join(interrupted)}")
    result = f"{one.result} ({'; '.join(remarks)})" if remarks else one.result
    summary = one.summary.removeprefix("Plan: ").rstrip(".")
    return str(one.number), started, result, origin.user, _commit(origin.commit), summary


def history_json(generations: Iterable[Generation]) -> str:
    """The same as JSON text, ended by a newline."""
    records = [
        {
            "number": one.number,
            "started": one.origin.started,
            "user": one.origin.user,
            "actor": one.origin.actor,
            "command": one.origin.command,
            "commit": one.origin.commit or None,
            "host": one.host,
            "manifests": one.digest,
            "summary": one.summary,
            "result": one.result,
            "remark": one.remark or None,
        }
        for one in generations
    ]
    return json_text({"formatVersion": "1", "generations": records})


def generation_text(record: Mapping[str, Any]) -> str:
    """Everything that matters of one generation, ended by a newline."""
    plan, outcome = record["plan"], record["outcome"] or {}
    lines = [
        f"Generation {record['number']}: {outcome.get('result', 'not finished')}",
        f"  started:   {moment(record['started'])} UTC",
        *([f"  ended:     {moment(outcome['ended'])} UTC"] if "ended" in outcome else []),
        f"  by:        {record['user']}",
        f"  command:   {record['command']}",
        f"  commit:    {record['commit'] or 'none'}",
        f"  manifests: {record['desired']['digest']}",
        f"  host:      {record['desired']['host']['name']}",
        *([f"  because:   {outcome['failure']}"] if outcome.get("failure") else []),
        *(f"  left:      {one}" for one in outcome.get("differences", ())),
        *(f"  note:      {one}" for one in outcome.get("notes", ())),
        *(f"  suspended: {name}, and differs from its manifest" for name in plan.get("suspended", ())),
        f"  {plan['summary']['text']}",
        "",
        "Steps:",
        *(
            f"  {number:3}. {one['holder']}: {one['action']}: "
            + "; ".join(f"{write['path']} <- {write['value']}" for write in one["writes"])
            for number, one in enumerate(plan["steps"], 1)
        ),
    ]
    return lines_text(lines)


def generation_json(record: Mapping[str, Any]) -> str:
    """The same as JSON text, ended by a newline."""
    return json_text(record)


def _commit(commit: str) -> str:
    return f"{commit[:_SHORT]}{'+' if commit.endswith('+') else ''}" if commit else "-"
