"""The findings for people and for programs."""

from collections.abc import Sequence

from reconciler.doctor.finding import Finding
from reconciler.model.commands import NOWHERE, Here
from reconciler.model.printable import lines_text
from reconciler.model.problems import Severity
from reconciler.render.plan_json import json_text
from reconciler.render.text import Paint, counted, plain


def findings_text(findings: Sequence[Finding], paint: Paint = plain, here: Here = NOWHERE) -> str:
    """All findings, ended by a newline; `here` is where the commands that they lead to are run."""
    if not findings:
        return paint("good", "Nothing wrong was found.") + "\n"
    lines = []
    for one in findings:
        lines += [
            paint(one.severity.value, f"{one.severity}[{one.id}]: {one.what}"),
            f"  why:  {one.why}",
            f"  type: {one.help}",
            *(f"  next: {here.line(command)}" for command in one.commands),
            "",
        ]
    errors = sum(one.severity is Severity.ERROR for one in findings)
    lines.append(f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}")
    return lines_text(lines)


def findings_json(findings: Sequence[Finding], here: Here = NOWHERE) -> str:
    """The same as JSON text, ended by a newline; each command is one line for a shell."""
    records = [{**one._asdict(), "commands": [here.line(command) for command in one.commands]} for one in findings]
    return json_text({"formatVersion": "1", "findings": records})
