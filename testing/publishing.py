"""What a loop publishes, and a server that answers from it, for tests."""

import socket
import threading
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Final

from reconciler.serve.access import METRICS_ONLY, access_to
from reconciler.serve.addresses import bound
from reconciler.serve.answers import Now
from reconciler.serve.application import application, server
from reconciler.watch.published import LoopPublisher, PublishedReader, boot_id
from reconciler.watch.run_directory import RunDirectory
from testing.clocks import FakeClock

LATE: Final = 300.0
PLANNING: Final = 60.0


def publishing(directory: Path, clock: FakeClock) -> LoopPublisher:
    """A loop that publishes in `directory`; its cycles may be `LATE`, and plan for `PLANNING` seconds."""
    return LoopPublisher(RunDirectory(directory, is_public=True), clock, LATE, PLANNING)


class Connection(HTTPConnection):
    """HTTP to wherever a socket listens."""

    def __init__(self, name: object, family: int) -> None:
        super().__init__("localhost", None if isinstance(name, str) else name[1], timeout=10)  # type: ignore[index]
        self._name, self._family = name, family

    def connect(self) -> None:
        """See `HTTPConnection`."""
        self.sock = connected(self._name, self._family)


def connected(name: object, family: int) -> socket.socket:
    """A connection to the socket `name`."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(10)
    made.connect(name)  # type: ignore[arg-type]  # as getsockname() gives it
    return made


class Server:
    """``reconcile serve`` in a thread, answering from what is published in a directory."""

    def __init__(
        self,
        directory: Path,
        clock: FakeClock,
        address: str = "127.0.0.1:0",
        names: Iterable[str] = (),
        *,
        only_metrics: bool = False,
        poll_seconds: float = 0.02,
    ) -> None:
        """Answer from now on."""
        self.listener = bound(address)
        boot = boot_id()
        reader = PublishedReader(directory)
        access = METRICS_ONLY if only_metrics else access_to(self.listener, names)
        app = application(reader, "1.2", lambda: Now(boot, clock.monotonic()), access, poll_seconds)
        self._server = server(app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self.listener]})
        self._thread.start()

    def connect(self) -> socket.socket:
        """A new connection."""
        return connected(self.listener.getsockname(), self.listener.family)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, str]:
        """The answer, and its text."""
        connection = Connection(self.listener.getsockname(), self.listener.family)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def close(self) -> None:
        """Answer no longer."""
        self._server.should_exit = True
        self._thread.join(10)
        self.listener.close()
        assert not self._thread.is_alive()
