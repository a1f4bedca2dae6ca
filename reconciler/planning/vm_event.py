"""What a VM that starts or has ended asks of its host: one on-demand device more or less, and nothing else.

A plan for such an event leaves every other device as it is, also one that has drifted: a person who starts a VM does
not expect another one to change. The host pool only gives up what the started guest needs and the host still has.
"""

from collections.abc import Collection, Iterator, Mapping

from reconciler.model.commands import APPLY, PLAN
from reconciler.model.desired import Activation, Desired, DesiredGuest
from reconciler.model.matrix import Matrix
from reconciler.model.observed import Observed, in_brackets
from reconciler.model.problems import Problem, Severity
from reconciler.model.steps import Holdings
from reconciler.planning.conflicts import conflicts, guest_place, queues_text, resumed
from reconciler.planning.effect import Bindings, bindings_after
from reconciler.planning.machine_checks import machine_problems
from reconciler.planning.scope import VmEvent
from reconciler.planning.target import Target, Untouched, attainable, foreign_mdevs, pool_of


def touched_guests(event: VmEvent, desired: Desired) -> tuple[DesiredGuest, ...]:
    """The guests whose device is made or removed: on-demand ones only, all others are left to apply."""
    uuids = event.starts | event.ends
    return tuple(one for one in desired.guests if one.activation is Activation.ON_DEMAND and one.uuid in uuids)


def event_target(event: VmEvent, desired: Desired, observed: Observed, made_by_us: Collection[str]) -> Target:
    """The host as it is, with the on-demand devices of `event` made or removed; see `target_of` for the arguments.

    A device that a VM still has open is not removed.
    """
    touched = touched_guests(event, desired)
    starting = [one for one in touched if one.uuid in event.starts]
    found = {one.uuid: one for one in observed.mdevs}
    leaving = frozenset(
        one.uuid for one in touched if one.uuid in event.ends and one.uuid in found and not found[one.uuid].in_use
    )
    foreign = foreign_mdevs(desired, observed, made_by_us)
    derived = pool_of(desired, foreign)
    pool = observed.pool
    for guest in starting:
        pool = _giving_up(pool, guest.config.matrix, derived.pool) if derived else pool
    bindings = None if observed.abilities.over_provision else bindings_after(observed, pool)
    mdevs = {uuid: one.config for uuid, one in found.items() if uuid not in leaving}
    mdevs.update((one.uuid, attainable(one.config, found.get(one.uuid), bindings)) for one in starting)
    return Target(Holdings(pool, mdevs), derived.reason if derived else None, foreign, leaving, pool)


def event_problems(
    event: VmEvent,
    desired: Desired,
    observed: Observed,
    target: Target,
    after: Bindings,
    untouched: Mapping[str, Untouched],
) -> list[Problem]:
    """What stands in the way of the VMs that start; what is wrong with other guests is left to apply.

    Args:
        event: what has become of the VMs.
        desired: the manifests of one host.
        observed: the host.
        target: what is aimed at, from `event_target`.
        after: the bindings once the plan is done.
        untouched: the suspended devices, by uuid.
    """
    starting = [one for one in touched_guests(event, desired) if one.uuid in event.starts]
    missing = _missing(event, desired, observed)
    if not starting:
        return list(missing)
    built = {one.uuid for one in observed.mdevs} | event.starts
    pool = target.holdings.pool if target.pool_reason else None
    pool_changes = target.holdings.pool != observed.pool
    # The manifests decide about the guests that they name, suspended or not.
    named = {one.uuid for one in desired.guests}
    dropped = {uuid: left for uuid, left in untouched.items() if uuid not in named}
    return [
        *missing,
        *conflicts(desired, pool, target.foreign, built - target.leaving, observed.vms, dropped, event.starts),
        *(
            one
            for one in machine_problems(desired._replace(guests=tuple(starting)), observed, target, after)
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
        if mdev.uuid not in known and mdev.uuid not in target.leaving and mdev.config.matrix.overlaps(matrix):
            holder = named.get(mdev.uuid, f"mediated device {mdev.uuid}")
            held = _queue_held(guest, f"{holder}{in_brackets(vms.get(mdev.uuid))}", mdev.config.matrix.meet(matrix))
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
        (queues_text(common),),
        "The plan says how the host differs; an apply makes it as the manifests say.",
        advice=PLAN,
    )
