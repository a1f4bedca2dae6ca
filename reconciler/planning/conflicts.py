"""Who claims what another holder has: every pair of holders that cannot both be served.

Presence of hardware plays no part (I8): an absent queue is held exactly as a present one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, TypedDict

from reconciler.model.commands import Command, resume
from reconciler.model.desired import Activation, Desired, DesiredGuest, Keep
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.observed import NO_VMS, ObservedMdev, VmName, in_brackets
from reconciler.model.overlaps import MOST_PAIRS, Claimed, Pairs, pairs_among, pairs_between
from reconciler.model.problems import Place, Problem, Severity, explained, several
from reconciler.planning.target import Untouched, Why

MOST_BLAMED: Final = 10
"""How many guests and kept entries one problem points at."""

NOTHING_UNTOUCHED: Final[Mapping[str, Untouched]] = {}
"""No device is left as it is."""


def conflicts(
    desired: Desired,
    pool: Matrix | None,
    foreign: Iterable[ObservedMdev],
    built: Iterable[str],
    vms: Mapping[str, VmName] = NO_VMS,
    untouched: Mapping[str, Untouched] = NOTHING_UNTOUCHED,
    only: Collection[str] | None = None,
    idle: Collection[str] = (),
) -> list[Problem]:
    """Every conflict of `desired`; of very many the first ones, and how many more there are.

    Args:
        desired: the manifests of one host.
        pool: the host pool that is aimed at; None where none could be derived.
        foreign: devices of others.
        built: uuids of on-demand guests whose device exists now; these count as active.
        vms: the VMs of mediated devices, by uuid, which the problems name.
        untouched: the devices that stay as they are, by uuid; in `desired` they have what they have on the host.
        only: the uuids of guests whose conflicts are asked for; None for all conflicts.
        idle: uuids of devices that no process has open, and that no VM which starts needs.
    """
    built = set(built)
    claiming = [guest for guest in desired.guests if guest.activation is not Activation.INACTIVE]
    foreign = tuple(foreign)
    strangers = tuple(one for one in foreign if one.uuid not in untouched)
    dropped = [(one, untouched[one.uuid]) for one in foreign if one.uuid in untouched]
    asked = [guest for guest in claiming if only is None or guest.uuid in only]
    held = [guest for guest in asked if guest.uuid in untouched and guest.uuid in built]
    return [
        *_guest_overlaps(claiming, built, vms, untouched, only, idle),
        *_foreign_overlaps(asked, strangers, built, vms),
        *_withheld_overlaps(asked, built, dropped),
        *_kept_queues(desired, [guest for guest in asked if guest not in held]),
        *_kept_by_held(desired, held, untouched),
        *_pool_conflicts(desired, claiming, foreign, pool, untouched, only),
        *(_kept_by_foreign(desired, foreign, untouched) if only is None else ()),
    ]


def guest_place(guest: DesiredGuest, label: str, axis: str = "domains") -> Place:
    """Where the manifest says which queues `guest` has."""
    return Place(guest.position, label, ("spec", "queues" if guest.queues_listed else axis))


def _guest_overlaps(
    guests: list[DesiredGuest],
    built: set[str],
    vms: Mapping[str, VmName],
    untouched: Mapping[str, Untouched],
    only: Collection[str] | None,
    idle: Collection[str],
) -> Iterator[Problem]:
    claims = [_claim(guest, built) for guest in guests]
    found = pairs_among(guests, _matrix, claims, _RIVALS) if only is None else _pairs_of(only, guests, claims)
    for other, one in found.first:
        holders = [guest for guest in (one, other) if guest.uuid in untouched and guest.uuid in built]
        if holders:
            holder, guest = (one, other) if one is holders[0] else (other, one)
            yield _held_overlap(guest, holder, untouched[holder.uuid], vms)
        else:
            yield _guest_overlap(one, other, vms, idle)
    yield from _more(found, "guest-overlap", "pairs of guests claim the same queues")


def _pairs_of(
    only: Collection[str], guests: list[DesiredGuest], claims: list["_Claim"]
) -> Pairs[DesiredGuest, DesiredGuest]:
    """The pairs of guests of which one at least is among `only`, which are few; the later one of each pair first."""
    asked = [place for place, guest in enumerate(guests) if guest.uuid in only]
    places = {
        (max(one, other), min(one, other))
        for one in asked
        for other, guest in enumerate(guests)
        if one != other and claims[other] in _RIVALS[claims[one]] and _matrix(guest).overlaps(_matrix(guests[one]))
    }
    pairs = [(guests[one], guests[other]) for one, other in sorted(places)]
    return Pairs(pairs[:MOST_PAIRS], max(0, len(pairs) - MOST_PAIRS), is_cut=False)


def _more(pairs: Pairs[Any, Any], id: str, what: str) -> Iterator[Problem]:
    if pairs.more:
        yield Problem(id, Severity.ERROR, f"{pairs.rest} {what}", stands_for=pairs.more)


def _matrix(holder: DesiredGuest | ObservedMdev) -> Matrix:
    return holder.config.matrix


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


def _guest_overlap(one: DesiredGuest, other: DesiredGuest, vms: Mapping[str, VmName], idle: Collection[str]) -> Problem:
    common = one.config.matrix.meet(other.config.matrix)
    ending, way_out = _clash(one, other, idle)
    return Problem(
        "guest-overlap",
        Severity.ERROR,
        f"guests {_with_vm(one, vms)} and {_with_vm(other, vms)} claim the same {_queues(common)}, {ending}",
        (guest_place(one, f"claimed by '{one.name}' here"), guest_place(other, f"and by '{other.name}' here")),
        (common.text,),
        f"Take the {_queues(common)} from one of them, or {way_out}.",
    )


def _clash(one: DesiredGuest, other: DesiredGuest, idle: Collection[str]) -> tuple[str, str]:
    """Why two guests cannot both be served, as the end of a sentence; and what may be done besides taking queues."""
    waiting = next((guest for guest in (one, other) if guest.activation is Activation.ON_DEMAND), None)
    if waiting is None:
        return "and both are active", _BOTH_ON_DEMAND
    if one.activation is not other.activation:
        return f"but '{waiting.name}' is on-demand and could never start beside an active guest", _BOTH_ON_DEMAND
    # A device that was made for an active guest stays when the guest becomes on-demand: no VM has to run.
    unused = [guest for guest in (one, other) if guest.uuid in idle]
    if not unused:
        return "and both need their device now", "stop the VM of one of them"
    whose = "either of them" if len(unused) == 2 else f"that of '{unused[0].name}'"
    way_out = (
        f"remove the device of '{unused[-1].name}': write 'activation: inactive' into its manifest, apply, and then "
        "write 'activation: on-demand' again"
    )
    return f"and both have a device now, though no VM has {whose} open", way_out


_BOTH_ON_DEMAND: Final = "make both on-demand if they never run together"


def _held_overlap(guest: DesiredGuest, holder: DesiredGuest, left: Untouched, vms: Mapping[str, VmName]) -> Problem:
    """The problem that `guest` claims what the device of `holder` has, which is left as it is."""
    common = guest.config.matrix.meet(holder.config.matrix)
    return Problem(
        "held-meanwhile",
        Severity.ERROR,
        f"guest '{guest.name}' claims {some_queues(common)} that the device of guest {_with_vm(holder, vms)} has, "
        f"which is left as it is: {left.why}",
        (guest_place(guest, f"claimed by '{guest.name}' here"), guest_place(holder, f"guest '{holder.name}'")),
        (common.text,),
        f"Apply the manifests by hand, which corrects '{holder.name}' as well, or claim other queues.",
        **resumed(left),
    )


def _withheld_overlaps(
    guests: list[DesiredGuest], built: set[str], dropped: list[tuple[ObservedMdev, Untouched]]
) -> Iterator[Problem]:
    """Guests that claim what a device has which is left as it is, and which no manifest names any more."""
    claiming = [guest for guest in guests if guest.activation is Activation.ACTIVE or guest.uuid in built]
    found = pairs_between(claiming, _matrix, dropped, lambda one: one[0].config.matrix)
    for guest, (mdev, left) in sorted(found.first, key=lambda pair: (pair[1][0].uuid, pair[0].uuid)):
        common = guest.config.matrix.meet(mdev.config.matrix)
        yield Problem(
            "held-meanwhile",
            Severity.ERROR,
            f"guest '{guest.name}' claims {some_queues(common)} that {_dropped(left)}",
            (guest_place(guest, f"claimed by '{guest.name}' here"),),
            (common.text,),
            f"Apply the manifests by hand, which removes '{left.name}', or claim other queues.",
            **resumed(left),
        )
    yield from _more(found, "held-meanwhile", "guests claim queues of devices that are left as they are")


class Resumed(TypedDict, total=False):
    """The fields of a problem that say who is suspended, and how that ends."""

    advice: Command
    held_by: tuple[str, ...]


def resumed(left: Untouched) -> Resumed:
    """What a problem says besides where a suspended guest has what is needed."""
    return {"advice": resume([left.name]), "held_by": (left.name,)} if left.why is Why.SUSPENDED else {}


def _with_vm(guest: DesiredGuest, vms: Mapping[str, VmName]) -> str:
    return f"'{guest.name}'{in_brackets(vms.get(guest.uuid))}"


def _queues(matrix: Matrix) -> str:
    return "queue" if matrix.size == 1 else f"{matrix.size} queues"


def some_queues(matrix: Matrix) -> str:
    """How many queues `matrix` has, as the object of a sentence."""
    return "a queue" if matrix.size == 1 else f"{matrix.size} queues"


def _foreign_overlaps(
    guests: list[DesiredGuest], foreign: tuple[ObservedMdev, ...], built: set[str], vms: Mapping[str, VmName]
) -> Iterator[Problem]:
    active = [guest for guest in guests if guest.activation is Activation.ACTIVE or guest.uuid in built]
    waiting = [guest for guest in guests if not (guest.activation is Activation.ACTIVE or guest.uuid in built)]
    order = {mdev.uuid: place for place, mdev in enumerate(foreign)}
    for severity, some in ((Severity.ERROR, active), (Severity.WARNING, waiting)):
        found = pairs_between(some, _matrix, foreign, _matrix)
        for guest, mdev in sorted(found.first, key=lambda pair: order[pair[1].uuid]):
            yield _foreign_overlap(guest, mdev, severity, vms)
        for one in _more(found, "foreign-overlap", "guests claim queues of mediated devices that no manifest names"):
            yield one._replace(severity=severity)


def _foreign_overlap(guest: DesiredGuest, mdev: ObservedMdev, severity: Severity, vms: Mapping[str, VmName]) -> Problem:
    common = guest.config.matrix.meet(mdev.config.matrix)
    return Problem(
        "foreign-overlap",
        severity,
        f"guest '{guest.name}' claims {some_queues(common)} of mediated device {mdev.uuid}"
        f"{in_brackets(vms.get(mdev.uuid))}, which no manifest names",
        (guest_place(guest, "claimed here"),),
        (common.text,),
        f"Write a Guest with 'uuid: {mdev.uuid}' to take it over, remove the device, or choose others.",
    )


def _kept_queues(desired: Desired, guests: list[DesiredGuest]) -> Iterator[Problem]:
    found = pairs_between(guests, _matrix, desired.host.keep, _kept_matrix)
    for guest, keep in sorted(found.first, key=lambda pair: pair[1].number):
        common = guest.config.matrix.meet(keep.matrix)
        yield Problem(
            "kept-queue",
            Severity.ERROR,
            f"guest '{guest.name}' claims {some_queues(common)} that host '{desired.host.name}' keeps",
            (guest_place(guest, f"claimed by '{guest.name}' here"), _keep_place(desired, keep, "kept here")),
            (common.text,),
            "Take the queues from the guest, or shorten spec.keep of the host.",
        )
    yield from _more(found, "kept-queue", "pairs of a guest and an entry of spec.keep have a common queue")


def _kept_matrix(keep: Keep) -> Matrix:
    return keep.matrix


def _keep_place(desired: Desired, keep: Keep, label: str) -> Place:
    return Place(desired.host.position, label, ("spec", "keep", keep.number))


def _kept_by_held(
    desired: Desired, guests: list[DesiredGuest], untouched: Mapping[str, Untouched]
) -> Iterator[Problem]:
    found = pairs_between(guests, _matrix, desired.host.keep, _kept_matrix)
    for guest, keep in sorted(found.first, key=lambda pair: pair[1].number):
        common = guest.config.matrix.meet(keep.matrix)
        left = untouched[guest.uuid]
        yield Problem(
            "held-meanwhile",
            Severity.ERROR,
            f"host '{desired.host.name}' keeps {some_queues(common)} that the device of guest '{guest.name}' has, "
            f"which is left as it is: {left.why}",
            (_keep_place(desired, keep, "kept here"), guest_place(guest, f"guest '{guest.name}'")),
            (common.text,),
            f"Apply the manifests by hand, which corrects '{guest.name}' as well, or shorten spec.keep.",
            **resumed(left),
        )
    yield from _more(
        found, "held-meanwhile", "pairs of a device that is left as it is and an entry of spec.keep overlap"
    )


def _kept_by_foreign(
    desired: Desired, foreign: tuple[ObservedMdev, ...], untouched: Mapping[str, Untouched]
) -> Iterator[Problem]:
    found = pairs_between(foreign, _matrix, desired.host.keep, _kept_matrix)
    for mdev, keep in sorted(found.first, key=lambda pair: pair[1].number):
        common = mdev.config.matrix.meet(keep.matrix)
        problem = Problem(
            "kept-by-foreign",
            Severity.ERROR,
            f"host '{desired.host.name}' keeps {some_queues(common)} that mediated device {mdev.uuid} has, "
            "which no manifest names",
            (_keep_place(desired, keep, "kept here"),),
            (common.text,),
            "Remove the device, or shorten spec.keep.",
        )
        claim = f"host '{desired.host.name}' keeps {some_queues(common)} that"
        yield _of_dropped(problem, untouched.get(mdev.uuid), claim, "shorten spec.keep")
    yield from _more(found, "kept-by-foreign", "pairs of a foreign device and an entry of spec.keep overlap")


def _of_dropped(problem: Problem, left: Untouched | None, claim: str, otherwise: str) -> Problem:
    """The `problem` of a foreign device, said of the suspended guest `left` whose device it is, where it is one's."""
    if left is None:
        return problem
    return problem._replace(
        message=f"{claim} {_dropped(left)}",
        help=f"Apply the manifests by hand, which removes '{left.name}', or {otherwise}.",
        **resumed(left),
    )


def _dropped(left: Untouched) -> str:
    return f"the device of '{left.name}' has, which no manifest names any more and which is left as it is: {left.why}"


def _pool_conflicts(
    desired: Desired,
    guests: list[DesiredGuest],
    foreign: tuple[ObservedMdev, ...],
    pool: Matrix | None,
    untouched: Mapping[str, Untouched],
    only: Collection[str] | None,
) -> Iterator[Problem]:
    if pool is None:
        # A guest that claims a kept queue has a problem of its own already.
        kept = Claimed(keep.matrix for keep in desired.host.keep)
        if not any(map(kept.overlaps, (*map(_matrix, guests), *map(_matrix, foreign)))):
            yield from _no_pool(desired, guests, foreign, untouched, only)
    elif desired.host.given_up is not None:
        changing = [one for one in guests if one.uuid not in untouched]
        yield from _left_to_host(desired, [one for one in changing if only is None or one.uuid in only], pool)
        if only is None:
            yield from _given_pool_conflicts(desired, foreign, pool, untouched)


def _left_to_host(desired: Desired, guests: list[DesiredGuest], pool: Matrix) -> Iterator[Problem]:
    pool_place = Place(desired.host.position, "what the host gives up", ("spec", "pool"))

    def problem(guest: DesiredGuest) -> Problem:
        common = guest.config.matrix.meet(pool)
        return Problem(
            "queue-left-to-host",
            Severity.ERROR,
            f"guest '{guest.name}' needs {some_queues(common)} that the host does not give up",
            (guest_place(guest, f"needed by '{guest.name}' here"), pool_place),
            (common.text,),
            f"Add domain {common.domains} or adapter {common.adapters} to spec.pool of host "
            f"'{desired.host.name}', or leave spec.pool out to have it derived.",
        )

    return explained((guest for guest in guests if guest.config.matrix.overlaps(pool)), problem)


def _given_pool_conflicts(
    desired: Desired, foreign: tuple[ObservedMdev, ...], pool: Matrix, untouched: Mapping[str, Untouched]
) -> Iterator[Problem]:
    pool_place = Place(desired.host.position, "what the host gives up", ("spec", "pool"))
    for mdev in foreign:
        if mdev.config.matrix.overlaps(pool):
            common = mdev.config.matrix.meet(pool)
            problem = Problem(
                "pool-takes-foreign",
                Severity.ERROR,
                f"the host pool takes {some_queues(common)} of mediated device {mdev.uuid}, which no manifest names",
                (pool_place,),
                (common.text,),
                f"Write a Guest with 'uuid: {mdev.uuid}' to take it over, remove the device, or give them up.",
            )
            claim = f"the host pool takes {some_queues(common)} that"
            yield _of_dropped(problem, untouched.get(mdev.uuid), claim, "give them up")

    def given_up(keep: Keep) -> Problem:
        return Problem(
            "kept-queue-given-up",
            Severity.ERROR,
            f"host '{desired.host.name}' gives up queues that it keeps",
            (Place(desired.host.position, "given up here", ("spec", "pool")), _keep_place(desired, keep, "kept here")),
            tuple(part.text for part in keep.matrix.minus(pool)),
            "Remove them from spec.pool or from spec.keep.",
        )

    yield from explained((keep for keep in desired.host.keep if keep.matrix.minus(pool)), given_up)


def _no_pool(
    desired: Desired,
    guests: list[DesiredGuest],
    foreign: tuple[ObservedMdev, ...],
    untouched: Mapping[str, Untouched],
    only: Collection[str] | None,
) -> Iterator[Problem]:
    """No pool exists although no guest claims a kept queue: the pool is a rectangle, and these need a hole in it."""
    keep = desired.host.keep
    kept = Matrix(_union(one.matrix.adapters for one in keep), _union(one.matrix.domains for one in keep))
    blamed = [guest for guest in guests if guest.config.matrix.overlaps(kept)]
    if only is not None and not any(guest.uuid in only for guest in blamed):
        return
    others = [mdev for mdev in foreign if mdev.config.matrix.overlaps(kept)]
    has = {*(guest.uuid for guest in blamed), *(mdev.uuid for mdev in others)}
    # What these had is reserved for them, whatever they have now.
    reserving = untouched if only is None else NOTHING_UNTOUCHED
    reserved = [left for uuid, left in reserving.items() if uuid not in has and left.had.overlaps(kept)]
    names = [
        *(f"guest '{guest.name}'" for guest in blamed),
        *(_device(mdev, untouched) for mdev in others),
        *(f"guest '{left.name}'" for left in reserved),
    ]
    matrices = [*map(_matrix, blamed), *map(_matrix, others), *(left.had for left in reserved)]
    entries = [one for one in keep if not one.matrix.is_empty]
    more = len(matrices) - MOST_BLAMED
    problem = Problem(
        "no-pool",
        Severity.ERROR,
        f"no pair of masks lets host '{desired.host.name}' keep its queues and leaves {several(names)} theirs",
        (
            *(guest_place(guest, f"needed by '{guest.name}' here") for guest in blamed[:MOST_BLAMED]),
            *(_keep_place(desired, one, "kept here") for one in entries[:MOST_BLAMED]),
        ),
        (
            (
                "the host pool is a product, adapters × domains: keeping these entries keeps every combination, "
                f"adapter {kept.adapters} × domain {kept.domains}"
            ),
            *(matrix.meet(kept).text for matrix in matrices[:MOST_BLAMED]),
            *((f"and {more:,} more",) if more > 0 else ()),
        ),
        "Give the guests other adapters or domains than those in spec.keep, or shorten spec.keep.",
    )
    suspended = [untouched[uuid] for uuid in sorted(has & untouched.keys())] + reserved
    suspended = [left for left in suspended if left.why is Why.SUSPENDED]
    if suspended:
        yield problem._replace(
            details=(*problem.details, f"suspended: {several(left.name for left in suspended)}"),
            advice=resume([left.name for left in suspended]),
            held_by=tuple(left.name for left in suspended),
        )
    else:
        yield problem


def _device(mdev: ObservedMdev, untouched: Mapping[str, Untouched]) -> str:
    left = untouched.get(mdev.uuid)
    return f"the device of '{left.name}'" if left else f"mediated device {mdev.uuid}"


def _union(sets: Iterable[IdSet]) -> IdSet:
    bits = 0
    for one in sets:
        bits |= one.bits
    return IdSet.from_bits(bits)
