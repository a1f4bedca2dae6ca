#!/usr/bin/python
"""See DOCUMENTATION."""

DOCUMENTATION = r"""
module: plan
short_description: Show what an apply would do on a host
version_added: 0.1.0
description:
  - Runs C(reconcile plan) on the managed host and returns the plan. Nothing on the host is changed.
  - RV(saved) is the plan as M(reconcile.vfio_ap.apply) takes it, to do exactly this or nothing.
  - The task is I(changed) where an apply would change the host.
extends_documentation_fragment:
  - reconcile.vfio_ap.reconcile
  - reconcile.vfio_ap.reconcile.manifests
attributes:
  check_mode:
    description: Can run in check mode, and then reports the same; O(content) is not kept on the host.
    support: full
  diff_mode:
    description: Returns the tool's own diff (C(reconcile plan -o diff)).
    support: full
seealso:
  - module: reconcile.vfio_ap.apply
"""

EXAMPLES = r"""
- name: Look at what would change
  reconcile.vfio_ap.plan:
    manifests:
      - /etc/reconciler
  register: planned

- name: Show it in one line
  ansible.builtin.debug:
    var: planned.plan.summary.text
"""

RETURN = r"""
plan:
  description: The plan, as C(reconcile plan -o json) prints it.
  returned: where the manifests could be read
  type: dict
  sample:
    fingerprint: 640669fb8ca9ef88a030a12ac8ccc452dfecca23801e7c175b9e0b39085428ad
    host: lpar7
    summary:
      text: "Plan: 3 to create, host pool changes; 7 kernel writes, 0 guests interrupted."
saved:
  description: The plan as it is saved, for the option O(reconcile.vfio_ap.apply#module:plan).
  returned: where it is valid, outside of check mode
  type: dict
refusal:
  description: Why there is no valid plan, as one word.
  returned: where there is none
  type: str
  sample: invalid
rc:
  description: The exit code of C(reconcile).
  returned: always
  type: int
  sample: 0
meaning:
  description: What the exit code means, as one word.
  returned: always
  type: str
  sample: invalid
cmd:
  description: The command that was run.
  returned: always
  type: list
  elements: str
stderr_lines:
  description: What C(reconcile) said.
  returned: always
  type: list
  elements: str
"""

import json
import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.reconcile.vfio_ap.plugins.module_utils.reconcile import (
    ARGUMENTS,
    MANIFEST_ARGUMENTS,
    Manifests,
    Reconcile,
    diff_of,
    has_changes,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(ARGUMENTS, **MANIFEST_ARGUMENTS),
        mutually_exclusive=[("manifests", "content")],
        required_one_of=[("manifests", "content")],
        required_by={"sha256": "content"},
        supports_check_mode=True,
    )
    reconcile, manifests = Reconcile(module), Manifests(module)
    if module.check_mode:
        ran, saved = reconcile.run(["plan", "-o", "json"] + manifests.passed()[0], manifests.passed()[1]), None
    else:
        ran, saved = planned(reconcile, manifests.kept())
    answer = ran.json() or {}
    plan = answer if "steps" in answer else answer.get("plan")
    if ran.code or not plan:
        reconcile.fail(ran, "there is no valid plan", **({"refusal": "invalid", "plan": plan} if plan else {}))
    result = dict(ran.record, changed=has_changes(plan), plan=plan)
    if saved:
        result["saved"] = saved
    if module._diff:
        named, data = manifests.passed()
        result["diff"] = diff_of(reconcile.run(["plan", "-o", "diff", *named], data).out)
    module.exit_json(**result)


def planned(reconcile: Reconcile, named: list) -> tuple:
    """How the plan ends, and what it saves."""
    folder = tempfile.mkdtemp(prefix="reconcile-plan-")
    try:
        file = os.path.join(folder, "plan.json")
        ran = reconcile.run(["plan", "-o", "json", "--out", file, *named])
        if not os.path.exists(file):
            return ran, None
        with open(file, encoding="ascii") as stream:
            return ran, json.load(stream)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
