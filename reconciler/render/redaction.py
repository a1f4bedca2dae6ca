"""Names and uuids that are left out of a report, with tokens in their place.

The same name has the same token in every report of one host that is made with the same key, so that two reports can be
compared. Without a key, who knows a name can find out which token it has: a token is a digest of the name.
"""

from hashlib import blake2b
from typing import Final, Protocol

_BYTES: Final = 4


class Names(Protocol):
    """How names, and what is said with them, are shown."""

    @property
    def are_shown(self) -> bool:
        """Whether sentences that may have names in them are shown."""

    def host(self, name: str) -> str:
        """The name of a host."""

    def machine(self, name: str) -> str:
        """The name of a machine."""

    def lpar(self, name: str) -> str:
        """The name of an LPAR, with that of its machine."""

    def guest(self, name: str, uuid: str = "") -> str:
        """The name of a guest, or of a device that no manifest names: then it is its `uuid`."""

    def uuid(self, uuid: str) -> str:
        """The uuid of a device."""


class AsTheyAre:
    """Shows everything."""

    are_shown = True

    def host(self, name: str) -> str:
        """See `Names`."""
        return name

    def machine(self, name: str) -> str:
        """See `Names`."""
        return name

    def lpar(self, name: str) -> str:
        """See `Names`."""
        return name

    def guest(self, name: str, uuid: str = "") -> str:  # noqa: ARG002 - only tokens depend on it
        """See `Names`."""
        return name

    def uuid(self, uuid: str) -> str:
        """See `Names`."""
        return uuid


class Tokens:
    """Shows tokens, such as ``guest-1f0c22e9``, in place of names.

    Args:
        host: the name of the host that the report is of; empty for machines.
        key: what only those know who may find out which name a token stands for; it may be empty.
    """

    are_shown = False

    def __init__(self, host: str, key: bytes = b"") -> None:
        self._key = blake2b(key, digest_size=32, person=b"report", salt=b"").digest() if key else b""
        self._host = host

    def host(self, name: str) -> str:
        """See `Names`."""
        return self._token("host", name)

    def machine(self, name: str) -> str:
        """See `Names`."""
        return self._token("machine", name)

    def lpar(self, name: str) -> str:
        """See `Names`."""
        return self._token("lpar", name)

    def guest(self, name: str, uuid: str = "") -> str:
        """See `Names`."""
        return self._token("device" if name == uuid else "guest", name)

    def uuid(self, uuid: str) -> str:
        """See `Names`."""
        return self._token("uuid", uuid)

    def _token(self, kind: str, name: str) -> str:
        said = f"{kind}\0{self._host}\0{name}".encode(errors="surrogatepass")
        return f"{kind}-{blake2b(said, digest_size=_BYTES, key=self._key).hexdigest()}"
