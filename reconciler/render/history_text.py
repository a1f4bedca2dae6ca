"""The history for people and for programs."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.model.outcome import Generation
from reconciler.model.printable import lines_text
from reconciler.render.paint import Paint, plain
from reconciler.render.plan_json import json_text

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
    interrupted = (one.outcome or {}).get("interrupted", ())
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


def moment(seconds: float) -> str:
    """`seconds` since 1970 as a date and a time of day, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _commit(commit: str) -> str:
    return f"{commit[:_SHORT]}{'+' if commit.endswith('+') else ''}" if commit else "-"
