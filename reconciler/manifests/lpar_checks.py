"""What machines say of each other: unique names and ids, standbys and their originals, and where each host runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.manifests.cross_checks import Population, repeated
from reconciler.manifests.data import Path, error
from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, LparPlace
from reconciler.model.problems import Place, Problem, ProblemList, Severity, several
from reconciler.model.similar import MOST_OF_EACH, did_you_mean

_NAME: Final[Path] = ("metadata", "name")
_ID: Final[Path] = ("spec", "machineId")


def resolved(population: Population, problems: ProblemList) -> tuple[DesiredMachine, ...]:
    """The machines, each standby with what it has from its original; `problems` grows by what is wrong with them.

    A standby whose original is not there is left out, and so is a second machine of the same name.
    """
    _repeated_machines(population.machines, problems)
    machines = tuple({one.name: one for one in reversed(population.machines)}.values())[::-1]
    lpars = {
        LparName(machine.name, lpar.name).folded: LparPlace(machine, lpar)
        for machine in machines
        for lpar in machine.lpars
    }
    whole = tuple(
        machine._replace(lpars=tuple(_resolved_lpars(machine, lpars, population, problems))) for machine in machines
    )
    for machine in whole:
        problems.extend(_beyond_machine(machine))
        problems.extend(_control_lacking(machine))
    _places_of_hosts(whole, problems)
    _unknown_hosts(whole, population, problems)
    return whole


def _repeated_machines(machines: Sequence[DesiredMachine], problems: ProblemList) -> None:
    for machine, first in repeated(machines, lambda one: one.name):
        places = (Place(machine.position, field=_NAME), Place(first.position, "first described here", _NAME))
        message = f"the machine {machine.name!r} is described twice"
        advice = "Keep one Machine document for each machine, with all its LPARs."
        problems.add(error("duplicate-machine", message, places, advice))
    for machine, first in repeated(machines, lambda one: one.id):
        if machine.name != first.name:
            places = (Place(machine.position, field=_ID), Place(first.position, "first used here", _ID))
            message = f"the machines {first.name!r} and {machine.name!r} have the same machine id {machine.id}"
            advice = "Keep one Machine document for each machine, or correct one of the ids."
            problems.add(error("duplicate-machine-id", message, places, advice))


def _resolved_lpars(
    machine: DesiredMachine, lpars: Mapping[LparName, LparPlace], population: Population, problems: ProblemList
) -> Iterator[DesiredLpar]:
    for lpar in machine.lpars:
        if lpar.standby_of is None:
            yield lpar
            continue
        original = lpars.get(lpar.standby_of.folded)
        if original is None:
            if not population.may_lack_machines:
                problems.add(_unknown_original(machine, lpar, lpar.standby_of, lpars))
        elif original.lpar.standby_of is not None:
            problems.add(_standby_of_standby(machine, lpar, original))
        else:
            yield lpar.inheriting(original.lpar)


def _unknown_original(
    machine: DesiredMachine, lpar: DesiredLpar, name: LparName, lpars: Mapping[LparName, LparPlace]
) -> Problem:
    known = sorted(str(place.name) for place in lpars.values() if place.lpar.standby_of is None)
    message = f"LPAR {lpar.name!r} of machine {machine.name!r} is a standby of {str(name)!r}, which is not described"
    advice = f"{did_you_mean(str(name), known[:MOST_OF_EACH])}There are: {several(known) or 'none'}."
    return error("unknown-lpar", message, (LparPlace(machine, lpar).said("standbyOf"),), advice)


def _standby_of_standby(machine: DesiredMachine, lpar: DesiredLpar, original: LparPlace) -> Problem:
    is_itself = (original.machine.name, original.lpar.number) == (machine.name, lpar.number)
    what = "itself" if is_itself else f"{str(original.name)!r}, which is a standby too"
    message = f"LPAR {lpar.name!r} of machine {machine.name!r} is a standby of {what}"
    places = [LparPlace(machine, lpar).said("standbyOf")]
    if not is_itself:
        places.append(original.said("standbyOf", "a standby"))
    advice = "Name the LPAR that the Host runs in by itself: 'standbyOf' leads to one that is no standby."
    return error("standby-of-standby", message, tuple(places), advice)


def _beyond_machine(machine: DesiredMachine) -> Iterator[Problem]:
    """A problem for each list of an LPAR with a domain that `machine` does not have."""
    if machine.max_domain is None:
        return
    above = IdSet(range(machine.max_domain + 1, 256))
    highest = f"0x{machine.max_domain:02x} ({machine.max_domain})"
    for lpar in machine.lpars:
        for field, noun, ids in (
            ("usageDomains", "usage domain", lpar.config.domains & above),
            ("controlDomains", "control domain", (lpar.config.control_domains - lpar.config.domains) & above),
        ):
            if ids:
                what = ids.text(noun)
                message = f"LPAR {lpar.name!r} has {what}, but the highest domain of its machine is {highest}"
                advice = "Take it out, or correct spec.maxDomain."
                yield error("domain-beyond-machine", message, (LparPlace(machine, lpar).said(field),), advice)


def _control_lacking(machine: DesiredMachine) -> Iterator[Problem]:
    """A problem for each LPAR of `machine` that may not control a domain that it uses."""
    for lpar in machine.lpars:
        if ids := lpar.config.domains - lpar.config.control_domains:
            message = f"LPAR {lpar.name!r} uses {ids.text('domain')}, which its controlDomains lack"
            advice = "Add them: control domains always contain the usage domains. Or leave controlDomains out."
            yield error("control-lacks-usage", message, (LparPlace(machine, lpar).said("controlDomains"),), advice)


def _places_of_hosts(machines: Sequence[DesiredMachine], problems: ProblemList) -> None:
    first: dict[str, LparPlace] = {}
    for machine in machines:
        for lpar in machine.lpars:
            if not lpar.host or lpar.standby_of is not None:
                continue
            place = LparPlace(machine, lpar)
            earlier = first.setdefault(lpar.host, place)
            if earlier is not place:
                message = f"the host {lpar.host!r} is in two LPARs, {str(earlier.name)!r} and {str(place.name)!r}"
                places = (
                    LparPlace(machine, lpar).said("host"),
                    earlier.said("host", "first placed here"),
                )
                advice = f"A host runs in one LPAR; write standbyOf: {earlier.name} where it is to take over."
                problems.add(error("host-in-two-lpars", message, places, advice))


def _unknown_hosts(machines: Sequence[DesiredMachine], population: Population, problems: ProblemList) -> None:
    if population.may_lack_hosts:
        return
    known = population.host_names() | population.perhaps_hosts
    compared = sorted(known)[:MOST_OF_EACH]
    for machine in machines:
        for lpar in machine.lpars:
            if not lpar.host or lpar.standby_of is not None or lpar.host in known:
                continue
            message = f"LPAR {lpar.name!r} runs the host {lpar.host!r}, which no manifest describes"
            advice = (
                f"{did_you_mean(lpar.host, compared)}Its queues count; nothing is known of its guests. "
                "Describe the Host, or leave host out where the LPAR runs something else."
            )
            place = LparPlace(machine, lpar).said("host")
            problems.add(Problem("host-not-described", Severity.WARNING, message, (place,), help=advice))
