"""Decides what the host is to hold: the target of a plan."""

from collections.abc import Collection
from typing import NamedTuple

from reconciler.model.desired import Activation, Desired, DesiredGuest, Unmanaged
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import Observed, ObservedMdev
from reconciler.model.steps import Holdings
from reconciler.planning.effect import Bindings, assignable, bindings_after
from reconciler.planning.host_pool import DerivedPool, PoolReason, derive_pool


class Target(NamedTuple):
    """What is to be held, and by whom it is decided.

    Attributes:
        holdings: host pool and mediated devices, guests in the order of their names, then all others by uuid.
        pool_reason: why the pool is as it is; None where no pool does justice to all (then it is left as it is).
        foreign: devices that no manifest names and that we did not make, and that stay.
        leaving: uuids of devices that are to go; one that a VM has open is emptied first and goes later.
    """

    holdings: Holdings
    pool_reason: PoolReason | None
    foreign: tuple[ObservedMdev, ...]
    leaving: frozenset[str]


def target_of(desired: Desired, observed: Observed, made_by_us: Collection[str]) -> Target:
    """The target for `desired` on `observed`, where `made_by_us` are the uuids of our inventory."""
    found = {one.uuid: one for one in observed.mdevs}
    built = [guest for guest in desired.guests if is_built(guest, found)]
    foreign = foreign_mdevs(desired, observed, made_by_us)
    derived = pool_of(desired, foreign)
    pool = derived.pool if derived else observed.pool
    kept = {guest.uuid for guest in built} | {one.uuid for one in foreign}
    leaving = frozenset(found) - kept
    bindings = None if observed.abilities.over_provision else bindings_after(observed, pool)
    mdevs = {guest.uuid: attainable(guest.config, found.get(guest.uuid), bindings) for guest in built}
    mdevs.update((one.uuid, one.config) for one in foreign)
    mdevs.update((uuid, EMPTY_CONFIG) for uuid in sorted(leaving) if found[uuid].in_use)
    return Target(Holdings(pool, mdevs), derived.reason if derived else None, foreign, leaving)


def is_built(guest: DesiredGuest, found: Collection[str]) -> bool:
    """Whether the guest's device is to exist: an on-demand one only while its VM has it (the hook's business)."""
    return guest.activation is Activation.ACTIVE or (guest.activation is Activation.ON_DEMAND and guest.uuid in found)


def foreign_mdevs(desired: Desired, observed: Observed, made_by_us: Collection[str]) -> tuple[ObservedMdev, ...]:
    """The devices that are not ours to touch (I5)."""
    if desired.host.unmanaged is Unmanaged.REMOVE or not observed.mdevs:
        return ()
    ours = {guest.uuid for guest in desired.guests} | set(made_by_us)
    return tuple(one for one in observed.mdevs if one.uuid not in ours)


def pool_of(desired: Desired, foreign: tuple[ObservedMdev, ...]) -> DerivedPool | None:
    """The host pool: as the manifest gives it, else derived."""
    given = desired.host.given_up
    if given is not None:
        return DerivedPool(Matrix(~given.adapters, ~given.domains), PoolReason.GIVEN)
    needed = [guest.config.matrix for guest in desired.guests if guest.activation is not Activation.INACTIVE]
    needed += [one.config.matrix for one in foreign]
    return derive_pool(needed, [keep.matrix for keep in desired.host.keep])


def attainable(wanted: ApConfig, mdev: ObservedMdev | None, bindings: Bindings | None) -> ApConfig:
    """What of `wanted` a device can take: all, or on kernels before 6.0 (those with `bindings`) what is there."""
    if bindings is None:
        return wanted
    takes = assignable(wanted.matrix, bindings)
    if mdev is None:
        return ApConfig(*takes, wanted.control_domains)
    # What a device has of what is wanted it keeps, also while its hardware is absent, unless that is in the way of
    # more.
    held = mdev.config.matrix
    kept = held.meet(wanted.matrix)
    both = Matrix(kept.adapters | takes.adapters, kept.domains | takes.domains)
    more_is_there = all(takes.covers(part) for part in both.minus(held))
    return ApConfig(*(both if more_is_there else takes), wanted.control_domains)
