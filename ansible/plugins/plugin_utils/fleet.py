"""What the action plugins of a commit to several hosts have in common. They run on the controller."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleError

try:
    from reconciler.fleet import plan_file, run
    from reconciler.model.codec import BadRecord
except ImportError as error:  # pragma: no cover - the Python of the controller has no reconcile
    run = plan_file = None  # type: ignore[assignment]
    MISSING: str | None = str(error)
else:
    MISSING = None

STEP = "fleet_commit_step"
"""The variable in which the role registers what is to be done."""
ANSWER = "fleet_commit_answer"
"""The variable in which it registers what each host answered."""


def require_reconcile() -> None:
    """Raise AnsibleError where the Python that runs Ansible has no reconcile."""
    if MISSING:
        raise AnsibleError(
            f"install reconcile in the Python that runs Ansible: pip install 'vfio-ap-reconciler[fleet]' ({MISSING})"
        )


def plain(value: Any) -> Any:
    """`value` as JSON has it, without what Ansible adds to texts; no template is looked at."""
    if isinstance(value, Mapping):
        return {str(key)[:]: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return "".join(list(value))
    return value


def asked(known: Any, request: Any) -> dict[str, Any]:
    """The `request` of a round of the commit that `known` is about: no other one is the same."""
    about = known.earlier.id if known.earlier else known.id
    return {**run.PROGRESS.plain(request), "round": known.round, "about": about}


def variable(task_vars: Mapping[str, Any], name: str) -> Any:
    """The variable `name` that ``reconcile fleet`` gave.

    Raises:
        AnsibleError: there is none.
    """
    if not task_vars.get(name):
        raise AnsibleError(f"the variable {name} is missing; this playbook is started by 'reconcile fleet'")
    return plain(task_vars[name])


def require_whole(task_vars: Mapping[str, Any]) -> list[str]:
    """The names of all hosts of the commit.

    Raises:
        AnsibleError: this run would leave out hosts or tasks.
    """
    wanted = variable(task_vars, "fleet_hosts")
    why = "a commit is made on all of its hosts, in all of its steps, or on none"
    given = context.CLIARGS
    for option, value in (
        ("--limit", given.get("subset")),
        ("--start-at-task", given.get("start_at_task")),
        ("--skip-tags", given.get("skip_tags")),
        ("--tags", [one for one in given.get("tags") or [] if one != "all"]),
    ):
        if value:
            raise AnsibleError(f"{option} cannot be used here: {why}; leave hosts out with 'fleet plan --without HOST'")
    if given.get("check"):
        raise AnsibleError(
            "--check cannot be used here: each stage depends on what the one before it has done; "
            "'reconcile fleet plan' says what would be done"
        )
    here = plain(task_vars["ansible_play_hosts_all"])
    if sorted(here) != sorted(wanted):
        missing, more = sorted(set(wanted) - set(here)), sorted(set(here) - set(wanted))
        named = "; ".join(
            f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("too many", more)) if names
        )
        raise AnsibleError(f"the hosts of this play are not those of the plan ({named}): {why}; see the inventory")
    return list(wanted)


def read_plan(task_vars: Mapping[str, Any]) -> plan_file.FleetPlan:
    """The plan that was reviewed.

    Raises:
        AnsibleError: it cannot be read.
    """
    file = variable(task_vars, "fleet_plan")
    try:
        with open(file, "rb") as stream:
            return plan_file.read_fleet_plan(stream.read())
    except (OSError, BadRecord) as error:
        raise AnsibleError(f"{file} cannot be used: {error}") from error


def write_result(task_vars: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write `record` to the file that the caller has named, for its owner alone, as a whole."""
    path = variable(task_vars, "fleet_result")
    descriptor, beside = tempfile.mkstemp(dir=os.path.dirname(path) or ".")
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        json.dump(record, stream, indent=1)
    os.replace(beside, path)
