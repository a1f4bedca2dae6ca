"""The plan as JSON: an interface that other programs read (schemas/plan.schema.json)."""

import json
from collections.abc import Iterator
from typing import Any

from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.kernel.writes import writes_of
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Process, VmName
from reconciler.model.printable import decodable
from reconciler.model.steps import FileChange
from reconciler.planning.basis import FORMAT_VERSION
from reconciler.planning.plan import GuestPlan, Plan, PlannedStep
from reconciler.render.changes import counts_of, summary_text
from reconciler.render.diagnostics import problem_record


def plan_json(plan: Plan) -> str:
    """The plan as JSON text, ended by a newline; the same plan gives the same bytes."""
    return json_text(plan_record(plan))


def json_text(record: object) -> str:
    r"""`record` as JSON text in ASCII, ended by a newline, that every program can read.

    A byte of a file name that is not UTF-8 is shown as an escape within its string, ``\\xff`` for instance.
    """
    text = json.dumps(record, indent=2)
    if "\\ud" in text:  # half of a surrogate pair, or a whole one
        text = json.dumps(decodable(record), indent=2)
    return without_commands(text) + "\n"


def without_commands(text: str) -> str:
    """The same JSON `text`, but that CI systems find none of their commands (``##[name]``) in it."""
    return text.replace("##", "#\\u0023")


def plan_record(plan: Plan, *, only_changes: bool = False) -> dict[str, Any]:
    """The plan as plain values; with `only_changes` only of guests for which it does something."""
    return {
        "formatVersion": FORMAT_VERSION,
        "host": plan.desired.host.name,
        "commit": plan.commit or None,
        "fingerprint": plan.fingerprint,
        "basis": plan.basis._asdict(),
        "summary": _summary(plan),
        "kernel": {"release": plan.observed.release, "abilities": plan.abilities._asdict()},
        "pool": {
            "before": pool_record(plan.observed.pool),
            "after": pool_record(plan.pool),
            "reason": plan.pool_reason.value if plan.pool_reason else None,
            "cause": plan.pool_cause.value if plan.pool_cause else None,
        },
        "problems": [problem_record(problem) for problem in plan.problems],
        "notes": list(plan.notes),
        "rolledBack": rolled_back_record(plan),
        "suspended": list(plan.suspended_names),
        "targets": None if plan.targets is None else list(plan.targets),
        "consents": [{"holder": one.holder, "reason": one.reason, "flag": one.flag} for one in plan.consents],
        "guests": [_guest(guest) for guest in plan.guests if guest.changes or not only_changes],
        "foreign": [{"uuid": one.uuid, "authorised": config_record(one.config)} for one in plan.foreign],
        "steps": list(_steps(plan)),
        "files": [file_record(one) for one in plan.files],
    }


def rolled_back_record(plan: Plan | None) -> dict[str, Any] | None:
    """The rollback that stands between the host and the manifests, as plain values; None where none does."""
    one = plan.rolled_back if plan else None
    if one is None:
        return None
    return {
        "generation": one.generation,
        "to": one.to or None,
        "before": one.before or None,
        "unconfirmed": one.unconfirmed and one.unconfirmed.value,
        "text": one.text,
    }


def _summary(plan: Plan) -> dict[str, Any]:
    counts = counts_of(plan)
    return {
        "text": summary_text(plan),
        "valid": plan.is_valid,
        "inSync": plan.in_sync,
        "create": counts.created,
        "change": counts.changed,
        "remove": counts.removed,
        "kernelWrites": counts.writes,
        "guestsInterrupted": counts.interrupted,
        "needsConsent": bool(plan.consents),
    }


def pool_record(pool: Matrix) -> dict[str, str]:
    """The host pool as the kernel writes its two masks."""
    return {"apmask": mask_text(pool.adapters), "aqmask": mask_text(pool.domains)}


def _guest(guest: GuestPlan) -> dict[str, Any]:
    wanted = guest.guest
    return {
        "name": guest.name,
        "uuid": guest.uuid,
        "activation": wanted.activation.value if wanted else None,
        "presence": wanted.presence.value if wanted else None,
        "labels": dict(wanted.labels) if wanted else {},
        "wanted": config_record(wanted.config) if wanted else None,
        "authorised": {"before": config_record(guest.before), "after": config_record(guest.after)},
        "effective": {"before": matrix_record(guest.sees_before), "after": matrix_record(guest.sees_after)},
        "effect": guest.effect.value,
        "inUse": guest.in_use,
        "openedBy": process_record(guest.opened_by),
        **vm_record(guest.vm),
        "interrupted": guest.interrupted,
        "rollbackTakes": [matrix_record(one) for one in guest.rollback_takes],
        "because": list(guest.because),
        "cause": guest.cause.value if guest.cause else None,
        "causes": [one.value for one in guest.causes],
    }


def config_record(config: ApConfig | None) -> dict[str, list[int]] | None:
    """A configuration as lists of ids."""
    if config is None:
        return None
    return {
        "adapters": list(config.adapters),
        "domains": list(config.domains),
        "controlDomains": list(config.control_domains),
    }


def file_record(change: FileChange) -> dict[str, str | None]:
    """A file that changes: its path, whose it is, and its text before and after; null where there is no file."""
    before, after = (
        None if content is None else content.decode("utf-8", "replace") for content in (change.before, change.after)
    )
    return {"path": f"/{change.path}", "holder": change.holder, "before": before, "after": after}


def matrix_record(matrix: Matrix | None) -> dict[str, list[int]] | None:
    """A matrix as lists of ids."""
    return None if matrix is None else {"adapters": list(matrix.adapters), "domains": list(matrix.domains)}


def process_record(process: Process | None) -> dict[str, Any] | None:
    """A process: its number, and the name of its program."""
    return {"process": process.number, "command": process.command} if process else None


def vm_record(vm: VmName | None) -> dict[str, dict[str, str]]:
    """The field ``vm`` where libvirt's files name one."""
    return {"vm": vm._asdict()} if vm else {}


def _steps(plan: Plan) -> Iterator[dict[str, Any]]:
    for planned in plan.steps:
        yield {
            "action": planned.step.action.value,
            "holder": planned.holder,
            "uuid": planned.step.uuid or None,
            "reason": {"file": planned.position.file, "line": planned.position.line},
            "precondition": _precondition(planned),
            "effect": planned.effect,
            "writes": [{"path": one.path, "value": one.value} for one in writes_of(planned.step, plan.abilities)],
        }


def _precondition(planned: PlannedStep) -> dict[str, Any]:
    before = planned.step.before
    if before is None:
        return {"exists": False}
    return (
        {planned.step.action.value: mask_text(before)}
        if isinstance(before, IdSet)
        else {
            "exists": True,
            "ap_config": ap_config_text(before),
        }
    )
