#!/usr/bin/python
"""See DOCUMENTATION."""

DOCUMENTATION = r"""
module: import_manifests
short_description: Make manifests of a host as it is, or of what other programs have written down
version_added: 0.1.0
description:
  - Runs C(reconcile import) on the managed host and returns the manifests. Nothing is changed or written, on the
    managed host or on the controller. Write RV(manifests) to the file RV(file) in your clone, and look through it.
  - Without O(from) they are of the host as it is. Its devices keep their uuids, and a plan of the manifests has nothing
    to do.
extends_documentation_fragment:
  - reconcile.vfio_ap.reconcile
options:
  from:
    description:
      - What the manifests are made of instead, in O(content) or O(path). The host is not read then.
    type: str
    choices:
      - cex-uuid-map
      - crypto-adapters
      - device-plugin
      - dpm
      - profiles
      - hmc
  content:
    description:
      - What C(from) says, as text.
    type: str
  path:
    description:
      - The file on the managed host that has it. With C(from=hmc) the file has the login, and only its owner may be
        able to read it.
    type: path
  host:
    description:
      - What the Host is called.
    type: str
  machine:
    description:
      - What the Machine is called, with C(from=dpm), C(from=profiles) and C(from=hmc).
    type: str
  machine_id:
    description:
      - Likewise its id, such as V(IBM-3931-00000000000829E7).
    type: str
  hmc_ca:
    description:
      - With C(from=hmc) the file on the managed host with the certificates that vouch for the HMC.
    type: path
  pool:
    description:
      - With C(from=cex-uuid-map) what the Host gives up. V(everything), as IBM's role has it, or V(derived), what its
        guests need.
    type: str
    choices:
      - everything
      - derived
attributes:
  check_mode:
    description: Can run in check mode, and then returns the same.
    support: full
  diff_mode:
    description: Nothing is changed.
    support: none
seealso:
  - module: reconcile.vfio_ap.apply
"""

EXAMPLES = r"""
- name: Make manifests of the host as it is
  reconcile.vfio_ap.import_manifests:
    host: lpar7
  register: imported

- name: Write them into the clone on the controller
  ansible.builtin.copy:
    content: "{{ imported.manifests }}"
    dest: "manifests/{{ imported.file }}"
    mode: "0644"
    force: false
  delegate_to: localhost
  become: false

- name: Make manifests of the variable of another role
  reconcile.vfio_ap.import_manifests:
    from: cex-uuid-map
    content: "{{ {'cex_uuid_map': cex_uuid_map} | to_json }}"
    host: lpar7
    pool: derived
  vars:
    cex_uuid_map:
      compute-1: 68cd2d83-3eef-4e45-b22c-534f90b16cb9:05.0004
"""

RETURN = r"""
manifests:
  description: The manifests, as one YAML text.
  returned: success
  type: str
  sample: "apiVersion: reconciler/v1\nkind: Host\nmetadata:\n  name: lpar7\n"
hosts:
  description: The names of the Hosts in it.
  returned: success
  type: list
  elements: str
  sample: [lpar7]
file:
  description: The file in a directory of manifests that they would go to.
  returned: success
  type: str
  sample: lpar7.yaml
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.reconcile.vfio_ap.plugins.module_utils.reconcile import ARGUMENTS, Reconcile

KINDS = ("cex-uuid-map", "crypto-adapters", "device-plugin", "dpm", "profiles", "hmc")
SAID = ("host", "machine", "machine_id", "hmc_ca", "pool")
OF_A_FILE = ("content", "path", "machine", "machine_id", "hmc_ca", "pool")


def main() -> None:
    """Run the module."""
    spec = dict(ARGUMENTS)
    spec.update({name: {"type": "str"} for name in ("host", "machine", "machine_id", "content")})
    spec.update({name: {"type": "path"} for name in ("path", "hmc_ca")})
    spec["from"] = {"type": "str", "choices": list(KINDS)}
    spec["pool"] = {"type": "str", "choices": ["everything", "derived"]}
    module = AnsibleModule(
        argument_spec=spec,
        mutually_exclusive=[("content", "path")],
        required_if=[("from", kind, ("content", "path"), True) for kind in KINDS],
        required_by=dict.fromkeys(OF_A_FILE, "from"),
        supports_check_mode=True,
    )
    reconcile, params = Reconcile(module), module.params
    words = ["import", "-o", "json"]
    if params["from"]:
        reconcile.where = []  # no host is read
        words += ["--from", params["from"], params["path"] or "-"]
    for name in SAID:
        if params[name]:
            words += ["--" + name.replace("_", "-"), params[name]]
    ran = reconcile.run(words, params["content"])
    found = ran.json()
    if ran.code or found is None:
        reconcile.fail(ran, "there are no manifests of it")
    for one in found["warnings"]:
        module.warn(one)
    module.exit_json(
        changed=False,
        manifests=found["manifests"],
        hosts=found["hosts"],
        file=(found["hosts"] or ["machines"])[0] + ".yaml",
        **ran.record,
    )


if __name__ == "__main__":
    main()
