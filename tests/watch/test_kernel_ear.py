"""What is heard of which host."""

import select
import socket
import struct
from pathlib import Path

import pytest

from reconciler.integrations.uevents import UeventSocket
from reconciler.simulator.state_file import state_path
from reconciler.watch.kernel_ear import KernelEar, kernel_opener
from reconciler.watch.triggers import Trigger


class Connection(socket.socket):
    """A socket whose datagrams come from the kernel, as far as anybody can tell."""

    def recvmsg(self, *_: object) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
        return self.recv(4096), [(socket.SOL_SOCKET, 2, struct.pack("3i", 0, 0, 0))], 0, (0, 1)


def test_uevents_are_triggers() -> None:
    """And the descriptor is the socket's."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear = KernelEar(UeventSocket(Connection(fileno=here.detach())))
    there.send(b"add@/devices/ap/card09\0ACTION=add\0SUBSYSTEM=ap\0DEVTYPE=ap_card\0")
    assert select.select([ear], [], [], 30)[0]
    assert ear.hear() == [Trigger("kernel", "card 09 add")]
    ear.close()
    there.close()
    assert ear.fileno() == -1


def test_a_simulated_host_is_heard_by_the_file_that_keeps_it(tmp_path: Path) -> None:
    """Every command that changes it saves that."""
    pytest.importorskip("watchfiles")
    description = tmp_path / "lpar.yaml"
    opener = kernel_opener(Path("/sys"), [description, state_path(description)], print)
    assert opener
    ear = opener()
    try:
        state_path(description).write_text("{}")
        assert select.select([ear], [], [], 30)[0]
        assert list(ear.hear()) == [Trigger("kernel", str(state_path(description)))]
    finally:
        ear.close()


def test_another_sysfs_root_tells_nothing(tmp_path: Path) -> None:
    """The events of this machine are not its events: it is looked at regularly instead."""
    assert kernel_opener(tmp_path, (), print) is None


def test_this_machine_tells(tmp_path: Path) -> None:
    """Also where its sysfs is named by a link."""
    (tmp_path / "link").symlink_to("/sys")
    assert kernel_opener(tmp_path / "link", (), print)
