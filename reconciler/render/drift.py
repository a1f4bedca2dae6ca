"""Drift for people and, as JSON, for programs, and what the host boots into."""

from typing import Any, Final

from reconciler.model.commands import DRIFT, Here
from reconciler.model.desired import Persistence
from reconciler.model.printable import lines_text
from reconciler.planning.plan import Plan
from reconciler.render.changes import few_text, guest_change, pool_change, summary_text
from reconciler.render.diagnostics import problem_record
from reconciler.render.plan_json import config_record, file_record, json_text, matrix_record
from reconciler.render.plan_text import file_lines, heading_text
from reconciler.render.text import Paint, counted, plain

_KEPT: Final = {
    Persistence.NONE: "nothing of this is kept (spec.persistence: none)",
    Persistence.SERVICE: "the boot unit applies what was applied last (spec.persistence: service)",
    Persistence.MDEVCTL: "as applied, by 41-ap.rules and mdevctl's definitions (spec.persistence: mdevctl)",
}


def at_boot_text(plan: Plan, here: Here) -> str:
    """What the host boots into, in one line; `here` is where the command that says more is run."""
    if not plan.files:
        return _KEPT[plan.desired.host.persistence]
    verb = "is" if len(plan.files) == 1 else "are"
    return f"something else: {counted(len(plan.files), 'file')} {verb} not as planned: {here.line(DRIFT)}"


def at_boot_record(plan: Plan) -> dict[str, Any]:
    """The same as plain values for JSON."""
    return {
        "persistence": plan.desired.host.persistence.value,
        "inSync": not plan.files,
        "files": [file_record(one) for one in plan.files],
    }


def drift_text(plan: Plan, paint: Paint = plain) -> str:
    """Every difference as text, the count last."""
    lines = [paint("bold", heading_text(plan)), ""]
    found = [pool_change(plan), *(guest_change(guest) for guest in plan.guests if guest.changes)]
    changes = [change for change in found if change]
    for change in changes:
        lines.append(f"  {paint(change.kind, change.kind.symbol)} {paint('bold', change.heading)}")
        lines += [*(f"      {line}" for line in change.lines), ""]
    if plan.is_valid and changes:
        verb = "differs" if len(changes) == 1 else "differ"
        lines += file_lines(plan, paint)
        names = plan.suspended_names
        suspended = f" Suspended: {few_text(names)}." if names else ""
        lines.append(paint("bold", f"Drift: {counted(len(changes), 'holder')} {verb} from the manifests.{suspended}"))
    elif plan.is_valid and plan.files:
        lines += file_lines(plan, paint)
        lines.append(paint("bold", "Drift: the host would boot into something else; the running host is in sync."))
    else:
        lines.append(paint("bold", summary_text(plan) if not plan.is_valid else "In sync."))
    return lines_text(lines)


def drift_json(plan: Plan) -> str:
    """Every difference as JSON text, ended by a newline."""
    record = {
        "formatVersion": "1",
        "host": plan.desired.host.name,
        "inSync": plan.in_sync,
        "pool": None
        if plan.pool == plan.observed.pool
        else {
            "live": matrix_record(plan.observed.pool),
            "wanted": matrix_record(plan.pool),
            "cause": plan.pool_cause.value if plan.pool_cause else None,
        },
        "guests": [
            {
                "name": guest.name,
                "uuid": guest.uuid,
                "live": config_record(guest.before),
                "wanted": config_record(guest.after),
                "cause": guest.cause.value if guest.cause else None,
                "suspended": guest.uuid in plan.suspended,
            }
            for guest in plan.guests
            if guest.changes
        ],
        "atBoot": at_boot_record(plan),
        "problems": [problem_record(problem) for problem in plan.problems],
    }
    return json_text(record)
