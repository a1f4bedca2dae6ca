"""What the doctor finds: a value for each thing that goes wrong in practice, and its text."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from reconciler.model.codec import Codec
from reconciler.model.commands import NOWHERE, Command, Here
from reconciler.model.identity import MachineIdentity
from reconciler.model.printable import lines_text
from reconciler.model.problems import Severity
from reconciler.render.plan_json import json_text
from reconciler.render.table import Page
from reconciler.render.text import counted


class Finding(NamedTuple):
    """One thing that is wrong, or soon will be.

    Attributes:
        id: stable name, for example ``unbound-queues``.
        severity: error where guests do not get what they should, warning where they might not.
        what: what was found, one sentence.
        why: why it matters, one sentence.
        help: what to do, in words, or as a command of another tool.
        commands: commands of ours that help, in this order.
        remarks: what each of these does, where there is a choice.
    """

    id: str
    severity: Severity
    what: str
    why: str
    help: str
    commands: tuple[Command, ...] = ()
    remarks: tuple[str, ...] = ()


def error(id: str, what: str, why: str, help: str, *commands: Command) -> Finding:
    """A finding that keeps guests from what they should have."""
    return Finding(id, Severity.ERROR, what, why, help, commands)


def warning(id: str, what: str, why: str, help: str, *commands: Command) -> Finding:
    """A finding that may do so."""
    return Finding(id, Severity.WARNING, what, why, help, commands)


def listed(names: list[str], most: int = 8) -> str:
    """Some of `names`, for a sentence: ``05.0004, 05.0005 and 7 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def findings_text(
    findings: Sequence[Finding],
    page: Page = Page(),  # noqa: B008 - a value
    here: Here = NOWHERE,
    host: str = "",
) -> str:
    """All findings, ended by a newline.

    Args:
        findings: what was found.
        page: what it is written on; commands are not divided there.
        here: where the commands that the findings lead to are run.
        host: a line about the host, which stands above them; may be empty.
    """
    lines = [host] if host else []
    if not findings:
        return lines_text([*lines, page.paint("good", "Nothing wrong was found.")])
    for one in findings:
        lines += [
            *page.wrapped("", f"{one.severity}[{one.id}]: {one.what}", style=one.severity.value),
            *page.wrapped("  why:  ", one.why, 0),
            *_fix_lines(one.help, page),
            *(line for step in _steps(one, here) for line in page.with_remark(f"  next: {step}")),
            "",
        ]
    errors = sum(one.severity is Severity.ERROR for one in findings)
    lines.append(f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}")
    return lines_text(lines)


def _steps(one: Finding, here: Here) -> Iterator[str]:
    ends = [*(f"    # {remark}" for remark in one.remarks), *[""] * len(one.commands)]
    yield from (f"{here.line(command)}{end}" for command, end in zip(one.commands, ends, strict=False))


def _fix_lines(help: str, page: Page) -> list[str]:
    # With a path or a variable it is a command to copy, which must stay in one line.
    if "    # " in help:
        return page.with_remark(f"  fix:  {help}")
    return [f"  fix:  {help}"] if "/" in help or "$" in help else page.wrapped("  fix:  ", help, 0)


def findings_json(
    findings: Sequence[Finding], here: Here = NOWHERE, identity: MachineIdentity | None = None, unidentified: str = ""
) -> str:
    """The same as JSON text, ended by a newline; each command is one line for a shell.

    Args:
        findings: what was found.
        here: where the commands that the findings lead to are run.
        identity: where the host runs; None where that is not known.
        unidentified: why it is not known.
    """
    records = [finding_record(one, here) for one in findings]
    host = {"identity": Codec().plain(identity) if identity else None, "unidentified": unidentified}
    return json_text({"formatVersion": 1, **host, "findings": records})


def finding_record(one: Finding, here: Here = NOWHERE) -> dict[str, Any]:
    """A finding as plain values; each command is one line for a shell, run where `here` leads to."""
    record = {**one._asdict(), "commands": [here.line(command) for command in one.commands]}
    del record["remarks"]  # for people
    return record
