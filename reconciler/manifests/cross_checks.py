"""What only all documents together can say: which host a guest belongs to, that names and uuids are unique."""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from reconciler.manifests.data import Data, Path, error
from reconciler.manifests.documents import derived_uuid
from reconciler.manifests.schema import API_VERSION
from reconciler.model.desired import DesiredGuest, DesiredHost
from reconciler.model.machines import DesiredMachine
from reconciler.model.problems import NO_HOST, UNKNOWN_HOST, Place, Problem, ProblemList, several
from reconciler.model.similar import MOST_OF_EACH, did_you_mean

_NAME: Final[Path] = ("metadata", "name")
_Item = TypeVar("_Item")


class Population:
    """All hosts and guests that were read.

    Attributes:
        hosts: as they were found.
        guests: likewise, each once; `host` may be empty still, and is so where there are several `hosts`.
        machines: likewise; a standby lacks what it has from its original.
        may_lack_machines: whether a Machine may stand in what could not be read.
        has_refused_machines: whether there is a Machine with problems of its own.
        may_lack_hosts: whether a Host may stand in what could not be read, so that its absence proves nothing.
        perhaps_hosts: names in documents of unknown kind.
        unread: how many documents could not be read; a file that could not be is one.
    """

    def __init__(self) -> None:
        self.hosts: list[DesiredHost] = []
        self.guests: list[DesiredGuest] = []
        self.machines: list[DesiredMachine] = []
        self.may_lack_machines = self.has_refused_machines = False
        self.may_lack_hosts = False
        self.unread = 0
        self.perhaps_hosts: set[str] = set()
        self._refused_hosts: set[str] = set()

    @classmethod
    def of(cls, parts: Iterable["Population"]) -> "Population":
        """All `parts` together."""
        whole = cls()
        for part in parts:
            whole.hosts += part.hosts
            whole.guests += part.guests
            whole.machines += part.machines
            whole.may_lack_machines |= part.may_lack_machines
            whole.has_refused_machines |= part.has_refused_machines
            whole.may_lack_hosts |= part.may_lack_hosts
            whole.perhaps_hosts |= part.perhaps_hosts
            whole._refused_hosts |= part._refused_hosts
            whole.unread += part.unread
        return whole

    def refuse_host(self, data: Data) -> None:
        """Note a Host that has problems of its own."""
        name = _name_in(data)
        if name:
            self._refused_hosts.add(name)
        else:
            self.may_lack_hosts = True

    def note_unknown(self, data: Data, kinds: Collection[str]) -> None:
        """Note a document that may have been meant as any of `kinds`, or is another program's where there are none."""
        if name := _name_in(data):
            self.perhaps_hosts.add(name)
        elif "Host" in kinds:
            self.may_lack_hosts = True

    def described(self) -> set[tuple[str, ...]]:
        """What the documents describe: kind and name of each, and the hosts of a guest."""
        return {
            *(("Host", one.name) for one in self.hosts),
            *(("Guest", one.name, *(one.hosts or (one.host,))) for one in self.guests),
            *(("Machine", one.name) for one in self.machines),
        }

    def host_names(self) -> set[str]:
        """The names of all hosts, of refused ones too."""
        return self._refused_hosts.union(host.name for host in self.hosts)


def cross_checked(population: Population, problems: ProblemList) -> tuple[DesiredGuest, ...]:
    """The guests, each with its host and uuid, but those of no host; `problems` grows by what is wrong with the whole.

    A guest that has several hosts is there once for each. What is only counted there any more is not put into words.
    """
    names = population.host_names()
    _repeated_hosts(population.hosts, problems)
    if not (names or population.perhaps_hosts or population.may_lack_hosts or _only_machines(population)):
        problems.add(_no_host(population.guests))
    guests = [guest if guest.host or guest.hosts else _of_only_host(guest, names) for guest in population.guests]
    if names and not population.may_lack_hosts:
        _strays(guests, names, population.perhaps_hosts, problems)
    _repeated_guests([guest for guest in guests if guest.hosts or guest.host in names], problems)
    return tuple(guest for one in guests for guest in _on_each_host(one) if guest.host in names)


def _on_each_host(guest: DesiredGuest) -> Iterable[DesiredGuest]:
    return (guest._replace(host=host) for host in guest.hosts) if guest.hosts else (guest,)


def _only_machines(population: Population) -> bool:
    return not population.guests and (bool(population.machines) or population.has_refused_machines)


def _name_in(data: Data) -> str:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _of_only_host(guest: DesiredGuest, names: set[str]) -> DesiredGuest:
    if len(names) != 1:
        return guest
    (host,) = names
    return guest._replace(host=host, uuid=guest.uuid or derived_uuid(host, guest.name))


def for_host(problem: Problem, name: str) -> Problem:
    """`problem`, which advises the Host called `name` where it is that there is none, and no guest names one."""
    if problem != _no_host_at(problem.places) or not _HOST_NAME.fullmatch(name):
        return problem
    return _no_host_at(problem.places, name)


_HOST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")


def _no_host(guests: list[DesiredGuest]) -> Problem:
    used = sorted({host for guest in guests for host in guest.hosts or (guest.host,) if host})
    places = (Place(guests[0].position, "a guest without a host", ("spec", "host")),) if guests else ()
    return _no_host_at(places, *used[:1])


_PLACEHOLDER: Final = "NAME"


def _no_host_at(places: tuple[Place, ...], name: str = _PLACEHOLDER) -> Problem:
    document = f"apiVersion: {API_VERSION}\nkind: Host\nmetadata:\n  name: {name}"
    how = "with the host's short name in place of NAME" if name == _PLACEHOLDER else "by the host's short name"
    return error(NO_HOST, "no manifest describes a Host", places, f"Add one, {how}:\n{document}")


def _strays(guests: list[DesiredGuest], names: set[str], perhaps: set[str], problems: ProblemList) -> None:
    known = sorted(names)
    for guest in guests:
        for index, host in enumerate(guest.hosts or (guest.host,)):
            if host in names or host in perhaps:
                continue
            if problems.is_full():
                problems.count()
            elif host:
                field = ("spec", "hosts", index) if guest.hosts else ("spec", "host")
                message = f"guest {guest.name!r} belongs to host {host!r}, but no manifest describes that Host"
                advice = f"{did_you_mean(host, known[:MOST_OF_EACH])}There are: {several(known)}."
                problems.add(error(UNKNOWN_HOST, message, (Place(guest.position, field=field),), advice))
            else:
                message = f"guest {guest.name!r} does not say which host it belongs to"
                advice = f"Add spec.host; there are: {several(known)}."
                problems.add(error("host-left-out", message, (Place(guest.position, field=("spec",)),), advice))


def _repeated_hosts(hosts: list[DesiredHost], problems: ProblemList) -> None:
    for host, first in repeated(hosts, lambda host: host.name):
        places = (Place(host.position, field=_NAME), Place(first.position, "first described here", _NAME))
        message = f"the host {host.name!r} is described twice"
        problems.add(error("duplicate-host", message, places, "Keep one Host document for each host."))


_UUID: Final[Path] = ("spec", "uuid")


def _repeated_guests(guests: list[DesiredGuest], problems: ProblemList) -> None:
    of_one = [guest for guest in guests if not guest.hosts]
    movable = len(of_one) < len(guests)
    for guest, first in repeated(of_one, lambda guest: (guest.host, guest.name)):
        message = f"the guest {guest.name!r} is described twice for host {guest.host!r}"
        problems.add(_twice("duplicate-guest", message, guest, first, _NAME, "Remove or rename one of the two."))
    for guest, first in _with_movable(guests, lambda guest: guest.name) if movable else ():
        message = f"the guest {guest.name!r} is described twice, at least once with spec.hosts"
        problems.add(_twice("duplicate-guest", message, guest, first, _NAME, _UNIQUE_NAME))
    for guest, first in repeated(of_one, lambda guest: (guest.host, guest.uuid)):
        if guest.name != first.name:
            problems.add(_same_uuid(guest, first))
    for guest, first in _with_movable(guests, lambda guest: guest.uuid) if movable else ():
        if guest.name != first.name:
            problems.add(_same_uuid(guest, first))


_UNIQUE_NAME: Final = (
    "Rename one of the two. A guest with spec.hosts may run on each of them and keeps its name and its device there, "
    "so no other guest may be called so, whatever its host."
)


def _same_uuid(guest: DesiredGuest, first: DesiredGuest) -> Problem:
    message = f"the guests {first.name!r} and {guest.name!r} have the same uuid {guest.uuid}"
    return _twice("duplicate-uuid", message, guest, first, _UUID, "Give one of them another uuid, or leave it out.")


def _twice(id: str, message: str, guest: DesiredGuest, first: DesiredGuest, field: Path, advice: str) -> Problem:
    label = "first described here" if field == _NAME else "first used here"
    return error(id, message, (Place(guest.position, field=field), Place(first.position, label, field)), advice)


def _with_movable(
    guests: Iterable[DesiredGuest], key: Callable[[DesiredGuest], str]
) -> Iterator[tuple[DesiredGuest, DesiredGuest]]:
    """Each two of `guests` with one `key`, whatever their hosts, of which one has several: the later, the earlier.

    Of each `key` only the first that has several hosts is compared with the others.
    """
    alike: dict[str, list[DesiredGuest]] = {}
    for guest in guests:
        alike.setdefault(key(guest), []).append(guest)
    for several_of_it in alike.values():
        movable = next((guest for guest in several_of_it if guest.hosts), None)
        if movable is not None and len(several_of_it) > 1:
            place = several_of_it.index(movable)
            yield from ((movable, guest) for guest in several_of_it[:place])
            yield from ((guest, movable) for guest in several_of_it[place + 1 :])


def repeated(items: Sequence[_Item], key: Callable[[_Item], Hashable]) -> Iterator[tuple[_Item, _Item]]:
    """Each of `items` whose `key` an earlier one has, with the first one that has it."""
    if len(set(map(key, items))) == len(items):
        return
    first: dict[object, _Item] = {}
    for item in items:
        earlier = first.setdefault(key(item), item)
        if earlier is not item:
            yield item, earlier
