"""``reconcile import``: manifests of a host as it is, that change nothing."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.cli import import_command
from reconciler.cli import open_host as open_host_module
from reconciler.integrations.boot_masks import PersistentMasks, ap_rules_text, rules_file
from reconciler.model.ids import IdSet
from reconciler.model.observed import VmName
from reconciler.model.steps import Definition
from reconciler.transaction.open_host import OpenHost
from testing.boot_files import write_definition
from testing.commands import Command, Ran
from testing.holdings import config, uuid

RUNNING: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"
HALF: Final = "00000000-0000-4000-8000-00000000000a"

HOST: Final = f"""\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {{name: lpar7}}
spec:
  kernel: "6.12"
  adapters: [{{id: 5}}, {{id: 6}}]
  usageDomains: [4-6, 0x47]
  pool: {{adapters: [0-4, 6-255], domains: [0-3, 5-255]}}
  mdevs:
    - {{uuid: {RUNNING}, adapters: [5], domains: [4, 0x47], controlDomains: [4]}}
    - {{uuid: {HALF}, adapters: [5], domains: []}}
  vms: [{RUNNING}]
"""

WRITTEN: Final = f"""\
# The host lpar7 (kernel 6.12.107) as 'reconcile import' found it.
# Look through it and commit it. This then takes over the devices that
# exist, as they are:
#   APPLY

# What the host's own drivers give up now: what is 0 in apmask and aqmask.
# An apply changes the running host only. It writes mdevctl's definitions
# and 41-ap.rules as well with 'persistence: mdevctl', and reconcile itself
# applies it at boot with 'persistence: service'.
apiVersion: reconciler/v1
kind: Host
metadata:
  name: lpar7
spec:
  pool:
    adapters: [0x05]
    domains: [0x04]
---
apiVersion: reconciler/v1
kind: Guest
metadata:
  name: guest-00000000
spec:
  host: lpar7
  uuid: {HALF}
  adapters: [0x05]
  domains: []
  activation: active
---
apiVersion: reconciler/v1
kind: Guest
metadata:
  name: guest-62177883
spec:
  host: lpar7
  uuid: {RUNNING}
  adapters: [0x05]
  domains: [0x04, 0x47]
  controlDomains: [0x04]
  activation: active
"""


class Host(Command):
    """A simulated host beside an empty directory for manifests, and mdevctl's definitions for it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder, capture)
        self.simulated_host.write_text(HOST)
        self.site = folder / "site"
        self.site.mkdir()

    def import_(self, *words: str) -> Ran:
        """Run ``reconcile import``."""
        return self.bare("import", "--simulate", str(self.simulated_host), *words)

    def __call__(self, *words: str, manifests: Path | None = None) -> Ran:
        return super().__call__(*words, manifests=manifests or self.site)


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    """A host that was set up by hand."""
    return Host(tmp_path, capsys)


def test_json_has_the_same_manifests_and_the_name_of_the_host(host: Host) -> None:
    """For programs, which take the text out of it."""
    record = json.loads(host.import_("-o", "json").out)

    assert record == {"formatVersion": 1, "hosts": ["lpar7"], "warnings": [], "manifests": host.import_().out}


def test_the_manifests_say_what_is_there(host: Host) -> None:
    """Ids as few ranges in hex, the reasons as comments, also what has no queue."""
    ran = host.import_()
    apply = f"reconcile apply --simulate {host.simulated_host}"
    assert (0, WRITTEN.replace("APPLY", apply)) == (ran.code, ran.out)


def test_the_command_in_it_takes_the_devices_over(host: Host) -> None:
    """Whole on its line, with the options of the run and the file that was written."""
    file = host.site / f"{'long ' * 30}name.yaml"
    ran = host.import_("--out", str(file))
    assert (ran.code, f"written: {file}, with the manifests of host lpar7\n" in ran.err) == (0, True)
    (line,) = [one for one in file.read_text().splitlines() if one.startswith("#   reconcile ")]

    ran = host.bare(*shlex.split(line)[2:], "--yes")

    assert ran.code == 0
    assert "Nothing to do" in host("plan").out


def test_nothing_is_to_be_done_and_the_devices_are_ours(host: Host) -> None:
    """Valid, nothing to do, no write; from then on what is taken out of the manifests is removed."""
    file = host.site / "lpar7.yaml"
    assert 0 == host.import_("--out", str(file)).code
    apply = f"reconcile apply -f {file} --simulate {host.simulated_host}"
    assert WRITTEN.replace("APPLY", apply) == file.read_text()

    assert "valid: 1 host, 2 guests" in host("validate").out
    assert "Nothing to do" in host("plan").out
    applied = host("apply", "--yes", "-o", "json")
    assert (0, 0) == (applied.code, json.loads(applied.out)["kernelWrites"])

    host("simulate", "stop", RUNNING)
    file.write_text(file.read_text().partition("---\n")[0])
    assert f"- device guest-62177883  {RUNNING}" in host("plan").out


def test_a_file_that_exists_is_not_written_over(host: Host) -> None:
    """Somebody may have changed it."""
    file = host.site / "lpar7.yaml"
    file.write_text("mine")
    ran = host.import_("--out", str(file))
    assert 64 == ran.code
    assert "exists already" in ran.err
    assert "mine" == file.read_text()


def test_guests_of_ours_keep_their_names(host: Host) -> None:
    """Whoever has lost the manifests finds them again."""
    file = host.site / "lpar7.yaml"
    file.write_text(host.import_().out.replace("guest-62177883", "payments"))
    assert 0 == host("apply", "--yes").code
    assert file.read_text() == host.import_().out


def test_what_we_keep_may_be_damaged(host: Host) -> None:
    """The names are lost with it, and nothing else."""
    state = host.directory / "simulated-host.yaml.state"
    (host.site / "lpar7.yaml").write_text(host.import_().out)
    assert 0 == host("apply", "--yes").code
    (state / "inventory.json").write_text("{")
    ran = host.import_()
    apply = f"reconcile apply --simulate {host.simulated_host}"
    assert (0, WRITTEN.replace("APPLY", apply)) == (ran.code, ran.out)
    assert "the names of guests are not known" in ran.err


def test_definitions_of_mdevctl_are_guests_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root is given as mdevctl itself takes it; broken files are named."""
    root = host.directory / "root"
    write_definition(root, Definition(uuid(1), config([5], [5]), autostart=True))
    write_definition(root, Definition(uuid(2), config([5], [6]), autostart=False))
    broken = root / "etc/mdevctl.d/matrix" / uuid(3)
    broken.write_text("{")

    monkeypatch.setenv("MDEVCTL_ENV_ROOT", str(root))
    ran = host.import_()

    assert 0 == ran.code
    assert 4 == ran.out.count("kind: Guest")
    assert 2 == ran.out.count("  activation: on-demand")
    assert f"warning: not imported: {broken}: it is not JSON" in ran.err
    assert "until you make it active: guest-00000000\n" in ran.err


@pytest.mark.parametrize(
    ("rules", "note"),
    [
        (ap_rules_text(PersistentMasks(~IdSet([7]), None)), "something else: everything but adapter 0x07 (7)."),
        ('ATTR{../../bus/ap/apmask}="0x1"', "cannot be read by chzdev and ap-check"),
        (None, "it is no regular file"),
    ],
)
def test_masks_that_are_set_at_boot_are_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, rules: str | None, note: str
) -> None:
    """Where they are others than those in force, or nobody can tell."""
    monkeypatch.setenv("MDEVCTL_ENV_ROOT", str(host.directory / "root"))
    file = rules_file(host.directory / "root")
    file.parent.mkdir(parents=True)
    if rules is None:
        file.mkdir()
    else:
        file.write_text(rules)
    ran = host.import_()
    assert 0 == ran.code
    assert note in " ".join(line.removeprefix("# ") for line in ran.out.splitlines())
    assert "persistence: mdevctl\n" not in ran.out


def test_without_the_driver_it_says_what_to_type(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is defined to start at boot cannot be made before."""
    host.simulated_host.write_text(HOST.partition("  mdevs:")[0] + "  vfioAp: false\n")
    root = host.directory / "root"
    write_definition(root, Definition(uuid(1), config([5], [5]), autostart=True))
    monkeypatch.setenv("MDEVCTL_ENV_ROOT", str(root))
    assert "modprobe vfio_ap" in host.import_().err


def test_what_the_kernel_does_not_show_is_not_guessed(host: Host) -> None:
    """512 queues on 6.1: nothing is written."""
    host.simulated_host.write_text(
        HOST.replace('"6.12"', '"6.1"')
        .replace("adapters: [0-4, 6-255]", "adapters: []")
        .replace("adapters: [5], domains: []", "adapters: [10-17], domains: [8-71]")
    )
    file = host.site / "lpar7.yaml"

    ran = host.import_("--out", str(file))

    assert 4 == ran.code
    assert f"error: mediated device {HALF} has more queues than this kernel shows" in ran.err
    assert not file.exists()


@pytest.mark.parametrize(("given", "name"), [("Lpar_8", "lpar-8"), ("lpar8", "lpar8")])
def test_the_host_can_be_named(host: Host, given: str, name: str) -> None:
    """As a manifest allows it."""
    assert f"  name: {name}\n" in host.import_("--host", given).out


def test_a_guest_has_the_name_of_its_vm(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libvirt's files tell which VM has a device."""

    @contextmanager
    def with_vms(*arguments: Any, **options: Any) -> Iterator[OpenHost]:
        with open_host_module.opened(*arguments, **options) as machine:
            yield machine._replace(vms=lambda: {RUNNING: VmName("payments-db", "running")})

    monkeypatch.setattr(import_command, "opened", with_vms)

    assert "name: payments-db\n" in host.import_().out
