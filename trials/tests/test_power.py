"""Whatever a power loss leaves, the next apply reaches the target; and the trials notice where it would not."""

import os
import random
from pathlib import Path

import pytest

from reconciler.kernel import own_files
from reconciler.transaction import state_directory
from reconciler.transaction.journal import JOURNAL
from reconciler.transaction.state_directory import StateDirectory
from trials import power
from trials.disk import ALL, LOST, NAMES, TORN, ZEROED, Disk, restore
from trials.system_calls import Places, watched
from trials.tally import Tally

SEED = 7


def all_of(most: int, profile: str = "6.12") -> Tally:
    """Some points of every trial on one kernel."""
    total = Tally("all")
    for one in power.tallies(random.Random(SEED), most, [profile]):
        total.add(one)
    return total


def test_after_a_power_loss_the_next_apply_reaches_the_target() -> None:
    """What the state directory says is the old or the new, never a part, and no apply fails over it."""
    found = all_of(8)

    assert found.otherwise == []
    assert found.tried >= 60


def test_a_journal_that_is_not_synced_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail: a step is made although a disk need not hold what leads back."""

    def append(self: StateDirectory, name: str, content: bytes) -> None:
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, content)
        os.close(descriptor)

    monkeypatch.setattr(StateDirectory, "append", append)

    assert any("the journal was not on disk" in one for one in all_of(1).otherwise)


def test_a_file_that_is_replaced_before_it_is_synced_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail: a name without its content is torn."""

    def replace(self: StateDirectory, name: str, content: bytes) -> None:
        descriptor = os.open(self.path / f".{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, content)
        os.close(descriptor)
        os.replace(self.path / f".{name}.new", self.path / name)

    monkeypatch.setattr(StateDirectory, "replace", replace)

    found = all_of(8)

    assert any("is torn" in one for one in found.otherwise)
    assert any("the next command failed" in one for one in found.otherwise)


def test_names_that_are_never_synced_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail: what was said to be kept is gone."""
    for module in (own_files, state_directory):
        monkeypatch.setattr(module, "sync_folder", lambda folder: None)

    assert any("inventory is not on disk" in one for one in all_of(1).otherwise)


def test_what_a_disk_may_hold(tmp_path: Path) -> None:
    """Contents are kept from their last fsync on, names from that of their directory."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    disk = Disk(folder)

    with watched(Places(folder, Path("/nowhere")), disk.before):
        file = os.open(folder / "new", os.O_CREAT | os.O_WRONLY)
        os.write(file, b"12")
        os.fsync(file)
        os.write(file, b"3456")
        os.unlink(folder / "old")
    os.close(file)
    disk.look()
    images = disk.images()

    assert images[LOST] == {"old": b"old"}
    assert images[NAMES] == {"new": b"12"}
    assert images[TORN] == {"new": b"1234"}
    assert images[ZEROED] == {"new": b"12\0\0\0\0"}
    assert images[ALL] == {"new": b"123456"}
    again = tmp_path / "again"
    again.mkdir()
    restore(images[TORN], again)
    assert {one.name: one.read_bytes() for one in again.iterdir()} == images[TORN]


def test_a_name_is_on_disk_once_its_directory_is(tmp_path: Path) -> None:
    """Directories too; and a rename is the old or the new."""
    disk = Disk(tmp_path)

    with watched(Places(tmp_path, Path("/nowhere")), disk.before):
        os.mkdir(tmp_path / "inner")
        inner = os.open(tmp_path / "inner", os.O_RDONLY)
        outer = os.open(tmp_path, os.O_RDONLY)
        os.close(os.open(tmp_path / "inner" / JOURNAL, os.O_CREAT))
        os.fsync(inner)
        disk.look()
        lost = disk.images()[LOST]
        os.fsync(outer)
        disk.look()
        kept = disk.images()[LOST]
        os.rename(tmp_path / "inner" / JOURNAL, tmp_path / "inner" / "moved")
    os.close(inner)
    os.close(outer)
    disk.look()

    assert lost == {}
    assert kept == {"inner": None, f"inner/{JOURNAL}": b""} == disk.images()[LOST]
    assert disk.images()[NAMES] == {"inner": None, "inner/moved": b""}
