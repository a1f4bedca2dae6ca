"""How requests reach a host that is mounted: a Unix socket, one JSON object a line each way (docs/simulated-host.md).

``{"request": ["plug", "9", "type=CEX8"]}`` is answered by ``{"ok": true, ...}`` or ``{"ok": false, "error": "..."}``.
"""

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ, BaseSelector
from typing import Any, Final

from reconciler.simulator.state_file import CONTROL

Answer = Mapping[str, object]

_LONGEST_LINE: Final = 65536
_ANSWER_SECONDS: Final = 60.0


def ask(directory: Path, words: Sequence[str]) -> dict[str, Any] | None:
    """The answer of whoever serves the host whose state directory is `directory`; None where nobody does.

    Raises:
        OSError: there is somebody, but the answer does not come, or is none.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            with _address(directory) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps({"request": list(words)}).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer = lines.readline()
    if not answer.endswith(b"\n"):
        raise OSError(errno.EPIPE, "the mounted host ended without an answer")
    found: dict[str, Any] = json.loads(answer)
    return found


class ControlSocket:
    """Listens in a state directory and answers requests, as one of several sources of a selector's events."""

    def __init__(self, directory: Path, selector: BaseSelector, answer: Callable[[list[str]], Answer]) -> None:
        """Listen; only the owner of the process can connect.

        Args:
            directory: the state directory of the host; made where it is missing.
            selector: registers sockets, with a function without arguments as their data, to be called when ready.
            answer: makes the answer to the words of a request.

        Raises:
            OSError: it cannot listen there.
        """
        self._selector = selector
        self._answer = answer
        self._directory = directory
        self._clients: set[socket.socket] = set()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.settimeout(0)
        # Before bind: from then on others could connect.
        os.fchmod(self._listener.fileno(), 0o600)
        # What is left of a process that was killed; whoever calls has made sure that no other one listens.
        (directory / CONTROL).unlink(missing_ok=True)
        with _address(directory) as address:
            self._listener.bind(address)
        self._listener.listen()
        selector.register(self._listener, EVENT_READ, self._accept)

    def close(self) -> None:
        """Listen no longer; who waits for an answer sees the end of the connection."""
        (self._directory / CONTROL).unlink(missing_ok=True)
        for one in [self._listener, *self._clients]:
            self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        self._clients.discard(one)
        self._selector.unregister(one)
        one.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # who wanted to connect has gone
            return
        connection.settimeout(0)
        self._clients.add(connection)
        received = bytearray()
        self._selector.register(connection, EVENT_READ, lambda: self._receive(connection, received))

    def _receive(self, connection: socket.socket, received: bytearray) -> None:
        try:
            arrived = connection.recv(_LONGEST_LINE)
            received += arrived
            while b"\n" in received:
                line, _, rest = bytes(received).partition(b"\n")
                received[:] = rest
                # Answers are short: a client whose buffer is full does not read them, and is dropped.
                connection.sendall(json.dumps(self._answered(line)).encode() + b"\n")
        except OSError:
            arrived = b""
        if not arrived or len(received) > _LONGEST_LINE:
            self._drop(connection)

    def _answered(self, line: bytes) -> Answer:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        words = message.get("request") if isinstance(message, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return {"ok": False, "error": 'not a request: write {"request": [WORD, ...]} in one line'}
        return self._answer(words)


@contextmanager
def _address(directory: Path) -> Iterator[str]:
    # An address holds 107 bytes, but a path may be longer: it goes through the directory's descriptor instead.
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{CONTROL}"
    finally:
        os.close(descriptor)
