"""The two LPARs of a comparison, as they are named: a Host, an LPAR as ``machine/lpar``, or a recorded host.

The manifests say of an LPAR what its Machine lists: adapters and domains, nothing about cards. A record says what was
found. Who is the guest, and what it wants, is in the manifests; where these do not have the host of a record, its
guests are the devices that it has.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from reconciler.machines.compare import Comparison, Holder, KnownCard, Moving, Rival, Side, compare
from reconciler.manifests.site import Site
from reconciler.model.commands import OBSERVE, Advised
from reconciler.model.desired import Activation, DesiredGuest, DesiredHost
from reconciler.model.errors import InputError
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.machines import LparName, LparPlace, places_of, present_place
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.observed import Observed
from reconciler.model.printable import quoted
from reconciler.model.problems import InvalidManifests, errors_of, several
from reconciler.model.similar import did_you_mean
from reconciler.operations.host_record import HostRecord

NamedSide: TypeAlias = str | HostRecord
"""One side: the name of a Host, an LPAR as ``machine/lpar``, or a recorded host."""

_VFIO_AP: Final = "vfio_ap"

NO_SITE: Final = Site((), (), (), {})
"""No manifests."""


class NoSuchSide(InputError):
    """No Host and no LPAR has this name; the text says which there are."""


class NotComparable(Advised, InputError):
    """Both sides are the same LPAR, or of one nothing is known; the text says which."""


class SameSide(NotComparable):
    """Both sides are the same LPAR, or may be it."""


def compare_hosts(source: NamedSide, target: NamedSide, site: Site = NO_SITE) -> Comparison:
    """Whether the guests of `source` can move to `target`, and what is missing there.

    Where both are places of one host, an LPAR and its standby: what would be pending after a takeover.

    Args:
        source: where the guests are.
        target: where they would be.
        site: the manifests; left out, there are none, and both sides are recorded hosts.

    Raises:
        InvalidManifests: the manifests cannot be used.
        NoSuchSide: a name is that of no Host and no LPAR.
        NotComparable: both are the same LPAR, or of one nothing is known.
    """
    if errors := errors_of(site.problems):
        raise InvalidManifests(errors)
    here, there = (_Found.of(one, site) for one in (source, target))
    _require_two(here, there)
    return compare(here.side(site), there.side(site), here.guests(site))


def standbys_of(name: str, site: Site) -> tuple[LparName, ...]:
    """The standbys of the LPAR in which the Host `name`, or the LPAR that is called so, runs as the manifests say.

    Raises:
        InvalidManifests, NoSuchSide, NotComparable: see `compare_hosts`.
    """
    if errors := errors_of(site.problems):
        raise InvalidManifests(errors)
    found = _Found.of(name, site)
    assert found.place  # of a name
    if not found.host:
        raise _without_host(found.name)
    others = places_of(found.host, site.machines)
    return tuple(one.name for one in others if one.name != found.place.name)


class _Found(NamedTuple):
    """A side that was found: its `name`, Host, place in the manifests, and record, as far as there are."""

    name: str
    host: str
    place: LparPlace | None
    record: HostRecord | None

    @classmethod
    def of(cls, named: NamedSide, site: Site) -> "_Found":
        """Raises `NoSuchSide`, `NotComparable`."""
        if isinstance(named, HostRecord):
            return cls._recorded(named, site)
        if any(one.name == named for one in site.hosts):
            place = present_place(places_of(named, site.machines))
            if place is None:
                raise _unknown_place(named)
            return cls(named, named, place, None)
        wanted = LparName.parsed(named)
        places = list(_every_place(site))
        found = next((one for one in places if one.name.folded == wanted.folded), None)
        if found is None:
            raise _no_such_side(named, [one.name for one in site.hosts], [str(one.name) for one in places])
        return cls(str(found.name), found.lpar.host, found, None)

    @classmethod
    def _recorded(cls, record: HostRecord, site: Site) -> "_Found":
        identity = record.observed.identity
        places = _every_place(site) if identity else iter(())
        place = next(
            (
                one
                for one in places
                if identity and one.machine.id == identity.machine_id and identity.is_lpar(one.lpar.name)
            ),
            None,
        )
        host = place.lpar.host if place else ""
        return cls(record.host, host or _host_named(record.host, site), place, record)

    @property
    def where(self) -> tuple[str, str] | None:
        """Machine and LPAR, to be compared with that of another side; None where they are not known."""
        if self.place:
            return self.place.machine.id, self.place.lpar.name.casefold()
        identity = self.record.observed.identity if self.record else None
        return (identity.machine_id, identity.lpar_name.casefold()) if identity and identity.lpar_name else None

    def side(self, site: Site) -> Side:
        """What is known of it."""
        if self.record:
            return _recorded_side(self, self.record, site)
        assert self.place
        adapters, domains, control = self.place.lpar.config
        return Side(
            name=self.name,
            host=self.host,
            machine_id=self.place.machine.id,
            lpar=self.place.name,
            recorded=None,
            has=dict.fromkeys(adapters, domains) if domains else {},
            control=control,
            holders=tuple(
                Holder(one.name, one.uuid, one.config.matrix)
                for one in _guests_on(self.host, site)
                if one.activation is Activation.ACTIVE
            ),
            ungiven=_kept(next((one for one in site.hosts if one.name == self.host), None)),
            rivals=_rivals(self.place),
        )

    def guests(self, site: Site) -> list[Moving]:
        """Its guests: those of the manifests, otherwise the devices that were recorded."""
        if any(one.name == self.host for one in site.hosts):
            return [
                Moving(one.name, one.uuid, one.config, one.hosts, one.activation is Activation.ACTIVE)
                for one in _guests_on(self.host, site)
                if one.activation is not Activation.INACTIVE
            ]
        if self.record:
            names = self.record.applied.names
            return [Moving(names.get(one.uuid, one.uuid), one.uuid, one.config) for one in self.record.observed.mdevs]
        raise _without_host(self.name)


def _rivals(place: LparPlace) -> tuple[Rival, ...]:
    """The active LPARs that keep one that is not active from starting with their queues.

    The one that it takes over from has ended by then; an active LPAR has its queues, which `validate` proves.
    """
    machine, lpar = place
    if lpar.is_active:
        return ()
    original = lpar.standby_of.folded if lpar.standby_of else None
    others = (one for one in machine.lpars if one.is_active and machine.named(one).folded != original)
    return tuple(Rival(machine.named(one), one.matrix) for one in others if not one.host or one.host != lpar.host)


def _recorded_side(found: _Found, record: HostRecord, site: Site) -> Side:
    observed, names = record.observed, _device_names(record, site)
    identity = observed.identity
    return Side(
        name=found.name,
        host=found.host,
        machine_id=identity.machine_id if identity else "",
        lpar=found.place.name if found.place else None,
        recorded=record.recorded,
        has=_present(observed),
        control=observed.lpar.control_domains,
        cards={
            one.adapter: KnownCard(one.hwtype, observed.functions.get(one.adapter), one.trouble)
            for one in observed.cards
        },
        holders=tuple(Holder(names.get(one.uuid, ""), one.uuid, one.config.matrix) for one in observed.mdevs),
        ungiven=_by_adapter(one.queue for one in observed.queues if one.driver != _VFIO_AP),
        devices=frozenset(one.uuid for one in observed.mdevs),
        lpar_name=identity.lpar_name if identity else "",
    )


def _present(observed: Observed) -> dict[int, IdSet]:
    """The queues that are there: a card on the candidate list that is not online has none."""
    return _by_adapter(
        one.queue
        for one in observed.queues
        if one.queue.adapter in observed.lpar.adapters and one.queue.domain in observed.lpar.domains
    )


def _by_adapter(queues: Iterable[Queue]) -> dict[int, IdSet]:
    bits: dict[int, int] = {}
    for one in queues:
        bits[one.adapter] = bits.get(one.adapter, 0) | 1 << one.domain
    return {adapter: IdSet.from_bits(domains) for adapter, domains in bits.items()}


def _kept(host: DesiredHost | None) -> dict[int, IdSet]:
    """What the manifest of `host` leaves to the host's own drivers in any case, by adapter."""
    if host is None:
        return {}
    kept = [one.matrix for one in host.keep]
    if host.given_up is not None:
        kept.append(Matrix(ALL_IDS - host.given_up.adapters, ALL_IDS - host.given_up.domains))
    found: dict[int, IdSet] = {}
    for matrix in kept:
        for adapter in matrix.adapters:
            found[adapter] = found.get(adapter, NO_IDS) | matrix.domains
    return found


def _device_names(record: HostRecord, site: Site) -> dict[str, str]:
    """By uuid, what the guests of the devices in `record` are called."""
    return {**{one.uuid: one.name for one in site.guests}, **record.applied.names}


def _guests_on(host: str, site: Site) -> list[DesiredGuest]:
    return [one for one in site.guests if one.host == host] if host else []


def _every_place(site: Site) -> Iterator[LparPlace]:
    return (LparPlace(machine, lpar) for machine in site.machines for lpar in machine.lpars)


def _host_named(name: str, site: Site) -> str:
    """The Host of a machine called `name`, with or without its domain name; `name` itself where there is none."""
    hosts = {one.name for one in site.hosts}
    return next((one for one in (name.lower(), name.partition(".")[0].lower()) if one in hosts), name)


def _require_two(here: _Found, there: _Found) -> None:
    where = here.where, there.where
    same_host = bool(here.host) and here.host == there.host
    if all(where) and where[0] != where[1]:
        return
    if all(where) or same_host:
        why = (
            "both are the same LPAR" if all(where) else f"both are of host {here.host}, and not both say in which LPAR"
        )
        raise SameSide(f"{here.name} cannot be compared with {there.name}: {why}")


def _unknown_place(name: str) -> NotComparable:
    return NotComparable(
        f"no Machine lists an LPAR in which {name} runs, so that nothing is known of what it has; write a Machine, or "
        "record the host itself and name the file here",
        OBSERVE.with_flags("--out", f"{name}.json"),
    )


def _without_host(name: str) -> NotComparable:
    return NotComparable(f"no Host runs in {name}, so that it has no guests that could move")


def _no_such_side(name: str, hosts: Sequence[str], lpars: Sequence[str]) -> NoSuchSide:
    known = sorted([*hosts, *lpars])
    return NoSuchSide(
        f"there is no Host, no LPAR and no file {quoted(name)}. {did_you_mean(name, known)}"
        f"There are: {several(known) if known else 'none'}"
    )
