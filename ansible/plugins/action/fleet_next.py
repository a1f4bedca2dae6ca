"""Decides what is asked of which host in the next round: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_next
short_description: Decide what a commit to several hosts does next
version_added: 0.1.0
description:
  - For the role C(reconcile.vfio_ap.fleet_commit) alone. It folds what all hosts answered in the round before, and asks
    one pure function (C(reconciler.fleet.run)) for the requests of the next round. Nothing else decides.
options:
  stage:
    description: The stage of this play. A request of a later stage waits for its play.
    type: str
    required: true
author:
  - The reconcile project (@vfio-ap-reconciler)
"""

import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.reconcile.vfio_ap.plugins.plugin_utils import fleet


class ActionModule(ActionBase):
    """Runs once in each round."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The requests of this round by host, and in `then` the tasks that come after it."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        fleet.require_reconcile()
        here = fleet.require_whole(variables)
        stage = fleet.run.Stage(fleet.plain(self._task.args["stage"]))
        plan = fleet.read_plan(variables)
        before = self._before(variables, stage)
        known = fleet.run.PROGRESS.read(fleet.run.Progress, before["value"])
        if not before["held"]:
            if known.soak is not None:
                self._display.display(f"waiting for {known.soak:.0f} s after the canaries")
                time.sleep(known.soak)
            known = fleet.run.advanced(plan, known, self._replies(variables, known), here)
        if known.end:
            fleet.write_result(variables, fleet.run.result_of(known))
        stages = list(fleet.run.Stage)
        is_later = bool(known.end) or stages.index(known.stage) > stages.index(stage)
        requests = () if is_later else known.requests
        return dict(
            result,
            changed=False,
            held=is_later,
            value=fleet.run.PROGRESS.plain(known),
            requests={one.host: fleet.run.PROGRESS.plain(one) for one in requests},
            then="rest.yml" if is_later else "round.yml",
        )

    def _before(self, variables: dict[str, Any], stage: Any) -> Any:
        """What the round before has left."""
        before = variables.get(fleet.STEP)
        if before is not None:
            return fleet.plain(before)
        if stage is not fleet.run.Stage.EARLIER:
            raise AnsibleError("the stages before this one were left out")
        start = fleet.run.Progress(fleet.variable(variables, "fleet_id"))
        return {"held": False, "value": fleet.run.PROGRESS.plain(start)}

    def _replies(self, variables: dict[str, Any], known: Any) -> dict[str, Any]:
        """What the hosts answered to the requests of the round before."""
        replies = {}
        for request in known.requests:
            answers = variables["hostvars"].get(request.host, {})
            found = fleet.plain(answers.get(fleet.ANSWER) or {})
            if found.get("request") == fleet.asked(known, request):
                replies[request.host] = fleet.run.PROGRESS.read(fleet.run.Reply, found["reply"])
            elif found.get("unreachable") or found.get("failed"):
                replies[request.host] = fleet.run.Reply(str(found.get("msg") or "no answer"))
        return replies
