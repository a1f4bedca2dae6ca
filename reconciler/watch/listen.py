"""What others may ask the loop over HTTP: ``/metrics``, ``/healthz`` and ``/readyz``; nothing can be changed here.

A fixed number of threads each take a connection and answer it within a few seconds, so slow clients cost no thread,
no memory and no descriptor more than that; everyone else waits in the kernel's queue. At rest nothing wakes up.
"""

import io
import os
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from errno import EADDRINUSE
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import monotonic
from typing import Any, Final

from reconciler.model.errors import InputError
from reconciler.model.printable import error_text, escaped_lines
from reconciler.watch.health import Answer, Health
from reconciler.watch.metrics import Exposition

_THREADS: Final = 4
_SECONDS: Final = 5.0
"""How long a client may take from its connection to its last byte."""
_LONGEST_PATH: Final = 107
"""In bytes, of a socket (unix(7))."""

_BACKLOG: Final = 64
_PAUSE: Final = 1.0
_SOCKET_MODE: Final = 0o660
_PLAIN: Final = "text/plain; charset=utf-8"


class CannotListen(InputError):
    """The address cannot be used; the text says why and what to do."""


class Listener:
    """Answers at one address until it is closed."""

    def __init__(self, address: str, health: Health, exposition: Exposition, *, seconds: float = _SECONDS) -> None:
        """Bind to `address` at once, and answer from now on.

        Args:
            address: ``host:port`` (``127.0.0.1:9750``, ``[::1]:9750``; port 0: any that is free) or the path of a Unix
                socket, absolute or beginning with ``./``.
            health: says how the loop is.
            exposition: the metrics.
            seconds: how long a client may take.

        Raises:
            CannotListen: somebody else has the address, or it is none.
        """
        self._path = Path(address) if address.startswith(("/", "./")) else None
        self._socket = _unix_socket(self._path) if self._path else _tcp_socket(address)
        self._pages: dict[str, Callable[[str], _Page]] = {
            "/metrics": lambda accept: (HTTPStatus.OK, *exposition.text(accept)),
            "/healthz": lambda _accept: _page(health.alive()),
            "/readyz": lambda _accept: _page(health.ready()),
        }
        self._seconds = seconds
        self._closing = threading.Event()
        self._talking: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, name=f"listen-{n}", daemon=True) for n in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    @property
    def address(self) -> str:
        """Where it really listens: with the port that was free."""
        if self._path:
            return str(self._path)
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Answer nobody any more; no thread, connection or socket file is left when it returns."""
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes every accept(2); closing alone would not
        with self._guard:
            for connection in self._talking:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()
        if self._path:
            with suppress(OSError):
                self._path.unlink()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._socket.accept()[0]
            except OSError:  # the end, or a lack of descriptors or memory, which may pass
                self._closing.wait(_PAUSE)
                continue
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with self._guard:
            self._talking.add(connection)
        try:
            if not self._closing.is_set():
                _Conversation(connection, self._pages, monotonic() + self._seconds)
                connection.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass  # the client is gone, or was too slow
        finally:
            with self._guard:
                self._talking.discard(connection)


_Page = tuple[HTTPStatus, bytes, str]


def _page(answer: Answer) -> _Page:
    status = HTTPStatus.OK if answer.good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, escaped_lines(f"{answer.text}\n").encode(), _PLAIN


class _Conversation(BaseHTTPRequestHandler):
    """One request and its answer; HTTP/1.0, so that the connection ends after it."""

    server_version = "reconcile"
    sys_version = ""

    def __init__(self, connection: socket.socket, pages: dict[str, Callable[[str], _Page]], until: float) -> None:
        self._pages = pages
        self._until = until
        super().__init__(connection, ("", 0), None)  # type: ignore[arg-type]  # it wants a server for nothing

    def setup(self) -> None:
        """See `socketserver.StreamRequestHandler`."""
        self.connection = self.request
        self.connection.settimeout(max(0.01, self._until - monotonic()))  # sendall(): for all of it together
        self.rfile = io.BufferedReader(_Within(self.connection, self._until))
        self.wfile = self.connection.makefile("wb", 0)

    def finish(self) -> None:
        """See `socketserver.StreamRequestHandler`."""
        self.wfile.close()
        self.rfile.close()

    def do_GET(self) -> None:
        """Answer a GET."""
        page = self._pages.get(self.path.partition("?")[0])
        if page is None:
            text = f"there is {', '.join(sorted(self._pages))}\n"
            self._send(HTTPStatus.NOT_FOUND, text.encode(), _PLAIN)
        else:
            self._send(*self._made(page))

    def _made(self, page: "Callable[[str], _Page]") -> "_Page":
        try:
            return page(",".join(self.headers.get_all("Accept", ())))
        except Exception:  # noqa: BLE001  # a fault of ours in one answer must not end the thread that gives the others
            return HTTPStatus.INTERNAL_SERVER_ERROR, b"this could not be made; that is a fault of reconcile\n", _PLAIN

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Any other method is refused as such, not as unknown."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", _PLAIN)

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            with suppress(OSError):
                self.connection.settimeout(max(0.01, self._until - monotonic()))
                self.connection.sendall(content)

    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is no news."""


class _Within(io.RawIOBase):
    """What a client sends until a moment; a byte every few seconds does not prolong it."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def check_address(address: str) -> None:
    """See that `address` can be one to listen at, without listening; for its form see `Listener`.

    Raises:
        CannotListen: it cannot.
    """
    if is_path(address):
        _check_path(address)
    else:
        _resolved(address)


def is_path(address: str) -> bool:
    """Whether `address` names a socket in the file system, not a port."""
    return address.startswith(("/", "./"))


def port_of(address: str) -> int:
    """The TCP port of `address`, which `check_address` accepts; 0 for none in particular, and for a socket's path."""
    return int(address.rpartition(":")[2]) if address and not is_path(address) else 0


def _check_path(path: str) -> None:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise CannotListen(
            f"cannot listen at {path}: the path of a socket has at most {_LONGEST_PATH} bytes; choose a shorter one"
        )
    if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise CannotListen(f"cannot listen at {path}: there is a file of that name")


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not (host and colon and port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise CannotListen(
            f"{address!r} is no address to listen at: write 127.0.0.1:9750, [::1]:9750 or the path of a socket"
        )
    return host, int(port)


def _resolved(address: str) -> tuple[int, Any]:
    host, port = _host_and_port(address)
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise CannotListen(f"cannot listen at {address}: {getattr(error, 'strerror', '') or error}") from error
    return family, where


def _tcp_socket(address: str) -> socket.socket:
    family, where = _resolved(address)
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise CannotListen(f"cannot listen at {address}: {error.strerror or error}") from error
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(made, where, address)


def _unix_socket(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"cannot listen at {path}: there is a file of that name")
        if _answers(path):
            raise CannotListen(f"cannot listen at {path}: somebody else does; choose another with --listen")
        path.unlink()
    return _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path), str(path), _SOCKET_MODE)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True


def _bound(made: socket.socket, where: Any, address: str, mode: int | None = None) -> socket.socket:
    try:
        made.bind(where)
        if mode is not None:
            os.chmod(where, mode)  # nobody can connect yet
        made.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        made.close()
        if isinstance(error, OSError) and error.errno == EADDRINUSE:
            raise CannotListen(
                f"cannot listen at {address}: somebody else does; choose another with --listen"
            ) from error
        reason = error_text(error)
        raise CannotListen(f"cannot listen at {address}: {reason}") from error
    return made
