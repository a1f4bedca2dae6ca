"""What the manifests prove about LPARs, without a host: no other LPAR has a host's queues, and each has what it needs.

An LPAR that no Machine lists is invisible: all is proved for those that are listed. Facts: docs/machines.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, DesiredGuest, DesiredHost, Presence
from reconciler.model.ids import NO_IDS
from reconciler.model.machines import (
    DesiredLpar,
    DesiredMachine,
    LparPlace,
    places_by_host,
    present_place,
)
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.overlaps import MOST_PAIRS, pairs_among
from reconciler.model.problems import Place, Problem, ProblemList, Severity

OUTSIDE: Final = "outside-lpar"
"""The id of a problem with queues or control domains that the LPAR of a host does not have."""


class Proven(NamedTuple):
    """What a proof is about.

    Attributes:
        machines: all that are described; standbys have what their originals have.
        hosts: all hosts.
        guests: each with its host; one that may run on several hosts stands here once for each of them.
    """

    machines: Sequence[DesiredMachine]
    hosts: Sequence[DesiredHost]
    guests: Sequence[DesiredGuest]


class Proof(NamedTuple):
    """What was found.

    Attributes:
        problems: what is not so, as errors, and a note for each guest and host that asks for what its LPAR does not
            have; of very many the first ones, and how many more there are.
        machines: how many there are.
        lpars: how many LPARs they list.
        outside: how many queues guests are authorised for that their LPARs do not have.
    """

    problems: tuple[Problem, ...]
    machines: int
    lpars: int
    outside: int


def prove(about: Proven, host: str | None = None) -> Proof:
    """Whether no queue belongs to two active LPARs, and each host and guest is inside what its LPAR has.

    Args:
        about: everything that is described.
        host: only what concerns the LPARs of this host and its guests; None for all.
    """
    places = _Places(about.machines)
    concerned = about.machines if host is None else tuple(dict.fromkeys(one.machine for one in places.of(host)))
    problems = ProblemList()
    for machine in concerned:
        problems.extend(_shared_queues(machine, host))
    problems.extend(_both_active(about.machines, host))
    for one in about.hosts:
        if host in (None, one.name):
            problems.extend(_host_outside(one, places.present(one.name)))
    outside = 0
    for guest in about.guests if places.are_known else ():
        place = places.present(guest.host)
        if place is None or host not in (None, guest.host) or guest.activation is Activation.INACTIVE:
            continue
        if all(ids <= has for ids, has in zip(guest.config, place.lpar.config, strict=True)):
            continue  # as nearly all of many thousands
        outside += _queues_outside(guest.config, place)
        lacking = _lacking(guest.config, place)
        if lacking != EMPTY_CONFIG:
            _add_outside(guest, lacking, place, problems)
    problems.extend(_partners(about.guests, places, host))
    return Proof(problems.all, len(concerned), sum(len(one.lpars) for one in concerned), outside)


class _Places:
    """Where each host may run."""

    def __init__(self, machines: Sequence[DesiredMachine]) -> None:
        self._places = places_by_host(machines)

    @property
    def are_known(self) -> bool:
        """Whether there is any."""
        return bool(self._places)

    def of(self, host: str) -> Sequence[LparPlace]:
        return self._places.get(host, ())

    def present(self, host: str) -> LparPlace | None:
        """Where `host` runs, as the manifests say; None where no machine names it."""
        return present_place(self.of(host))


def _shared_queues(machine: DesiredMachine, host: str | None) -> Iterator[Problem]:
    active = [lpar for lpar in machine.lpars if lpar.is_active]
    if host is not None:
        own = [lpar for lpar in active if lpar.host == host]
        pairs = [(lpar, one) for one in own for lpar in active if lpar is not one and lpar.matrix.overlaps(one.matrix)]
        found, more = pairs[:MOST_PAIRS], max(0, len(pairs) - MOST_PAIRS)
        rest = f"{more:,} more"
    else:
        among = pairs_among(active, lambda lpar: lpar.matrix, [""] * len(active), {"": ("",)})
        found, more, rest = among.first, among.more, among.rest
    for later, earlier in found:
        yield _shared(LparPlace(machine, later), LparPlace(machine, earlier))
    if more:
        message = f"{rest} pairs of active LPARs of machine '{machine.name}' share queues"
        yield Problem("lpar-overlap", Severity.ERROR, message, stands_for=more)


def _shared(one: LparPlace, other: LparPlace) -> Problem:
    common = one.lpar.matrix.meet(other.lpar.matrix)
    count = f"{common.size:,} queue" + ("" if common.size == 1 else "s")
    return Problem(
        "lpar-overlap",
        Severity.ERROR,
        f"the LPARs '{other.lpar.name}' and '{one.lpar.name}' of machine '{one.machine.name}' are both active and "
        f"share {count}",
        (one.said("usageDomains", "has them"), other.said("usageDomains", "has them too")),
        (common.text,),
        "An adapter and usage domain belong to one active LPAR only: the second one cannot be activated with them. "
        f"Take adapter {common.adapters} or domain {common.domains} from one of the two, or write active: false.",
    )


def _both_active(machines: Sequence[DesiredMachine], host: str | None) -> Iterator[Problem]:
    """A problem for each active LPAR of which another one, of the same standbys and original, is active as well."""
    first: dict[tuple[str, str], LparPlace] = {}
    families = {lpar.standby_of.folded for machine in machines for lpar in machine.lpars if lpar.standby_of is not None}
    for machine in machines if families else ():
        for lpar in machine.lpars:
            family = (lpar.standby_of or machine.named(lpar)).folded
            if not lpar.is_active or family not in families or host not in (None, lpar.host):
                continue
            place = LparPlace(machine, lpar)
            earlier = first.setdefault(family, place)
            if earlier is not place:
                yield _two_active(place, earlier)


def _two_active(one: LparPlace, other: LparPlace) -> Problem:
    are_standbys = None not in (one.lpar.standby_of, other.lpar.standby_of)
    what = f"standbys of '{one.lpar.standby_of}'" if are_standbys else "a standby and what it takes over from"
    who = f"host '{one.lpar.host}' would run twice" if one.lpar.host else "the same system would run twice"
    return Problem(
        "both-active",
        Severity.ERROR,
        f"the LPARs '{other.name}' and '{one.name}' are {what}, and both are active: {who}",
        (one.said("active", "active"), other.said("active", "active too")),
        (),
        "Write active: false for each one that does not run. After a takeover that is the original.",
    )


def _host_outside(host: DesiredHost, place: LparPlace | None) -> Iterator[Problem]:
    """Notes for what `host` keeps or gives up and its LPAR does not have."""
    if place is None:
        return
    has = place.lpar.matrix
    for entry in host.keep:
        if not has.covers(entry.matrix):
            asked = ApConfig(*entry.matrix, NO_IDS)
            where = Place(host.position, "kept here", ("spec", "keep", entry.number))
            queues = _queues_outside(asked, place)
            yield _outside(f"host '{host.name}' keeps", _lacking(asked, place), place, where, queues)
    if host.given_up is not None:
        adapters, domains = host.given_up.adapters - has.adapters, host.given_up.domains - has.domains
        if adapters or domains:
            lacking = ApConfig(adapters, domains, NO_IDS)
            where = Place(host.position, "here", ("spec", "pool", "adapters" if adapters else "domains"))
            yield _outside(f"host '{host.name}' gives up", lacking, place, where)


def _lacking(asked: ApConfig, place: LparPlace) -> ApConfig:
    """What `place` lacks of what is `asked`; without a queue only control domains can be lacking."""
    has = place.lpar.config
    if asked.matrix.is_empty:
        return ApConfig(NO_IDS, NO_IDS, asked.control_domains - has.control_domains)
    return asked.without(has)


def _queues_outside(asked: ApConfig, place: LparPlace) -> int:
    return asked.matrix.size - asked.matrix.meet(place.lpar.matrix).size


def _add_outside(guest: DesiredGuest, lacking: ApConfig, place: LparPlace, problems: ProblemList) -> None:
    is_required = guest.presence is Presence.REQUIRED
    if problems.is_full(Severity.ERROR if is_required else Severity.NOTE):
        problems.count(Severity.ERROR if is_required else Severity.NOTE)
        return
    where = Place(guest.position, "asked for here", ("spec", _field_of(guest, lacking)))
    queues = _queues_outside(guest.config, place)
    problem = _outside(f"guest '{guest.name}' is authorised for", lacking, place, where, queues)
    if is_required:
        problem = problem._replace(
            severity=Severity.ERROR,
            message=f"guest '{guest.name}' requires {lacking.text}, which its LPAR '{place.name}' does not have",
            help="Give them to the LPAR on the HMC and here, or set spec.presence to 'any' to authorise in advance.",
        )
    problems.add(problem)


def _field_of(guest: DesiredGuest, lacking: ApConfig) -> str:
    if not (lacking.adapters or lacking.domains):
        return "controlDomains"
    return "queues" if guest.queues_listed else "adapters" if lacking.adapters else "domains"


def _outside(who: str, lacking: ApConfig, place: LparPlace, where: Place, queues: int = 0) -> Problem:
    missing = "adapters" if lacking.adapters else "usageDomains" if lacking.domains else "controlDomains"
    return Problem(
        OUTSIDE,
        Severity.NOTE,
        f"{who} {lacking.text}, which its LPAR '{place.name}' does not have",
        (where, place.said(missing, "what the LPAR has")),
        (f"{queues:,} queue{'' if queues == 1 else 's'} of it",) if queues else (),
        "It is pending until the HMC gives it to the LPAR; then add it to the Machine.",
    )


def _partners(guests: Iterable[DesiredGuest], places: _Places, host: str | None) -> Iterator[Problem]:
    """Problems of guests that may run on several hosts, each once."""
    seen: set[str] = set()
    for guest in guests:
        if len(guest.hosts) < 2 or guest.name in seen or host not in (None, *guest.hosts):
            continue
        seen.add(guest.name)
        known = [(name, place) for name in guest.hosts if (place := places.present(name)) is not None]
        first: dict[str, str] = {}
        for name, place in known:
            earlier = first.setdefault(place.machine.name, name)
            if earlier != name:
                yield _in_one_machine(guest, earlier, name, place.machine)
        yield from _unequal(guest, known)


def _in_one_machine(guest: DesiredGuest, one: str, other: str, machine: DesiredMachine) -> Problem:
    return Problem(
        "partners-in-one-machine",
        Severity.ERROR,
        f"guest '{guest.name}' may run on '{one}' and on '{other}', both LPARs of machine '{machine.name}'",
        (
            Place(guest.position, "its hosts", ("spec", "hosts")),
            Place(machine.position, "the machine", ("spec", "lpars")),
        ),
        (),
        "It needs the same queues on both, and a queue belongs to one LPAR of a machine. Choose hosts on two machines.",
    )


def _unequal(guest: DesiredGuest, known: Sequence[tuple[str, LparPlace]]) -> Iterator[Problem]:
    """A problem for each partner with other queues or control domains of `guest` than the first one."""
    if guest.activation is Activation.INACTIVE or not known:
        return
    (first, at_first), *others = known
    here = _available(guest, at_first.lpar)
    for name, place in others:
        there = _available(guest, place.lpar)
        if place.machine.name == at_first.machine.name or there == here:
            continue
        lacking = [
            f"'{who}' lacks {words}"
            for who, words in ((first, there.without(here).text), (name, here.without(there).text))
            if words
        ]
        yield Problem(
            "partners-differ",
            Severity.ERROR,
            f"guest '{guest.name}' has other queues on '{name}' than on '{first}', so that it cannot move between them",
            (
                Place(guest.position, "its hosts", ("spec", "hosts")),
                at_first.said("usageDomains", f"what '{first}' has"),
                place.said("usageDomains", f"what '{name}' has"),
            ),
            tuple(lacking),
            "Give both LPARs the same adapters and domains on the HMC and here, or take the queues from the guest.",
        )


def _available(guest: DesiredGuest, lpar: DesiredLpar) -> ApConfig:
    matrix = guest.config.matrix.meet(lpar.matrix)
    if matrix.is_empty:
        matrix = Matrix(NO_IDS, NO_IDS)
    return ApConfig(*matrix, guest.config.control_domains & lpar.config.control_domains)
