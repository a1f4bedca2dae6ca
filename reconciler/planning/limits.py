"""Limits on what one apply removes: an empty directory, or one that was moved, must not clear a host."""

from collections.abc import Collection, Sequence
from typing import Final

from reconciler.model.matrix import EMPTY_CONFIG
from reconciler.planning.plan import ALLOW_EMPTY, ALLOW_REMOVALS, Consent, GuestPlan

MANY: Final = 5
"""From so many of our devices on, removing more than half of them at once needs to be said."""


def removal_consents(guests: Sequence[GuestPlan]) -> list[Consent]:
    """What has to be said explicitly because of how much is removed.

    Args:
        guests: what becomes of each of our devices, and of each that is to go.
    """
    there = [one for one in guests if one.before is not None]
    # One that holds nothing was emptied by an earlier apply, which had the consent.
    going = [one for one in there if one.goes and one.before != EMPTY_CONFIG]
    staying = [one for one in guests if one.after is not None and not one.goes]
    return _limits(len(there), len(going), len(staying))


def removal_limits(before: Collection[str], after: Collection[str]) -> list[Consent]:
    """The same for manifests, whatever of them is there at the moment: after a boot nothing is.

    Args:
        before: the uuids of the devices that were to be there.
        after: of those that are to be there.
    """
    return _limits(len(before), len(set(before) - set(after)), len(after))


def _limits(there: int, going: int, staying: int) -> list[Consent]:
    if going and not staying:
        return [Consent("host", f"all of our mediated devices are removed ({going})", ALLOW_EMPTY)]
    if there >= MANY and 2 * going > there:
        return [Consent("host", f"{going} of our {there} mediated devices are removed", ALLOW_REMOVALS)]
    return []
