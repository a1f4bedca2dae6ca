"""What the host boots into, beside what it runs."""

from typing import Any, Final

from reconciler.model.commands import DRIFT, Here
from reconciler.model.desired import Persistence
from reconciler.planning.plan import Plan
from reconciler.render.diagnostics import counted
from reconciler.render.plan_json import file_record

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
