"""Which guests a host has already, as manifests that change nothing: what is there, and what is only written down.

A device that exists is an active guest with what it has. One that is only defined is not made, and must not stand in
the way of those, so that it is on-demand only where the manifests' rules allow it (`reconciler.planning.conflicts`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

from reconciler.kernel.text_forms import MOST_SHOWN
from reconciler.model.desired import Activation, GivenUp
from reconciler.model.errors import InputError
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Observed, ObservedMdev
from reconciler.model.steps import Definition

LONGEST: Final = 63
"""How many characters a name of a host or guest may have (schemas/guest.schema.json)."""

_OTHER: Final = re.compile(r"[^a-z0-9.-]+")


def valid_name(text: str, otherwise: str) -> str:
    """`text` as the name of a host or guest: in lower case, with ``-`` for what may not stand there.

    Where nothing is left of it, `otherwise`.
    """
    return _OTHER.sub("-", text.lower()).strip("-.")[:LONGEST].rstrip("-.") or otherwise


def names_of(found: Iterable[str], otherwise: str) -> dict[str, str]:
    """A name of its own for each of `found`: itself where that is one, else made valid, and with a number if need be.

    Args:
        found: other people's names; their order changes nothing.
        otherwise: what a name is where nothing is left of it.
    """
    listed = set(found)
    names = {one: one for one in listed if one and valid_name(one, "") == one}
    taken = set(names)
    for one in sorted(listed - taken):
        base = valid_name(one, otherwise)
        candidates = (base, *(_joined(base, str(number)) for number in range(2, len(taken) + 3)))
        names[one] = next(name for name in candidates if name not in taken)
        taken.add(names[one])
    return names


def guest_names(uuids: Iterable[str], vm_names: Mapping[str, str]) -> dict[str, str]:
    """A name for each of `uuids`: that of its virtual machine, else ``guest-`` and the first digits of the uuid.

    Args:
        uuids: of the devices; the names do not depend on their order.
        vm_names: the virtual machine of a device, by uuid.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for uuid in sorted(uuids):
        names[uuid] = next(name for name in _candidates(vm_names.get(uuid, ""), uuid) if name not in taken)
        taken.add(names[uuid])
    return names


def _candidates(vm_name: str, uuid: str) -> Iterator[str]:
    base = valid_name(vm_name, "")
    if base:
        yield base
    stem = base or "guest"
    yield from (_joined(stem, suffix) for suffix in (uuid[:8], uuid))
    yield from (_joined(stem, str(number)) for number in count(2))


def _joined(base: str, suffix: str) -> str:
    return f"{base[: LONGEST - 1 - len(suffix)].rstrip('-.')}-{suffix}"


_NOT_STARTED: Final = "Defined in mdevctl to start at boot, and not there now; to have it made, write active."


class CannotAdopt(InputError):
    """No manifests describe this host as it is; the text says why and what to do."""


class Adopted(NamedTuple):
    """A guest for a device: what its manifest is to say, and notes for people on why it says so."""

    name: str
    uuid: str
    config: ApConfig
    activation: Activation
    notes: tuple[str, ...]


class Adoption(NamedTuple):
    """Manifests of a host.

    Attributes:
        given_up: what the host gives up now.
        guests: ascending by name.
        not_started: the names of guests that are defined to start at boot and are not there. They are on-demand, since
            an import must change nothing; who wants them says so.
    """

    given_up: GivenUp
    guests: tuple[Adopted, ...]
    not_started: tuple[str, ...]


def adopt(observed: Observed, definitions: Iterable[Definition], vm_names: Mapping[str, str]) -> Adoption:
    """The manifests that describe `observed` and what is defined for it.

    Args:
        observed: the host.
        definitions: what another tool has written down; one whose device exists counts as a note only.
        vm_names: the name of the virtual machine of a device, by uuid, where it is known.

    Raises:
        CannotAdopt: some device cannot be read wholly, or has what another holder has.
    """
    _refuse_unreadable(observed)
    _refuse_overlaps(observed)
    defined = {one.uuid: one for one in definitions}
    there = {one.uuid for one in observed.mdevs}
    waiting = [defined[uuid] for uuid in sorted(defined) if uuid not in there]
    configs = {one.uuid: one.config for one in observed.mdevs} | {one.uuid: one.config for one in waiting}
    names = guest_names(configs, vm_names)
    guests = [_running(names[one.uuid], one, defined.get(one.uuid)) for one in observed.mdevs]
    guests += _waiting(names, waiting, observed)
    guests = sorted((_with_vm(one, vm_names.get(one.uuid, one.name)) for one in guests), key=lambda one: one.name)
    return Adoption(
        given_up=GivenUp(~observed.pool.adapters, ~observed.pool.domains),
        guests=tuple(guests),
        not_started=tuple(one.name for one in guests if one.notes[-1:] == (_NOT_STARTED,)),
    )


def boots_as_adopted(adoption: Adoption, definitions: Iterable[Definition], same_pool: bool) -> bool:
    """Whether the host boots already into the guests of `adoption`, as `definitions` say.

    `same_pool` says whether the masks that are set at boot are those that are in force.
    """
    defined = {one.uuid: one for one in definitions}
    wanted = [Definition(one.uuid, one.config, one.activation is Activation.ACTIVE) for one in adoption.guests]
    needed = {one.uuid for one in adoption.guests if one.activation is not Activation.INACTIVE}
    as_wanted = all(defined.get(one.uuid, one) == one for one in wanted)
    return same_pool and bool(needed) and needed <= defined.keys() and as_wanted


def _refuse_unreadable(observed: Observed) -> None:
    for mdev in observed.mdevs:
        if not mdev.complete or _is_cut(mdev.config.matrix, observed):
            raise CannotAdopt(
                f"mediated device {mdev.uuid} has more queues than this kernel shows, so that it is not known which; "
                f"kernels before 6.10 show at most {MOST_SHOWN} of a device: make it smaller, or update the kernel"
            )


def _refuse_overlaps(observed: Observed) -> None:
    # Before 6.0 the masks may take a device's queues, and a driver_override gives it queues of the host (from 6.19).
    taken = Claims()
    for mdev in observed.mdevs:
        matrix = mdev.config.matrix
        if matrix.overlaps(observed.pool):
            raise CannotAdopt(
                f"mediated device {mdev.uuid} has what the masks leave to the host's own drivers: "
                f"{matrix.meet(observed.pool).text}; take it from one of the two first"
            )
        if taken.have_of(matrix):
            raise CannotAdopt(f"mediated device {mdev.uuid} has queues that another one has, too; remove one of them")
        taken.add(matrix)


class Claims:
    """Which queues are claimed, and which of them more than once; one pass over many matrices."""

    def __init__(self, matrices: Iterable[Matrix] = ()) -> None:
        self._once = [0] * ID_COUNT
        self._twice = [0] * ID_COUNT
        for matrix in matrices:
            self.add(matrix)

    def add(self, matrix: Matrix) -> None:
        """Claim the queues of `matrix`."""
        bits = matrix.domains.bits
        for adapter in matrix.adapters:
            self._twice[adapter] |= self._once[adapter] & bits
            self._once[adapter] |= bits

    def have_of(self, matrix: Matrix) -> bool:
        """Whether some queue of `matrix` is claimed."""
        return any(self._once[adapter] & matrix.domains.bits for adapter in matrix.adapters)

    def have_twice(self, matrix: Matrix) -> bool:
        """Whether some queue of `matrix` is claimed more than once."""
        return any(self._twice[adapter] & matrix.domains.bits for adapter in matrix.adapters)


def _running(name: str, mdev: ObservedMdev, definition: Definition | None) -> Adopted:
    notes = []
    if definition and definition.config != mdev.config:
        notes.append("Defined otherwise in mdevctl; this is what it has now.")
    if definition and not definition.autostart:
        notes.append("In mdevctl it is started by hand.")
    return Adopted(name, mdev.uuid, mdev.config, Activation.ACTIVE, tuple(notes))


def _with_vm(guest: Adopted, vm_name: str) -> Adopted:
    # A guest is looked up by the name of its virtual machine; where that is no name for a guest, people have to know.
    if vm_name == guest.name:
        return guest
    return guest._replace(
        notes=(f"Its virtual machine is called {vm_name!r}, which cannot be a name here.", *guest.notes)
    )


def _waiting(names: Mapping[str, str], waiting: Sequence[Definition], observed: Observed) -> list[Adopted]:
    """Guests for definitions without a device."""
    active = Claims(one.config.matrix for one in observed.mdevs)
    blocked = {one.uuid: _why_not(one.config, observed, active) for one in waiting}
    possible = [one for one in waiting if not blocked[one.uuid]]
    claims = Claims(one.config.matrix for one in possible)
    guests = []
    for one in waiting:
        rival = _rival(one, possible, claims) if not blocked[one.uuid] else None
        if reason := blocked[one.uuid]:
            activation, note = Activation.INACTIVE, f"Defined in mdevctl, but inactive here, since {reason}."
        elif rival:
            activation = Activation.ON_DEMAND
            note = f"Defined in mdevctl; on-demand, since guest {names[rival.uuid]} is defined with queues of it, too."
        elif one.autostart:
            activation, note = Activation.ON_DEMAND, _NOT_STARTED
        else:
            activation, note = Activation.ON_DEMAND, "Defined in mdevctl to be started by hand."
        guests.append(Adopted(names[one.uuid], one.uuid, one.config, activation, (note,)))
    return guests


def _why_not(config: ApConfig, observed: Observed, active: Claims) -> str:
    """Why a guest with `config` may claim nothing here; empty where it may."""
    if _is_cut(config.matrix, observed):
        return f"it has more than {MOST_SHOWN} queues, and this kernel shows no more of a device"
    if _is_beyond(config, observed):
        return "this machine cannot have all its ids"
    if config.matrix.overlaps(observed.pool):
        return f"the host's own drivers have {config.matrix.meet(observed.pool).text}"
    if active.have_of(config.matrix):
        rival = next(one for one in observed.mdevs if one.config.matrix.overlaps(config.matrix))
        return f"device {rival.uuid} has {config.matrix.meet(rival.config.matrix).text}"
    return ""


def _is_cut(matrix: Matrix, observed: Observed) -> bool:
    return matrix.size > MOST_SHOWN and not observed.abilities.ap_config


def _is_beyond(config: ApConfig, observed: Observed) -> bool:
    adapters, domains = IdSet(range(observed.lpar.max_adapter + 1)), IdSet(range(observed.lpar.max_domain + 1))
    return not (config.adapters <= adapters and config.domains | config.control_domains <= domains)


def _rival(definition: Definition, others: Sequence[Definition], claims: Claims) -> Definition | None:
    """Another one of `others` with a queue of `definition`."""
    matrix = definition.config.matrix
    if not claims.have_twice(matrix):
        return None
    return next(one for one in others if one is not definition and one.config.matrix.overlaps(matrix))
