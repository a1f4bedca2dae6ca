#!/usr/bin/python
"""See DOCUMENTATION."""

DOCUMENTATION = r"""
module: confirm
short_description: Keep what an apply to be confirmed has done
version_added: 0.1.0
description:
  - Runs C(reconcile confirm) on the managed host. From then on the apply stays.
  - That is what C(confirm_commit) is in M(junipernetworks.junos.junos_config), for the apply that O(id) names and no
    other.
  - To confirm twice succeeds, and changes nothing. An apply that has expired, was cancelled, or was lost by a boot
    cannot be confirmed any more.
extends_documentation_fragment:
  - reconcile.vfio_ap.reconcile
options:
  id:
    description:
      - What M(reconcile.vfio_ap.apply) called it, or the number of its generation.
    type: str
    required: true
  extend:
    description:
      - Do not confirm it yet, but allow this much more time, for example V(30m).
    type: str
attributes:
  check_mode:
    description: Reports whether it would succeed, from how the apply stands.
    support: full
  diff_mode:
    description: There is no text that would differ.
    support: none
seealso:
  - module: reconcile.vfio_ap.apply
  - module: reconcile.vfio_ap.cancel
"""

EXAMPLES = r"""
- name: Allow ten more minutes
  reconcile.vfio_ap.confirm:
    id: night-42
    extend: 10m

- name: Keep what was applied
  reconcile.vfio_ap.confirm:
    id: night-42
"""

RETURN = r"""
state:
  description:
    - How the apply stands afterwards (in check mode, as it stands), as C(reconcile history state -o json) prints it.
  returned: where it could be read
  type: dict
  sample:
    id: night-42
    generation: 12
    state: confirmed
rc:
  description: The exit code of C(reconcile).
  returned: always
  type: int
  sample: 0
meaning:
  description: What the exit code means, as one word.
  returned: always
  type: str
  sample: done
cmd:
  description: The command that was run.
  returned: outside of check mode
  type: list
  elements: str
stderr_lines:
  description: What C(reconcile) said.
  returned: outside of check mode
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.reconcile.vfio_ap.plugins.module_utils.reconcile import ARGUMENTS, Reconcile


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(ARGUMENTS, id={"type": "str", "required": True}, extend={"type": "str"}),
        supports_check_mode=True,
    )
    reconcile, which = Reconcile(module), module.params["id"]
    before = reconcile.state(which)
    if module.check_mode:
        foretell(module, before)
    extend = module.params["extend"]
    ran = reconcile.run(["confirm"] + (["--extend", extend] if extend else []) + [which])
    after = reconcile.state(which)
    if ran.code:
        reconcile.fail(ran, "it was not confirmed", state=after, changed=before["state"] != after["state"])
    changed = before["state"] == "pending"
    module.exit_json(**dict(ran.record, changed=changed, state=after))


def foretell(module: AnsibleModule, before: dict) -> None:
    """End with whether it would succeed."""
    if before["state"] in ("pending", "confirmed", "nothing to do"):
        module.exit_json(rc=0, meaning="done", changed=before["state"] == "pending", state=before)
    module.fail_json(
        msg="the apply {} could not be confirmed: its state is {}".format(module.params["id"], before["state"]),
        rc=1,
        meaning="failure",
        state=before,
    )


if __name__ == "__main__":
    main()
