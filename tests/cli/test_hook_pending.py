"""VMs that start while an apply waits to be confirmed: those whose device is the same before and after."""

import io
import json
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.hosts import opening
from testing.clocks import NoTimer
from testing.commands import Command, Ran, change, example, parsed
from testing.libvirt import domain_xml, hostdev


class Started:
    """Starts VMs as libvirt does, on the example of three guests, each with a device of its own."""

    def __init__(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command = command
        self._monkeypatch = monkeypatch
        guests = json.loads(command("status", "-o", "json").out)["guests"]
        self.uuids = {one["name"]: one["uuid"] for one in guests}

    def starts(self, guest: str) -> Ran:
        """The VM of `guest` is about to start."""
        return self._hook(guest, "prepare", "begin")

    def ends(self, guest: str) -> Ran:
        """The VM of `guest` has ended."""
        return self._hook(guest, "release", "end")

    def devices(self) -> set[str]:
        """The names of the guests whose devices exist."""
        guests = json.loads(self.command("status", "-o", "json").out)["guests"]
        return {one["name"] for one in guests if one["authorised"]}

    def _hook(self, guest: str, *operation: str) -> Ran:
        xml = domain_xml(hostdev(self.uuids[guest]), name="vm1")
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(xml), isatty=lambda: False))
        where = ["-f", str(self.command.directory), "--simulate", str(self.command.simulated_host)]
        return self.command.bare("hook", "qemu", *where, "--", "vm1", *operation, "-")

    def applies(self, *words: str) -> None:
        """What the manifests want waits to be confirmed."""
        assert self.command("apply", "--yes", "--confirm-within", "5m", *words).code == 0


@pytest.fixture
def vms(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Started:
    """On a fresh copy of the example, without a real timer."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return Started(example("three-guests", tmp_path, capsys), monkeypatch)


def refused(ran: Ran) -> str:
    """The command that would keep the device, of a refusal that names the apply and the seconds, in one line."""
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    found = re.search(r"by (generation \d+.*), which waits to be confirmed for another ([^;]+); .*: (.*)\n", ran.err)
    assert found
    assert re.fullmatch(r"5 minutes|4 minutes \d+ seconds?|3 minutes \d+ seconds?", found[2])
    assert parsed(found[3]) == "reconcile confirm"
    return found[1]


def test_a_device_that_waits_to_be_confirmed_starts_no_vm(vms: Started) -> None:
    """It would be taken from under the VM; once it is confirmed the VM starts."""
    vms.applies("--id", "deploy-42")
    before = vms.command("simulate").out

    for name in vms.uuids:
        assert refused(vms.starts(name)) == "generation 1 (deploy-42)"
    assert vms.command("simulate").out == before

    vms.command("confirm", "deploy-42")
    for name in vms.uuids:
        assert vms.starts(name) == (0, "", "")


def test_a_vm_whose_device_is_the_same_before_and_after_starts(vms: Started) -> None:
    """Only the one that the apply changes is refused, whether the apply has an id or none."""
    vms.command("apply", "--yes")
    change(vms.command)
    vms.applies()
    (changed,) = json.loads(vms.command("history", "show", "2", "-o", "json").out)["plan"]["guests"]

    for name in vms.uuids:
        ran = vms.starts(name)
        if name == changed["name"]:
            assert refused(ran) == "generation 2"
        else:
            assert ran == (0, "", "")


def test_a_vm_whose_guest_is_removed_by_what_waits_does_not_start(vms: Started) -> None:
    """Its device comes back if that is not confirmed; no manifest names it now."""
    vms.command("apply", "--yes")
    path = vms.command.directory / "guests.yaml"
    path.write_text(path.read_text(encoding="utf-8").rpartition("---")[0], encoding="utf-8")
    vms.applies("--id", "smaller")

    assert refused(vms.starts("guest3")) == "generation 2 (smaller)"
    assert vms.starts("guest1") == (0, "", "")


def test_what_was_not_confirmed_in_time_is_rolled_back_first(vms: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the timer is lost or comes a moment later, the VM gets the device of before."""
    vms.command("apply", "--yes")
    start = vms.command("simulate").out
    change(vms.command)
    vms.applies()
    change(vms.command, "adapters: [6]", "adapters: [5, 6]")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)

    for name in vms.uuids:
        assert vms.starts(name).code == 0

    assert vms.command("simulate").out == start
    assert json.loads(vms.command("history", "state", "2", "-o", "json").out)["state"] == "expired"


def test_what_waited_before_a_boot_refuses_no_vm(vms: Started) -> None:
    """Nothing of it is left on the host."""
    vms.command("apply", "--yes")
    change(vms.command)
    vms.applies()
    change(vms.command, "adapters: [6]", "adapters: [5, 6]")
    vms.command("simulate", "boot")
    vms.command("simulate", "load")

    assert "waits to be confirmed" not in vms.starts("guest1").err


@pytest.fixture
def on_demand(vms: Started) -> Started:
    """The third guest is on-demand and was applied so; its device does not exist."""
    change(vms.command, "adapters: [6]\n", "adapters: [6]\n  activation: on-demand\n")
    assert vms.command("apply", "--yes").code == 0
    assert vms.devices() == {"guest1", "guest2"}
    return vms


@pytest.mark.parametrize("end", ["confirm", "cancel"])
def test_a_device_that_what_waits_does_not_touch_is_made_and_removed(on_demand: Started, end: str) -> None:
    """Whatever becomes of what waits: neither undoes what the other has done."""
    change(on_demand.command, "domains: [4, 0xab]", "domains: [4]")
    on_demand.applies("--allow-disruption")

    assert on_demand.starts("guest3") == (0, "", "")
    assert on_demand.devices() == {"guest1", "guest2", "guest3"}
    assert on_demand.ends("guest3").code == 0
    assert on_demand.devices() == {"guest1", "guest2"}
    assert on_demand.starts("guest3").code == 0
    assert on_demand.command(end).code == 0

    assert on_demand.devices() == {"guest1", "guest2", "guest3"}
    if end == "cancel":
        change(on_demand.command, "domains: [4]", "domains: [4, 0xab]")
    assert on_demand.command("drift").code == 0
    assert on_demand.ends("guest3").code == 0
    assert on_demand.devices() == {"guest1", "guest2"}


def test_a_device_that_is_wanted_otherwise_by_what_waits_is_not_made(on_demand: Started) -> None:
    """If that is not confirmed, the VM would run with what no guest is to have."""
    change(on_demand.command, "adapters: [6]\n", "adapters: [5, 6]\n")
    change(on_demand.command, "adapters: [5]\n  domains: [0x47, 0xff]", "adapters: [5]\n  domains: [6]")
    on_demand.applies("--allow-disruption")

    ran = on_demand.starts("guest3")

    assert (ran.code, on_demand.devices()) == (1, {"guest1", "guest2"})
    assert "generation 2 waits to be confirmed for another" in ran.err


def test_new_manifests_wait_although_nothing_has_to_be_done(on_demand: Started) -> None:
    """They say something else of a VM that starts later, which is refused; cancelled, they were never applied."""
    change(
        on_demand.command, "activation: on-demand\n  domains: [0x47, 0xff]", "activation: on-demand\n  domains: [0x47]"
    )

    ran = on_demand.command("apply", "--yes", "--confirm-within", "5m", "--id", "news", "-o", "json")

    assert (ran.code, json.loads(ran.out)["kernelWrites"]) == (0, 0)
    assert parsed(ran.err.strip().rpartition("unless you run: ")[2]) == "reconcile confirm"
    assert json.loads(on_demand.command("history", "state", "news", "-o", "json").out)["state"] == "pending"
    assert on_demand.starts("guest3").code == 1
    assert on_demand.command("cancel", "news").code == 0
    assert [one["target"] for one in json.loads(on_demand.command("history", "-o", "json").out)["generations"]] == [
        True,
        False,
    ]
    assert on_demand.command("apply", "--yes", "--confirm-within", "5m", "--id", "again").code == 0
    assert on_demand.command("confirm", "again").code == 0
    assert on_demand.starts("guest3").code == 0
