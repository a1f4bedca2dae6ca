"""What ``reconcile serve`` answers over HTTP, from what a loop publishes."""

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.serve import application
from reconciler.serve.addresses import CannotListen, bound, url_of
from reconciler.watch.published import LOCK, LOOP, REPORT, LoopPublisher, boot_id
from reconciler.watch.report import Condition, RefusedConfiguration, SourceReport
from testing.clocks import FakeClock
from testing.publishing import Server, publishing
from testing.reports import NOW, report

REFUSED = SourceReport("x", "abc", RefusedConfiguration("def", ("a.yaml:3: overlaps",), NOW))


class Watched(NamedTuple):
    """A loop, where it publishes, and a server beside it."""

    directory: Path
    clock: FakeClock
    loop: LoopPublisher
    server: Server

    def status(self, path: str) -> int:
        return self.server.ask(path)[0].status

    def text(self, path: str) -> str:
        return self.server.ask(path)[1]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A loop that has just been started."""
    clock, directory = FakeClock(), tmp_path / "run"
    loop = publishing(directory, clock)
    made = Watched(directory, clock, loop, Server(directory, clock))
    yield made
    made.server.close()


@pytest.mark.parametrize("changes", [{}, {"source": REFUSED}, {"condition": Condition.NEEDS_PERSON}])
def test_readyz_names_who_is_not_healed_whatever_else_is_the_case(watched: Watched, changes: dict[str, Any]) -> None:
    """Each with until when; a refused commit or a conflict does not hide it."""
    watched.loop.publish(report(stopped={"guest1": NOW, "masks": NOW + 3600}, **changes))

    text = watched.text("/readyz")

    assert "stopped: guest1 is not healed until 2027-01-15 08:00:00 UTC" in text.splitlines()
    assert "stopped: masks is not healed until 2027-01-15 09:00:00 UTC" in text.splitlines()


def test_metrics(watched: Watched) -> None:
    """The newest report, and the loop's process, in the format that is asked for."""
    watched.loop.publish(report())

    answer, text = watched.server.ask("/metrics")
    openmetrics, other = watched.server.ask("/metrics?x=1", Accept="application/openmetrics-text; version=1.0.0")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "reconcile_in_sync 1.0\n" in text
    assert "reconcile_up 1.0\n" in text
    assert "process_open_fds" in text
    assert "process_resident_memory_bytes" in text
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=")
    assert other.endswith("# EOF\n")


def test_ready_is_whoever_has_looked_and_can_use_the_configuration(watched: Watched) -> None:
    """Each reason is told."""
    before = watched.server.ask("/readyz")
    watched.loop.publish(report())
    after = watched.server.ask("/readyz")
    watched.loop.publish(report(source=REFUSED))
    refused = watched.server.ask("/readyz")

    assert (before[0].status, before[1]) == (503, "no cycle has ended yet\n")
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
            {"condition": Condition.SUSPENDED_OUT_OF_SYNC, "summary": "suspended, and differs: m1"},
            200,
            "ready: suspended-out-of-sync: suspended, and differs: m1",
        ),
        ({"enforces": False, "source": SourceReport("x", unreachable="timeout")}, 503, "nothing is enforced"),
        ({"looked": None, "condition": Condition.FAILED}, 503, "the host could not be looked at"),
    ],
)
def test_ready_says_what_is_not_as_it_should_be(
    watched: Watched, changes: dict[str, Any], status: int, words: str
) -> None:
    """And only who enforces something, and has looked at the host, is ready."""
    watched.loop.publish(report(**changes))

    answer, text = watched.server.ask("/readyz")

    assert (answer.status, text.startswith(words)) == (status, True)


def test_a_loop_that_no_longer_turns_is_not_alive(watched: Watched) -> None:
    """Judged by when the next cycle was due; then nothing is said of the host any more."""
    assert watched.status("/healthz") == 200
    watched.loop.publish(report(cycle_ended=NOW, due=NOW + 300))
    watched.clock.sleep(599)
    assert watched.text("/healthz") == "alive: the last cycle ended 9 minutes 59 seconds ago\n"
    watched.clock.sleep(2)
    answer, text = watched.server.ask("/healthz")

    assert answer.status == 503
    assert text == "the last cycle ended 10 minutes 1 second ago; one was due within 10 minutes\n"
    assert watched.server.ask("/readyz")[0].status == 503
    assert samples(watched.text("/metrics")) == {"reconcile_build_info": 1.0, "reconcile_up": 0.0}
    watched.loop.publish(report(condition=Condition.FAILED))
    assert watched.status("/healthz") == 200


def samples(text: str) -> dict[str, float]:
    """Each metric, by its name alone."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.partition(" ")[0].partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_a_loop_that_never_turns_is_not_alive(watched: Watched) -> None:
    """The first cycle, too, has its bound."""
    watched.clock.sleep(301)

    assert watched.status("/healthz") == 503


@pytest.mark.parametrize(("seconds", "applies", "good"), [(59, False, True), (61, False, False), (61, True, True)])
def test_health_shows_a_cycle_that_reads_and_plans_too_long(
    watched: Watched, seconds: int, applies: bool, good: bool
) -> None:
    """An apply may take its time; what comes before it may not, nor what comes after the next cycle's begin."""
    watched.loop.publish(report())
    watched.loop.begins()
    if applies:
        watched.loop.progresses()
    watched.clock.sleep(seconds)

    answer, text = watched.server.ask("/healthz")

    assert (answer.status == 200) is good
    assert ("it has been reading and planning for 1 minute 1 second, not 1 minute" in text) is not good
    watched.loop.publish(report())
    assert watched.status("/healthz") == 200


def test_an_apply_that_makes_steps_is_alive(watched: Watched) -> None:
    """Each step gives it more time."""
    watched.loop.begins()
    for _ in range(10):
        watched.loop.progresses()
        watched.clock.sleep(200)
    assert watched.status("/healthz") == 200
    watched.clock.sleep(200)

    assert watched.status("/healthz") == 503


def test_a_loop_that_has_ended_says_how(watched: Watched) -> None:
    """It is dead, not quiet."""
    watched.loop.publish(report())
    watched.loop.close(7, "by an error: https://kim:secret@git.example/ap")

    for path in ("/healthz", "/readyz"):
        answer, text = watched.server.ask(path)
        assert answer.status == 503
        assert text.startswith("the loop ended at ")
        assert text.endswith(" UTC with exit code 7: by an error: https://git.example/ap\n")
    assert samples(watched.text("/metrics")) == {"reconcile_build_info": 1.0, "reconcile_up": 0.0}


def test_a_loop_that_was_killed_is_dead_although_its_report_says_nothing(watched: Watched) -> None:
    """Its lock is free."""
    watched.loop.publish(report())
    os.close(watched.loop._lock)

    assert "was killed" in watched.text("/healthz")
    assert (watched.status("/healthz"), watched.status("/readyz")) == (503, 503)
    assert samples(watched.text("/metrics"))["reconcile_up"] == 0.0


def test_whoever_holds_the_lock_of_a_dead_loop_does_not_bring_it_to_life_for_long(watched: Watched) -> None:
    """Everybody who can read the file may do that; the report says when the next cycle was due."""
    watched.loop.publish(report(cycle_ended=NOW, due=NOW + 300))
    os.close(watched.loop._lock)
    fcntl.flock(stranger := os.open(watched.directory / LOCK, os.O_RDONLY), fcntl.LOCK_EX)
    try:
        watched.clock.sleep(601)

        assert watched.status("/healthz") == 503
        assert samples(watched.text("/metrics"))["reconcile_up"] == 0.0

        publishing(watched.directory, watched.clock)  # a loop that is started nevertheless
        assert watched.status("/healthz") == 200
    finally:
        os.close(stranger)


def test_a_report_of_an_earlier_boot_is_no_life(watched: Watched) -> None:
    """Its clock is another one."""
    watched.loop.publish(report())
    path = watched.directory / LOOP
    path.write_text(path.read_text().replace(boot_id(), "0" * 36))

    assert "an earlier boot" in watched.text("/healthz")
    assert watched.status("/readyz") == 503


@pytest.mark.parametrize("name", [LOOP, REPORT])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"formatVersion": 99}', b"null"])
def test_a_damaged_report_is_one_error(watched: Watched, name: str, content: bytes) -> None:
    """It names the file; the metrics say that the loop is not known to be alive."""
    watched.loop.publish(report())
    (watched.directory / name).write_bytes(content)

    for path in ("/healthz", "/readyz"):
        answer, text = watched.server.ask(path)
        assert answer.status == 503
        assert str(watched.directory / name) in text
        assert text.count("\n") == 1
    assert samples(watched.text("/metrics"))["reconcile_up"] == 0.0


@pytest.mark.parametrize("what", ["link", "pipe", "directory", "writable", "writable folder", "no folder"])
def test_what_the_loop_never_makes_is_not_believed(watched: Watched, what: str) -> None:
    """And is never waited for."""
    watched.loop.publish(report())
    path = watched.directory / REPORT
    match what:
        case "link":
            path.rename(path.with_name("other"))
            path.symlink_to("other")
        case "pipe":
            path.unlink()
            os.mkfifo(path, 0o644)
        case "directory":
            path.unlink()
            path.mkdir()
        case "writable":
            path.chmod(0o666)
        case "writable folder":
            watched.directory.chmod(0o777)
        case _:
            watched.directory.rename(watched.directory.with_name("away"))

    assert watched.status("/readyz") == 503
    assert samples(watched.text("/metrics"))["reconcile_up"] == 0.0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/x", 404),
        ("GET", "/metrics/x", 404),
        ("POST", "/metrics", 405),
        ("POST", "/", 405),
        ("DELETE", "/nothing", 405),
    ],
)
def test_all_else_is_refused(watched: Watched, method: str, path: str, status: int) -> None:
    """There is nothing to change here."""
    answer, _text = watched.server.ask(path, method)

    assert answer.status == status
    assert answer.headers["Allow"] == ("GET, HEAD" if status == 405 else None)


def test_head_tells_no_content(watched: Watched) -> None:
    """As HTTP has it."""
    answer, text = watched.server.ask("/healthz", "HEAD")

    assert (answer.status, text) == (200, "")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET " + b"x" * 70_000, b"\0\xff\r\n\r\n", b""])
def test_nonsense_does_no_harm(watched: Watched, sent: bytes) -> None:
    """The next one is answered."""
    with watched.server.connect() as caller:
        caller.sendall(sent)

    assert watched.status("/healthz") == 200


def test_a_fault_of_ours_is_told_and_the_others_are_answered(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ended by it would be missed."""

    def broken(*_: object) -> tuple[bytes, str]:
        raise ZeroDivisionError

    monkeypatch.setattr(application, "metrics_text", broken)

    assert {watched.status("/metrics") for _ in range(10)} == {500}
    assert watched.status("/healthz") == 200


def test_slow_clients_keep_nobody_waiting(watched: Watched) -> None:
    """However many hold a connection without a word."""
    slow = [watched.server.connect() for _ in range(50)]
    for one in slow:
        one.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")

    try:
        assert watched.status("/healthz") == 200
    finally:
        for one in slow:
            one.close()


def test_a_byte_now_and_then_does_not_prolong_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is for the whole connection."""
    monkeypatch.setattr(application, "SECONDS", 0.3)
    with watched.server.connect() as drip:
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


def test_a_taken_port_is_told(watched: Watched) -> None:
    """At the start."""
    host, port = watched.server.listener.getsockname()
    with pytest.raises(CannotListen, match="another process does; choose another address with --listen"):
        bound(f"{host}:{port}")


def test_the_loopback_of_ipv6(tmp_path: Path) -> None:
    """In brackets, as in an address of the web."""
    try:
        server = Server(tmp_path, FakeClock(), "[::1]:0")
    except CannotListen:
        pytest.skip("no IPv6 here")
    try:
        assert url_of(server.listener).startswith("http://[::1]:")
        assert server.ask("/healthz")[0].status == 503
    finally:
        server.close()


@pytest.mark.parametrize(
    "address", ["", "9750", ":9750", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "[::1]", "x:-1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """To listen to all the world is asked for by name: 0.0.0.0 or [::]."""
    with pytest.raises(CannotListen):
        bound(address)


def test_a_unix_socket(tmp_path: Path) -> None:
    """For its owner and group; what a crash has left is taken over, a living one and other files are not."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = Server(tmp_path, FakeClock(), str(path))
    try:
        assert path.stat().st_mode & 0o777 == 0o660
        assert server.ask("/healthz")[0].status == 503
        with pytest.raises(CannotListen, match="another process does"):
            bound(str(path))
    finally:
        server.close()
    path.unlink(missing_ok=True)
    path.write_text("mine")
    with pytest.raises(CannotListen, match="a file of that name"):
        bound(str(path))
    assert path.read_text() == "mine"
