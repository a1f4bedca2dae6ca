"""The role ``configure_cex`` on simulated hosts, by a real ``ansible-playbook``."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from testing.ansible import Ansible
from testing.collection import unconnected_host
from testing.ssh_hosts import SshHost

ONE: Final = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TWO: Final = "0b0f2a52-8f6e-4c1b-9d1a-5a2f7e1c3d4e"
DESCRIPTION: Final = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: %s}
spec:
  kernel: "6.12"
  adapters: [{id: 4}, {id: 5}, {id: 6}]
  usageDomains: [4, 5, 6, 0x47]
"""
AS_THE_OTHER_ROLE: Final = f"""\
  pool: {{adapters: [], domains: []}}
  mdevs:
    - {{uuid: {ONE}, adapters: [5], domains: [4], controlDomains: []}}
  vms: [{ONE}]
"""
"""Both masks are 0x0, and a VM runs with the device of a guest."""

PLAYBOOK: Final = """\
- hosts: fresh:busy
  gather_facts: false
  check_mode: true
  roles: [reconcile.vfio_ap.configure_cex]
- hosts: fresh:other
  gather_facts: false
  roles: [reconcile.vfio_ap.configure_cex]
- hosts: fresh:other
  gather_facts: false
  vars: {configure_cex_pool: "{{ 'derived' if inventory_hostname == 'other' else 'keep' }}"}
  roles: [reconcile.vfio_ap.configure_cex]
"""

MAPS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "fresh": ("", {"control-1": f"{ONE}:05.0004", "compute-1": [f"{TWO.upper()}:06.0005", f"{TWO}:06.0047"]}),
    "other": (AS_THE_OTHER_ROLE, {"control-1": f"{ONE}:05.0004", "compute-1": f"{TWO}:06.0005"}),
    "busy": (AS_THE_OTHER_ROLE, {"control-1": f"{ONE}:06.0004"}),
}
"""By host what its description has besides, and its map."""


class Play(Ansible):
    """Simulated hosts, and a controller that runs the role on them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.hosts: dict[str, SshHost] = {}
        for name, (more, _) in MAPS.items():
            self.hosts[name] = unconnected_host(folder, name, DESCRIPTION % name + more)
        self.playbook = self.file("play.yml", PLAYBOOK)

    def run(self) -> str:
        """What is printed of a run on all hosts."""
        hosts = {name: self._variables(name) for name in MAPS}
        inventory = self.file("hosts.json", json.dumps({"all": {"hosts": hosts}}))
        return self("playbook", "-i", inventory, self.playbook).out

    def _variables(self, name: str) -> dict[str, Any]:
        host = self.hosts[name]
        return {
            "ansible_connection": "local",
            "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable,
            "reconcile_executable": str(host.reconcile),
            "reconcile_state_dir": str(host.state_directory),
            "configure_cex_hostdev_map": str(self.hostdev_map(name)),
            "configure_cex_load_vfio_ap": False,
            "cex_uuid_map": MAPS[name][1],
        }

    def hostdev_map(self, name: str) -> Path:
        """The file that the role writes on the host `name`."""
        return self.hosts[name].folder / "cex_hostdev_map.json"

    def pool(self, name: str) -> str:
        """What the masks leave to the host's own drivers."""
        return self.hosts[name].run("simulate").stdout.partition("host pool  ")[2].partition("\n")[0]

    def devices(self, name: str) -> dict[str, list[str]]:
        """By uuid the queues of each device."""
        text = self.hosts[name].run("simulate").stdout
        return dict(re.findall(r"([0-9a-f]{8}-[0-9a-f-]{27})(.*)", text))


def changes(output: str) -> list[dict[str, int]]:
    """By play, how many tasks have changed each host."""
    plays = output.split("\nPLAY [")[1:]
    return [{name: play.count(f"changed: [{name}]") for name in MAPS} for play in plays]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Three hosts."""
    return Play(tmp_path)


def test_the_role_sets_up_what_the_map_says_and_interrupts_no_guest(play: Play) -> None:
    """First in check mode, then really, then again; a host for which it is refused stays as it was."""
    busy = play.devices("busy")

    output = play.run()

    foretold, done, again = changes(output)
    assert (foretold["fresh"], done["fresh"], again["fresh"]) == (2, 2, 0), output
    assert (done["other"], again["other"]) == (2, 1), output
    assert play.pool("fresh") == "everything but adapters 0x05-0x06 (5-6)"
    first = play.hosts["other"].json("history", "show", "1")["plan"]["pool"]
    assert first["before"] == first["after"] == {"apmask": f"0x{0:064x}", "aqmask": f"0x{0:064x}"}
    assert play.pool("other").startswith("everything but "), "when that is said, masks that are 0x0 are opened"
    assert set(play.devices("fresh")) == {ONE, TWO}
    assert play.devices("other")[ONE] == busy[ONE], "a device that was there stays as it is"
    assert json.loads(play.hostdev_map("fresh").read_text()) == {
        "control-1": f"mdev_{ONE.replace('-', '_')}_matrix",
        "compute-1": f"mdev_{TWO.replace('-', '_')}_matrix",
    }
    assert play.devices("busy") == busy
    assert not play.hostdev_map("busy").exists()
    words = " ".join(output.split())
    assert "it needs consent: --allow-disruption (control-1: its VM runs" in words
