"""``reconcile fleet`` with the real ansible-playbook, over real ssh."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.commands import Command
from testing.ssh_hosts import SshFleet, needed, ssh_hosts

SITE = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: %(name)s}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: web, labels: {area: "{{ lookup('pipe', 'exit 1') }}"}}
spec: {host: %(name)s, adapters: [5, 7], domains: [4]}
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshFleet]:
    """Two hosts and, in the current directory, their manifests."""
    needed()
    (tmp_path / "site").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"site/{name}.yaml").write_text(SITE % {"name": name})
    with ssh_hosts(tmp_path / "fleet", ["a", "b"]) as found:
        for name, value in found.environment.items():
            if name.startswith("ANSIBLE_") and name != "ANSIBLE_COLLECTIONS_PATH":
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("LC_ALL", "C.UTF-8")
        monkeypatch.chdir(tmp_path)
        yield found


@pytest.mark.slow
def test_two_hosts_are_planned_and_changed_together(
    fleet: SshFleet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As docs/fleet.md has it; a queue that is missing is reported, and a label that is a template is a text."""
    reconcile = Command(tmp_path, capfd)
    inventory = ("-i", str(fleet.inventory))

    ran = reconcile.bare("fleet", "plan", "-f", "site", *inventory, "--out", "fleet.json")
    assert ran.code == 0, ran.err
    assert "Fleet plan: 2 hosts, 2 with changes" in ran.out
    ran = reconcile.bare("fleet", "apply", "fleet.json", *inventory, "--name", "saturday")
    assert ran.code == 0, ran.out + ran.err
    ran = reconcile.bare("fleet", "status", "--plan", "fleet.json", *inventory)
    assert ran.code == 0, ran.err
    assert "pending: a: web does not see 07.0004 yet\npending: b: web does not see 07.0004 yet\n" in ran.out
