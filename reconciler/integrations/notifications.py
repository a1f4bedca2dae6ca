"""Where notifications go: an address that a message is posted to, or a program that reads it.

The administrator names both. The program gets the message on its standard input, without a shell.
"""

import os
import stat
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from reconciler.kernel.processes import Bounds, Processes, Stopped, TooLong
from reconciler.model.errors import HostError
from reconciler.model.printable import error_text

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_SECONDS: Final = 10.0
_LONGEST_SECRET: Final = 16 * 1024
_TRY_AGAIN: Final = frozenset({408, 425, 429, *range(500, 600)})


class NotSent(HostError):
    """A message did not arrive.

    Attributes:
        again: whether it may arrive if it is sent once more.
    """

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Webhook:
    """Posts JSON to one address."""

    def __init__(self, address: str, token_file: Path | None = None, seconds: float = _SECONDS) -> None:
        """Post to `address`.

        Args:
            address: an address of http or https.
            token_file: the file of a bearer token; read again for each message, so that it can be exchanged.
            seconds: how long the other side may be silent.

        Raises:
            ValueError: the address is none, or a token would be sent in the clear; the text does not name the address.
        """
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("the webhook's address cannot be understood") from None
        if parts.scheme not in {"http", "https"} or not host or not address.isascii() or not address.isprintable():
            raise ValueError("a webhook's address begins with https:// or http:// and has a host")
        if " " in address or "@" in parts.netloc:
            raise ValueError("a webhook's address has no space and no user name; a token is given as a file")
        if token_file and parts.scheme == "http" and not _is_loopback(host):
            raise ValueError("a token goes over https only, or to this machine")
        self._address = address
        self._token_file = token_file
        self._seconds = seconds
        self.name = f"webhook {parts.scheme}://{host}{f':{port}' if port else ''}"
        """For people; without what may be secret."""

    def send(self, content: bytes) -> None:
        """Post `content`, which is JSON. Redirects are not followed: the administrator names the receiver.

        Raises:
            NotSent: it did not arrive, or was refused.
        """
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError
        from urllib.request import Request

        headers = {"Content-Type": "application/json", "User-Agent": "reconcile"}
        if self._token_file:
            headers["Authorization"] = f"Bearer {self._token()}"
        request = Request(self._address, content, headers, method="POST")  # noqa: S310  # its scheme has been checked
        try:
            with _opener().open(request, timeout=self._seconds):
                pass  # what it says is of no interest, and may be endless
        except HTTPError as error:
            error.close()
            where = "; redirects are not followed" if 300 <= error.code < 400 else ""
            raise NotSent(f"answered {error.code}{where}", again=error.code in _TRY_AGAIN) from None
        except URLError as error:
            raise NotSent(_reason(error.reason), again=True) from None
        except (OSError, HTTPException) as error:
            raise NotSent(_reason(error), again=True) from None

    def close(self) -> None:
        """Nothing is open between two messages."""

    def _token(self) -> str:
        assert self._token_file
        try:
            return secret(self._token_file)
        except (OSError, ValueError) as error:
            raise NotSent(f"its token cannot be used: {error_text(error)}", again=False) from error


def secret(path: Path) -> str:
    """The one line that the file at `path` holds: a token, or an address that is one.

    Raises:
        OSError: it cannot be read.
        ValueError: everybody may read it, or it is not one line of printable ASCII.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is no regular file")
        if found.st_mode & stat.S_IROTH:
            raise ValueError(f"everybody may read {path}; type: chmod o-r {path}")
        text = stream.read(_LONGEST_SECRET).decode("ascii", "replace").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(f"{path} does not hold one line of printable ASCII")
    return text


def _opener() -> "OpenerDirector":
    from urllib import request

    opener = request.OpenerDirector()
    handlers = (request.ProxyHandler, request.HTTPHandler, request.HTTPSHandler)
    for handler in (*handlers, request.HTTPDefaultErrorHandler, request.HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _reason(error: object) -> str:
    """Why, in the system's words; other texts might have the address in them."""
    if isinstance(error, OSError):
        return (
            "it did not answer in time" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        )
    return type(error).__name__


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_COMMAND_SECONDS: Final = 30.0


class MessageCommand:
    """Runs one program for each message, one at a time."""

    def __init__(self, words: Sequence[str], seconds: float = _COMMAND_SECONDS) -> None:
        """Run `words` (a program and its arguments), for at most `seconds`.

        Raises:
            ValueError: there is no program.
        """
        if not words or not words[0]:
            raise ValueError("a command to notify has at least the name of a program")
        self._words = tuple(words)
        self._seconds = seconds
        self._processes = Processes()
        self.name = f"command {os.path.basename(words[0])}"
        """For people; without arguments, which may be secret."""

    def send(self, content: bytes) -> None:
        """Run it with `content` as its input; what it prints is not kept.

        Raises:
            NotSent: it is not there, failed, or had to be killed with everything that it had started.
        """
        # Without a limit to what it may write: that would be one to the files that it adds to as well.
        bounds = Bounds(self._seconds, limit=None)
        try:
            done = self._processes.run(
                self._words, directory=Path.cwd(), environment=os.environ, bounds=bounds, given=content
            )
        except TooLong:
            raise NotSent(f"was killed, since it took more than {self._seconds:g} seconds", again=False) from None
        except Stopped:
            raise NotSent("the loop has ended", again=False) from None
        except OSError as error:
            raise NotSent(f"cannot be run: {error.strerror}", again=False) from error
        done.output.close()
        if done.code:
            raise NotSent(f"ended with exit code {done.code}", again=done.code > 0)

    def close(self) -> None:
        """Kill what runs; nothing is started any more."""
        self._processes.stop()
