"""The two stages of a boot: the masks alone, before vfio_ap is loaded, and then everything.

As soon as vfio_ap is loaded, others may make devices of what they have defined, such as mdevctl; that fails as long as
the host's drivers have the queues. So the masks come first (docs/boot.md).

Both plans are confined to devices of their own, since a boot wants nothing new: what was applied last stays what
somebody has applied, with the manifests, the person and the commit of then.
"""

from enum import Enum, auto

from reconciler.model.desired import Desired, GivenUp
from reconciler.model.observed import Observed
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.target import foreign_mdevs, pool_of


class BootStage(Enum):
    """How far a boot has got."""

    MASKS = auto()
    WHOLE = auto()


def plan_stage(stage: BootStage, desired: Desired, observed: Observed, applied: Applied) -> Plan:
    """The plan that leads from `observed` to `desired` as far as `stage` goes.

    The masks alone are for a host without vfio_ap, where there is no device. Where no pool does justice to all, both
    stages have the same problems, and no steps.
    """
    masks = _masks(desired, observed, applied) if stage is BootStage.MASKS else None
    if masks:
        return masks
    made = make_plan(desired, observed, _missed(desired, observed, applied))
    return made._replace(only=frozenset(one.uuid for one in made.guests))


def _masks(desired: Desired, observed: Observed, applied: Applied) -> Plan | None:
    derived = pool_of(desired, foreign_mdevs(desired, observed, applied.guests))
    if derived is None:
        return None
    given_up = GivenUp(~derived.pool.adapters, ~derived.pool.domains)
    masks_only = desired._replace(host=desired.host._replace(given_up=given_up, keep=()), guests=())
    made = make_plan(masks_only, observed, applied._replace(guests={}))
    return made._replace(desired=desired, only=frozenset())


def _missed(desired: Desired, observed: Observed, applied: Applied) -> Applied:
    """`applied` without the guests whose device others may take away: it was the boot that did."""
    found = {one.uuid for one in observed.mdevs}
    gone = {one.uuid for one in desired.guests if one.ignored and one.uuid not in found}
    return applied._replace(guests={uuid: one for uuid, one in applied.guests.items() if uuid not in gone})
