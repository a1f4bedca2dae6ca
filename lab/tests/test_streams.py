import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.streams import Listener, Output, Requests, address_of


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        yield ours, theirs


def test_every_complete_line_is_answered(ends: tuple[socket.socket, socket.socket]) -> None:
    """A line may come in parts, and several at once."""
    ours, theirs = ends
    requests = Requests(ours, bytes.upper)

    theirs.sendall(b"one;two")

    assert requests.serve()

    theirs.sendall(b"\nthree\nfo")

    assert requests.serve()
    assert theirs.recv(100) == b"ONE;TWOTHREE"


def test_requests_end_with_the_peer(ends: tuple[socket.socket, socket.socket]) -> None:
    """There will be no more."""
    ours, theirs = ends
    theirs.close()

    assert not Requests(ours, bytes.upper).serve()


def test_output_is_copied_until_the_peer_ends(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing there yet is no end."""
    ours, theirs = ends
    sink = io.BytesIO()
    output = Output(ours, sink)

    assert output.serve()

    theirs.sendall(b"text")

    assert output.serve()
    assert sink.getvalue() == b"text"

    theirs.close()

    assert not output.serve()


def test_connections_are_accepted_at_a_path_of_any_length(tmp_path: Path) -> None:
    """A socket's address has room for 107 bytes, a test's directory is often longer."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    path = directory / "socket"
    path.touch()  # left by an earlier run
    accepted: list[socket.socket] = []
    listener = Listener(path, accepted.append)

    with socket.socket(socket.AF_UNIX) as client, address_of(path) as address:
        client.connect(address)

        assert listener.serve()
        assert len(accepted) == 1

    accepted[0].close()
    listener.close()
