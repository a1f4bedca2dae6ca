"""Plans that are confined to some devices: those of a VM that starts or has ended, or of guests that were chosen.

Such a plan leaves every other device as it is, also one that has drifted: a person who starts a VM does not expect
another one to change. The host pool only gives up what a device of the plan needs and the host still has.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from reconciler.model.commands import APPLY, PLAN
from reconciler.model.desired import Activation, Desired, DesiredGuest
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import Observed, in_brackets
from reconciler.model.problems import Problem, Severity
from reconciler.model.steps import Holdings
from reconciler.planning.conflicts import conflicts, guest_place, resumed
from reconciler.planning.effect import Bindings, bindings_after
from reconciler.planning.host_checks import host_problems
from reconciler.planning.scope import Targets, VmEvent
from reconciler.planning.target import Target, Untouched, attainable, foreign_mdevs, is_built, pool_of

Ours: TypeAlias = Mapping[str, tuple[str, ApConfig]]
"""The name and the configuration with which each device of ours was applied last, by uuid."""


class Confined(NamedTuple):
    """What a plan is confined to.

    Attributes:
        only: the uuids of the devices that it may change.
        building: the guests whose device is to exist, and to have what the manifests say.
        leaving: the uuids of the devices that are to go.
    """

    only: frozenset[str]
    building: tuple[DesiredGuest, ...]
    leaving: frozenset[str]


def confined_to(scope: VmEvent | Targets, desired: Desired, observed: Observed, ours: Ours) -> Confined:
    """What a plan for `scope` is confined to; `ours` is what was applied last, by uuid."""
    if isinstance(scope, VmEvent):
        return _by_event(scope, desired, observed)
    return _by_choice(scope.chosen(desired, ours), desired, observed)


def _by_event(event: VmEvent, desired: Desired, observed: Observed) -> Confined:
    """On-demand devices only, all others are left to apply; a device that a VM still has open is not removed."""
    uuids = event.starts | event.ends
    touched = [one for one in desired.guests if one.activation is Activation.ON_DEMAND and one.uuid in uuids]
    removable = {one.uuid for one in observed.mdevs if not one.in_use}
    return Confined(
        frozenset(one.uuid for one in touched),
        tuple(one for one in touched if one.uuid in event.starts),
        frozenset(one.uuid for one in touched if one.uuid in event.ends and one.uuid in removable),
    )


def _by_choice(chosen: frozenset[str], desired: Desired, observed: Observed) -> Confined:
    found = {one.uuid: one for one in observed.mdevs}
    building = tuple(one for one in desired.guests if one.uuid in chosen and is_built(one, found))
    return Confined(chosen, building, chosen & found.keys() - {one.uuid for one in building})


def confined_target(confined: Confined, desired: Desired, observed: Observed, made_by_us: Collection[str]) -> Target:
    """The host as it is, but for what the plan is `confined` to; see `target_of` for the other arguments.

    A device that is to go and that a VM has open is emptied.
    """
    found = {one.uuid: one for one in observed.mdevs}
    leaving = confined.leaving
    foreign = foreign_mdevs(desired, observed, made_by_us)
    derived = pool_of(desired, foreign)
    pool = observed.pool
    for guest in confined.building:
        pool = _giving_up(pool, guest.config.matrix, derived.pool) if derived else pool
    bindings = None if observed.abilities.over_provision else bindings_after(observed, pool)
    mdevs = {uuid: one.config for uuid, one in found.items() if uuid not in leaving}
    mdevs.update((one.uuid, attainable(one.config, found.get(one.uuid), bindings)) for one in confined.building)
    mdevs.update((uuid, EMPTY_CONFIG) for uuid in sorted(leaving) if found[uuid].in_use)
    return Target(Holdings(pool, mdevs), derived.reason if derived else None, foreign, leaving, pool)


def confined_problems(
    scope: VmEvent | Targets,
    confined: Confined,
    desired: Desired,
    observed: Observed,
    target: Target,
    after: Bindings,
    untouched: Mapping[str, Untouched],
) -> list[Problem]:
    """What stands in the way of the devices of the plan; what is wrong with other guests is left to an apply of all.

    Args:
        scope: what is asked for.
        confined: what the plan is confined to.
        desired: the manifests of one host.
        observed: the host.
        target: what is aimed at, from `confined_target`.
        after: the bindings once the plan is done.
        untouched: the suspended devices, by uuid.
    """
    starting = confined.building
    missing = _missing(scope, desired, observed) if isinstance(scope, VmEvent) else iter(())
    if not starting:
        return list(missing)
    starts = frozenset(one.uuid for one in starting)
    built = {one.uuid for one in observed.mdevs} | starts
    pool = target.holdings.pool if target.pool_reason else None
    pool_changes = target.holdings.pool != observed.pool
    idle = observed.idle - starts
    # The manifests decide about the guests that they name, suspended or not.
    named = {one.uuid for one in desired.guests}
    dropped = {uuid: left for uuid, left in untouched.items() if uuid not in named}
    return [
        *missing,
        *conflicts(desired, pool, target.foreign, built - target.leaving, observed.vms, dropped, starts, idle),
        *(
            one
            for one in host_problems(desired._replace(guests=starting), observed, target, after)
            if pool_changes or one.id != "host-without-queues"
        ),
        *(one for guest in starting for one in _held(guest, desired, observed, target, untouched)),
    ]


def _giving_up(pool: Matrix, needed: Matrix, wanted: Matrix) -> Matrix:
    """`pool` without the queues of `needed`, on an axis on which the `wanted` pool gives them up, too."""
    if not pool.overlaps(needed):
        return pool
    if wanted.domains.isdisjoint(needed.domains):
        return pool._replace(domains=pool.domains - needed.domains)
    if wanted.adapters.isdisjoint(needed.adapters):
        return pool._replace(adapters=pool.adapters - needed.adapters)
    return pool


def _missing(event: VmEvent, desired: Desired, observed: Observed) -> Iterator[Problem]:
    found = {one.uuid for one in observed.mdevs}
    for guest in desired.guests:
        if guest.uuid not in event.starts or guest.uuid in found or guest.activation is Activation.ON_DEMAND:
            continue
        active = guest.activation is Activation.ACTIVE
        yield Problem(
            "vm-device-missing",
            Severity.ERROR,
            f"guest '{guest.name}' is {guest.activation}, and its mediated device does not exist",
            (guest_place(guest, "described here", "domains" if active else "activation"),),
            (),
            "" if active else "Make it active or on-demand.",
            advice=APPLY,
        )


def _held(
    guest: DesiredGuest,
    desired: Desired,
    observed: Observed,
    target: Target,
    untouched: Mapping[str, Untouched],
) -> Iterator[Problem]:
    """Who really has queues of `guest`, where the manifests alone do not say."""
    matrix = guest.config.matrix
    known = {one.uuid for one in target.foreign} | {one.uuid for one in desired.guests if _claims(one, matrix)}
    named = {one.uuid: f"guest '{one.name}'" for one in desired.guests}
    vms = observed.vms
    for mdev in observed.mdevs:
        # What another device of the plan has now, and gives up by it, is free for this guest: they may swap.
        stays = target.holdings.mdevs.get(mdev.uuid, EMPTY_CONFIG).matrix
        if mdev.uuid not in known and mdev.uuid not in target.leaving and stays.overlaps(matrix):
            holder = named.get(mdev.uuid, f"mediated device {mdev.uuid}")
            held = _queue_held(guest, f"{holder}{in_brackets(vms.get(mdev.uuid))}", stays.meet(matrix))
            left = untouched.get(mdev.uuid)
            yield held._replace(help="It is suspended.", **resumed(left)) if left else held
    if target.pool_reason is None and target.holdings.pool.overlaps(matrix):
        yield _queue_held(guest, "the host", target.holdings.pool.meet(matrix))


def _claims(guest: DesiredGuest, matrix: Matrix) -> bool:
    return guest.activation is not Activation.INACTIVE and guest.config.matrix.overlaps(matrix)


def _queue_held(guest: DesiredGuest, holder: str, common: Matrix) -> Problem:
    what = "a queue" if common.size == 1 else f"{common.size} queues"
    return Problem(
        "queue-held",
        Severity.ERROR,
        f"guest '{guest.name}' needs {what} that {holder} has, other than the manifests say",
        (guest_place(guest, f"needed by '{guest.name}' here"),),
        (common.text,),
        f"The plan says how the host differs. This can be done once {holder} has given them up.",
        advice=PLAN,
    )
