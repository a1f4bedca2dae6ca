"""A plan once it has been carried out: how things stand then, without planning again."""

from collections.abc import Iterable, Mapping

from reconciler.model.observed import ObservedMdev
from reconciler.planning.effect import Effect
from reconciler.planning.plan import GuestPlan, Plan


def settled(plan: Plan, found: Iterable[ObservedMdev]) -> Plan:
    """What planning again gives after `plan`, which was carried out: no steps.

    Args:
        plan: what was carried out and verified.
        found: the devices that it has touched, as they were found afterwards.
    """
    now = {one.uuid: one for one in found}
    changed = {guest.uuid for guest in plan.guests if guest.changes}
    mdevs = [one for one in plan.observed.mdevs if one.uuid not in changed]
    mdevs += [one for uuid, one in now.items() if uuid in changed]
    return plan._replace(
        observed=plan.observed._replace(pool=plan.pool, mdevs=tuple(sorted(mdevs, key=lambda one: one.uuid))),
        guests=tuple(_guest(one, now) for one in plan.guests if one.guest or one.after is not None),
        pool_cause=None,
        consents=(),
        steps=(),
        files=(),
        is_news=False,
    )


def _guest(one: GuestPlan, found: Mapping[str, ObservedMdev]) -> GuestPlan:
    if not one.changes:
        return one
    mdev = found.get(one.uuid)
    seen = mdev.effective if mdev and mdev.effective is not None else one.sees_after
    return one._replace(
        before=one.after,
        sees_before=seen,
        effect=Effect.NONE,
        interrupted=False,
        cause=None,
        goes=False,
        rollback_takes=(),
    )
