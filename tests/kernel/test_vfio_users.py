"""Who has a device open: a made-up ``/proc``, ``/dev/vfio`` and ``/sys``, and once the real ``/proc``."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.kernel.vfio_users import VfioUsers
from reconciler.model.observed import Process

A = "00000000-0000-4000-8000-00000000000a"
B = "00000000-0000-4000-8000-00000000000b"
QEMU = Process(4711, "qemu-system-s390x")
NODE = Path("/dev/null")
OTHER_NODE = Path("/dev/zero")


class OpenHost:
    """A tree with ``sys``, ``proc`` and ``dev/vfio``; device A is in group 7, device B in group 8."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proc = root / "proc"
        self.nodes = root / "dev/vfio"
        for uuid, group in ((A, 7), (B, 8)):
            device = root / "sys/devices/vfio_ap/matrix" / uuid
            device.mkdir(parents=True)
            (device / "iommu_group").symlink_to(f"../../../../kernel/iommu_groups/{group}")
        (root / "sys/dev/char").mkdir(parents=True)
        (self.proc / "self/ns").mkdir(parents=True)
        self.namespace("pid:[4026531836]")
        (self.proc / "meminfo").touch()
        self.process(1, "/usr/lib/systemd/systemd")
        self.nodes.mkdir(parents=True)

    @property
    def users(self) -> VfioUsers:
        """Who has what open here."""
        return VfioUsers(str(self.root / "sys"), str(self.proc), str(self.nodes))

    def namespace(self, name: str) -> None:
        """Look from this PID namespace."""
        (self.proc / "self/ns/pid").unlink(missing_ok=True)
        (self.proc / "self/ns/pid").symlink_to(name)

    def process(self, number: int, program: str = "/usr/bin/qemu-system-s390x", *opened: Path | str) -> None:
        """A process that has these files open."""
        directory = self.proc / str(number)
        (directory / "fd").mkdir(parents=True)
        (directory / "fdinfo").mkdir()
        (directory / "exe").symlink_to(program)
        for descriptor, file in enumerate(("/dev/null", *opened)):
            (directory / "fd" / str(descriptor)).symlink_to(file)
            (directory / "fdinfo" / str(descriptor)).write_text("pos:\t0\nflags:\t02\n")

    def node(self, name: str, leads_to: str, like: Path = NODE) -> Path:
        """A file below ``/dev/vfio`` with the device number of `like`, which ``/sys/dev/char`` knows as `leads_to`."""
        node = self.nodes / name
        node.parent.mkdir(exist_ok=True)
        node.symlink_to(like)
        number = like.stat().st_rdev
        (self.root / f"sys/dev/char/{os.major(number)}:{os.minor(number)}").symlink_to(f"../../devices/{leads_to}")
        return node


@pytest.fixture
def machine(tmp_path: Path) -> OpenHost:
    """A machine on which nobody has anything open."""
    return OpenHost(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was opened below ``/dev/vfio``; each is busy."""
    seen: list[str] = []
    real = os.open

    def recorded(path: str, flags: int) -> int:
        if "/dev/vfio/" in str(path):
            seen.append(Path(path).name)
            raise OSError(errno.EBUSY, "Device or resource busy")
        return real(path, flags)

    monkeypatch.setattr(os, "open", recorded)
    yield seen
    monkeypatch.undo()


def test_nobody_has_anything_open(machine: OpenHost, opened: list[str]) -> None:
    """All processes were seen, so no group has to be opened."""
    machine.node("7", "virtual/vfio/7")

    assert machine.users.of([A, B]) == {}
    assert opened == []


def test_who_has_the_group_open_has_the_device(machine: OpenHost, opened: list[str]) -> None:
    """By the device number; other files of VFIO belong to nobody."""
    group = machine.node("7", "virtual/vfio/7")
    container = machine.node("vfio", "virtual/misc/vfio", OTHER_NODE)
    machine.process(4711, "/usr/bin/qemu-system-s390x", container, group, "anon_inode:kvm-vfio", "/var/log/vfio.log")

    assert machine.users.of([A, B]) == {A: QEMU}
    assert opened == []


def test_who_has_the_device_s_own_file_open_has_the_device(machine: OpenHost, opened: list[str]) -> None:
    """The newer way, without the group."""
    device = machine.node("devices/vfio0", f"vfio_ap/matrix/{B}/vfio-dev/vfio0")
    machine.process(4711, "/usr/bin/qemu-system-s390x", device)

    assert machine.users.of([A, B]) == {B: QEMU}
    assert opened == []


def test_a_path_tells_nothing_and_a_number_everything(machine: OpenHost) -> None:
    """In a container the group may have another path; a file with the right path may be anything."""
    machine.node("7", "virtual/vfio/7")
    private = machine.root / "container-vfio-8"
    private.symlink_to(NODE)
    ordinary = machine.nodes / "8"
    ordinary.touch()
    machine.process(4711, "/usr/bin/qemu-system-s390x", private, ordinary, machine.nodes / "gone")

    assert machine.users.of([A, B]) == {A: QEMU}


def test_a_number_that_the_kernel_does_not_know_belongs_to_nobody(machine: OpenHost) -> None:
    """As on a tree that is not this machine's."""
    node = machine.nodes / "7"
    node.symlink_to(NODE)
    machine.process(4711, "/usr/bin/qemu-system-s390x", node)

    assert machine.users.of([A, B]) == {}


def test_an_open_device_says_itself_which_it_is(machine: OpenHost, opened: list[str]) -> None:
    """From 6.18, and also when the group has been closed."""
    machine.process(4711, "/usr/bin/qemu-system-s390x", "anon_inode:[vfio-device]")
    (machine.proc / "4711/fdinfo/1").write_text(f"pos:\t0\nvfio-device-syspath: /sys/devices/vfio_ap/matrix/{A}\n")

    assert machine.users.of([A, B]) == {A: QEMU}
    assert opened == []


def test_where_an_open_device_says_nothing_the_groups_are_asked(machine: OpenHost, opened: list[str]) -> None:
    """Before 6.18; that it is in use is known then, but not by whom."""
    machine.node("7", "virtual/vfio/7")
    container = machine.node("vfio", "virtual/misc/vfio", OTHER_NODE)
    machine.process(4711, "/usr/bin/qemu-system-s390x", container, "anon_inode:[vfio-device]")

    assert machine.users.of([A, B]) == {A: None}
    assert opened == ["7"]


def test_who_keeps_the_group_open_beside_the_device_is_known(machine: OpenHost, opened: list[str]) -> None:
    """As QEMU does."""
    group = machine.node("7", "virtual/vfio/7")
    machine.process(4711, "/usr/bin/qemu-system-s390x", group, "anon_inode:[vfio-device]")

    assert machine.users.of([A, B]) == {A: QEMU}
    assert opened == []


def test_of_several_processes_the_oldest_is_told(machine: OpenHost) -> None:
    """A child that inherited the file is no news."""
    group = machine.node("7", "virtual/vfio/7")
    machine.process(4712, "/usr/bin/true", group)
    machine.process(4711, "/usr/bin/qemu-system-s390x", group)

    assert machine.users.of([A]) == {A: QEMU}


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/libexec/qemu-kvm (deleted)", "qemu-kvm"),
        ("/tmp/\x1b[2Jx", "\\x1b[2Jx"),
        (f"/usr/bin/{'x' * 100}", "x" * 40),
    ],
)
def test_a_program_has_a_short_plain_name(machine: OpenHost, program: str, name: str) -> None:
    """Also after it was updated; it cannot write to the terminal."""
    machine.process(4711, program, machine.node("7", "virtual/vfio/7"))

    assert machine.users.of([A]) == {A: Process(4711, name)}


def test_a_program_without_a_name_is_a_process(machine: OpenHost) -> None:
    """Its number is enough."""
    machine.process(4711, "/x", machine.node("7", "virtual/vfio/7"))
    (machine.proc / "4711/exe").unlink()

    found = machine.users.of([A])

    assert found == {A: Process(4711, "")}
    assert str(found[A]) == "process 4711"


# Where not everybody is seen ----------------------------------------------------------------------------------------


def test_a_process_that_has_ended_has_nothing_open(machine: OpenHost, opened: list[str]) -> None:
    """Between listing and looking."""
    machine.node("7", "virtual/vfio/7")
    (machine.proc / "4711").mkdir()

    assert machine.users.of([A]) == {}
    assert opened == []


@pytest.mark.parametrize("why", ["forbidden", "namespace", "hidden", "no proc"])
def test_where_processes_cannot_be_seen_the_groups_are_asked(
    machine: OpenHost, opened: list[str], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Without root, in a container, or without ``/proc``: EBUSY tells that a device is in use."""
    machine.node("7", "virtual/vfio/7")
    if why == "forbidden":
        real = os.listdir

        def listdir(path: str) -> list[str]:
            if path.endswith("/1/fd"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "listdir", listdir)
    elif why == "namespace":
        machine.namespace("pid:[4026532000]")
    elif why == "hidden":
        (machine.proc / "1").rename(machine.proc / "x")
    else:
        machine.proc.rename(machine.root / "nowhere")

    assert machine.users.of([A, B]) == {A: None}
    assert opened == ["7"]


def test_who_is_seen_is_told_although_others_are_not(machine: OpenHost, opened: list[str]) -> None:
    """The group of a device that is known to be open is left alone."""
    machine.namespace("pid:[4026532000]")
    machine.process(4711, "/usr/bin/qemu-system-s390x", machine.node("7", "virtual/vfio/7"))

    assert machine.users.of([A, B]) == {A: QEMU}
    assert opened == []


def test_only_the_device_s_own_group_is_ever_opened(machine: OpenHost, opened: list[str]) -> None:
    """A simulated host in place of ``/sys`` has a group 7 as well, and this machine's is none of its business."""
    machine.namespace("pid:[4026532000]")
    machine.node("7", "virtual/vfio/9")

    assert machine.users.of([A, B, "00000000-0000-4000-8000-00000000000c"]) == {}
    assert opened == []


def test_a_group_that_can_be_opened_is_free(machine: OpenHost) -> None:
    """It is closed at once."""
    machine.namespace("pid:[4026532000]")
    machine.node("7", "virtual/vfio/7")

    assert machine.users.of([A]) == {}


def test_a_group_that_cannot_be_asked_leaves_its_device_unknown(
    machine: OpenHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that may not be opened, or is not this device's; where all processes are seen, nothing is unknown."""
    machine.node("7", "virtual/vfio/7")
    users = machine.users
    real = os.open

    def refused(path: str, flags: int) -> int:
        if "/dev/vfio/" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags)

    def unknown(*uuids: str) -> tuple[str, ...]:
        assert users.of(uuids) == {}
        return users.unknown

    machine.namespace("pid:[4026532000]")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused)
        assert unknown(A, B) == (A, B)
    assert unknown(A) == ()
    assert unknown(B) == (B,)
    machine.namespace("pid:[4026531836]")
    assert unknown(A, B) == ()


# The real thing -----------------------------------------------------------------------------------------------------


def test_a_real_process_is_found_by_what_it_really_has_open(machine: OpenHost) -> None:
    """A child that has a device node open, in the real ``/proc``."""
    node = machine.nodes / "7"
    number = NODE.stat().st_rdev
    try:
        os.mknod(node, stat.S_IFCHR | 0o600, number)
        os.close(os.open(node, os.O_RDONLY))
    except PermissionError:
        pytest.skip("only root can make a device node, where the file system allows it")
    (machine.root / f"sys/dev/char/{os.major(number)}:{os.minor(number)}").symlink_to("../../devices/virtual/vfio/7")
    users = VfioUsers(str(machine.root / "sys"), "/proc", str(machine.nodes))
    program = "import sys; opened = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"

    command = [sys.executable, "-c", program, str(node)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        found = users.of([A, B])
        child.communicate("")

    assert found == {A: Process(child.pid, Path(sys.executable).resolve().name)}
    assert users.of([A, B]) == {}
