"""Whether a host runs where its manifests say: in which LPAR of which machine, and with what that LPAR has.

The kernel says both: ``/proc/sysinfo`` where it runs, the masks of the AP bus what the LPAR has (docs/kernel-rules.md).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from reconciler.model.desired import DesiredHost
from reconciler.model.identity import MachineIdentity
from reconciler.model.ids import IdSet
from reconciler.model.machines import ACCEPT_MACHINE, WRONG_MACHINE, HostPlace
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Observed
from reconciler.model.problems import Place, Problem, Severity


class Here(NamedTuple):
    """It runs in `place`, which lacks some of what the manifest gives it, and has more than that."""

    place: HostPlace
    lacks: ApConfig
    more: ApConfig


class Elsewhere(NamedTuple):
    """It runs in an LPAR that the manifests do not have for it."""

    identity: MachineIdentity
    declared: tuple[HostPlace, ...]


class Unknown(NamedTuple):
    """Where it runs is not known, and why."""

    declared: tuple[HostPlace, ...]
    why: str


Location: TypeAlias = Here | Elsewhere | Unknown


def located(places: Sequence[HostPlace], observed: Observed) -> Location | None:
    """Where the `observed` host runs, which may run in `places`; None where no machine names it."""
    if not places:
        return None
    identity = observed.identity
    if identity is None:
        return Unknown(tuple(places), observed.unidentified)
    place = next((one for one in places if _is_at(identity, one)), None)
    if place is None:
        return Elsewhere(identity, tuple(places))
    has, said = _present(observed), place.config
    return Here(place, said.without(has), has.without(said))


def _is_at(identity: MachineIdentity, place: HostPlace) -> bool:
    return identity.machine_id == place.machine_id and identity.lpar_name.casefold() == place.lpar.casefold()


def _present(observed: Observed) -> ApConfig:
    """What the LPAR has: a card that is there in standby (not online in the LPAR) counts as absent."""
    standby = IdSet(card.adapter for card in observed.cards if not card.configured)
    lpar = observed.lpar
    return ApConfig(lpar.adapters - standby, lpar.domains, lpar.control_domains)


def location_problems(host: DesiredHost, location: Location | None, *, is_accepted: bool) -> Iterator[Problem]:
    """What is wrong with the `location` of `host`; where it `is_accepted`, nothing stops the plan."""
    at = (Place(host.position, "this host", ("metadata", "name")),)
    match location:
        case Elsewhere(identity, declared):
            advice = (
                f"It is accepted for this run ({ACCEPT_MACHINE})."
                if is_accepted
                else "Nothing is changed. Correct the Machine, or add the LPAR as a standby (standbyOf); "
                f"{ACCEPT_MACHINE} accepts it for one run."
            )
            severity = Severity.WARNING if is_accepted else Severity.ERROR
            message = f"host '{host.name}' runs on {identity}, and the manifests have it elsewhere"
            yield Problem(WRONG_MACHINE, severity, message, at, tuple(_declared(declared)), advice)
        case Unknown(declared, why):
            message = f"whether host '{host.name}' runs where the manifests say is not known: {why}"
            advice = "A simulated host says it with spec.machineId and spec.lpar."
            yield Problem("machine-unknown", Severity.WARNING, message, at, tuple(_declared(declared)), advice)
        case Here(place, lacks, more):
            if words := lacks.text:
                message = f"the LPAR '{place.name}' does not have {words}, which its Machine lists"
                advice = "It is pending until the HMC gives it to the LPAR, online; or correct the Machine."
                yield Problem("lpar-lacks", Severity.WARNING, message, at, (), advice)
            if words := more.text:
                message = f"the LPAR '{place.name}' has {words}, which its Machine does not list"
                advice = "Add it to the Machine: what is not listed is not proved. Or take it from the LPAR on the HMC."
                yield Problem("lpar-has-more", Severity.WARNING, message, at, (), advice)


def location_note(location: Location | None) -> str:
    """What is worth knowing of a place that is accepted; empty where it is the usual one."""
    if not isinstance(location, Here):
        return ""
    place = location.place
    if place.standby_of:
        return f"it runs in the standby {place.name} of {place.standby_of}"
    return "" if place.is_active else f"it runs in {place.name}, which its Machine says is not active"


def _declared(places: Sequence[HostPlace]) -> Iterator[str]:
    for one in places:
        what = f"standby of {one.standby_of}" if one.standby_of else "its LPAR"
        yield f"{one.name} is LPAR {one.lpar} of machine {one.machine_id}, {what}"
