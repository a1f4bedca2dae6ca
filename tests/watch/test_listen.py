"""What the loop answers over HTTP."""

import os
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from reconciler.watch.health import Health, Newest
from reconciler.watch.listen import CannotListen, Listener
from reconciler.watch.metrics import Exposition
from reconciler.watch.report import Condition, Refused, Source
from testing.clocks import FakeClock
from testing.reports import NOW, report

REFUSED = Source("x", "abc", Refused("def", ("a.yaml:3: overlaps",), NOW))


class Server:
    def __init__(self, address: str = "127.0.0.1:0", seconds: float = 5.0) -> None:
        self.clock = FakeClock()
        self.newest = Newest(self.clock.monotonic)
        self.listener = Listener(
            address, Health(self.newest, 60.0), Exposition(self.newest.get, "1.2", process=True), seconds=seconds
        )

    def connect(self) -> socket.socket:
        host, _, port = self.listener.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout=10)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("localhost", timeout=10)
        connection.sock = self.connect()
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """One that answers at a free port."""
    made = Server()
    yield made
    made.listener.close()


@pytest.mark.parametrize("changes", [{}, {"source": REFUSED}, {"condition": Condition.NEEDS_PERSON}])
def test_readyz_names_who_is_not_healed_whatever_else_is_the_case(server: Server, changes: dict[str, Any]) -> None:
    """Each with until when; a refused commit or a conflict does not hide it."""
    server.newest.put(report(stopped={"guest1": NOW, "masks": NOW + 3600}, **changes))

    text = server.ask("/readyz")[1]

    assert "stopped: guest1 is not healed until 2027-01-15 08:00:00 UTC" in text.splitlines()
    assert "stopped: masks is not healed until 2027-01-15 09:00:00 UTC" in text.splitlines()


def test_metrics(server: Server) -> None:
    """The newest report, and the process, in the format that is asked for."""
    server.newest.put(report())

    answer, text = server.ask("/metrics")
    openmetrics, other = server.ask("/metrics?x=1", Accept="application/openmetrics-text; version=1.0.0")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "reconcile_in_sync 1.0\n" in text
    assert "process_open_fds" in text
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=")
    assert other.endswith("# EOF\n")


def test_ready_is_whoever_has_looked_and_can_use_the_configuration(server: Server) -> None:
    """Each reason is told."""
    before = server.ask("/readyz")
    server.newest.put(report())
    after = server.ask("/readyz")
    server.newest.put(report(source=REFUSED))
    refused = server.ask("/readyz")

    assert (before[0].status, before[1]) == (503, "no turn has ended yet\n")
    assert (after[0].status, after[1]) == (200, "ready: in-sync\n")
    assert refused[0].status == 503
    assert refused[1] == "commit def is refused; the last good configuration is enforced\na.yaml:3: overlaps\n"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        (
            {"condition": Condition.STOPPED, "summary": "m1 until noon"},
            200,
            "ready: stopped: m1 until noon",
        ),
        (
            {"condition": Condition.SUSPENDED_DIFFERS, "summary": "suspended, and differs: m1"},
            200,
            "ready: suspended-differs: suspended, and differs: m1",
        ),
        ({"enforces": False, "source": Source("x", unreachable="timeout")}, 503, "nothing is enforced"),
        ({"looked": None, "condition": Condition.FAILED}, 503, "the host could not be looked at"),
    ],
)
def test_ready_says_what_is_not_as_it_should_be(
    server: Server, changes: dict[str, Any], status: int, words: str
) -> None:
    """And only who enforces something, and has looked at the host, is ready."""
    server.newest.put(report(**changes))

    answer, text = server.ask("/readyz")

    assert (answer.status, text.startswith(words)) == (status, True)


def test_a_loop_that_no_longer_turns_is_not_alive(server: Server) -> None:
    """Judged by when the next turn was due."""
    assert server.ask("/healthz")[0].status == 200
    server.newest.put(report(turned=NOW, due=NOW + 300))
    server.clock.sleep(359)
    assert server.ask("/healthz")[1] == "alive: the last turn ended 5 minutes 59 seconds ago\n"
    server.clock.sleep(2)
    answer, text = server.ask("/healthz")

    assert answer.status == 503
    assert text == "the last turn ended 6 minutes 1 second ago; one was due within 6 minutes\n"
    server.newest.put(report(condition=Condition.FAILED))
    assert server.ask("/healthz")[0].status == 200


def test_a_loop_that_never_turns_is_not_alive(server: Server) -> None:
    """The first turn, too, has its bound."""
    server.clock.sleep(61)

    assert server.ask("/healthz")[0].status == 503


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405), ("DELETE", "/nothing", 405)],
)
def test_all_else_is_refused(server: Server, method: str, path: str, status: int) -> None:
    """There is nothing to change here."""
    answer, _text = server.ask(path, method)

    assert answer.status == status
    assert answer.headers["Allow"] == ("GET, HEAD" if status == 405 else None)


def test_head_tells_no_content(server: Server) -> None:
    """As HTTP has it."""
    answer, text = server.ask("/healthz", "HEAD")

    assert (answer.status, text) == (200, "")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET " + b"x" * 70_000, b"\0\xff\r\n\r\n", b""])
def test_nonsense_does_no_harm(server: Server, sent: bytes) -> None:
    """The next one is answered."""
    with server.connect() as caller:
        caller.sendall(sent)

    assert server.ask("/healthz")[0].status == 200


def test_a_fault_of_ours_is_told_and_the_others_are_answered() -> None:
    """A thread that ended by it would be missed after four of them."""

    class Broken(Exposition):
        def text(self, accept: str = "") -> tuple[bytes, str]:
            raise ZeroDivisionError

    server = Server()
    server.listener.close()
    server.listener = Listener("127.0.0.1:0", Health(server.newest, 60.0), Broken(server.newest.get, "1.2"))
    try:
        assert {server.ask("/metrics")[0].status for _ in range(10)} == {500}
        assert server.ask("/healthz")[0].status == 200
    finally:
        server.listener.close()


def test_slow_clients_are_sent_away() -> None:
    """However many hold a connection without a word, those behind them have their answer soon."""
    server = Server(seconds=0.2)
    slow = [server.connect() for _ in range(12)]
    for one in slow:
        one.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")

    try:
        assert server.ask("/healthz")[0].status == 200
    finally:
        for one in slow:
            one.close()
        server.listener.close()


def test_a_byte_now_and_then_does_not_prolong_it() -> None:
    """The bound is for the whole request."""
    server = Server(seconds=0.3)
    try:
        with server.connect() as drip:
            drip.settimeout(0.02)
            for _ in range(1000):
                try:
                    drip.sendall(b"x")
                    assert drip.recv(1) == b""
                    break
                except TimeoutError:
                    continue
                except OSError:
                    break
            else:
                pytest.fail("it is still listened to")
    finally:
        server.listener.close()


def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    """No thread, no descriptor, no socket file, even with a client that is in the middle."""
    Server().listener.close()  # what is imported and opened once for all
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    one, other = Server(), Server(str(tmp_path / "socket"))
    assert threading.active_count() > threads
    with one.connect() as caller:
        caller.sendall(b"GET /met")
        one.listener.close()
        other.listener.close()

    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told(server: Server) -> None:
    """At the start, before anything is done."""
    with pytest.raises(CannotListen, match="somebody else does; choose another with --listen"):
        Server(server.listener.address)


def test_the_loopback_of_ipv6() -> None:
    """In brackets, as in an address of the web."""
    try:
        server = Server("[::1]:0")
    except CannotListen:
        pytest.skip("no IPv6 here")
    try:
        assert server.listener.address.startswith("[::1]:")
        assert server.ask("/healthz")[0].status == 200
    finally:
        server.listener.close()


@pytest.mark.parametrize(
    "address", ["", "9750", ":9750", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "[::1]", "x:-1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """To listen to all the world is asked for by name: 0.0.0.0 or [::]."""
    with pytest.raises(CannotListen):
        Server(address)


def test_a_unix_socket(tmp_path: Path) -> None:
    """For its owner and group; what a crash has left is taken over, a living one and other files are not."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = Server(str(path))
    try:
        assert path.stat().st_mode & 0o777 == 0o660
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            caller.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.0 200 OK")
        with pytest.raises(CannotListen, match="somebody else does"):
            Server(str(path))
    finally:
        server.listener.close()
    path.write_text("mine")
    with pytest.raises(CannotListen, match="a file of that name"):
        Server(str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize(("seconds", "applies", "good"), [(59, False, True), (61, False, False), (61, True, True)])
def test_health_shows_a_cycle_that_reads_and_plans_too_long(seconds: int, applies: bool, good: bool) -> None:
    """An apply may take its time; what comes before it may not, nor what comes after the next cycle's begin."""
    clock = FakeClock()
    newest = Newest(clock.monotonic)
    health = Health(newest, 300.0, 60.0)
    newest.put(report())
    newest.begin()
    newest.begin(applies=applies)
    clock.sleep(seconds)

    answer = health.alive()

    assert answer.good is good
    assert ("it has been reading and planning for 1 minute 1 second, not 1 minute" in answer.text) is not good
    newest.put(report())
    assert health.alive().good
