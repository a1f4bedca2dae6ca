"""The two stages of a boot: the masks alone, before vfio_ap is loaded, and then everything.

As soon as vfio_ap is loaded, others may make devices of what they have defined, such as mdevctl; that fails as long as
the host's drivers have the queues. So the masks come first (docs/boot.md).

Both plans are confined to devices of their own, since a boot wants nothing new: what was applied last stays what
was applied, with the manifests, the person and the commit of then.
"""

import hashlib
from collections.abc import Mapping

from reconciler.model.desired import Activation, Desired, GivenUp, Persistence
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Observed
from reconciler.model.steps import AtBoot, Definition, FileChange
from reconciler.planning.basis import fingerprint_of
from reconciler.planning.plan import GuestPlan, Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.scope import HOST, BootStage
from reconciler.planning.target import foreign_mdevs, pool_of


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


def at_boot(plan: Plan, applied: Applied) -> AtBoot | None:
    """What belongs into the files of other tools after `plan`, where `applied` was applied last; None: nothing of ours.

    Active guests are started at boot. On-demand ones are defined to be started by hand, as whoever starts their VM
    does; such definitions may overlap. Inactive guests claim nothing: they are not defined, and where they are, they
    do not start. Where our definitions were there and are not wanted any more, they go.
    """
    named = [one for one in plan.guests if one.guest]
    ours = frozenset(applied.guests).union(one.uuid for one in named)
    started = [one for one in named if one.guest and one.guest.activation is not Activation.INACTIVE]
    inactive = [one for one in named if one.guest and one.guest.activation is Activation.INACTIVE]
    if plan.desired.host.persistence is not Persistence.MDEVCTL:
        # What is defined for an inactive guest was not written by us, and it starts nothing.
        going = ours.difference(one.uuid for one in inactive)
        return AtBoot(None, (), going) if applied.persistence is Persistence.MDEVCTL else None
    return AtBoot(plan.wanted_pool or plan.pool, _definitions(plan, started), ours, _definitions(plan, inactive))


def unconcerned_files(plan: Plan, applied: Applied, before: Desired | None) -> frozenset[str]:
    """Whose files the manifests ask to be as they were asked to be before: uuids of devices, and `HOST` for the masks.

    Args:
        plan: what is done to the host.
        applied: what was applied last.
        before: the manifests of then; None where they are not known.
    """
    if applied.persistence is not plan.desired.host.persistence:
        return frozenset()
    was = {uuid: config for uuid, (_, config) in applied.guests.items()}
    starts: dict[str, Activation] = {}
    if before is not None:
        was = {one.uuid: one.config for one in before.guests}
        starts = {one.uuid: one.activation for one in before.guests}
    same = frozenset(
        one.uuid
        for one in plan.guests
        if one.guest
        and not one.changes
        and was.get(one.uuid) == one.guest.config
        and starts.get(one.uuid, one.guest.activation) is one.guest.activation
    )
    return same | ({HOST} if applied.pool == (plan.wanted_pool or plan.pool) else frozenset())


def with_files(plan: Plan, changes: tuple[FileChange, ...], names: Mapping[str, str]) -> Plan:
    """`plan`, which also makes `changes` and then rests on the files being as they are.

    `names` are the names of guests by uuid, for the holders of the changes.
    """
    files = tuple(one._replace(holder=names.get(one.holder, one.holder)) for one in changes)
    if not files:
        return plan
    words = (f"{one.path} {one.before!r} {one.after!r}" for one in files)
    basis = plan.basis._replace(files=hashlib.sha256("\n".join(words).encode()).hexdigest())
    return plan._replace(files=files, basis=basis, fingerprint=fingerprint_of(plan.desired.host.name, basis))


def _definitions(plan: Plan, guests: list[GuestPlan]) -> tuple[Definition, ...]:
    definitions = (
        Definition(one.uuid, _config(plan, one), one.guest.activation is Activation.ACTIVE)
        for one in guests
        if one.guest
    )
    return tuple(sorted(definitions, key=lambda one: one.uuid))


def _config(plan: Plan, one: GuestPlan) -> ApConfig:
    # Before 6.0 a device with an absent queue is not started at all, so only what there is can be defined.
    assert one.guest
    attainable = None if plan.abilities.over_provision else one.after
    return attainable or one.guest.config
