"""What ``reconcile setup -o json`` prints: what is there, what would be done, and the commands; nothing is done."""

from collections.abc import Sequence
from typing import Any, Final

from reconciler.cli.command_lines import line_of
from reconciler.cli.setup_services import Left, Proposed, uninstalling
from reconciler.cli.setup_text import There
from reconciler.doctor.finding import finding_record
from reconciler.model.commands import Here
from reconciler.model.observed import ObservedMdev
from reconciler.model.steps import Definition
from reconciler.operations.setup import Undoing, Written
from reconciler.planning.plan import Plan
from reconciler.render.plan_json import config_record, file_record, json_text, plan_record, pool_record, vm_record
from reconciler.transaction.setup_record import InstalledService

_VERSION: Final = 1


def there_record(there: There, here: Here) -> dict[str, Any]:
    """What is on a host; `here` are the options that lead to it."""
    observed = there.observed
    return {
        "kernel": observed.release,
        "adapters": [one.adapter for one in observed.cards],
        "queues": len(observed.queues),
        "pool": pool_record(observed.pool),
        "devices": [{**_device(one), **vm_record(observed.vms.get(one.uuid))} for one in observed.mdevs],
        "definitions": [_definition(one) for one in there.definitions.found],
        "unusableDefinitions": list(map(str, there.definitions.unusable)),
        "findings": [finding_record(one, here) for one in there.findings],
    }


def _device(one: ObservedMdev) -> dict[str, Any]:
    return {"uuid": one.uuid, "authorised": config_record(one.config), "inUse": one.in_use}


def _definition(one: Definition) -> dict[str, Any]:
    return {"uuid": one.uuid, "authorised": config_record(one.config), "autostart": one.autostart}


def setup_json(
    host: str,
    found: dict[str, Any],
    written: Written | None,
    made: Plan,
    services: Sequence[Proposed | Left],
    command: str | None,
) -> str:
    """What a setup of the host called `host` would do, as JSON text.

    Args:
        host: its name.
        found: what is there, as `there_record` has it.
        written: the manifests that it writes; None where there are some.
        made: the plan of the manifests that there are then, which a setup does not apply.
        services: those that it installs, and the others.
        command: the one that does all of it without asking; None where there is nothing to do.
    """
    manifests = None if written is None else {"file": written.file, "text": written.text}
    return json_text(
        {
            "formatVersion": _VERSION,
            "host": host,
            "found": found,
            "manifests": manifests,
            "plan": plan_record(made),
            "services": [_service(one) for one in services],
            "command": command,
        }
    )


def _service(one: Proposed | Left) -> dict[str, Any]:
    if isinstance(one, Proposed):
        return {"name": one.service.name, "isThere": False, "why": one.what, "command": line_of(one.words)}
    return {"name": one.name, "isThere": one.is_there, "why": one.why, "command": None}


def undo_json(
    services: Sequence[InstalledService], done: Undoing, kept: Sequence[tuple[str, str]], command: str | None
) -> str:
    """What ``reconcile setup --undo`` would take back, as JSON text.

    Args:
        services: those that are uninstalled.
        done: the manifests that are removed, and the files that the host boots from.
        kept: what stays: the file, and why.
        command: the one that does all of it without asking; None where nothing is recorded.
    """
    return json_text(
        {
            "formatVersion": _VERSION,
            "services": [{"name": one.name, "command": line_of(uninstalling(one))} for one in services],
            "manifests": list(done.removed),
            "files": [file_record(one) for one in done.changes],
            "kept": [{"file": file, "why": why} for file, why in kept],
            "command": command,
        }
    )
