#!/usr/bin/python
"""See DOCUMENTATION."""

DOCUMENTATION = r"""
module: host_info
short_description: Report how the crypto queues of a host stand
version_added: 0.1.0
description:
  - Runs C(reconcile status), C(reconcile history) and C(reconcile history state) on the managed host, and returns what
    they print as JSON. Nothing is changed.
extends_documentation_fragment:
  - reconcile.vfio_ap.reconcile
options:
  id:
    description:
      - The apply of which RV(state) is returned; left out, the newest commit to several hosts that this host was part
        of.
    type: str
  gather_subset:
    description:
      - What to return.
    type: list
    elements: str
    choices:
      - status
      - history
      - state
    default:
      - status
      - history
      - state
attributes:
  check_mode:
    description: Can run in check mode, and then returns the same.
    support: full
  diff_mode:
    description: Nothing is changed.
    support: none
seealso:
  - module: reconcile.vfio_ap.plan
"""

EXAMPLES = r"""
- name: Look at the host
  reconcile.vfio_ap.host_info:
  register: found

- name: See whether it is as it should be
  ansible.builtin.debug:
    var: found.status.inSync

- name: See how one apply stands
  reconcile.vfio_ap.host_info:
    id: night-42
    gather_subset:
      - state
"""

RETURN = r"""
version:
  description: The version of C(reconcile) on the managed host.
  returned: always
  type: str
  sample: 0.1.0
status:
  description: As C(reconcile status -o json) prints it.
  returned: where asked for
  type: dict
history:
  description: The generations, as C(reconcile history -o json) prints them, the newest first.
  returned: where asked for
  type: dict
state:
  description: How an apply stands, as C(reconcile history state -o json) prints it.
  returned: where asked for
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.reconcile.vfio_ap.plugins.module_utils.reconcile import ARGUMENTS, Reconcile

PARTS = ("status", "history", "state")


def main() -> None:
    """Run the module."""
    spec = dict(
        ARGUMENTS,
        id={"type": "str"},
        gather_subset={"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    reconcile, wanted = Reconcile(module), module.params["gather_subset"]
    result = {"changed": False, "version": version(module, reconcile)}
    if "status" in wanted:
        result["status"] = asked(reconcile, "status", "-o", "json")
    if "history" in wanted:
        result["history"] = asked(reconcile, "history", "-o", "json", "-n", "20")
    if "state" in wanted:
        result["state"] = reconcile.state(module.params["id"])
    module.exit_json(**result)


def asked(reconcile: Reconcile, *words: str) -> dict:
    """What the command of `words` prints; the module fails where it does not."""
    ran = reconcile.run(words)
    found = ran.json()
    if ran.code or found is None:
        reconcile.fail(ran, "this host cannot be read")
    return found


def version(module: AnsibleModule, reconcile: Reconcile) -> str:
    """Of the reconcile that is there."""
    code, out, err = module.run_command([reconcile.path, "--version"], cwd="/")
    return out.split()[-1] if not code and out.split() else err.strip()


if __name__ == "__main__":
    main()
