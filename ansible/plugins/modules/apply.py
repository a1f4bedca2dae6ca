#!/usr/bin/python
"""See DOCUMENTATION."""

DOCUMENTATION = r"""
module: apply
short_description: Change a host as its manifests say, wholly or not at all
version_added: 0.1.0
description:
  - Runs C(reconcile apply) on the managed host. It changes everything that the manifests ask for, or nothing.
  - With O(plan), exactly what that plan says is done; where the host or the manifests have changed since, nothing is.
  - With O(confirm_within), everything is rolled back unless M(reconcile.vfio_ap.confirm) comes in time. That is what
    C(confirm) is in M(junipernetworks.junos.junos_config), but with a unit behind each number.
extends_documentation_fragment:
  - reconcile.vfio_ap.reconcile
  - reconcile.vfio_ap.reconcile.manifests
options:
  plan:
    description:
      - A saved plan, as M(reconcile.vfio_ap.plan) returns it in RV(reconcile.vfio_ap.plan#module:saved).
      - It names the manifests by their paths; O(content) may be given beside it, and puts them there once more.
    type: dict
  confirm_within:
    description:
      - Roll everything back unless it is confirmed in this time, for example V(30m).
    type: str
  id:
    description:
      - What this apply is called, for M(reconcile.vfio_ap.confirm) and M(reconcile.vfio_ap.cancel). It matches
        V([a-z0-9][a-z0-9-]{0,63}), and no other apply of this host may ever have it.
      - An apply that comes again with its id and the same plan changes nothing and succeeds.
    type: str
  fleet:
    description:
      - The commit to several hosts that this apply is a part of. The host keeps it with the generation.
    type: dict
  lock_timeout:
    description:
      - How long to wait for other commands that are at work on the host, for example V(1m).
    type: str
  allow_disruption:
    description:
      - Interrupt running guests where the plan says so.
    type: bool
    default: false
  allow_empty:
    description:
      - Remove all of the mediated devices that C(reconcile) has made, where the plan says so.
    type: bool
    default: false
  allow_removals:
    description:
      - Remove more than half of them at once where the plan says so.
    type: bool
    default: false
  allow_suspended:
    description:
      - Change what is suspended where the plan says so.
    type: bool
    default: false
  accept_machine:
    description:
      - Accept the machine and LPAR that the host runs in, whatever the manifests say.
    type: bool
    default: false
attributes:
  check_mode:
    description: Returns the plan, and whether it could be applied.
    support: full
  diff_mode:
    description: Returns the tool's own diff (C(reconcile plan -o diff)).
    support: full
seealso:
  - module: reconcile.vfio_ap.plan
  - module: reconcile.vfio_ap.confirm
  - module: reconcile.vfio_ap.cancel
"""

EXAMPLES = r"""
- name: Change the host as the manifests on it say
  reconcile.vfio_ap.apply:
    manifests:
      - /etc/reconciler

- name: Look at what would change
  reconcile.vfio_ap.plan:
    manifests:
      - /etc/reconciler
  register: planned

- name: Do exactly that, and roll it back unless it is confirmed within ten minutes
  reconcile.vfio_ap.apply:
    plan: "{{ planned.saved }}"
    id: night-42
    confirm_within: 10m
"""

RETURN = r"""
result:
  description: How it ended, V(applied) or V(nothing to do); of an apply that came again, how the first one ended.
  returned: outside of check mode, where it was begun
  type: str
  sample: applied
generation:
  description: The number of the generation on the host.
  returned: outside of check mode, where it was begun
  type: int
  sample: 12
answer:
  description: Everything that C(reconcile apply -o json) printed.
  returned: outside of check mode, where it was begun
  type: dict
plan:
  description: The plan, as C(reconcile plan -o json) prints it.
  returned: where there is one
  type: dict
rc:
  description: The exit code of C(reconcile).
  returned: always
  type: int
  sample: 0
meaning:
  description: What the exit code means, as one word.
  returned: always
  type: str
  sample: stale
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.reconcile.vfio_ap.plugins.module_utils.reconcile import (
    ARGUMENTS,
    CONSENTS,
    MANIFEST_ARGUMENTS,
    Manifests,
    Reconcile,
    diff_of,
    flags_of,
    fleet_folder,
    has_changes,
    write_private,
)


def main() -> None:
    """Run the module."""
    spec = dict(ARGUMENTS, **MANIFEST_ARGUMENTS)
    spec.update({name: {"type": "bool", "default": False} for name in CONSENTS})
    spec.update(
        plan={"type": "dict"},
        confirm_within={"type": "str"},
        id={"type": "str"},
        fleet={"type": "dict"},
        lock_timeout={"type": "str"},
    )
    module = AnsibleModule(
        argument_spec=spec,
        mutually_exclusive=[("manifests", "content"), ("manifests", "plan")],
        required_one_of=[("manifests", "content", "plan")],
        required_by={"sha256": "content", "fleet": "id"},
        supports_check_mode=True,
    )
    reconcile, manifests = Reconcile(module), Manifests(module)
    if module.check_mode:
        foretell(module, reconcile, manifests)
    else:
        act(module, reconcile, manifests)


def foretell(module: AnsibleModule, reconcile: Reconcile, manifests: Manifests) -> None:
    """End with the plan, and with whether it could be applied."""
    named, data = wanted(module, manifests)
    ran = reconcile.run(["plan", "-o", "json", *named], data)
    plan = ran.json()
    if ran.code or plan is None:
        reconcile.fail(ran, "it could not be applied", **({"plan": plan} if plan else {}))
    saved = module.params["plan"]
    if saved and saved.get("fingerprint") != plan["fingerprint"]:
        module.fail_json(
            msg="it could not be applied: the plan is stale, since the host or the manifests have changed",
            **dict(ran.record, rc=5, meaning="stale", plan=plan),
        )
    given = flags_of(module.params)
    missing = [one for one in plan["consents"] if one["flag"] not in given]
    if missing:
        shown = ["{} ({}: {})".format(one["flag"], one["holder"], one["reason"]) for one in missing]
        module.fail_json(
            msg="it could not be applied without consent: {}".format(", ".join(shown)),
            **dict(ran.record, rc=4, meaning="refused", plan=plan),
        )
    result = dict(ran.record, changed=has_changes(plan), plan=plan)
    if module._diff:
        result["diff"] = diff_of(reconcile.run(["plan", "-o", "diff", *named], data).out)
    module.exit_json(**result)


def act(module: AnsibleModule, reconcile: Reconcile, manifests: Manifests) -> None:
    """Apply, and end with how that ended."""
    params = module.params
    diff = None
    if module._diff:
        named, data = wanted(module, manifests)
        diff = reconcile.run(["plan", "-o", "diff", *named], data).out
    words = ["apply", "--yes", "-o", "json", *flags_of(params)]
    for option in ("id", "confirm_within", "lock_timeout"):
        if params[option]:
            words += ["--" + option.replace("_", "-"), params[option]]
    named = manifests.kept() if manifests.content is not None or params["manifests"] else []
    if params["plan"]:
        named = [saved_plan(module)]
    if params["fleet"]:
        text = json.dumps(params["fleet"], indent=2, sort_keys=True) + "\n"
        folder = fleet_folder(module, params["id"])
        words += ["--fleet", write_private(module, folder, "fleet.json", text.encode("ascii"))]
    ran = reconcile.run(words + named)
    answer = ran.json()
    if ran.code or answer is None:
        plan = (answer or {}).get("plan") or (answer if answer and "steps" in answer else None)
        more = {"plan": plan} if plan else {}
        if answer and "result" in answer:
            more.update(answer=answer, result=answer["result"])
        reconcile.fail(ran, "it was not applied", changed=ran.code == 7, **more)
    # An apply that comes again is answered without a plan: nothing was done.
    plan = answer.get("plan")
    result = dict(ran.record, changed=bool(plan and has_changes(plan) and answer["result"] == "applied"), answer=answer)
    result.update(result=answer["result"], generation=answer["generation"])
    if plan:
        result["plan"] = plan
    if diff is not None:
        result["diff"] = diff_of(diff if result["changed"] else "")
    module.exit_json(**result)


def wanted(module: AnsibleModule, manifests: Manifests) -> tuple:
    """The options that name what is wanted, and the standard input that goes with them; nothing is written."""
    plan = module.params["plan"]
    if not plan:
        return manifests.passed()
    targets = [word for name in plan.get("targets") or [] for word in ("--target", name)]
    if manifests.content is not None:
        named, data = manifests.passed()
        return named + targets, data
    named = [word for path in plan.get("manifests") or [] for word in ("-f", path)]
    return [*named, "--host", str(plan.get("host")), *targets], None


def saved_plan(module: AnsibleModule) -> str:
    """The path of the saved plan, which is written."""
    text = json.dumps(module.params["plan"], indent=2) + "\n"
    name = "plan-{}.json".format(os.path.basename(str(module.params["plan"].get("fingerprint")))[:64])
    folder = fleet_folder(module, "plans")
    return write_private(module, folder, name, text.encode("ascii"))


if __name__ == "__main__":
    main()
