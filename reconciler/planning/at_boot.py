"""What a host has to boot into, so that it is as a plan leaves it."""

from collections.abc import Collection

from reconciler.model.definition import AtBoot, Definition
from reconciler.model.desired import Activation
from reconciler.model.matrix import ApConfig
from reconciler.planning.plan import GuestPlan, Plan


def at_boot(plan: Plan, made_by_us: Collection[str]) -> AtBoot:
    """What belongs into the files of other tools after `plan`, where `made_by_us` are the uuids of our inventory.

    Active guests are started at boot. On-demand ones are defined to be started by hand, as whoever starts their VM
    does; such definitions may overlap. Inactive guests claim nothing, so they are not defined.
    """
    named = [one for one in plan.guests if one.guest]
    definitions = [
        Definition(one.uuid, _config(plan, one), one.guest.activation is Activation.ACTIVE)
        for one in named
        if one.guest and one.guest.activation is not Activation.INACTIVE
    ]
    ours = frozenset(made_by_us).union(one.uuid for one in named)
    return AtBoot(plan.pool, tuple(sorted(definitions, key=lambda one: one.uuid)), ours)


def _config(plan: Plan, one: GuestPlan) -> ApConfig:
    # Before 6.0 a device with an absent queue is not started at all, so only what there is can be defined.
    assert one.guest
    attainable = None if plan.abilities.over_provision else one.after
    return attainable or one.guest.config
