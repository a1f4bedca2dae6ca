"""Who claims what somebody else has: every pair of holders that cannot both be served.

Presence of hardware plays no part (I8): an absent queue is held exactly as a present one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Final

from reconciler.model.desired import Activation, Desired, DesiredGuest, Keep
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import NO_VMS, Observed, ObservedMdev, VmName, in_brackets
from reconciler.model.problems import Place, Problem, Severity
from reconciler.planning.target import Target

MOST_PAIRS: Final = 100
"""How many overlapping pairs are told one by one."""

_MOST_QUEUES: Final = 8
NOTHING_LEFT_ALONE: Final[Mapping[str, str]] = {}
"""No device is left as it is."""


def conflicts(
    desired: Desired,
    pool: Matrix | None,
    foreign: Iterable[ObservedMdev],
    built: Iterable[str],
    vms: Mapping[str, VmName] = NO_VMS,
    left_alone: Mapping[str, str] = NOTHING_LEFT_ALONE,
) -> list[Problem]:
    """Every conflict of `desired`.

    Args:
        desired: the manifests of one host.
        pool: the host pool that is aimed at; None where none could be derived.
        foreign: devices of others.
        built: uuids of on-demand guests whose device exists now; these count as active.
        vms: the VMs of mediated devices, by uuid, which the problems name.
        left_alone: why devices stay as they are, by uuid; in `desired` they have what they have on the host.
    """
    built = set(built)
    claiming = [guest for guest in desired.guests if guest.activation is not Activation.INACTIVE]
    foreign = tuple(foreign)
    changing = [guest for guest in claiming if guest.uuid not in left_alone]
    return [
        *_guest_overlaps(claiming, built, vms, left_alone),
        *_foreign_overlaps(claiming, foreign, built, vms),
        *_kept_queues(desired, changing),
        *_pool_conflicts(desired, changing, foreign, pool),
        *_kept_by_foreign(desired, foreign),
    ]


def queues_text(overlap: Matrix) -> str:
    """The queues of a rectangle for people: the first few by name, then adapters and domains in hex and decimal."""
    names = [str(queue) for queue, _ in zip(overlap.queues(), range(_MOST_QUEUES), strict=False)]
    more = overlap.size - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    return f"{listed} (adapter {overlap.adapters} × domain {overlap.domains})"


def guest_place(guest: DesiredGuest, label: str, axis: str = "domains") -> Place:
    """Where the manifest says which queues `guest` has."""
    return Place(guest.position, label, ("spec", "queues" if guest.queues_listed else axis))


def _guest_overlaps(
    guests: list[DesiredGuest], built: set[str], vms: Mapping[str, VmName], left_alone: Mapping[str, str]
) -> list[Problem]:
    problems: list[Problem] = []
    told = 0
    for one, other in _overlapping_pairs(guests, built):
        told += 1
        if told <= MOST_PAIRS:
            holders = [guest for guest in (one, other) if guest.uuid in left_alone and guest.uuid in built]
            if holders:
                holder, guest = (one, other) if one is holders[0] else (other, one)
                problems.append(_held_overlap(guest, holder, left_alone[holder.uuid], vms))
            else:
                problems.append(_guest_overlap(one, other, vms))
    if told > MOST_PAIRS:
        problems.append(
            Problem("guest-overlap", Severity.ERROR, f"{told - MOST_PAIRS} more pairs of guests claim the same queues")
        )
    return problems


class _Claim(Enum):
    """How firmly a guest claims its queues."""

    ACTIVE = auto()
    BUILT = auto()
    WAITING = auto()


_RIVALS: Final = {
    _Claim.ACTIVE: tuple(_Claim),
    _Claim.BUILT: (_Claim.ACTIVE, _Claim.BUILT),
    _Claim.WAITING: (_Claim.ACTIVE,),
}
"""Whose queues a guest must not claim: on-demand guests share with each other until both are built."""


def _claim(guest: DesiredGuest, built: set[str]) -> _Claim:
    if guest.activation is Activation.ACTIVE:
        return _Claim.ACTIVE
    return _Claim.BUILT if guest.uuid in built else _Claim.WAITING


def _overlapping_pairs(guests: list[DesiredGuest], built: set[str]) -> Iterator[tuple[DesiredGuest, DesiredGuest]]:
    # Claimed domains by adapter find out in one pass whether anybody overlaps at all; only then are pairs compared.
    claims = [_claim(guest, built) for guest in guests]
    claimed = {claim: [0] * ID_COUNT for claim in _Claim}
    for place, guest in enumerate(guests):
        bits, rivals, own = guest.config.domains.bits, _RIVALS[claims[place]], claimed[claims[place]]
        clash = False
        for adapter in guest.config.adapters:
            clash = clash or any(claimed[rival][adapter] & bits for rival in rivals)
            own[adapter] |= bits
        if clash:
            for earlier, claim in zip(guests[:place], claims, strict=False):
                if claim in rivals and earlier.config.matrix.overlaps(guest.config.matrix):
                    yield earlier, guest


def _guest_overlap(one: DesiredGuest, other: DesiredGuest, vms: Mapping[str, VmName]) -> Problem:
    common = one.config.matrix.meet(other.config.matrix)
    waiting = next((guest for guest in (one, other) if guest.activation is Activation.ON_DEMAND), None)
    both_built = waiting and one.activation is other.activation
    if both_built:
        ending = "and both need their device now"
    elif waiting:
        ending = f"but '{waiting.name}' is on-demand and could never start beside an active guest"
    else:
        ending = "and both are active"
    way_out = "stop the VM of one of them" if both_built else "make both on-demand if they never run together"
    return Problem(
        "guest-overlap",
        Severity.ERROR,
        f"guests {_with_vm(one, vms)} and {_with_vm(other, vms)} claim the same {_queues(common)}, {ending}",
        (guest_place(one, f"claimed by '{one.name}' here"), guest_place(other, f"and by '{other.name}' here")),
        (queues_text(common),),
        f"Take the {_queues(common)} from one of them, or {way_out}.",
    )


def _held_overlap(guest: DesiredGuest, holder: DesiredGuest, why: str, vms: Mapping[str, VmName]) -> Problem:
    """The problem that `guest` claims what the device of `holder` has, which is left as it is."""
    common = guest.config.matrix.meet(holder.config.matrix)
    return Problem(
        "held-meanwhile",
        Severity.ERROR,
        f"guest '{guest.name}' claims {_some_queues(common)} that the device of guest {_with_vm(holder, vms)} has, "
        f"which is left as it is: {why}",
        (guest_place(guest, f"claimed by '{guest.name}' here"), guest_place(holder, f"guest '{holder.name}'")),
        (queues_text(common),),
        f"Apply the manifests by hand, which corrects '{holder.name}' as well, or claim other queues.",
    )


def drift_conflicts(
    desired: Desired,
    target: Target,
    observed: Observed,
    last: Mapping[str, tuple[str, ApConfig]],
    held: Collection[str],
) -> Iterator[Problem]:
    """What the manifests change and cannot have, since drift of the host's masks is not corrected.

    Args:
        desired: the manifests of one host.
        target: what is aimed at.
        observed: the host.
        last: how each device of ours was applied last, by uuid.
        held: the uuids of devices that are left as they are.
    """
    pool, host = target.holdings.pool, desired.host
    for name in target.contested:
        yield Problem(
            "masks-drifted",
            Severity.ERROR,
            f"the {name} of host '{host.name}' has to change, and another program has changed it since the last apply",
            (Place(host.position, "", ("spec", "pool") if host.given_up else ("metadata", "name")),),
            (),
            _BY_HAND,
        )
    if pool != target.wanted_pool and not target.contested:
        for guest in desired.guests:
            is_changed = last.get(guest.uuid, ("", None))[1] != guest.config
            if is_changed and guest.activation is Activation.ACTIVE and guest.config.matrix.overlaps(pool):
                yield _needs_masks(guest, guest.config.matrix.meet(pool))
    if pool != observed.pool:
        names = {guest.uuid: guest for guest in desired.guests}
        for mdev in observed.mdevs:
            if mdev.uuid in held and mdev.uuid in names and mdev.config.matrix.overlaps(pool):
                yield _pool_takes_held(names[mdev.uuid], mdev.config.matrix.meet(pool), desired)


_BY_HAND: Final = "Apply the manifests by hand, which corrects the masks as well."


def _needs_masks(guest: DesiredGuest, common: Matrix) -> Problem:
    return Problem(
        "masks-drifted",
        Severity.ERROR,
        f"guest '{guest.name}' claims {_some_queues(common)} that the host's drivers have, since another program has "
        "changed the host's masks after the last apply",
        (guest_place(guest, f"claimed by '{guest.name}' here"),),
        (queues_text(common),),
        _BY_HAND,
    )


def _pool_takes_held(holder: DesiredGuest, common: Matrix, desired: Desired) -> Problem:
    return Problem(
        "held-meanwhile",
        Severity.ERROR,
        f"the host gets {_some_queues(common)} back that the device of guest '{holder.name}' has, which is left as it "
        "is: another program has changed it since the last apply, or it is suspended",
        (Place(desired.host.position, "", ("spec", "pool") if desired.host.given_up else ("metadata", "name")),),
        (queues_text(common),),
        f"Apply the manifests by hand, which corrects '{holder.name}' as well.",
    )


def _with_vm(guest: DesiredGuest, vms: Mapping[str, VmName]) -> str:
    return f"'{guest.name}'{in_brackets(vms.get(guest.uuid))}"


def _queues(matrix: Matrix) -> str:
    return "queue" if matrix.size == 1 else f"{matrix.size} queues"


def _some_queues(matrix: Matrix) -> str:
    return "a queue" if matrix.size == 1 else f"{matrix.size} queues"


def _foreign_overlaps(
    guests: list[DesiredGuest], foreign: tuple[ObservedMdev, ...], built: set[str], vms: Mapping[str, VmName]
) -> Iterator[Problem]:
    for mdev in foreign:
        matrix = mdev.config.matrix
        for guest in guests:
            if guest.config.matrix.overlaps(matrix):
                common = guest.config.matrix.meet(matrix)
                active = guest.activation is Activation.ACTIVE or guest.uuid in built
                yield Problem(
                    "foreign-overlap",
                    Severity.ERROR if active else Severity.WARNING,
                    f"guest '{guest.name}' claims {_some_queues(common)} of mediated device {mdev.uuid}"
                    f"{in_brackets(vms.get(mdev.uuid))}, which no manifest names",
                    (guest_place(guest, "claimed here"),),
                    (queues_text(common),),
                    f"Write a Guest with 'uuid: {mdev.uuid}' to take it over, remove the device, or choose others.",
                )


def _kept_queues(desired: Desired, guests: list[DesiredGuest]) -> Iterator[Problem]:
    for keep in desired.host.keep:
        for guest in guests:
            if guest.config.matrix.overlaps(keep.matrix):
                common = guest.config.matrix.meet(keep.matrix)
                yield Problem(
                    "kept-queue",
                    Severity.ERROR,
                    f"guest '{guest.name}' claims {_some_queues(common)} that host '{desired.host.name}' keeps",
                    (guest_place(guest, f"claimed by '{guest.name}' here"), _keep_place(desired, keep, "kept here")),
                    (queues_text(common),),
                    "Take the queues from the guest, or shorten spec.keep of the host.",
                )


def _keep_place(desired: Desired, keep: Keep, label: str) -> Place:
    return Place(desired.host.position, label, ("spec", "keep", keep.number))


def _kept_by_foreign(desired: Desired, foreign: tuple[ObservedMdev, ...]) -> Iterator[Problem]:
    for keep in desired.host.keep:
        for mdev in foreign:
            if mdev.config.matrix.overlaps(keep.matrix):
                common = mdev.config.matrix.meet(keep.matrix)
                yield Problem(
                    "kept-by-foreign",
                    Severity.ERROR,
                    f"host '{desired.host.name}' keeps {_some_queues(common)} that mediated device {mdev.uuid} has, "
                    "which no manifest names",
                    (_keep_place(desired, keep, "kept here"),),
                    (queues_text(common),),
                    "Remove the device, or shorten spec.keep.",
                )


def _pool_conflicts(
    desired: Desired, guests: list[DesiredGuest], foreign: tuple[ObservedMdev, ...], pool: Matrix | None
) -> Iterator[Problem]:
    host = desired.host
    if pool is None:
        # Who claims a kept queue has been told so already.
        claimed = [*(one.config.matrix for one in guests), *(one.config.matrix for one in foreign)]
        if not any(matrix.overlaps(keep.matrix) for matrix in claimed for keep in host.keep):
            yield _no_pool(desired, guests, foreign)
    elif host.given_up is not None:
        yield from _given_pool_conflicts(desired, guests, foreign, pool)


def _given_pool_conflicts(
    desired: Desired, guests: list[DesiredGuest], foreign: tuple[ObservedMdev, ...], pool: Matrix
) -> Iterator[Problem]:
    pool_place = Place(desired.host.position, "what the host gives up", ("spec", "pool"))
    for guest in guests:
        if guest.config.matrix.overlaps(pool):
            common = guest.config.matrix.meet(pool)
            yield Problem(
                "queue-left-to-host",
                Severity.ERROR,
                f"guest '{guest.name}' needs {_some_queues(common)} that the host does not give up",
                (guest_place(guest, f"needed by '{guest.name}' here"), pool_place),
                (queues_text(common),),
                f"Add domain {common.domains} or adapter {common.adapters} to spec.pool of host "
                f"'{desired.host.name}', or leave spec.pool out to have it derived.",
            )
    for mdev in foreign:
        if mdev.config.matrix.overlaps(pool):
            common = mdev.config.matrix.meet(pool)
            yield Problem(
                "pool-takes-foreign",
                Severity.ERROR,
                f"the host pool takes {_some_queues(common)} of mediated device {mdev.uuid}, which no manifest names",
                (pool_place,),
                (queues_text(common),),
                f"Write a Guest with 'uuid: {mdev.uuid}' to take it over, remove the device, or give them up.",
            )
    for keep in desired.host.keep:
        lost = keep.matrix.minus(pool)
        if lost:
            yield Problem(
                "kept-queue-given-up",
                Severity.ERROR,
                f"host '{desired.host.name}' gives up queues that it keeps",
                (
                    Place(desired.host.position, "given up here", ("spec", "pool")),
                    _keep_place(desired, keep, "kept here"),
                ),
                tuple(queues_text(part) for part in lost),
                "Remove them from spec.pool or from spec.keep.",
            )


def _no_pool(desired: Desired, guests: list[DesiredGuest], foreign: tuple[ObservedMdev, ...]) -> Problem:
    """No pool exists although nobody claims a kept queue: the pool is a rectangle, and these need a hole in it."""
    keep = desired.host.keep
    kept = Matrix(_union(one.matrix.adapters for one in keep), _union(one.matrix.domains for one in keep))
    blamed = [guest for guest in guests if guest.config.matrix.overlaps(kept)]
    others = [mdev for mdev in foreign if mdev.config.matrix.overlaps(kept)]
    names = [f"guest '{guest.name}'" for guest in blamed] + [f"mediated device {mdev.uuid}" for mdev in others]
    matrices = [guest.config.matrix for guest in blamed] + [mdev.config.matrix for mdev in others]
    return Problem(
        "no-pool",
        Severity.ERROR,
        f"no pair of masks lets host '{desired.host.name}' keep its queues and leaves {', '.join(names)} theirs",
        (
            *(guest_place(guest, f"needed by '{guest.name}' here") for guest in blamed),
            *(_keep_place(desired, one, "kept here") for one in keep if not one.matrix.is_empty),
        ),
        (
            (
                "the host pool is a product, adapters × domains: keeping these entries keeps every combination, "
                f"adapter {kept.adapters} × domain {kept.domains}"
            ),
            *(queues_text(matrix.meet(kept)) for matrix in matrices),
        ),
        "Give the guests other adapters or domains than those in spec.keep, or shorten spec.keep.",
    )


def _union(sets: Iterable[IdSet]) -> IdSet:
    bits = 0
    for one in sets:
        bits |= one.bits
    return IdSet.from_bits(bits)
