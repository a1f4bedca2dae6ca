"""A digest of what the manifests mean: it stays when only their spelling, order or comments change."""

from hashlib import sha256
from typing import Final

from reconciler.model.desired import DesiredGuest, DesiredHost, Persistence

_FORMAT: Final = "desired/1"


def digest_of(host: DesiredHost, guests: tuple[DesiredGuest, ...]) -> str:
    """SHA-256 (hex) over `host` and `guests`, which are ascending by name."""
    lines = [_FORMAT, _host_line(host), *map(_guest_line, guests)]
    return sha256("\n".join(lines).encode()).hexdigest()


def _host_line(host: DesiredHost) -> str:
    pool = "derived" if host.given_up is None else " ".join(f"{ids.bits:x}" for ids in host.given_up)
    keep = sorted({f"{entry.matrix.adapters.bits:x}*{entry.matrix.domains.bits:x}" for entry in host.keep})
    persistence = "" if host.persistence is Persistence.NONE else f" persistence {host.persistence.value}"
    return f"{host.name} {host.unmanaged.value} pool {pool} keep {' '.join(keep)}{persistence}"


def _guest_line(guest: DesiredGuest) -> str:
    name, _host, uuid, (adapters, domains, control), activation, presence, labels, _, _, disruption, ignored = guest
    ids = f"{adapters.bits:x} {domains.bits:x} {control.bits:x}"
    ignores = f" ignores {' '.join(sorted(ignored))}" if ignored else ""
    return f"{name} {uuid} {ids} {activation.value} {presence.value} {disruption} {labels!r}{ignores}"
