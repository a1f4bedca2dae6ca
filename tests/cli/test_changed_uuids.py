"""A guest that would get another device without having been asked for it: `uuid-would-change`."""

import json
from pathlib import Path

import pytest

from reconciler.hosts import opening
from reconciler.kernel.observe import mdev_uuids
from reconciler.manifests.documents import derived_uuid
from testing.clocks import NoTimer
from testing.commands import Command, change, example

OLD, NEW = derived_uuid("lpar7", "guest1"), derived_uuid("", "guest1")
OTHER = "62177883-f1bb-47f0-914d-32a22e3a8804"
HOST, HOSTS = "  host: lpar7\n", "  hosts: [lpar7]\n"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The three guests are applied; then guest1 gets ``hosts`` in place of ``host``."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    command = example("three-guests", tmp_path, capsys)
    assert command("apply", "--yes").code == 0
    change(command, HOST, HOSTS)
    return command


def devices(command: Command) -> set[str]:
    """The uuids of the devices that are there."""
    with opening.open_simulated_host(str(command.simulated_host)) as machine:
        return set(mdev_uuids(machine.sysfs))


@pytest.mark.parametrize("asked", [("plan",), ("apply", "--yes", "--allow-removals", "--allow-disruption")])
def test_adding_hosts_removes_no_device(command: Command, asked: tuple[str, ...]) -> None:
    """Nothing is done; the message names both uuids, what would happen, and the line to add, at the guest's spec."""
    before = command("simulate").out

    ran = command(*asked)

    assert ran.code == 4
    assert "error[uuid-would-change]: guest 'guest1' would have the uuid" in ran.err.replace("\n", " ")
    assert all(
        word in ran.err for word in (OLD, NEW, f"\n            uuid: {OLD}\n", "would be removed", "guests.yaml:7:1")
    )
    assert "0 to create" not in ran.out
    assert command("simulate").out == before
    assert json.loads(command("plan", "-o", "json").out)["steps"] == []


@pytest.mark.parametrize("written", [OLD, NEW, OTHER])
def test_with_the_line_it_is_applied(command: Command, written: str) -> None:
    """With that of the error nothing has to be done; another one, which is written, is the user's will."""
    change(command, HOSTS, f"{HOSTS}  uuid: {written}\n")

    assert command("plan", "--detailed-exitcode").code == (0 if written == OLD else 2)
    assert command("apply", "--yes").code == 0
    assert json.loads(command("status", "-o", "json").out)["guests"][0]["uuid"] == written


def test_a_written_uuid_that_is_left_out_again_is_as_much_of_a_change(command: Command) -> None:
    """What counts is the uuid that is derived now."""
    change(command, HOSTS, f"{HOST}  uuid: {OTHER}\n")
    assert command("apply", "--yes").code == 0
    change(command, f"  uuid: {OTHER}\n", "")

    assert "uuid-would-change" in command("plan").err


def test_a_renamed_host_changes_all_derived_uuids(command: Command) -> None:
    """Each guest is named."""
    for file, old in (("host.yaml", "name: lpar7"), *(("guests.yaml", one) for one in (HOSTS, HOST, HOST))):
        path = command.directory / file
        new = old.replace("hosts: [lpar7]", "host: lpar9").replace("lpar7", "lpar9")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    ran = command("plan")

    assert ran.code == 4
    assert ran.err.count("uuid-would-change") == 3


def test_a_renamed_guest_is_another_guest(command: Command) -> None:
    """What removes its device is a plan as ever."""
    change(command, HOSTS, HOST)
    change(command, "name: guest1", "name: guest9")

    ran = command("plan", "--detailed-exitcode")

    assert ran.code == 2
    assert "uuid-would-change" not in ran.err


@pytest.mark.parametrize("activation", ["on-demand", "inactive"])
def test_a_guest_without_a_device_is_looked_at_too(command: Command, activation: str) -> None:
    """Its VM names the uuid that it has when it starts."""
    change(command, HOSTS, f"{HOST}  activation: {activation}\n")
    assert command("apply", "--yes").code == 0
    change(command, HOST, HOSTS)

    assert "uuid-would-change" in command("plan").err
    assert f"uuid: {OLD}" in command("apply", "--yes").err


def test_a_plan_for_other_guests_does_not_ask(command: Command) -> None:
    """It leaves guest1 as it is; one for guest1 does ask."""
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")

    assert command("apply", "--yes", "--target", "guest2").code == 0
    assert "uuid-would-change" in command("plan", "--target", "guest1").err
    assert "uuid-would-change" in command("plan", "-l", "tenant=payments").err
    assert OLD in devices(command)


def test_a_rollback_may_go_to_other_uuids(command: Command) -> None:
    """It makes the host as it was, with the devices of then; there and back again."""
    change(command, HOSTS, f"{HOSTS}  uuid: {OTHER}\n")
    assert command("apply", "--yes").code == 0
    assert OTHER in devices(command)

    assert command("rollback", "1", "--yes").code == 0
    assert OLD in devices(command)
    assert command("rollback", "2", "--yes").code == 0
    assert OTHER in devices(command)


def test_a_boot_restores_what_was_applied_last(command: Command) -> None:
    """Whatever the manifests say by now."""
    change(command, HOSTS, HOST)
    with (command.directory / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("  persistence: service\n")
    assert command("apply", "--yes").code == 0
    change(command, HOST, HOSTS)
    command("simulate", "boot")
    assert OLD not in devices(command)

    assert command.bare("boot", "--simulate", str(command.simulated_host)).code == 0
    assert OLD in devices(command)


def test_a_recorded_host_has_the_same_error(command: Command, tmp_path: Path) -> None:
    """In a pull request it is found before the host is asked."""
    record = tmp_path / "host.json"
    assert command.bare("observe", "--simulate", str(command.simulated_host), "--out", str(record)).code == 0

    ran = command.bare("plan", "--observed", str(record), "-f", str(command.directory))

    assert ran.code == 4
    assert "uuid-would-change" in ran.err
