"""What the documentation of all modules has in common."""


class ModuleDocFragment:
    """Options and attributes that every module has."""

    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The C(reconcile) of the managed host, as a path or a name that is looked up there.
    type: str
    default: reconcile
  state_dir:
    description:
      - Where C(reconcile) keeps its state on the managed host; left out, where it keeps it by itself.
    type: path
requirements:
  - C(reconcile) on the managed host, in the version of this collection
  - Python 3.6 or later on the managed host; nothing but its standard library is used
author:
  - The reconcile project (@vfio-ap-reconciler)
attributes:
  platform:
    description: The platforms that the module runs on.
    platforms: linux
    support: full
"""

    MANIFESTS = r"""
options:
  manifests:
    description:
      - Manifests on the managed host, as files or directories. They are read there.
    type: list
    elements: path
  content:
    description:
      - The manifests themselves, as one YAML text. It is kept on the managed host in the state directory, in
        C(fleet/SHA256/manifests.yaml), for root alone.
    type: str
  sha256:
    description:
      - The digest that O(content) must have, in hex. Without a match nothing is done.
    type: str
  host:
    description:
      - The name of the Host among the manifests, where it is not the only one.
    type: str
"""
