"""Serves a mounted simulated host: requests at its control socket, saving its state, and ending in order.

The control socket is a Unix socket, one JSON object a line each way (docs/simulated-host.md).
"""

import errno
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from typing import Any, Final, NamedTuple

from reconciler.kernel.own_files import socket_address
from reconciler.model.printable import error_text
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.mount import Libfuse, MountedTree, Shown, mounted
from reconciler.simulator.requests import carry_out
from reconciler.simulator.state_file import CONTROL

ControlReply = Mapping[str, object]

_LONGEST_LINE: Final = 65536
_ANSWER_SECONDS: Final = 60.0


def ask(directory: Path, words: Sequence[str]) -> dict[str, Any] | None:
    """The answer of the process that serves the host with state directory `directory`; None where there is none.

    Raises:
        OSError: there is such a process, but the answer does not come, or is none.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            with socket_address(directory, CONTROL) as address:
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

    def __init__(self, directory: Path, selector: BaseSelector, answer: Callable[[list[str]], ControlReply]) -> None:
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
        with socket_address(directory, CONTROL) as address:
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

    def _answered(self, line: bytes) -> ControlReply:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        words = message.get("request") if isinstance(message, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return {"ok": False, "error": 'not a request: write {"request": [WORD, ...]} in one line'}
        return self._answer(words)


_QUIET_SECONDS: Final = 0.1
"""After a write the state is saved when there has been no other one for so long ..."""

_SAVE_SECONDS: Final = 1.0
"""... or after so long at the latest."""


class Served(NamedTuple):
    """What is served.

    Attributes:
        shown: the host.
        fresh: the host as it is described, for ``reset``.
        save: keeps the state of a host; raises OSError where it cannot.
        directory: the state directory, where the control socket is. Absolute, as everything that is saved.
    """

    shown: Shown
    fresh: Callable[[], Shown]
    save: Callable[[SimulatedHost], None]
    directory: Path


class Server:
    """Serves one mounted host."""

    def __init__(self, served: Served, place: Path) -> None:
        """Prepare to serve `served` at `place`, and listen for requests.

        Raises:
            MountError: this machine lacks what is needed.
            OSError: the control socket cannot be made.
        """
        self._served = served
        self._place = place
        self._libfuse = Libfuse()
        self._tree = MountedTree(served.shown, (os.getuid(), os.getgid()), int(time.time()), self._libfuse)
        self._selector = DefaultSelector()
        self._control = ControlSocket(served.directory, self._selector, self._request)
        self._ended = False
        self._saved_stores = 0
        self._saved_at = time.monotonic()

    def close(self) -> None:
        """Stop listening for requests, and save the state.

        Raises:
            OSError: it cannot be saved.
        """
        self._control.close()
        self._selector.close()
        self._save()

    def serve(self, ready: Callable[[], None]) -> None:
        """Mount the host and serve it until it is unmounted, or SIGINT, SIGTERM or SIGHUP comes.

        Args:
            ready: is called when the file system is there.

        Raises:
            MountError: it cannot be mounted.
        """
        with self._ending_signals(), mounted(self._libfuse, self._place, self._tree) as is_there:
            ready()
            while is_there() and not self._ended:
                self._once()

    def _once(self) -> None:
        # Writes, signals and the end of the mount are noticed ten times a second, requests at once.
        stores = self._tree.stores
        ready = self._selector.select(_QUIET_SECONDS)
        for key, _ in ready:
            key.data()
        quiet = not ready and stores == self._tree.stores
        if stores != self._saved_stores and (quiet or time.monotonic() - self._saved_at > _SAVE_SECONDS):
            # Where it cannot be saved now, it is tried again; the last try reports it (see `close`).
            with suppress(OSError):
                self._save()

    def _request(self, words: list[str]) -> ControlReply:
        where = {"mount": str(self._place), "pid": os.getpid()}
        try:
            if words == ["reset"]:
                self._tree.replace(self._served.fresh())
            else:
                self._tree.change(lambda host: carry_out(host, words))
            self._save()
        except (OSError, ValueError) as error:
            return {"ok": False, "error": error_text(error), **where}
        return {"ok": True, **where}

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        stores = self._tree.stores
        self._tree.change(self._served.save)
        self._saved_stores = stores

    @contextmanager
    def _ending_signals(self) -> Iterator[None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under nohup(1)
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._end) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, *_: object) -> None:
        self._ended = True
