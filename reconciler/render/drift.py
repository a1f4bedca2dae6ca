"""Drift for people and, as JSON, for programs, and what the host boots into."""

from collections.abc import Sequence
from typing import Any, Final

from reconciler.model.commands import DRIFT, NOWHERE, PLAN, Here
from reconciler.model.desired import Persistence
from reconciler.model.printable import lines_text
from reconciler.planning.plan import Cause, Plan
from reconciler.render.changes import Summary, Waiting, few_text, summary_of
from reconciler.render.diagnostics import problem_record
from reconciler.render.plan_json import config_record, file_record, json_text, matrix_record, rolled_back_record
from reconciler.render.plan_text import changes_section, ending_lines, files_section, heading_text, rollback_section
from reconciler.render.table import Page
from reconciler.render.text import MOST_LINES, counted, fitted

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


def drift_text(
    plan: Plan,
    page: Page = Page(),  # noqa: B008 - a value
    *,
    most: int | None = MOST_LINES,
    whole: str = "",
    waiting: Waiting | None = None,
    here: Here = NOWHERE,
) -> str:
    """Every difference as text, the count last.

    Args:
        plan: what is shown.
        page: what it is shown on: lines that are wider are divided.
        most: how many lines it has at most; what is left out is counted. None: everything is shown.
        whole: the command that shows what is left out; empty where there is none.
        waiting: the apply that waits to be confirmed; None where none does.
        here: where the command that it leads to is run.
    """
    changes = changes_section(plan, page)
    head = [*page.wrapped("", heading_text(plan), style="bold"), ""]
    steps = [f"{here.line(PLAN)}    # shows what an apply would do"] if plan.is_valid and plan.changes else []
    summary = ending_lines(_summary(plan), waiting, page, steps)
    hint = [*page.with_remark(f"  next: {whole}    # shows all of it"), ""]
    room = None if most is None else most - len([*head, *hint, *summary])
    sections = [changes, *([files_section(plan, page)] if plan.is_valid else []), rollback_section(plan, page)]
    lines, is_cut = fitted(sections, room)
    if is_cut and whole:
        lines += hint
    return lines_text([*head, *lines, *summary])


def _summary(plan: Plan) -> Summary:
    if not plan.is_valid:
        return summary_of(plan)
    if differing := _differing(plan):
        verb = "differs" if sum(differing.values()) == 1 else "differ"
        names = plan.suspended_names
        suspended = f" Suspended: {few_text(names)}." if names else ""
        return Summary(f"{_lead(plan)} {_joined([*differing])} {verb} from the manifests.{suspended}")
    if plan.files:
        return Summary(f"{_lead(plan)} the host would boot into something else; the running host is in sync.")
    if plan.unread:
        unseen = "; ".join(one.what for one in plan.unread)
        return Summary(f"In sync, as far as this user can see; not seen: {unseen}.")
    return Summary("In sync.", "In sync")


def _lead(plan: Plan) -> str:
    """How much of what differs is drift: what another program has changed since the last apply."""
    causes = plan.causes
    if Cause.HOST in causes or any(one.drifted for one in plan.guests if one.changes):
        return "Drift, and more:" if causes - {Cause.HOST} else "Drift:"
    return "No drift, but a rollback:" if causes == {Cause.UNDONE} else "No drift, but"


def _differing(plan: Plan) -> dict[str, int]:
    """What differs, and how many that are: the host pool, guests, and devices that are to go and belong to none."""
    changed = [one for one in plan.guests if one.changes]
    guests = sum(one.guest is not None or one.name != one.uuid for one in changed)
    counts = ((guests, "guest"), (len(changed) - guests, "device"))
    pool = {"the host pool": 1} if plan.pool != plan.observed.pool else {}
    return {**pool, **{counted(count, noun): count for count, noun in counts if count}}


def _joined(parts: Sequence[str]) -> str:
    """`parts` as a list in a sentence."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def drift_json(plan: Plan) -> str:
    """Every difference as JSON text, ended by a newline."""
    record = {
        "formatVersion": 1,
        "host": plan.desired.host.name,
        "inSync": plan.in_sync,
        "rolledBack": rolled_back_record(plan),
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
                "causes": [one.value for one in guest.causes],
                "suspended": guest.uuid in plan.suspended,
            }
            for guest in plan.guests
            if guest.changes
        ],
        "atBoot": at_boot_record(plan),
        "problems": [problem_record(problem) for problem in plan.problems],
    }
    return json_text(record)
