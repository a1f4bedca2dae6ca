"""What is heard of which host."""

import socket
import struct
from pathlib import Path

from reconciler.integrations.uevents import UeventSocket
from reconciler.simulator.state_file import state_path
from reconciler.watch.host_triggers import host_triggers
from reconciler.watch.trigger_inbox import DescriptorTriggers
from reconciler.watch.triggers import Trigger
from testing.event_loops import Noticing


class Connection(socket.socket):
    """A socket whose datagrams come from the kernel, as far as anybody can tell."""

    def recvmsg(self, *_: object) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
        return self.recv(4096), [(socket.SOL_SOCKET, 2, struct.pack("3i", 0, 0, 0))], 0, (0, 1)


def test_uevents_are_triggers() -> None:
    """They wake the event loop by their socket."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    events = UeventSocket(Connection(fileno=here.detach()))
    with Noticing(DescriptorTriggers("kernel", lambda: events)) as noticing:
        there.send(b"add@/devices/ap/card09\0ACTION=add\0SUBSYSTEM=ap\0DEVTYPE=ap_card\0")
        assert noticing.next() == (Trigger("kernel", "card 09 add"),)
    there.close()
    assert events.fileno() == -1


def test_a_simulated_host_is_noticed_by_the_file_that_keeps_it(tmp_path: Path) -> None:
    """Every command that changes it saves that."""
    description = tmp_path / "lpar.yaml"
    source = host_triggers(Path("/sys"), [description, state_path(description)])
    assert source
    with Noticing(source) as noticing:
        state_path(description).write_text("{}")
        assert noticing.next() == (Trigger("kernel", str(state_path(description))),)


def test_another_sysfs_root_tells_nothing(tmp_path: Path) -> None:
    """The events of this machine are not its events: it is looked at regularly instead."""
    assert host_triggers(tmp_path, ()) is None


def test_this_machine_tells(tmp_path: Path) -> None:
    """Also where its sysfs is named by a link."""
    (tmp_path / "link").symlink_to("/sys")
    assert host_triggers(tmp_path / "link", ())
