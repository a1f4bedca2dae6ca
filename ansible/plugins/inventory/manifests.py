"""Inventory of the hosts that manifests describe. Runs on the controller, in the Python that runs Ansible.

People who may propose a change to manifests write what stands in them. So nothing of it is a template, the name of a
variable, or a part of a group's name but letters, digits and ``_``.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: manifests
short_description: Hosts of reconcile's manifests, in groups by machine and by label
version_added: 0.1.0
author:
  - The reconcile project (@reconcile)
description:
  - Each C(Host) of the manifests is a host, and its C(metadata.name) is the host's name.
  - Addresses, users and secrets stay in an inventory of your own. Both are joined by the name of the host.
  - All hosts are in the group C(reconcile_hosts). A host is also in C(machine_NAME), by the machine that has its LPAR,
    and in C(label_KEY_VALUE) for each of its labels. Names of groups are in lower case, and whatever is neither a
    letter nor a digit of ASCII is C(_) in them.
  - Two labels, or two machines, that would have the same group are refused.
  - Nothing in the manifests is a template, and no variable is named by them. A host has the variables
    C(reconcile_labels), C(reconcile_guests), and C(reconcile_lpars), where it may run; the first LPAR is the active
    one, or else the original.
  - Manifests with errors give no hosts. Set C(any_unparsed_is_failed) in the section C([inventory]) of your
    configuration, so that Ansible then ends.
requirements:
  - reconcile, installed in the Python that runs Ansible
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [reconcile.vfio_ap.manifests]
  paths:
    description:
      - Manifests, or directories of manifests.
      - A relative path starts in the directory of the inventory file.
    type: list
    elements: str
    required: true
  only_known:
    description:
      - Whether a host counts only if an inventory before this one has it.
      - Without it, whoever can add a C(Host) to the manifests adds a host to which Ansible connects.
    type: bool
    default: false
"""

EXAMPLES = r"""
# inventory/site.reconcile.yml, beside inventory/hosts.yml with the addresses
plugin: reconcile.vfio_ap.manifests
paths:
  - ../manifests

# the same, and only for hosts that are in the inventory already
# plugin: reconcile.vfio_ap.manifests
# paths: [/srv/manifests]
# only_known: true
"""

import os
import re
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var

try:
    import reconciler
    from reconciler.model.errors import InputError
    from reconciler.model.machines import LparPlace, places_by_host, present_place
    from reconciler.model.problems import errors_of
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

HOSTS = "reconcile_hosts"
"""The group of all hosts."""

RESERVED = frozenset(("all", "localhost", "ungrouped", "127.0.0.1"))
"""What means something else to Ansible where a host's name is expected."""


class Refused(Exception):
    """The manifests cannot be an inventory; the message says why."""


class GroupNames:
    """The names of groups; each belongs to one machine or one label."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[str, ...]] = {}

    def of(self, *owner: str) -> str:
        """The name of the group of `owner`: what it is, and its name or its key and value.

        Raises:
            Refused: another one has that name.
        """
        name = "_".join(re.sub(r"[^a-z0-9]", "_", part.lower()) for part in owner)
        known = self._owners.setdefault(name, owner)
        if known != owner:
            message = f"{_shown(known)} and {_shown(owner)} would both be the group {name}: rename one of them"
            raise Refused(message)
        return name


def _shown(owner: tuple[str, ...]) -> str:
    what, *parts = owner
    return f"{what} {'='.join(ascii(part) for part in parts)}"


class InventoryModule(BaseInventoryPlugin):
    """The inventory plugin."""

    NAME = "reconcile.vfio_ap.manifests"

    def verify_file(self, path: str) -> bool:
        """Whether `path` is the configuration of such an inventory."""
        return bool(super().verify_file(path)) and path.endswith(("reconcile.yml", "reconcile.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the hosts, groups and variables of the configuration in `path` to `inventory`."""
        super().parse(inventory, loader, path, cache)
        if MISSING is not None:
            message = f"reconcile is not installed in the Python that runs Ansible: {MISSING}"
            raise AnsibleParserError(message)
        self._read_config_data(path)
        base = os.path.dirname(os.path.abspath(path))
        try:
            self._fill([os.path.join(base, one) for one in self.get_option("paths")])
        except (Refused, InputError, OSError) as error:
            # An error's text is shown, and never a template; what is in it was escaped where it was made.
            raise AnsibleParserError(f"{path}: {error}") from error

    def _fill(self, paths: list[str]) -> None:
        site = reconciler.read_site(paths)
        errors = errors_of(site.problems)
        if errors:
            raise Refused("the manifests have errors\n" + reconciler.problems_text(errors))
        known = set(self.inventory.hosts)
        hosts = [host for host in site.hosts if host.name in known or not self.get_option("only_known")]
        places = places_by_host(site.machines)
        guests: dict[str, list[str]] = {}
        for guest in site.guests:
            guests.setdefault(guest.host, []).append(guest.name)
        groups = self._groups_of(hosts, places)
        # All is known to be good here: an inventory is filled wholly or not at all.
        for host in hosts:
            self.inventory.add_host(host.name)
            for group in (HOSTS, *groups[host.name]):
                self.inventory.add_group(group)
                self.inventory.add_child(group, host.name)
            self._describe(host.name, "reconcile_labels", dict(host.labels))
            self._describe(host.name, "reconcile_lpars", _lpars(places.get(host.name, [])))
            self._describe(host.name, "reconcile_guests", sorted(guests.get(host.name, ())))

    def _groups_of(self, hosts: list[Any], places: dict[str, list[LparPlace]]) -> dict[str, list[str]]:
        """The groups of each host, by its name; raises Refused where names do not do."""
        names = GroupNames()
        found: dict[str, list[str]] = {}
        for host in hosts:
            if host.name in RESERVED or host.name in self.inventory.groups:
                raise Refused(f"a Host is called {host.name!r}, which is something else in this inventory: rename it")
            place = present_place(places.get(host.name, []))
            found[host.name] = [] if place is None else [names.of("machine", place.machine.name)]
            found[host.name] += [names.of("label", key, value) for key, value in host.labels]
            for group in found[host.name]:
                if group in self.inventory.hosts:
                    raise Refused(f"the group {group} would be called like a host of this inventory: rename that one")
        return found

    def _describe(self, host: str, variable: str, value: Any) -> None:
        self.inventory.set_variable(host, variable, wrap_var(value))


def _lpars(places: list[LparPlace]) -> list[dict[str, Any]]:
    present = present_place(places)
    return [
        {"machine": one.machine.name, "machine_id": one.machine.id, "lpar": one.lpar.name, "active": one.lpar.is_active}
        for one in sorted(places, key=lambda place: place is not present)
    ]
