"""What a plan rests on, as digests: a saved plan is refused when any of it has changed."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from reconciler.model.desired import Desired
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Observed


class Basis(NamedTuple):
    """Digests (SHA-256, hex) of everything a plan rests on; together they are its fingerprint.

    `files` is that of files of other tools which the plan changes; empty where it changes none.
    """

    manifests: str
    masks: str
    mdevs: str
    hardware: str
    kernel: str
    inventory: str
    files: str = ""


FORMAT_VERSION: Final = 1
"""The version of the plan's JSON; part of the fingerprint."""


BASIS_WORDS: Final[Mapping[str, str]] = {
    "manifests": "the manifests",
    "masks": "the host's masks",
    "mdevs": "the mediated devices",
    "hardware": "the hardware (cards, queues, or what the LPAR has)",
    "kernel": "the kernel",
    "inventory": "what was applied last",
    "files": "the files of mdevctl or chzdev",
}
"""What each part of the basis is called where people read it."""


class HostBasis(NamedTuple):
    """Digests (SHA-256, hex) of what a plan rests on of the host: `Basis` without the manifests and the files."""

    masks: str
    mdevs: str
    hardware: str
    kernel: str
    inventory: str


def host_basis_of(observed: Observed, inventory: Iterable[str]) -> HostBasis:
    """The basis of each plan for `observed`; `inventory` are words that stand for what was applied last."""
    return HostBasis(
        masks=_digest(repr(observed.pool)),
        mdevs=_digest(*(f"{one.uuid} {_config_words(one.config)} {one.in_use}" for one in observed.mdevs)),
        hardware=_digest(
            repr(observed.lpar),
            *(repr(card._replace(online=True)) for card in observed.cards),
            *(_queue_words(observed)),
        ),
        kernel=_digest(repr(observed.abilities), str(observed.vfio_ap)),
        inventory=_digest(*inventory),
    )


def basis_of(desired: Desired, observed: Observed, inventory: Iterable[str]) -> Basis:
    """The basis of a plan for `desired` on `observed`; `inventory` are words that stand for what was applied last."""
    return Basis(desired.digest, *host_basis_of(observed, inventory))


def fingerprint_of(host: str, basis: Basis, texts: str = "") -> str:
    """One digest of the whole basis, the host's name, and the digest of the `texts` of the manifests, if any."""
    return _digest(str(FORMAT_VERSION), host, *basis, texts)


def texts_digest(sources: Mapping[str, str]) -> str:
    """One digest of the text of all manifests, by their names, wherever they are."""
    return _digest(*(_digest(sources[name]) for name in sorted(sources)))


def _config_words(config: ApConfig) -> str:
    return " ".join(f"{ids.bits:x}" for ids in config)


def _queue_words(observed: Observed) -> Iterable[str]:
    # Not whether it is busy: that changes by the millisecond and is asked again when the plan is applied.
    return (f"{one.queue} {one.driver} {one.overridden}" for one in observed.queues)


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
