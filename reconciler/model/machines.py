"""Machines and their LPARs, as the manifests have them: who on a machine has which adapters and domains.

A machine is one CPC. An adapter and usage domain belong to one active LPAR of a machine at most; several may be
defined for it, as for a standby, and only one of these can be active (docs/machines.md).
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Self

from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.problems import Place, Position

ACCEPT_MACHINE: Final = "--accept-machine"
"""The flag that has a plan or an apply accept the LPAR that the host runs in, for one run."""


WRONG_MACHINE: Final = "wrong-machine"
"""The id of the problem of a host that runs in an LPAR which the manifests do not have for it."""


class MachineMode(StrEnum):
    """How a machine is managed: by activation profiles, or by Dynamic Partition Manager."""

    CLASSIC = "classic"
    DPM = "dpm"


class LparName(NamedTuple):
    """An LPAR of any machine: the name of the Machine, and that of the LPAR on it."""

    machine: str
    lpar: str

    @classmethod
    def parsed(cls, text: str) -> Self:
        """``machine/lpar``; the name of an LPAR may have a slash itself."""
        machine, _, lpar = text.partition("/")
        return cls(machine, lpar)

    @property
    def folded(self) -> "LparName":
        """The same for names that differ in upper and lower case only."""
        return LparName(self.machine, self.lpar.casefold())

    def __str__(self) -> str:
        return f"{self.machine}/{self.lpar}"


class DesiredLpar(NamedTuple):
    """One LPAR, number `number` (from 0) of its machine.

    Attributes:
        name: as /proc/sysinfo has it; upper and lower case are the same.
        host: the name of the Host that runs there; empty where something else does.
        config: its adapters (the candidate list), usage domains and control domains.
        is_active: whether it is activated.
        standby_of: the LPAR that it takes over from.
        number: its place in the manifest.
        left_out: what its manifest leaves to the original of a standby, empty once that is found.
    """

    name: str
    host: str
    config: ApConfig
    is_active: bool = True
    standby_of: LparName | None = None
    number: int = 0
    left_out: frozenset[str] = frozenset()

    @property
    def matrix(self) -> Matrix:
        """All its queues."""
        return self.config.matrix

    def inheriting(self, original: "DesiredLpar") -> "DesiredLpar":
        """This standby, with what it has from its `original`: the Host, and the ids that its manifest leaves out."""
        adapters, domains, control = self.config
        theirs = original.config
        config = ApConfig(
            theirs.adapters if "adapters" in self.left_out else adapters,
            theirs.domains if "usageDomains" in self.left_out else domains,
            theirs.control_domains
            if "usageDomains" in self.left_out and "controlDomains" in self.left_out
            else control,
        )
        return self._replace(host=original.host, config=config, left_out=frozenset())


class DesiredMachine(NamedTuple):
    """One machine.

    Attributes:
        name: of the Machine in the manifests.
        id: manufacturer, type and sequence code, in upper case: ``IBM-3931-00000000000829E7``.
        mode: how it is managed.
        max_domain: the highest domain that it has, 0 to 255; None where the manifest does not say.
        lpars: as the manifest has them, each with its number.
        labels: ascending by key.
        position: where its document starts.
    """

    name: str
    id: str
    mode: MachineMode
    max_domain: int | None
    lpars: tuple[DesiredLpar, ...]
    labels: tuple[tuple[str, str], ...]
    position: Position

    def lpar(self, name: str) -> DesiredLpar | None:
        """The LPAR called `name`, in upper or lower case; None where there is none."""
        return next((one for one in self.lpars if one.name.casefold() == name.casefold()), None)

    def named(self, lpar: DesiredLpar) -> LparName:
        """The whole name of `lpar`, one of its own."""
        return LparName(self.name, lpar.name)


class LparPlace(NamedTuple):
    """Where a host may run: one LPAR of one machine."""

    machine: DesiredMachine
    lpar: DesiredLpar

    @property
    def name(self) -> LparName:
        """The whole name of the LPAR."""
        return self.machine.named(self.lpar)

    def said(self, field: str, label: str = "") -> Place:
        """Where the manifest has `field` of it, for a problem; the whole entry where it is left out."""
        return Place(self.machine.position, label, ("spec", "lpars", self.lpar.number, field))


class HostPlace(NamedTuple):
    """Where one host may run, and with what: as it is kept with what is wanted of the host.

    Attributes:
        machine: the name of the Machine.
        machine_id: in upper case.
        lpar: the name of the LPAR.
        config: the adapters, usage domains and control domains of the LPAR.
        is_active: whether the manifests have it activated.
        standby_of: ``machine/lpar`` of the original, where it is a standby; empty otherwise.
    """

    machine: str
    machine_id: str
    lpar: str
    config: ApConfig
    is_active: bool = True
    standby_of: str = ""

    @property
    def name(self) -> str:
        """``machine/lpar``."""
        return f"{self.machine}/{self.lpar}"


def host_places(host: str, machines: Iterable[DesiredMachine]) -> tuple[HostPlace, ...]:
    """The same as `places_of`, as values of their own."""
    return tuple(
        HostPlace(machine.name, machine.id, lpar.name, lpar.config, lpar.is_active, str(lpar.standby_of or ""))
        for machine, lpar in places_of(host, machines)
    )


def places_by_host(machines: Iterable[DesiredMachine]) -> dict[str, list[LparPlace]]:
    """Where each host may run, its original place first, then its standbys; none that no machine names."""
    found: dict[str, list[LparPlace]] = {}
    for machine in machines:
        for lpar in machine.lpars:
            if lpar.host:
                found.setdefault(lpar.host, []).append(LparPlace(machine, lpar))
    for places in found.values():
        places.sort(key=lambda place: (place.lpar.standby_of is not None, place.name))
    return found


def places_of(host: str, machines: Iterable[DesiredMachine]) -> tuple[LparPlace, ...]:
    """The same of one `host`."""
    return tuple(places_by_host(machines).get(host, ()))


def present_place(places: Sequence[LparPlace]) -> LparPlace | None:
    """Which of the `places` of a host it runs in as the manifests say: the active one, else the original."""
    return next((one for one in places if one.lpar.is_active), places[0] if places else None)
