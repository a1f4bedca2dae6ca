"""The first step of a boot: the masks alone, before vfio_ap is loaded.

As soon as vfio_ap is loaded, others may make devices of what they have defined, such as mdevctl; that fails as long as
the host's drivers have the queues. So the masks come first (docs/boot.md).
"""

from reconciler.model.desired import Desired, GivenUp
from reconciler.model.observed import Observed
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.planning.target import foreign_mdevs, pool_of


def plan_masks(desired: Desired, observed: Observed, applied: Applied = NOTHING_APPLIED) -> Plan:
    """The plan that leads the masks from `observed` to what `desired` needs, and is confined to no device at all.

    It is meant for a host without vfio_ap, where there is no device. Where no pool does justice to all it has the
    problems of the whole plan, and no steps.
    """
    derived = pool_of(desired, foreign_mdevs(desired, observed, applied.guests))
    if derived is None:
        return make_plan(desired, observed, applied)
    given_up = GivenUp(~derived.pool.adapters, ~derived.pool.domains)
    masks_only = desired._replace(host=desired.host._replace(given_up=given_up, keep=()), guests=())
    made = make_plan(masks_only, observed._replace(mdevs=()), applied._replace(guests={}))
    return made._replace(desired=desired, observed=observed, only=frozenset())
