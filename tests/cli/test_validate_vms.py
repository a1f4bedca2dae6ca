"""``reconcile validate --domain-xml``."""

import json
from pathlib import Path

import pytest

from testing.commands import Command, example
from testing.libvirt import domain_xml, hostdev

GUEST1 = "3783d4a7-df47-58ab-bed9-cee63c6e6f5e"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def described(command: Command, name: str, *devices: str) -> str:
    """A file that describes a VM with `devices`."""
    path = command.directory.parent / f"{name}.xml"
    path.write_bytes(domain_xml(*devices, name=name))
    return str(path)


def test_a_vm_with_the_device_of_a_guest_is_valid(command: Command) -> None:
    """Nothing is told but that."""
    ran = command.bare(
        "validate", "-f", str(command.directory), "--domain-xml", described(command, "a", hostdev(GUEST1))
    )

    assert (ran.code, ran.err) == (0, "")


def test_every_vm_is_checked_and_each_problem_shows_its_line(command: Command) -> None:
    """A file that is none does not keep the others from being read."""
    files = [described(command, "a", hostdev(GUEST1, "vfio-pci")), "nowhere.xml", described(command, "b", hostdev())]
    words = [word for file in files for word in ("--domain-xml", file)]

    ran = command.bare("validate", "-f", str(command.directory), *words)
    record = json.loads(command.bare("validate", "-o", "json", "-f", str(command.directory), *words).out)

    assert ran.code == 3
    assert [one["id"] for one in record["problems"]] == ["vm-wrong-model", "path-missing", "vm-unknown-device"]
    assert "<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'>" in ran.err


def test_two_vms_with_one_device_are_told(command: Command) -> None:
    """An error, though each is right by itself; the same VM given twice is one."""
    first, second = (described(command, name, hostdev(GUEST1)) for name in ("a", "b"))
    words = ["--domain-xml", first, "--domain-xml", first]

    assert command.bare("validate", "-f", str(command.directory), *words).code == 0
    second_words = [*words, "--domain-xml", second]
    Path(second).write_bytes(Path(second).read_bytes().replace(b"0d6a7a2e", b"1d6a7a2e"))
    ran = command.bare("validate", "-f", str(command.directory), *second_words)
    assert (3, 1) == (ran.code, ran.err.count("error[vm-shared-device]"))


def test_a_warning_is_no_error(command: Command) -> None:
    """It is told, and the exit code is that of success."""
    file = described(command, "a", hostdev(GUEST1, managed="yes"))

    ran = command.bare("validate", "-f", str(command.directory), "--domain-xml", file)

    assert ran.code == 0
    assert "warning[vm-managed-device]" in ran.err


def test_invalid_manifests_come_first(command: Command) -> None:
    """Against guests that may be missing no VM is checked."""
    (command.directory / "more.yaml").write_text("kind: Guest\n")

    ran = command.bare("validate", "-f", str(command.directory), "--domain-xml", described(command, "b", hostdev()))

    assert ran.code == 3
    assert "vm-unknown-device" not in ran.err
