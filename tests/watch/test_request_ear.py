"""Requests reach the loop, and their answers whoever asked."""

import json
import os
import select
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

from reconciler.watch.request_ear import MOST_CLIENTS, TRIGGER, TRIGGER_OLDER, AlreadyWatching, RequestEar
from reconciler.watch.requests import (
    LONGEST_LINE,
    SOCKET,
    BadRequest,
    NoAnswer,
    TriggerRequest,
    address,
    ask,
    read_request,
    request_line,
)
from reconciler.watch.triggers import Trigger

PATIENCE = 30.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state directory with a path that is longer than an address may be."""
    path = tmp_path / ("d" * 120)
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def ear(directory: Path) -> Iterator[RequestEar]:
    """An ear that listens there."""
    made = RequestEar(directory)
    yield made
    made.close()


class Asking(threading.Thread):
    """Somebody who asks, and what is answered."""

    def __init__(self, directory: Path, trigger: TriggerRequest) -> None:
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


def hear(ear: RequestEar) -> list[Trigger]:
    """The next triggers."""
    found: list[Trigger] = []
    while not found:
        assert select.select([ear], [], [], PATIENCE)[0]
        found = list(ear.hear())
    return found


def connected(directory: Path) -> socket.socket:
    """A connection that has not asked yet."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    with address(directory) as name:
        connection.connect(name)
    return connection


def listened(ear: RequestEar) -> list[Trigger]:
    """Hear until nothing is left."""
    found: list[Trigger] = []
    while select.select([ear], [], [], 0)[0]:
        found += ear.hear()
    return found


def test_a_trigger_is_a_hint_and_is_accepted_at_once(directory: Path, ear: RequestEar) -> None:
    """With the number of the turn that it leads to."""
    ear.begin(6)
    asking = Asking(directory, TriggerRequest())
    assert hear(ear) == [TRIGGER]
    assert asking.told() == {"accepted": True, "turn": 7}


def test_an_older_commit_may_be_asked_for(directory: Path, ear: RequestEar) -> None:
    """The trigger says so."""
    asking = Asking(directory, TriggerRequest(allow_older=True))
    assert hear(ear) == [TRIGGER_OLDER]
    assert asking.told() == {"accepted": True, "turn": 1}


def test_who_waits_is_answered_after_the_turn_that_began_after_asking(directory: Path, ear: RequestEar) -> None:
    """Not by the one that was under way."""
    ear.begin(3)
    asking = Asking(directory, TriggerRequest(wait=True))
    hear(ear)
    ear.answer(3, "in-sync", "as it was before")
    assert asking.is_alive()
    ear.begin(4)
    ear.answer(4, "drift", "aqmask differs")
    assert asking.told() == {"accepted": True, "turn": 4, "condition": "drift", "summary": "aqmask differs"}


def test_who_waits_for_a_loop_that_ends_is_told(directory: Path, ear: RequestEar) -> None:
    """Instead of waiting for ever."""
    asking = Asking(directory, TriggerRequest(wait=True))
    hear(ear)
    ear.close()
    answer = asking.told()
    assert isinstance(answer, NoAnswer)
    assert "ended before it answered" in str(answer)


def test_where_no_loop_runs_there_is_none(directory: Path, tmp_path: Path) -> None:
    """Neither without a directory, nor without a socket, nor with one that a killed loop has left."""
    assert ask(tmp_path / "missing", TriggerRequest(), PATIENCE) is None
    assert ask(directory, TriggerRequest(), PATIENCE) is None
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with address(directory) as name:
        left.bind(name)
    left.close()
    assert ask(directory, TriggerRequest(), PATIENCE) is None


def test_the_socket_of_a_killed_loop_is_replaced(directory: Path) -> None:
    """It is another process's, which has ended without a word."""
    program = (
        "import os, sys; from pathlib import Path; from reconciler.watch.request_ear import RequestEar;"
        "ear = RequestEar(Path(sys.argv[1])); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, directory], check=False).returncode == 9
    assert (directory / SOCKET).is_socket()
    ear = RequestEar(directory)
    asking = Asking(directory, TriggerRequest())
    assert hear(ear) == [TRIGGER]
    assert asking.told() == {"accepted": True, "turn": 1}
    ear.close()


def test_a_second_loop_is_refused_and_the_first_goes_on(directory: Path, ear: RequestEar) -> None:
    """With the number of its process."""
    with pytest.raises(AlreadyWatching, match=f"process {os.getpid()} is watching"):
        RequestEar(directory)
    asking = Asking(directory, TriggerRequest())
    assert hear(ear) == [TRIGGER]
    assert asking.told() == {"accepted": True, "turn": 1}


def test_only_the_owner_can_connect(directory: Path, ear: RequestEar) -> None:
    """By the mode of the socket, and of the lock beside it."""
    assert {stat.S_IMODE(one.stat().st_mode) for one in directory.iterdir()} == {0o600}


def test_who_is_neither_root_nor_the_loops_user_is_refused(
    directory: Path, ear: RequestEar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the socket was opened to everybody."""
    monkeypatch.setattr("reconciler.watch.request_ear._user_of", lambda _: os.geteuid() + 4711)
    with connected(directory) as connection:
        assert listened(ear) == []
        assert json.loads(connection.recv(4096))["accepted"] is False


def test_closing_leaves_neither_socket_nor_descriptor(directory: Path) -> None:
    """Also of those that wait."""
    ear = RequestEar(directory)
    asking = Asking(directory, TriggerRequest(wait=True))
    hear(ear)
    descriptor = ear.fileno()
    ear.close()
    asking.told()
    assert not (directory / SOCKET).exists()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    ear.close()


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"{}\n", b"[" * 4000 + b"\n", b"x" * LONGEST_LINE])
def test_what_is_no_request_is_refused_with_what_to_write(directory: Path, ear: RequestEar, line: bytes) -> None:
    """And is no trigger."""
    with connected(directory) as connection:
        connection.sendall(line)
        assert listened(ear) == []
        answer = json.loads(connection.recv(4096))
    assert answer == {"accepted": False, "error": answer["error"]}
    assert '"request": "trigger"' in answer["error"]


def test_a_request_may_come_in_parts(directory: Path, ear: RequestEar) -> None:
    """As streams do."""
    line = request_line(TriggerRequest())
    with connected(directory) as connection:
        for one in line:
            assert listened(ear) == []
            connection.sendall(bytes([one]))
        assert listened(ear) == [TRIGGER]


def test_who_goes_away_is_forgotten(directory: Path, ear: RequestEar) -> None:
    """Before asking or while waiting."""
    connected(directory).close()
    waiting = connected(directory)
    waiting.sendall(request_line(TriggerRequest(wait=True)))
    assert listened(ear) == [TRIGGER]
    waiting.close()
    assert listened(ear) == []
    assert ear._clients == {}
    ear.answer(1, "in-sync", "")


def test_the_silent_do_not_keep_others_out(directory: Path, ear: RequestEar) -> None:
    """The one that has said nothing for longest is dropped."""
    silent = []
    for _ in range(MOST_CLIENTS + 5):
        silent.append(connected(directory))
        listened(ear)
    assert silent[0].recv(1) == b""
    asking = Asking(directory, TriggerRequest())
    assert hear(ear) == [TRIGGER]
    assert asking.told() == {"accepted": True, "turn": 1}
    for connection in silent:
        connection.close()


def test_too_many_who_wait_are_bounded(directory: Path, ear: RequestEar) -> None:
    """The next one is told to come again."""
    waiting = []
    for _ in range(MOST_CLIENTS):
        waiting.append(connected(directory))
        waiting[-1].sendall(request_line(TriggerRequest(wait=True)))
        listened(ear)
    with connected(directory) as one_more:
        listened(ear)
        assert "too many" in json.loads(one_more.recv(4096))["error"]
    for connection in waiting:
        connection.close()


def test_without_descriptors_nobody_spins(directory: Path, ear: RequestEar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knocks is let in when the next turn begins."""

    def none_left(_: socket.socket) -> tuple[socket.socket, object]:
        raise OSError(24, "too many open files")

    with connected(directory) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "accept", none_left)
            listened(ear)
            assert not select.select([ear], [], [], 0)[0]
        ear.begin(1)
        connection.sendall(request_line(TriggerRequest()))
        assert listened(ear) == [TRIGGER]


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
