"""Where to listen: a host and port, or the path of a Unix socket."""

import os
import socket
import stat
from contextlib import suppress
from errno import EADDRINUSE
from pathlib import Path
from typing import Any, Final

from reconciler.model.errors import InputError
from reconciler.model.printable import error_text
from reconciler.serve.access import is_local
from reconciler.watch.run_directory import group_id

_LONGEST_PATH: Final = 107
"""In bytes, of a socket (unix(7))."""

_BACKLOG: Final = 64
_SOCKET_MODE: Final = 0o660
_FIRST_GIVEN: Final = 3
"""The descriptor of the first socket that systemd gives to a process."""


class CannotListen(InputError):
    """The address cannot be used; the text says why and what to do."""


def bound(address: str) -> socket.socket:
    """A socket that is bound to `address`, for a server to listen at, or the one that systemd has bound to it.

    Args:
        address: ``host:port`` (``127.0.0.1:9750``, ``[::1]:9750``; port 0: any that is free) or the path of a Unix
            socket, absolute or beginning with ``./``, which its owner and group may use.

    Raises:
        CannotListen: another process has the address, or it is none.
    """
    if is_given():
        os.set_inheritable(_FIRST_GIVEN, False)
        return socket.socket(fileno=_FIRST_GIVEN)
    return _unix_socket(Path(address)) if is_path(address) else _tcp_socket(address)


def is_given() -> bool:
    """Whether systemd has given a socket to this process (sd_listen_fds(3)), which removes it again, too."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1"


def url_of(listener: socket.socket) -> str:
    """Where `listener` really listens, with the port that was free: the URL of the root, or the path of a socket."""
    if listener.family == socket.AF_UNIX:
        return str(listener.getsockname())
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_address(address: str) -> None:
    """See that `address` can be one to listen at, without listening; for its form see `bound`.

    Raises:
        CannotListen: it cannot.
    """
    if is_path(address):
        _check_path(address)
    else:
        _resolved(address)


def is_local_address(address: str) -> bool:
    """Whether only this machine can reach `address`, which `check_address` accepts."""
    return is_path(address) or is_local(*_resolved(address))


def is_path(address: str) -> bool:
    """Whether `address` names a socket in the file system, not a port."""
    return address.startswith(("/", "./"))


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
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
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
            raise CannotListen(f"cannot listen at {path}: another process does; choose another address with --listen")
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
        if mode is not None:  # no client can connect yet
            os.chmod(where, mode)
            if (group := group_id()) is not None:
                with suppress(PermissionError):  # of who is no member; the group of this user may connect then
                    os.chown(where, -1, group)
        made.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        made.close()
        if isinstance(error, OSError) and error.errno == EADDRINUSE:
            raise CannotListen(
                f"cannot listen at {address}: another process does; choose another address with --listen"
            ) from error
        raise CannotListen(
            f"cannot listen at {address}: {error_text(error)}; choose another address with --listen"
        ) from error
    return made
