"""Decides what the host is to hold: the target of a plan, and what of the host stays as it is.

Suspended guests stay, drift that is not to be corrected, and what `ignoreDrift` names.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, Desired, DesiredGuest, Ignored, Presence, Unmanaged
from reconciler.model.matrix import EMPTY_CONFIG, EMPTY_MATRIX, ApConfig, Matrix
from reconciler.model.observed import Observed, ObservedMdev
from reconciler.model.steps import Holdings
from reconciler.planning.effect import Bindings, assignable, bindings_after
from reconciler.planning.host_pool import DerivedPool, PoolReason, derive_pool
from reconciler.planning.scope import NOTHING_SPARED, Spared

_AXES = ((Ignored.ADAPTERS, "adapters"), (Ignored.DOMAINS, "domains"), (Ignored.CONTROL_DOMAINS, "control_domains"))


class Why(StrEnum):
    """Why a device is left as it is, as the end of a sentence."""

    SUSPENDED = "it is suspended"
    DRIFTED = "another program has changed it since the last apply"


class Untouched(NamedTuple):
    """A device that is left as it is.

    Attributes:
        name: of its guest, also where no manifest names it any more.
        why: why it is left as it is.
        had: what it was applied with last, which the host must not get back meanwhile.
    """

    name: str
    why: Why
    had: Matrix = EMPTY_MATRIX


def spared_devices(
    desired: Desired, observed: Observed, last: Mapping[str, tuple[str, ApConfig]], spared: Spared
) -> frozenset[str]:
    """The uuids of devices that have drifted, that the manifests do not change, and that are `spared`.

    Args:
        desired: the manifests of one host.
        observed: the host.
        last: how each device of ours was applied last, by uuid.
        spared: which drift is not corrected.
    """
    if spared == NOTHING_SPARED:
        return frozenset()
    found = {one.uuid: one.config for one in observed.mdevs}
    gradual = not observed.abilities.over_provision
    drifted = {
        guest.uuid
        for guest in desired.guests
        if spared.has(guest.uuid)
        and last.get(guest.uuid, ("", None))[1] == guest.config
        and _has_drifted(guest, found.get(guest.uuid), gradual=gradual)
    }
    if desired.host.unmanaged is Unmanaged.REMOVE:
        known = {guest.uuid for guest in desired.guests} | last.keys()
        drifted |= {
            uuid for uuid in found.keys() - known if spared.strangers or (spared.holders and uuid in spared.holders)
        }
    return frozenset(drifted)


def _has_drifted(guest: DesiredGuest, config: ApConfig | None, *, gradual: bool) -> bool:
    if guest.activation is Activation.INACTIVE:
        return False  # the manifests take its device away
    if config is None:
        return guest.activation is Activation.ACTIVE and Ignored.DEVICE not in guest.ignored
    if gradual and all(has <= granted for has, granted in zip(config, guest.config, strict=True)):
        return False  # kernels before 6.0 assign only what is there, so less than granted is no drift
    return _ignoring(guest, config).config != config


class Masks(NamedTuple):
    """Both masks as a plan aims at them.

    Attributes:
        pool: the host pool that they make.
        contested: the masks that drifted and that the manifests change as well, so that neither can be had.
    """

    pool: Matrix
    contested: tuple[str, ...] = ()


def masks_without_drift(asked: Matrix, wanted: Matrix, now: Matrix, last: Matrix | None) -> Masks:
    """The masks that are aimed at where their drift is not corrected.

    Args:
        asked: the host pool that the manifests alone ask for.
        wanted: the pool that is needed, with what drifted devices have.
        now: the pool as it is.
        last: the pool as it was applied last; None where none was.
    """
    if last is None:
        return Masks(wanted)
    if asked == last:
        return Masks(now)
    aimed, contested = [], []
    for name, asks, needs, has, had in zip(("apmask", "aqmask"), asked, wanted, now, last, strict=True):
        if has == had:
            aimed.append(needs)
        else:
            aimed.append(has)
            contested += [name] if asks not in (had, has) else []
    return Masks(Matrix(*aimed), tuple(contested))


def aimed_at(
    desired: Desired, observed: Observed, last: Mapping[str, tuple[str, ApConfig]], untouched: Collection[str]
) -> Desired:
    """`desired` with what does not change as it is.

    Args:
        desired: the manifests of one host.
        observed: the host.
        last: how each device of ours was applied last, by uuid.
        untouched: the uuids of devices that stay as they are altogether.
    """
    if not untouched and not any(guest.ignored for guest in desired.guests):
        return desired
    found = {one.uuid: one.config for one in observed.mdevs}

    def aim(guest: DesiredGuest) -> DesiredGuest:
        if guest.uuid in untouched:
            return _as_it_is(guest, found.get(guest.uuid))
        if guest.ignored and last.get(guest.uuid, ("", None))[1] == guest.config:
            return _ignoring(guest, found.get(guest.uuid))
        return guest

    return desired._replace(guests=tuple(map(aim, desired.guests)))


def _as_it_is(guest: DesiredGuest, config: ApConfig | None) -> DesiredGuest:
    guest = guest._replace(presence=Presence.ANY)
    if config is not None:
        # Its device is there, but what it has was not granted: no on-demand guest that waits is in conflict with that.
        return guest._replace(config=config, activation=Activation.ON_DEMAND)
    # It goes on claiming what it is to have, and is not made.
    return guest._replace(activation=Activation.ON_DEMAND) if guest.activation is Activation.ACTIVE else guest


def _ignoring(guest: DesiredGuest, config: ApConfig | None) -> DesiredGuest:
    if config is None:
        return _as_it_is(guest, None) if Ignored.DEVICE in guest.ignored else guest
    kept = {axis: getattr(config, axis) for part, axis in _AXES if part in guest.ignored}
    return guest._replace(config=guest.config._replace(**kept))


class Target(NamedTuple):
    """What is to be held, and by whom it is decided.

    Attributes:
        holdings: host pool and mediated devices, guests in the order of their names, then all others by uuid.
        pool_reason: why the pool is as it is; None where no pool does justice to all (then it is left as it is).
        foreign: devices that no manifest names and that we did not make, and that stay.
        leaving: uuids of devices that are to go; one that a VM has open is emptied first and goes later.
        wanted_pool: the host pool that the manifests ask for; `holdings` has another one where masks that drifted are
            left as they are.
        contested: the masks that drifted and that the manifests change as well.
    """

    holdings: Holdings
    pool_reason: PoolReason | None
    foreign: tuple[ObservedMdev, ...]
    leaving: frozenset[str]
    wanted_pool: Matrix
    contested: tuple[str, ...] = ()


class Left(NamedTuple):
    """What a target leaves as it is.

    Attributes:
        devices: uuids; what they have is in the manifests already (`reconciler.planning.target.aimed_at`).
        reserved: what the host must not get back meanwhile.
        manifests: as they are, for the masks; None where drift of the masks is corrected.
        last_pool: the host pool as it was applied last; None where none was.
    """

    devices: frozenset[str] = frozenset()
    reserved: tuple[Matrix, ...] = ()
    manifests: Desired | None = None
    last_pool: Matrix | None = None


NOTHING_LEFT: Final = Left()


def target_of(desired: Desired, observed: Observed, made_by_us: Collection[str], left: Left = NOTHING_LEFT) -> Target:
    """The target for `desired` on `observed`, where `made_by_us` are the uuids of our inventory."""
    found = {one.uuid: one for one in observed.mdevs}
    built = [guest for guest in desired.guests if is_built(guest, found)]
    foreign = foreign_mdevs(desired, observed, made_by_us, left.devices)
    derived = pool_of(desired, foreign, left.reserved)
    wanted = derived.pool if derived else observed.pool
    masks = _masks(wanted, foreign, observed, left)
    pool = masks.pool
    kept = {guest.uuid for guest in built} | {one.uuid for one in foreign}
    leaving = frozenset(found) - kept
    bindings = None if observed.abilities.over_provision else bindings_after(observed, pool)
    mdevs = {guest.uuid: attainable(guest.config, found.get(guest.uuid), bindings) for guest in built}
    mdevs.update((one.uuid, one.config) for one in foreign)
    mdevs.update((uuid, EMPTY_CONFIG) for uuid in sorted(leaving) if found[uuid].in_use)
    reason = derived.reason if derived else None
    return Target(Holdings(pool, mdevs), reason, foreign, leaving, wanted, masks.contested)


def _masks(wanted: Matrix, foreign: tuple[ObservedMdev, ...], observed: Observed, left: Left) -> Masks:
    asked = left.manifests and pool_of(left.manifests, foreign)
    return masks_without_drift(asked.pool, wanted, observed.pool, left.last_pool) if asked else Masks(wanted)


def is_built(guest: DesiredGuest, found: Collection[str]) -> bool:
    """Whether the guest's device is to exist: an on-demand one only while its VM has it (the hook's business)."""
    return guest.activation is Activation.ACTIVE or (guest.activation is Activation.ON_DEMAND and guest.uuid in found)


def foreign_mdevs(
    desired: Desired, observed: Observed, made_by_us: Collection[str], left: Collection[str] = ()
) -> tuple[ObservedMdev, ...]:
    """The devices that are not ours to touch (I5), or, by the uuids in `left`, not to be touched now."""
    named = {guest.uuid for guest in desired.guests}
    if desired.host.unmanaged is Unmanaged.REMOVE:
        return tuple(one for one in observed.mdevs if one.uuid in left and one.uuid not in named)
    ours = named | set(made_by_us)
    return tuple(one for one in observed.mdevs if one.uuid not in ours)


def pool_of(
    desired: Desired, foreign: tuple[ObservedMdev, ...], reserved: tuple[Matrix, ...] = ()
) -> DerivedPool | None:
    """The host pool: as the manifest gives it, else derived, without what is `reserved`."""
    given = desired.host.given_up
    if given is not None:
        return DerivedPool(Matrix(~given.adapters, ~given.domains), PoolReason.GIVEN)
    needed = [guest.config.matrix for guest in desired.guests if guest.activation is not Activation.INACTIVE]
    needed += [one.config.matrix for one in foreign]
    needed += reserved
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
