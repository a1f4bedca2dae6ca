"""Writes what all hosts answered to a file: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_write
short_description: Write what all hosts answered
version_added: 0.1.0
description:
  - For the playbooks of this collection alone. It writes the answers of all hosts of the play to the file
    C(fleet_result), or ends the playbook with the outcome of a commit.
options:
  what:
    description: What the hosts were asked for.
    type: str
    required: true
    choices: [plan, look, outcome]
author:
  - The reconcile project (@vfio-ap-reconciler)
"""

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.reconcile.vfio_ap.plugins.plugin_utils import fleet


class ActionModule(ActionBase):
    """Runs once."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the file."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        fleet.require_reconcile()
        names = fleet.require_whole(variables)
        what = fleet.plain(self._task.args["what"])
        if what == "outcome":
            return dict(result, **_outcome(fleet.plain(variables[fleet.STEP])))
        written = _planned if what == "plan" else _looked
        hosts = {name: written(fleet.plain(variables["hostvars"][name].get(fleet.ANSWER) or {})) for name in names}
        fleet.write_result(variables, {"formatVersion": 1, "hosts": hosts})
        return dict(result, changed=False)


def _outcome(step: dict[str, Any]) -> dict[str, Any]:
    """The end of the commit, which fails the playbook unless all hosts are as the plan says."""
    record = fleet.run.result_of(fleet.run.PROGRESS.read(fleet.run.Progress, step["value"]))
    named = "; ".join(f"{one['name']}: {one['why']}" for one in record["hosts"] if one["why"])
    text = f"outcome: {record['outcome']}" + (f" ({named})" if named else "")
    return {"changed": False, "msg": text, "failed": record["outcome"] != "all", "outcome": record}


def _unreachable(answer: dict[str, Any]) -> str:
    reply = answer.get("reply") or {}
    return str(reply.get("unreachable") or ("" if reply else answer.get("msg") or "no answer"))


def _planned(answer: dict[str, Any]) -> dict[str, Any]:
    if why := _unreachable(answer):
        return {"unreachable": why}
    found = answer["reply"]["result"]
    if found.get("failed"):
        return {"refusal": found.get("refusal") or found["meaning"], "why": found.get("why") or found["msg"]}
    return {"plan": found["plan"]}


def _looked(answer: dict[str, Any]) -> dict[str, Any]:
    if why := _unreachable(answer):
        return {"unreachable": why}
    found = answer["reply"]["result"]
    if found.get("failed"):
        return {"unreachable": found["msg"]}
    state = found["state"]
    return {"status": found["status"], "history": found["history"], "state": state, "fleet": state.get("fleet")}
