"""The uuid of a guest whose manifest has none: the same for ever, on every machine."""

from hashlib import sha1
from typing import Final

NAMESPACE: Final = "5b4e7c1a-8f0d-5d53-9a3e-6f1c27d4e2b8"
"""The name space of derived uuids; changing it would give every guest a new mediated device."""

_NAMESPACE_BYTES: Final = bytes.fromhex(NAMESPACE.replace("-", ""))
_VARIANT: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


def derived_uuid(host: str, guest: str) -> str:
    """``uuid5(NAMESPACE, "host/guest")``, lower case with dashes (RFC 9562, 5.5); the uuid module is slow to import."""
    name = f"{host}/{guest}".encode()
    digest = sha1(_NAMESPACE_BYTES + name, usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"
