"""Which VM has which device, as far as libvirt's files tell."""

import os
from itertools import count
from pathlib import Path

import pytest

from reconciler.integrations.domain_xml import LARGEST
from reconciler.integrations.libvirt import MOST_BYTES, denied_file, vm_names
from reconciler.model.observed import VmName
from testing.libvirt import AP_UUID, domain_xml, hostdev, status_xml

OTHER = "9063ba5f-1111-4222-8333-444455556666"


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    """Where VMs are defined."""
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """Where those are that run."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_a_vm_is_known_by_its_device(definitions: Path, running: Path) -> None:
    """With its state, which libvirt keeps apart; the devices of other kinds have a VM, too."""
    for name, uuid in (("db", AP_UUID), ("web", OTHER)):
        (definitions / f"{name}.xml").write_bytes(domain_xml(hostdev(uuid), name=name))
    (running / "web.xml").write_bytes(status_xml(domain_xml(hostdev(OTHER), name="web"), "paused"))

    assert vm_names(definitions, running) == {AP_UUID: VmName("db", "shut off"), OTHER: VmName("web", "paused")}


def test_of_several_vms_it_is_the_one_that_runs(definitions: Path, running: Path) -> None:
    """Else the first by the name of its file."""
    for name in ("c", "a", "b"):
        (definitions / f"{name}.xml").write_bytes(domain_xml(hostdev(), name=name))
    assert vm_names(definitions, running) == {AP_UUID: VmName("a", "shut off")}

    (running / "b.xml").write_bytes(status_xml(domain_xml(hostdev(), name="b")))
    assert vm_names(definitions, running) == {AP_UUID: VmName("b", "running")}


def test_without_libvirt_no_vm_is_known(tmp_path: Path) -> None:
    """Its directories may be missing, or be something else."""
    (tmp_path / "file").write_bytes(b"")

    assert vm_names(tmp_path / "none", tmp_path / "file") == {}


def test_what_cannot_be_read_is_left_out(definitions: Path, running: Path) -> None:
    """Whatever lies there, nobody waits for it and nothing fails."""
    (definitions / "broken.xml").write_bytes(domain_xml(hostdev())[:-9])
    (definitions / "hostile.xml").write_bytes(b"<!DOCTYPE domain>" + domain_xml(hostdev()))
    (definitions / "large.xml").write_bytes(domain_xml(hostdev()) + b" " * LARGEST)
    (definitions / "link.xml").symlink_to("/proc/self/environ")
    (definitions / "db.txt").write_bytes(domain_xml(hostdev()))
    (definitions / "folder.xml").mkdir()
    os.mkfifo(running / "pipe.xml")
    (definitions / "web.xml").write_bytes(domain_xml(hostdev(OTHER), name="web"))

    assert vm_names(definitions, running) == {OTHER: VmName("web", "shut off")}


def test_reading_ends_in_time(definitions: Path, running: Path) -> None:
    """Here a tenth of a second is over at each look at the clock."""
    for number in range(10):
        (definitions / f"{number}.xml").write_bytes(domain_xml(hostdev(f"{OTHER[:-1]}{number}"), name=str(number)))
    ticks = count()

    assert len(vm_names(definitions, running, lambda: next(ticks) / 10)) == 4


def test_reading_ends_when_there_is_too_much(definitions: Path, running: Path) -> None:
    """So many large files are hardly libvirt's."""
    large = b" " * (LARGEST - 1)
    for number in range(MOST_BYTES // LARGEST + 2):
        (definitions / f"{number:03}.xml").write_bytes(large)
    (definitions / "z.xml").write_bytes(domain_xml(hostdev()))

    assert vm_names(definitions, running, lambda: 0.0) == {}


def test_what_may_not_be_read_is_named(definitions: Path, running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory, or a file in it; what is not there is no matter."""
    for name in ("db.xml", "db.log"):
        (definitions / name).touch()
    closed = ""

    monkeypatch.setattr(os, "access", lambda path, *_, **__: str(path) != closed)
    assert denied_file(definitions, running) == ""
    assert denied_file(definitions / "nowhere", running) == ""
    closed = str(definitions / "db.log")
    assert denied_file(definitions, running) == ""
    closed = str(definitions / "db.xml")
    assert denied_file(definitions, running) == closed

    def refused(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refused)
    assert denied_file(definitions, running) == str(running)
