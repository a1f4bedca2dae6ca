"""Uevents: recorded ones of real kernels, hostile ones, and the socket."""

import errno
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.integrations.uevents import LOST, MOST_AT_ONCE, Uevent, UeventSocket, concern, parse

RECORDED = Path(__file__).parents[1] / "kernel" / "uevents"
KERNELS = ("6.1", "6.12", "sid")
UUID = "00000000-0000-4000-8000-00000000000a"


def recorded(kernel: str) -> dict[str, list[bytes]]:
    """The datagrams by what was done."""
    lines = [json.loads(line) for line in (RECORDED / f"{kernel}.jsonl").read_text().splitlines()]
    found: dict[str, list[bytes]] = {}
    for line in lines[1:]:
        found.setdefault(line["done"], [one.encode("latin-1") for one in line["datagrams"]])
    return found


def concerns(datagrams: list[bytes]) -> set[str]:
    """What they mean."""
    events = [parse(one) for one in datagrams]
    assert None not in events
    return {concern(event) for event in events if event} - {""}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("done", "told"),
    [
        ("modprobe -r vfio_ap", {"module vfio_ap remove", "vfio_ap remove"}),
        ("modprobe vfio_ap", {"module vfio_ap add", "vfio_ap add"}),
        ("apmask -5", {"apmask changed", "queue 05.0004 bind vfio_ap", "queue 05.0004 unbind"}),
        ("aqmask -4", {"aqmask changed", "queue 06.0004 bind vfio_ap"}),
        ("create", {f"device {UUID} add", f"device {UUID} bind"}),
        ("plug 9", {"card 09 add", "card 09 bind cex4card", "queue 09.0004 add", "queue 09.0004 bind vfio_ap"}),
        ("card 9 offline", {"card 09 change online=0", "queue 09.0005 change online=0"}),
        ("set 9 configured=false", {"card 09 change config=0", "queue 09.0004 change config=0"}),
        ("unplug 9", {"card 09 remove", "queue 09.0004 remove", "queue 09.0004 unbind"}),
        ("remove", {f"device {UUID} remove"}),
    ],
)
def test_what_real_kernels_tell_is_understood(kernel: str, done: str, told: set[str]) -> None:
    """The same words for every kernel."""
    assert told <= concerns(recorded(kernel)[done])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "done",
    [
        "apmask -5 again, which changes nothing",
        "assign_adapter 5",
        "assign_domain 4",
        "assign_control_domain 4",
        "unassign_domain 4",
        "set 9 checkstopped=true",
        "set 9 checkstopped=false",
        "domains control=4",
        "scan without a change",
        "nothing, for 65 seconds",
    ],
)
def test_what_real_kernels_do_not_tell(kernel: str, done: str) -> None:
    """Matrices above all: the reason why there is a resync. A scan that finds nothing wakes nobody."""
    assert concerns(recorded(kernel)[done]) == set()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_matrix_that_is_written_at_once_is_not_told_either(kernel: str) -> None:
    """What comes meanwhile is the scan that finds all queues bound, after the mask writes before."""
    assert concerns(recorded(kernel)["ap_config"]) <= {"all queues have their drivers"}


@pytest.mark.parametrize(
    "event",
    [
        Uevent("add", "/devices/pci0000:00/0000:00:01.0/mdev1", {"SUBSYSTEM": "mdev"}),
        Uevent("change", "/devices/virtual/misc/kvm", {"SUBSYSTEM": "misc", "EVENT": "create"}),
        Uevent("add", "/devices/virtual/block/loop0", {"SUBSYSTEM": "block", "DEVTYPE": "disk"}),
        Uevent("add", "/devices/apple", {"SUBSYSTEM": "ap"}),
        Uevent("add", "/module/vfio", {"SUBSYSTEM": "module"}),
        Uevent("change", "/", {}),
    ],
    ids=lambda event: event.path,
)
def test_what_others_do_means_nothing(event: Uevent) -> None:
    """Other mediated devices, VMs, disks."""
    assert concern(event) == ""


@given(st.binary(max_size=300))
def test_any_datagram_is_an_event_or_none(datagram: bytes) -> None:
    """Never an exception, and never control characters on somebody's terminal."""
    event = parse(datagram)
    if event:
        assert concern(event).isprintable()


WORDS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=200)


@given(
    st.sampled_from(["/devices/ap", "/devices/vfio_ap/matrix", "/module/vfio_ap"]),
    WORDS,
    st.dictionaries(WORDS, WORDS),
    st.sampled_from(["ap", "mdev", "module"]),
)
def test_what_is_told_is_short_and_printable(path: str, more: str, values: dict[str, str], subsystem: str) -> None:
    """Whatever names and values an event has."""
    event = Uevent("change", path + more, {**values, "SUBSYSTEM": subsystem, "DEVTYPE": "ap_queue", "CONFIG": more})
    told = concern(event)
    assert told.isprintable()
    assert len(told) <= 120


@given(st.data())
def test_a_datagram_that_was_cut_off_is_no_event(data: st.DataObject) -> None:
    """Or one with fewer values, never with other ones."""
    whole = recorded("6.12")["plug 9"][0]
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    event, full = parse(cut), parse(whole)
    assert full
    assert event is None or (event.path == full.path and event.values.items() <= full.values.items())


class FakeConnection(socket.socket):
    """What a netlink socket would answer."""

    def __init__(self, answers: list[tuple[bytes, list[tuple[int, int, bytes]], int, object] | OSError]) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.answers = answers

    def recvmsg(self, *_: object) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
        answer = self.answers.pop(0) if self.answers else BlockingIOError()
        if isinstance(answer, OSError):
            raise answer
        return answer


def sent(datagram: bytes, port: int = 0, process: int = 0, user: int = 0, flags: int = 0):  # type: ignore[no-untyped-def] # noqa: ANN201
    """A datagram, and who sent it."""
    return datagram, [(socket.SOL_SOCKET, 2, struct.pack("3i", process, user, 0))], flags, (port, 1)


MASK = b"change@/devices/ap\0ACTION=change\0DEVPATH=/devices/ap\0SUBSYSTEM=ap\0APMASK=0x0\n\0"


@pytest.fixture
def events(request: pytest.FixtureRequest) -> Iterator[UeventSocket]:
    """The socket over the answers that are the test's parameter."""
    made = UeventSocket(FakeConnection(list(request.param)))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([sent(MASK), sent(MASK)], ["apmask changed"]),
        ([sent(MASK, port=4711)], []),
        ([sent(MASK, process=4711)], []),
        ([sent(MASK, user=1000)], []),
        ([(MASK, [], 0, (0, 1))], []),
        ([(MASK, [(socket.SOL_SOCKET, 2, b"\0" * 4)], 0, (0, 1))], []),
        ([sent(MASK[:-3])], [LOST]),
        ([sent(MASK, flags=socket.MSG_TRUNC)], [LOST]),
        ([OSError(errno.ENOBUFS, "full"), sent(MASK)], [LOST, "apmask changed"]),
        ([], []),
    ],
    indirect=["events"],
    ids=["twice", "port", "process", "user", "nobody", "short", "cut", "too long", "overflow", "nothing"],
)
def test_only_the_kernel_is_believed_and_losses_are_told(events: UeventSocket, told: list[str]) -> None:
    """Each of it once."""
    assert events.receive() == told


@pytest.mark.parametrize("events", [[OSError(errno.EBADF, "gone")]], indirect=True)
def test_a_socket_that_is_broken_is_told(events: UeventSocket) -> None:
    """To whoever opens another one."""
    with pytest.raises(OSError, match="gone"):
        events.receive()


@pytest.mark.parametrize("events", [[sent(MASK)] * (MOST_AT_ONCE + 1)], indirect=True)
def test_events_without_end_leave_time_for_others(events: UeventSocket) -> None:
    """The rest is there the next time."""
    assert events.receive() == ["apmask changed"]
    assert events.receive() == ["apmask changed"]
    assert events.receive() == []


def test_the_kernel_lets_us_listen() -> None:
    """A real socket, which is quiet here: there are no cards."""
    try:
        events = UeventSocket.listening()
    except PermissionError:
        pytest.skip("no netlink sockets in here")
    try:
        assert events.fileno() >= 0
        assert not [what for what in events.receive() if what != LOST]
    finally:
        events.close()
