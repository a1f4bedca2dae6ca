"""What systemd is told."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.integrations.systemd_notify import SystemdNotify
from testing.clocks import FakeClock


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """A socket as systemd has one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.settimeout(10)
        yield made


def notify(**environment: str) -> SystemdNotify:
    """With `environment`, in process 42, half a minute after the boot."""
    clock = FakeClock()
    clock.sleep(30.5)
    return SystemdNotify(environment, 42, clock.monotonic)


def test_every_message(manager: socket.socket, tmp_path: Path) -> None:
    """As sd_notify(3) has them."""
    manager.bind(str(tmp_path / "notify"))
    one = notify(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="30000000", WATCHDOG_PID="42")

    assert all((one.ready(), one.reloading(), one.status("in sync:\n all well"), one.watchdog()))
    assert one.extend(2.5)
    assert one.stopping()

    assert [manager.recv(4096) for _ in range(6)] == [
        b"READY=1",
        b"RELOADING=1\nMONOTONIC_USEC=30500000",
        b"STATUS=in sync: all well",
        b"WATCHDOG=1",
        b"EXTEND_TIMEOUT_USEC=2500000",
        b"STOPPING=1",
    ]
    assert one.watchdog_seconds == 30


def test_an_abstract_socket(manager: socket.socket) -> None:
    """Written with an @."""
    name = f"reconcile-test-{os.getpid()}"
    manager.bind(f"\0{name}")

    assert notify(NOTIFY_SOCKET=f"@{name}").ready()
    assert manager.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", ["", "@", "/", "relative", "vsock:2:1", "/missing/socket", "/" + "x" * 300])
def test_nobody_listens(address: str) -> None:
    """Which is no error."""
    one = notify(NOTIFY_SOCKET=address)

    assert not one.ready()
    assert not one.status("x")


def test_without_systemd_nothing_happens() -> None:
    """Not even the watchdog, whose variables may have been inherited."""
    one = notify(WATCHDOG_USEC="30000000")

    assert not one.listens
    assert one.watchdog_seconds is None
    assert not one.watchdog()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_or_not(environment: dict[str, str], seconds: float | None) -> None:
    """As sd_watchdog_enabled(3) has it."""
    assert notify(NOTIFY_SOCKET="/run/x", **environment).watchdog_seconds == seconds


def test_a_manager_that_does_not_read_keeps_nobody(manager: socket.socket, tmp_path: Path) -> None:
    """Its queue is full after some messages; we go on without having told."""
    manager.bind(str(tmp_path / "notify"))
    one = SystemdNotify({"NOTIFY_SOCKET": str(tmp_path / "notify")}, 42, FakeClock().monotonic, seconds=0.05)

    assert not all(one.ready() for _ in range(10_000))


def test_no_descriptor_is_left(manager: socket.socket, tmp_path: Path) -> None:
    """However often it is told."""
    manager.bind(str(tmp_path / "notify"))
    one = notify(NOTIFY_SOCKET=str(tmp_path / "notify"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        assert one.ready()
        manager.recv(4096)

    assert len(os.listdir("/proc/self/fd")) == before
