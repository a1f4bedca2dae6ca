#!/usr/bin/python
"""See DOCUMENTATION."""

DOCUMENTATION = r"""
module: cancel
short_description: Roll back an apply that waits to be confirmed
version_added: 0.1.0
description:
  - Runs C(reconcile cancel) on the managed host, which rolls the apply back.
  - An id that no apply has had yet is blocked. An apply that comes late with it is refused.
  - To cancel twice succeeds. An apply that was confirmed is not touched, and the module fails with RV(rc) 4.
extends_documentation_fragment:
  - reconcile.vfio_ap.reconcile
options:
  id:
    description:
      - What M(reconcile.vfio_ap.apply) called it, or the number of its generation.
    type: str
    required: true
attributes:
  check_mode:
    description: Reports whether it would succeed, from how the apply stands.
    support: full
  diff_mode:
    description: There is no text that would differ.
    support: none
seealso:
  - module: reconcile.vfio_ap.apply
  - module: reconcile.vfio_ap.confirm
"""

EXAMPLES = r"""
- name: Do not keep what was applied
  reconcile.vfio_ap.cancel:
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
    state: cancelled
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
        argument_spec=dict(ARGUMENTS, id={"type": "str", "required": True}), supports_check_mode=True
    )
    reconcile, which = Reconcile(module), module.params["id"]
    before = reconcile.state(which)
    if module.check_mode:
        foretell(module, before)
    ran = reconcile.run(["cancel", which])
    after = reconcile.state(which)
    changed = before["state"] != after["state"]
    if ran.code:
        reconcile.fail(ran, "it was not cancelled", state=after, changed=changed)
    module.exit_json(**dict(ran.record, changed=changed, state=after))


def foretell(module: AnsibleModule, before: dict) -> None:
    """End with whether it would succeed."""
    if before["state"] == "confirmed":
        module.fail_json(
            msg="the apply {} could not be cancelled: it is confirmed".format(module.params["id"]),
            rc=4,
            meaning="refused",
            state=before,
        )
    changed = before["state"] in ("pending", "unknown", "unfinished")
    module.exit_json(rc=0, meaning="done", changed=changed, state=before)


if __name__ == "__main__":
    main()
