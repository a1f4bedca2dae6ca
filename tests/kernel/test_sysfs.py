"""The real sysfs, on a directory tree that looks like one."""

import errno
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from reconciler.kernel.paths import SYSINFO
from reconciler.kernel.sysfs import PAGE, KernelBusy, RealSysfs
from reconciler.kernel.sysinfo import LARGEST_SYSINFO
from reconciler.kernel.vfio_users import VfioUsers
from reconciler.model.observed import Process

UUID = "00000000-0000-4000-8000-000000000001"
MASK = "bus/ap/apmask"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a mask, and a device in group 7."""
    (tmp_path / "bus/ap/drivers").mkdir(parents=True)
    (tmp_path / MASK).write_text("0xff\n")
    device = tmp_path / "devices/vfio_ap/matrix" / UUID
    device.mkdir(parents=True)
    (device / "iommu_group").symlink_to("../../../../kernel/iommu_groups/7")
    return tmp_path


@pytest.fixture
def sysfs(root: Path) -> RealSysfs:
    """The tree as a host."""
    return RealSysfs(root)


def test_what_is_in_the_tree_is_read_listed_and_linked(sysfs: RealSysfs) -> None:
    """Attributes, directories in order, and links as they are stored."""
    assert sysfs.read(MASK) == "0xff\n"
    assert sysfs.list("bus/ap") == ["apmask", "drivers"]
    assert sysfs.link(f"devices/vfio_ap/matrix/{UUID}/iommu_group") == "../../../../kernel/iommu_groups/7"
    assert sysfs.release == platform.release()


def test_a_read_is_one_page_at_most(root: Path, sysfs: RealSysfs) -> None:
    """As in the kernel; a file that never ends cannot fill the memory."""
    (root / "long").write_text("x" * (PAGE + 1))
    (root / "endless").symlink_to("/dev/zero")

    assert sysfs.read("long") == "x" * PAGE
    assert len(sysfs.read("endless")) == PAGE


def test_what_names_the_machine_is_read_from_the_tree_or_from_proc(root: Path) -> None:
    """The tree's own first, beyond a page, up to a limit; of another tree than ``/sys`` nothing else is looked at."""
    (root / "own").write_bytes(b"this machine\n")
    own = RealSysfs(root, sysinfo=str(root / "own"))
    with pytest.raises(FileNotFoundError):
        RealSysfs(root).sysinfo()
    assert own.sysinfo() == b"this machine\n"

    (root / "proc").mkdir()
    (root / SYSINFO).write_bytes(b"x" * 2 * PAGE)
    assert RealSysfs(root).sysinfo() == own.sysinfo() == b"x" * 2 * PAGE

    (root / SYSINFO).unlink()
    (root / SYSINFO).symlink_to("/dev/zero")
    assert len(own.sysinfo()) == LARGEST_SYSINFO + 1


def test_this_machine_is_named_by_its_proc() -> None:
    """``/sys`` has no such file; whether ``/proc`` has depends on the machine that runs this."""
    real = Path("/proc/sysinfo")
    if real.exists():
        assert RealSysfs(Path("/sys")).sysinfo() == real.read_bytes()
    else:
        with pytest.raises(FileNotFoundError, match="'/proc/sysinfo'"):
            RealSysfs(Path("/sys")).sysinfo()


def test_bytes_that_are_no_text_do_not_stop_the_reader(root: Path, sysfs: RealSysfs) -> None:
    """They become replacement characters, which no parser takes for anything."""
    (root / MASK).write_bytes(b"0x\xff\n")

    assert sysfs.read(MASK) == "0x\ufffd\n"


def test_a_value_is_written_exactly_as_given(root: Path, sysfs: RealSysfs) -> None:
    """No newline is added, and what was there is not cut off first: it is one write(2), as into an attribute."""
    assert sysfs.write(MASK, "+5") == 2
    assert (root / MASK).read_text() == "+5ff\n"


@pytest.mark.parametrize("value", ["", "\n", " ", "ü"])
def test_a_value_that_would_clear_a_mask_is_refused_before_it_is_written(
    root: Path, sysfs: RealSysfs, value: str
) -> None:
    """A lone newline clears a whole mask in the kernel, so nothing empty ever gets there, nor what is not ASCII."""
    with pytest.raises(ValueError):
        sysfs.write(MASK, value)

    assert (root / MASK).read_text() == "0xff\n"


def test_the_errno_of_the_kernel_comes_through(root: Path, sysfs: RealSysfs) -> None:
    """Reading, writing, listing and following what is not there, and writing to what is no file."""
    for act in (sysfs.read, sysfs.list, sysfs.link, lambda path: sysfs.write(path, "1")):
        with pytest.raises(OSError) as caught:
            act("bus/ap/missing")
        assert caught.value.errno == errno.ENOENT
    with pytest.raises(OSError) as caught:
        sysfs.write("bus/ap", "1")
    assert caught.value.errno == errno.EISDIR
    (root / "full").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        sysfs.write("full", "1")
    assert caught.value.errno == errno.ENOSPC


def test_a_write_that_blocks_is_given_up(root: Path) -> None:
    """A sick card can block a write for ever; after a while that is told, and the program goes on."""
    os.mkfifo(root / "sick")
    reader = None
    try:
        with pytest.raises(KernelBusy, match=r"writing sick did not finish within 0\.01 s"):
            RealSysfs(root, write_seconds=0.01).write("sick", "1")
    finally:
        reader = os.open(root / "sick", os.O_RDONLY | os.O_NONBLOCK)  # lets the blocked thread end
        os.close(reader)


class Everything(VfioUsers):
    """One process has every device open."""

    def of(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        return dict.fromkeys(uuids, Process(1, "init"))


def test_who_has_devices_open_is_asked_of_this_machine_only(root: Path, sysfs: RealSysfs) -> None:
    """A copied tree or a mounted simulated host has no ``/dev``: nothing of this machine is taken for its."""
    assert sysfs.opened([UUID]) == {}
    assert RealSysfs(root, vfio_users=Everything(str(root))).opened([UUID]) == {UUID: Process(1, "init")}


def test_a_device_that_is_not_there_is_not_open() -> None:
    """This machine's own processes, whoever runs the test, do not have what does not exist."""
    assert RealSysfs(Path("/sys")).opened(["00000000-0000-4000-8000-00000000000f"]) == {}
