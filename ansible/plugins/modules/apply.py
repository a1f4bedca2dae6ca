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
  fingerprint:
    description:
      - The fingerprint that the plan must have which the host makes now; with another one, nothing is done.
    type: str
  confirm_within:
    description:
      - Roll everything back unless it is confirmed in this time, for example V(30m).
    type: str
  id:
    description:
      - What this apply is called, for M(reconcile.vfio_ap.confirm) and M(reconcile.vfio_ap.cancel). It matches
        V([a-z][a-z0-9-]{0,63}), and no other apply of this host may ever have it.
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
state:
  description: How the apply stands afterwards, as C(reconcile history state -o json) prints it.
  returned: with O(id)
  type: dict
refusal:
  description: Why it was refused, as one word.
  returned: where it was
  type: str
  sample: stale
why:
  description: Why it was refused, in a sentence.
  returned: where it was
  type: str
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
import re
import shutil
import tempfile
from typing import Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.reconcile.vfio_ap.plugins.module_utils.reconcile import (
    ARGUMENTS,
    CONSENTS,
    MANIFEST_ARGUMENTS,
    MEANINGS,
    Manifests,
    Reconcile,
    diff_of,
    flags_of,
    fleet_folder,
    forget_old,
    has_changes,
    write_private,
)


def main() -> None:
    """Run the module."""
    spec = dict(ARGUMENTS, **MANIFEST_ARGUMENTS)
    spec.update({name: {"type": "bool", "default": False} for name in CONSENTS})
    spec.update(
        plan={"type": "dict"},
        fingerprint={"type": "str"},
        confirm_within={"type": "str"},
        id={"type": "str"},
        fleet={"type": "dict"},
        lock_timeout={"type": "str"},
    )
    module = AnsibleModule(
        argument_spec=spec,
        mutually_exclusive=[("manifests", "content"), ("manifests", "plan"), ("fingerprint", "plan")],
        required_one_of=[("manifests", "content", "plan")],
        required_by={"sha256": "content", "fleet": "id"},
        supports_check_mode=True,
    )
    reconcile, manifests = Reconcile(module), Manifests(module)
    before = reconcile.state(module.params["id"]) if module.params["id"] else None
    if module.check_mode:
        foretell(module, reconcile, manifests, before)
    else:
        act(module, reconcile, manifests, before)


def foretell(module: AnsibleModule, reconcile: Reconcile, manifests: Manifests, before: Optional[dict]) -> None:
    """End with the plan, and with whether it could be applied."""
    known = {"state": before} if before else {}
    if before and before["state"] in ("pending", "confirmed", "nothing to do"):
        module.exit_json(rc=0, meaning="done", changed=False, **known)  # it came already
    if before and before["state"] != "unknown":
        refuse(module, 4, "id", "the id %s was used before: %s" % (module.params["id"], before["state"]), **known)
    named, data = wanted(module, manifests)
    folder = tempfile.mkdtemp(prefix="reconcile-plan-")
    try:
        part = part_of_fleet(module, folder)
        ran = reconcile.run(["plan", "-o", "json", *part, *named], data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    answer = ran.json() or {}
    plan = answer if "steps" in answer else answer.get("plan")
    if plan:
        known["plan"] = plan
    if ran.code or not plan:
        reconcile.fail(ran, "it could not be applied", **dict({"refusal": "invalid"} if plan else {}, **known))
    if not matches(module, plan):
        refuse(module, 5, "stale", "the host or the manifests have changed since the plan was made", **known)
    given = flags_of(module.params)
    missing = [one for one in plan["consents"] if one["flag"] not in given]
    if missing:
        shown = ["%s (%s: %s)" % (one["flag"], one["holder"], one["reason"]) for one in missing]
        refuse(module, 4, "consent", "it needs consent: %s" % ", ".join(shown), **known)
    result = dict(ran.record, changed=has_changes(plan), **known)
    if module._diff:
        result["diff"] = diff_of(reconcile.run(["plan", "-o", "diff", *named], data).out)
    module.exit_json(**result)


def refuse(module: AnsibleModule, code: int, refusal: str, why: str, **more: object) -> None:
    """End: the apply is refused, or would be."""
    meaning = MEANINGS[code]
    module.fail_json(msg="nothing was done: %s" % why, rc=code, meaning=meaning, refusal=refusal, why=why, **more)


def matches(module: AnsibleModule, plan: dict) -> bool:
    """Whether `plan` is the one that was reviewed."""
    saved, fingerprint = module.params["plan"], module.params["fingerprint"]
    return plan["fingerprint"] == (saved.get("fingerprint") if saved else fingerprint or plan["fingerprint"])


def act(module: AnsibleModule, reconcile: Reconcile, manifests: Manifests, before: Optional[dict]) -> None:
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
    words += part_of_fleet(module, fleet_folder(module, "plans"))
    named = manifests.kept() if manifests.content is not None or params["manifests"] else []
    if params["plan"]:
        named = [
            kept(
                module,
                fleet_folder(module, "plans"),
                params["plan"],
                "plan-%s.json" % params["plan"].get("fingerprint"),
            )
        ]
    elif params["fingerprint"] and (not before or before["state"] == "unknown"):
        named = [
            reviewed(module, reconcile, named, {"state": before} if before else {})
        ]  # one that came already is answered without a plan
    ran = reconcile.run([*words, *named])
    known = {"state": reconcile.state(params["id"])} if params["id"] else {}
    answer = ran.json()
    if ran.code or answer is None:
        if answer and answer.get("plan"):
            known["plan"] = answer["plan"]
        if answer and "result" in answer:
            known.update(answer=answer, result=answer["result"])
        reconcile.fail(ran, "it was not applied", changed=ran.code == 7, **known)
    # An apply that comes again is answered without a plan: nothing was done.
    plan = answer.get("plan")
    changed = bool(plan and has_changes(plan) and answer["result"] == "applied")
    result = dict(ran.record, changed=changed, answer=answer, **known)
    result.update(result=answer["result"], generation=answer["generation"])
    if plan:
        result["plan"] = plan
    if diff is not None:
        result["diff"] = diff_of(diff if changed else "")
    module.exit_json(**result)


def reviewed(module: AnsibleModule, reconcile: Reconcile, named: list, known: dict) -> str:
    """The path of the plan that the host has made now, which is the one that was reviewed."""
    name = "plan-%s.json" % module.params["fingerprint"]
    path = write_private(module, fleet_folder(module, "plans"), name, b"")
    forget_old(fleet_folder(module, "plans"), "plan-")
    part = part_of_fleet(module, fleet_folder(module, "plans"))
    ran = reconcile.run(["plan", "-o", "json", "--out", path, *part, *named])
    answer = ran.json() or {}
    plan = answer if "steps" in answer else answer.get("plan")
    if ran.code or not plan:
        os.unlink(path)
        reconcile.fail(ran, "it was not applied", **dict({"refusal": "invalid", "plan": plan} if plan else {}, **known))
    if not matches(module, plan):
        os.unlink(path)
        refuse(module, 5, "stale", "the host or the manifests have changed since the plan was made", plan=plan, **known)
    return path


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


def kept(module: AnsibleModule, folder: str, value: dict, name: str) -> str:
    """The path of a file with `value`, which is written; its name is never a path."""
    if not re.match(r"\A[a-z0-9-]{1,200}\.json\Z", name):
        refuse(module, 4, "input", "%s is no name of a file" % name)
    text = json.dumps(value, indent=2) + "\n"
    path = write_private(module, folder, name, text.encode("ascii"))
    forget_old(folder, name.partition("-")[0] + "-")  # of plans and of commits, each for itself
    return path


def part_of_fleet(module: AnsibleModule, folder: str) -> list:
    """The options that say which commit to several hosts this is a part of; the file is written in `folder`."""
    fleet = module.params["fleet"]
    return ["--fleet", kept(module, folder, fleet, "fleet-%s.json" % module.params["id"])] if fleet else []


if __name__ == "__main__":
    main()
