"""Who is answered: at which addresses a page may be served, and to which names of the host.

The page and the API ask for no password. So they are for whoever may open the socket, for this machine, or for a proxy
that asks for one. A web site whose name a browser was led to believe is this machine's (DNS rebinding) sends its own
name as the host: it gets no answer.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final, NamedTuple

from reconciler.model.errors import InputError

METRICS: Final = "metrics"
"""Served alone, without page and API, and without a name of a guest."""

_HOST_NAME: Final = re.compile(
    r"(?i)(?:[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII
)
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
_PORT: Final = re.compile(r":[0-9]{1,5}\Z", re.ASCII)
_HTTP: Final = 80


class Access(NamedTuple):
    """What is answered, and to whom.

    Attributes:
        hosts: the values of the header ``Host`` that are answered; None: any.
        pages: whether page and API are served; otherwise metrics and health alone.
        any_port: whether this machine is answered whatever port it names: at a Unix socket, which a port may lead to.
    """

    hosts: frozenset[str] | None
    pages: bool
    any_port: bool = False

    def takes(self, host: str | None) -> bool:
        """Whether a request for `host` is answered; None where it names none."""
        if self.hosts is None or host is None:
            return self.hosts is None
        host = host.lower()
        return host in self.hosts or (self.any_port and _PORT.sub("", host) in _LOCAL)


class NotAllowed(InputError):
    """These options would show the page to whoever can reach the address; the text says what is missing."""


METRICS_ONLY: Final = Access(None, pages=False)


def check_names(names: Iterable[str]) -> None:
    """See that `names` can be those of a host as a browser sends them.

    Raises:
        NotAllowed: one of them cannot.
    """
    for one in names:
        if not _HOST_NAME.fullmatch(one):
            raise NotAllowed(
                f"--allowed-host {one!r}: write the name as the browser shows it, such as crypto.example or "
                "crypto.example:8443, without a scheme or a path"
            )


def is_local(family: int, where: tuple[object, ...]) -> bool:
    """Whether only this machine can reach the address `where`, as the resolver gives it."""
    return family == socket.AF_UNIX or ip_address(str(where[0]).partition("%")[0]).is_loopback


def access_to(listener: socket.socket, names: Iterable[str]) -> Access:
    """Who may see the page at `listener`: this machine, where it listens for that alone, and who asks for `names`."""
    found = {one.lower() for one in names}
    is_socket = listener.family == socket.AF_UNIX
    if not is_socket and is_local(listener.family, where := listener.getsockname()):
        found.update(f"{one}:{where[1]}" for one in _LOCAL)
        if where[1] == _HTTP:
            found.update(_LOCAL)
    return Access(frozenset(found), pages=True, any_port=is_socket)
