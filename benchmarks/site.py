"""A site of any size: manifests of disjoint guests on one host, and the simulated host they are planned on."""

from pathlib import Path
from typing import Final, NamedTuple

ADAPTER_PAIRS: Final = 125
"""Guests side by side on one domain; each has two adapters, so 250 of the 256 are used."""

MOST_GUESTS: Final = 90 * ADAPTER_PAIRS
"""So many fit on domains 0 to 89; the host keeps all others, of all adapters."""

GUESTS_A_FILE: Final = 1000

_HOST: Final = """\
apiVersion: reconciler/v1
kind: Host
metadata:
  name: bench
"""

_GUEST: Final = """\
---
apiVersion: reconciler/v1
kind: Guest
metadata:
  name: guest-{number:05}
spec:
  host: bench
  adapters: [{first}, {second}]
  domains: [{domain}]
"""

_SIMULATED_HOST: Final = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata:
  name: bench
spec:
  maxDomain: 89
  usageDomains: [0-84]
  adapters:
""" + "".join(f"  - {{id: {adapter}, type: CEX8, mode: cca}}\n" for adapter in range(16))
"""A full machine: 16 cards of 85 domains. All other adapters are authorised in advance."""


class Site(NamedTuple):
    """Where a site was written.

    Attributes:
        manifests: directory with the manifests, what ``-f`` takes.
        simulated_host: file, what ``--simulate`` takes.
    """

    manifests: Path
    simulated_host: Path


def guest_text(number: int) -> str:
    """The manifest of guest `number`, 0 to `MOST_GUESTS` - 1: two adapters, one domain, shared with no other guest."""
    domain, pair = divmod(number, ADAPTER_PAIRS)
    return _GUEST.format(number=number, first=2 * pair, second=2 * pair + 1, domain=domain)


def write_site(directory: Path, guests: int, guests_a_file: int = GUESTS_A_FILE) -> Site:
    """Write a site of `guests` guests, 0 to `MOST_GUESTS`, below `directory`; some 150 bytes each.

    Raises:
        ValueError: so many guests do not fit.
    """
    if not 0 <= guests <= MOST_GUESTS:
        raise ValueError(f"{guests} guests do not fit: at most {MOST_GUESTS} do")
    site = Site(directory / "manifests", directory / "host.sim.yaml")
    site.manifests.mkdir(parents=True)
    site.simulated_host.write_text(_SIMULATED_HOST, encoding="utf-8")
    (site.manifests / "host.yaml").write_text(_HOST, encoding="utf-8")
    for start in range(0, guests, guests_a_file):
        numbers = range(start, min(start + guests_a_file, guests))
        text = "".join(guest_text(number) for number in numbers)
        (site.manifests / f"guests-{start:05}.yaml").write_text(text, encoding="utf-8")
    return site
