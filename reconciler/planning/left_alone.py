"""Guests whose device is left as it is: suspended ones, and what others may change by a manifest's own word.

For such a guest the plan aims at what its device has instead of what its manifest says. So nothing is written to it,
and every check counts what it really has.
"""

from collections.abc import Collection, Mapping

from reconciler.model.desired import Activation, Desired, DesiredGuest, Ignored
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Observed

_AXES = ((Ignored.ADAPTERS, "adapters"), (Ignored.DOMAINS, "domains"), (Ignored.CONTROL_DOMAINS, "control_domains"))


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
    if config is not None:
        return guest._replace(config=config, activation=Activation.ACTIVE)
    # It goes on claiming what it is to have, and is not made.
    return guest._replace(activation=Activation.ON_DEMAND) if guest.activation is Activation.ACTIVE else guest


def _ignoring(guest: DesiredGuest, config: ApConfig | None) -> DesiredGuest:
    if config is None:
        return _as_it_is(guest, None) if Ignored.DEVICE in guest.ignored else guest
    kept = {axis: getattr(config, axis) for part, axis in _AXES if part in guest.ignored}
    return guest._replace(config=guest.config._replace(**kept))
