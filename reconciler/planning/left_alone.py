"""What a plan leaves as it is: suspended guests, drift that is not to be corrected, and what `ignoreDrift` names.

For such a guest the plan aims at what its device has instead of what its manifest says. So nothing is written to it,
and every check counts what it really has.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, Desired, DesiredGuest, Ignored, Presence, Unmanaged
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Observed

HOST: Final = "host"
"""Stands for the host's masks where holders are listed; every other holder is the uuid of a device."""

_AXES = ((Ignored.ADAPTERS, "adapters"), (Ignored.DOMAINS, "domains"), (Ignored.CONTROL_DOMAINS, "control_domains"))


FILES: Final = "files"
"""Stands for the files of other tools that the host boots from."""


class Why(StrEnum):
    """Why a device is left as it is, as the end of a sentence."""

    SUSPENDED = "it is suspended"
    DRIFTED = "another program has changed it since the last apply"


class LeftAlone(NamedTuple):
    """A device that is left as it is: the name of its guest, also where no manifest names it any more, and why."""

    name: str
    why: Why


class Spared(NamedTuple):
    """Drift that a plan does not correct, as far as the manifests have not changed since the last apply.

    Attributes:
        holders: uuids of devices, `HOST` for the masks, `FILES` for the files that the host boots from; None: every
            device, and the masks.
        strangers: whether devices that others have made since stay where ``unmanaged: remove`` asks to remove them.
    """

    holders: frozenset[str] | None = frozenset()
    strangers: bool = False

    def has(self, holder: str) -> bool:
        """Whether the drift of `holder` is not corrected."""
        return self.holders is None or holder in self.holders


NOTHING_SPARED: Final = Spared()


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
    desired: Desired, observed: Observed, last: Mapping[str, tuple[str, ApConfig]], left_alone: Collection[str]
) -> Desired:
    """`desired` with what is left alone as it is.

    Args:
        desired: the manifests of one host.
        observed: the host.
        last: how each device of ours was applied last, by uuid.
        left_alone: the uuids of devices that are left alone altogether.
    """
    if not left_alone and not any(guest.ignored for guest in desired.guests):
        return desired
    found = {one.uuid: one.config for one in observed.mdevs}

    def aim(guest: DesiredGuest) -> DesiredGuest:
        if guest.uuid in left_alone:
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
