"""Requests reach the loop, and their answers whoever asked."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.own_files import socket_address
from reconciler.watch.request_triggers import MOST_CLIENTS, RequestTriggers
from reconciler.watch.requests import (
    LONGEST_LINE,
    SOCKET,
    AlreadyWatching,
    BadRequest,
    NoAnswer,
    RecordsRequest,
    Request,
    TriggerRequest,
    ask,
    read_request,
    records_changed,
    request_line,
)
from reconciler.watch.triggers import BY_PEOPLE, RECORDS_CHANGED, TRIGGER, TRIGGER_OLDER
from testing.served_requests import ServedRequests

PATIENCE = 30.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state directory with a path that is longer than an address may be."""
    path = tmp_path / ("d" * 120)
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def served(directory: Path) -> Iterator[ServedRequests]:
    """A loop that listens there."""
    made = ServedRequests(directory)
    yield made
    made.close()


class Asking(threading.Thread):
    """Somebody who asks, and what is answered."""

    def __init__(self, directory: Path, trigger: Request) -> None:
        super().__init__()
        self.directory = directory
        self.trigger = trigger
        self.answer: dict[str, Any] | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = ask(self.directory, self.trigger, PATIENCE)
        except NoAnswer as error:
            self.answer = error

    def told(self) -> dict[str, Any] | Exception | None:
        self.join(PATIENCE)
        return self.answer


def connected(directory: Path) -> socket.socket:
    """A connection that has not asked yet."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    with socket_address(directory, SOCKET) as name:
        connection.connect(name)
    return connection


def test_a_request_is_a_trigger_and_is_accepted_at_once(directory: Path, served: ServedRequests) -> None:
    """With the number of the turn that it leads to."""
    served.begin(6)
    asking = Asking(directory, TriggerRequest())
    assert served.next() == [TRIGGER]
    assert asking.told() == {"accepted": True, "cycle": 7}


def test_a_command_says_that_it_has_changed_the_records(directory: Path, served: ServedRequests) -> None:
    """It leads to a cycle, and no person waits for that."""
    asking = Asking(directory, RecordsRequest())
    assert served.next() == [RECORDS_CHANGED]
    assert asking.told() == {"accepted": True, "cycle": 1}
    assert RECORDS_CHANGED.source not in BY_PEOPLE


def test_a_command_needs_no_loop_that_hears_of_it(directory: Path, tmp_path: Path) -> None:
    """Where none runs, and where one refuses it or ends meanwhile, nothing is raised."""
    records_changed(tmp_path / "missing")
    records_changed(directory)
    (directory / SOCKET).write_text("no socket", encoding="ascii")
    records_changed(directory)


def test_an_older_commit_may_be_asked_for(directory: Path, served: ServedRequests) -> None:
    """The trigger says so."""
    asking = Asking(directory, TriggerRequest(allow_older=True))
    assert served.next() == [TRIGGER_OLDER]
    assert asking.told() == {"accepted": True, "cycle": 1}


def test_who_waits_is_answered_after_the_turn_that_began_after_asking(directory: Path, served: ServedRequests) -> None:
    """Not by the one that was under way."""
    served.begin(3)
    asking = Asking(directory, TriggerRequest(wait=True))
    served.next()
    served.answer(3, "in-sync", "as it was before")
    assert asking.is_alive()
    served.begin(4)
    served.answer(4, "drift", "aqmask differs")
    assert asking.told() == {"accepted": True, "cycle": 4, "condition": "drift", "summary": "aqmask differs"}


def test_who_waits_for_a_loop_that_ends_is_told(directory: Path, served: ServedRequests) -> None:
    """Instead of waiting for ever."""
    asking = Asking(directory, TriggerRequest(wait=True))
    served.next()
    served.close()
    answer = asking.told()
    assert isinstance(answer, NoAnswer)
    assert "ended before it answered" in str(answer)


def test_where_no_loop_runs_there_is_none(directory: Path, tmp_path: Path) -> None:
    """Neither without a directory, nor without a socket, nor with one that a killed loop has left."""
    assert ask(tmp_path / "missing", TriggerRequest(), PATIENCE) is None
    assert ask(directory, TriggerRequest(), PATIENCE) is None
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket_address(directory, SOCKET) as name:
        left.bind(name)
    left.close()
    assert ask(directory, TriggerRequest(), PATIENCE) is None


def test_the_socket_of_a_killed_loop_is_replaced(directory: Path) -> None:
    """It is another process's, which has ended without a word."""
    program = (
        "import os, sys; from pathlib import Path; from testing.served_requests import ServedRequests;"
        "served = ServedRequests(Path(sys.argv[1])); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, directory], check=False).returncode == 9
    assert (directory / SOCKET).is_socket()
    served = ServedRequests(directory)
    asking = Asking(directory, TriggerRequest())
    assert served.next() == [TRIGGER]
    assert asking.told() == {"accepted": True, "cycle": 1}
    served.close()


def test_a_second_loop_is_refused_and_the_first_goes_on(directory: Path, served: ServedRequests) -> None:
    """With the number of its process."""
    with pytest.raises(AlreadyWatching, match=f"process {os.getpid()} is watching"):
        RequestTriggers(directory)
    asking = Asking(directory, TriggerRequest())
    assert served.next() == [TRIGGER]
    assert asking.told() == {"accepted": True, "cycle": 1}


def test_only_the_owner_can_connect(directory: Path, served: ServedRequests) -> None:
    """By the mode of the socket, and of the lock beside it."""
    assert {stat.S_IMODE(one.stat().st_mode) for one in directory.iterdir()} == {0o600}


def test_who_is_neither_root_nor_the_loops_user_is_refused(
    directory: Path, served: ServedRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the socket was opened to everybody."""
    monkeypatch.setattr("reconciler.watch.request_triggers._user_of", lambda _: os.geteuid() + 4711)
    with connected(directory) as connection:
        assert served.now() == []
        assert json.loads(connection.recv(4096))["accepted"] is False


def test_closing_leaves_neither_socket_nor_descriptor(directory: Path) -> None:
    """Also of those that wait."""
    before = set(os.listdir("/proc/self/fd"))
    served = ServedRequests(directory)
    asking = Asking(directory, TriggerRequest(wait=True))
    served.next()
    served.close()
    asking.told()
    assert not (directory / SOCKET).exists()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"{}\n", b"[" * 4000 + b"\n", b"x" * LONGEST_LINE])
def test_what_is_no_request_is_refused_with_what_to_write(directory: Path, served: ServedRequests, line: bytes) -> None:
    """And is no trigger."""
    with connected(directory) as connection:
        connection.sendall(line)
        assert served.now() == []
        answer = json.loads(connection.recv(4096))
    assert answer == {"accepted": False, "error": answer["error"]}
    assert '"request": "trigger"' in answer["error"]


def test_a_request_may_come_in_parts(directory: Path, served: ServedRequests) -> None:
    """As streams do."""
    line = request_line(TriggerRequest())
    with connected(directory) as connection:
        for one in line:
            assert served.now() == []
            connection.sendall(bytes([one]))
        assert served.now() == [TRIGGER]


def test_who_goes_away_is_forgotten(directory: Path, served: ServedRequests) -> None:
    """Before asking or while waiting."""
    connected(directory).close()
    waiting = connected(directory)
    waiting.sendall(request_line(TriggerRequest(wait=True)))
    assert served.now() == [TRIGGER]
    waiting.close()
    assert served.now() == []
    assert served.source._clients == []
    served.answer(1, "in-sync", "")


def test_the_silent_do_not_keep_others_out(directory: Path, served: ServedRequests) -> None:
    """The one that has said nothing for longest is dropped."""
    silent = []
    for _ in range(MOST_CLIENTS + 5):
        silent.append(connected(directory))
        served.now()
    assert silent[0].recv(1) == b""
    asking = Asking(directory, TriggerRequest())
    assert served.next() == [TRIGGER]
    assert asking.told() == {"accepted": True, "cycle": 1}
    for connection in silent:
        connection.close()


def test_too_many_who_wait_are_bounded(directory: Path, served: ServedRequests) -> None:
    """The next one is told to come again."""
    waiting = []
    for _ in range(MOST_CLIENTS):
        waiting.append(connected(directory))
        waiting[-1].sendall(request_line(TriggerRequest(wait=True)))
        served.now()
    with connected(directory) as one_more:
        served.now()
        assert "too many" in json.loads(one_more.recv(4096))["error"]
    for connection in waiting:
        connection.close()


def test_without_descriptors_the_loop_does_not_spin(
    directory: Path, served: ServedRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that connects meanwhile is let in a moment later."""
    tries: list[int] = []

    def none_left(_: socket.socket) -> tuple[socket.socket, object]:
        tries.append(1)
        raise OSError(24, "too many open files")

    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.2)
    served.silence()
    with connected(directory) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "accept", none_left)
            assert served.next(0.1) == []
            assert 1 <= len(tries) <= MOST_CLIENTS
        connection.sendall(request_line(TriggerRequest()))
        assert served.next() == [TRIGGER]


@given(st.booleans(), st.booleans())
def test_requests_are_read_as_they_were_written(allow_older: bool, wait: bool) -> None:
    """There and back."""
    assert read_request(request_line(TriggerRequest(allow_older, wait))) == TriggerRequest(allow_older, wait)


@given(st.one_of(st.binary(), st.dictionaries(st.text(), st.booleans()).map(lambda found: json.dumps(found).encode())))
def test_anything_else_is_refused(line: bytes) -> None:
    """Never another exception."""
    with pytest.raises(BadRequest):
        read_request(line)


@pytest.mark.parametrize(
    "line", [b'{"request": "trigger", "wait": 1}', b'{"request": "trigger", "more": true}', b'{"request": "stop"}']
)
def test_a_request_that_is_not_understood_whole_is_refused(line: bytes) -> None:
    """Half of it might mean something else."""
    with pytest.raises(BadRequest):
        read_request(line)
