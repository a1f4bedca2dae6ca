"""Sends the request of this round to one host: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_step
short_description: Send the request of this round to a host
version_added: 0.1.0
description:
  - For the playbooks of this collection alone. It runs the module that the request names on the managed host, and
    returns what came back. A host without a request is not connected to.
options:
  ask:
    description: What is asked instead of the request of M(reconcile.vfio_ap.fleet_next).
    type: str
    choices: [plan, look]
author:
  - The reconcile project (@vfio-ap-reconciler)
"""

import json
import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.reconcile.vfio_ap.plugins.plugin_utils import fleet

COLLECTION = "reconcile.vfio_ap."
OURS = frozenset({"meaning", "state", "version"})
"""Each result of a module of ours has one of these."""


class ActionModule(ActionBase):
    """Runs for each host in each round."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the host answered, in `reply`."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        fleet.require_reconcile()
        name = fleet.plain(variables["inventory_hostname"])
        ask = self._task.args.get("ask")
        if ask:
            module, options = self._looked_at(fleet.plain(ask), name, variables)
            found, unreachable = self._sent(module, options, variables)[:2]
            return dict(result, changed=False, reply={"unreachable": unreachable, "result": found})
        step = fleet.plain(variables[fleet.STEP])
        plain = step["requests"].get(name)
        if plain is None:
            return dict(result, changed=False)
        request = fleet.run.PROGRESS.read(fleet.run.Request, plain)
        known = fleet.run.PROGRESS.read(fleet.run.Progress, step["value"])
        check, module, options = self._asked(request, variables)
        found, unreachable, seconds = self._sent(module, options, variables, check=check)
        reply = fleet.run.Reply(unreachable) if unreachable else _reply(found, seconds)
        return dict(
            result,
            changed=bool(found.get("changed")),
            request=fleet.asked(known, request),
            reply=fleet.run.PROGRESS.plain(reply),
        )

    def _asked(self, request: Any, variables: dict[str, Any]) -> tuple[bool, str, dict[str, Any]]:
        """Whether in check mode, which module, and its options."""
        kind = fleet.run.Kind
        if request.kind in {kind.FIND, kind.ASK}:
            named = {} if request.kind is kind.FIND else {"id": request.fleet}
            return False, "host_info", {"gather_subset": ["state"], **named}
        plan = fleet.read_plan(variables)
        within = f"{plan.settings.confirm_within:.0f}s"
        if request.kind is kind.CANCEL:
            return False, "cancel", {"id": request.id}
        if request.kind in {kind.CONFIRM, kind.EXTEND}:
            extend = {"extend": within} if request.kind is kind.EXTEND else {}
            return False, "confirm", {"id": request.id, **extend}
        host = next(one for one in plan.hosts if one.name == request.host)
        options = {
            "content": host.manifests,
            "sha256": host.sha256,
            "host": host.name,
            "fingerprint": host.fingerprint,
            "id": request.id,
            "confirm_within": within,
            "fleet": fleet.plan_file.fleet_commit_of(plan, request.fleet).record,
            **{flag.lstrip("-").replace("-", "_"): True for flag in host.flags},
        }
        return request.kind is kind.CHECK, "apply", options

    def _looked_at(self, ask: str, name: str, variables: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if ask == "look":
            return "host_info", {}
        with open(fleet.variable(variables, "fleet_draft"), "rb") as stream:
            draft = json.load(stream)
        host = next((one for one in draft["hosts"] if one["name"] == name), None)
        if host is None:
            raise AnsibleError(f"{name} is not one of the hosts of the draft")
        return "plan", {"content": host["manifests"], "sha256": host["sha256"], "host": name}

    def _sent(
        self, module: str, options: dict[str, Any], variables: dict[str, Any], *, check: bool = False
    ) -> tuple[dict[str, Any], str, float]:
        """The result of the module, why there is none, and how long that took, in seconds."""
        where = {}
        for option, name in (("executable", "reconcile_executable"), ("state_dir", "reconcile_state_dir")):
            if variables.get(name):  # from the user's own inventory
                where[option] = fleet.plain(self._templar.template(variables[name]))
        self._task.check_mode = check
        begun = time.monotonic()
        try:
            found = fleet.plain(
                self._execute_module(
                    module_name=COLLECTION + module, module_args={**where, **options}, task_vars=variables
                )
            )
        except AnsibleError as error:  # the connection, the user's become, or no Python on the host
            return {}, str(error).strip() or "it cannot be reached", time.monotonic() - begun
        finally:
            self._task.check_mode = False
        if not OURS & found.keys():
            # The module did not run: its interpreter is missing, or what came back is none of its results.
            return {}, str(found.get("msg") or found.get("module_stderr") or "the module did not run").strip(), 0.0
        return found, "", time.monotonic() - begun


def _reply(found: dict[str, Any], seconds: float) -> Any:
    plan = found.get("plan") or {}
    refusal = (found.get("refusal") or found.get("meaning") or "failed") if found.get("failed") else ""
    said = found.get("why") or (found.get("msg") if found.get("failed") else "") or ""
    fingerprint = str(plan.get("fingerprint") or "")
    return fleet.run.Reply("", found.get("state"), str(refusal), fingerprint, str(said), float(seconds))
