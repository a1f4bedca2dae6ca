"""Makes the plan: a pure function of the manifests, of the host as found, and of what was applied last."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, Desired, DesiredGuest, Persistence
from reconciler.model.ids import Uuid
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig, Matrix
from reconciler.model.observed import Observed, ObservedMdev, VmName, its_vm
from reconciler.model.problems import Position, Problem, ProblemList, errors_of
from reconciler.model.steps import MASK_ACTIONS, Action, Holdings, Step
from reconciler.model.stopping import NEVER, Budget, StopToken
from reconciler.planning.basis import basis_of, fingerprint_of
from reconciler.planning.confined import Confined, confined_problems, confined_target, confined_to
from reconciler.planning.conflicts import conflicts
from reconciler.planning.effect import (
    NO_EFFECTS,
    Bindings,
    Effect,
    bindings_after,
    bindings_now,
    effect_of,
    effective,
    rollback_effects,
)
from reconciler.planning.host_checks import drift_conflicts, host_problems, one_way_problems, unreachable_problems
from reconciler.planning.order import Ordered, order_steps
from reconciler.planning.plan import (
    Cause,
    Consent,
    GuestPlan,
    Plan,
    PlannedStep,
    RolledBack,
    effect_text,
    removal_consents,
    rollback_text,
)
from reconciler.planning.scope import HOST, WHOLE, AllBut, Spared, Targets, VmEvent, Whole
from reconciler.planning.target import Left, Target, Untouched, Why, aimed_at, spared_devices, target_of


class Applied(NamedTuple):
    """What was applied last.

    Attributes:
        pool: the host pool; None where none was set.
        guests: the name and configuration of every device that is ours, by uuid.
        generation: the number in the history of the apply that made it so; 0 where there is none.
        digest: of the manifests; empty where it is not known.
        persistence: how the host was to boot into it.
        unclaimed: the names of the guests that were to have no device, by its uuid: on-demand ones whose VM does not
            run, and inactive ones.
        rolled_back: what the rollback has undone that made it so; None where it was none.
    """

    pool: Matrix | None
    guests: Mapping[Uuid, tuple[str, ApConfig]]
    generation: int = 0
    digest: str = ""
    persistence: Persistence = Persistence.NONE
    unclaimed: Mapping[Uuid, str] = MappingProxyType({})
    rolled_back: RolledBack | None = None

    @property
    def names(self) -> dict[Uuid, str]:
        """The names of all guests by uuid, those that have their device first."""
        return {**{uuid: name for uuid, (name, _) in self.guests.items()}, **self.unclaimed}


MORE_WRITES: Final = (
    "more writes than needed may be planned: so many guests wait for each other's queues that finding the fewest would "
    "take too long; the plan is safe, and the same on every machine"
)
"""The note of a plan whose search for the fewest writes was cut."""

NOTHING_APPLIED = Applied(None, {})


def holdings_of(observed: Observed) -> Holdings:
    """Who holds what on `observed`."""
    return Holdings(observed.pool, {one.uuid: one.config for one in observed.mdevs})


def make_plan(
    desired: Desired,
    observed: Observed,
    applied: Applied = NOTHING_APPLIED,
    scope: Whole | AllBut | VmEvent | Targets = WHOLE,
    stop: StopToken = NEVER,
    known: Iterable[Problem] = (),
) -> Plan:
    """The plan that leads from `observed` to `desired`, as far as `scope` goes.

    What stays as it is may have what others need: that is a problem. So are those that are `known` already.

    `stop` is asked again and again, and ends it by raising `Abandoned`; else it takes a bounded amount of work.

    It has no steps where a problem forbids it; the problems' places name fields, to be made exact by
    `reconciler.manifests.pinpoint`.
    """
    stop.check()
    budget = Budget(stop=stop)
    if isinstance(scope, VmEvent | Targets):
        aim = _confined_aim(scope, desired, observed, applied)
    else:
        aim = _host_aim(scope if isinstance(scope, AllBut) else AllBut(), desired, observed, applied)
    target, only = aim.target, aim.only
    after = bindings_after(observed, target.holdings.pool, target.holdings.mdevs)
    why = _why(desired, applied, aim)
    problems = ProblemList(known)
    problems.extend(_problems(aim, observed, after, scope, why))
    problems.extend(drift_conflicts(desired, target, observed, applied.guests, why))
    stop.check()
    stop.advance()
    current = holdings_of(observed)
    ordered, rolled_back = Ordered(()), NO_EFFECTS
    if not errors_of(problems.all):
        others = aim.untouched.union(one.uuid for one in target.foreign)
        fixed = others if only is None else frozenset(current.mdevs) - only
        ordered = order_steps(current, target.holdings, observed.abilities, fixed, budget)
        problems.extend(unreachable_problems(ordered.blocked, desired, observed.pool))
        if observed.abilities.strict_in_use:
            rolled_back = rollback_effects(current, ordered.steps)
        problems.extend(one_way_problems(rolled_back.barring, desired))
    stop.check()
    stop.advance()
    interrupted = frozenset(one.uuid for one in ordered.outages)
    shown = desired if only is None else desired._replace(guests=_guests_of(only, desired))
    guests = _guest_plans(shown, observed, target, after, applied, interrupted)
    if isinstance(scope, VmEvent):
        guests = tuple(map(_by_vm, guests))
    if rolled_back.taken:
        guests = tuple(one._replace(rollback_takes=rolled_back.taken.get(one.uuid, ())) for one in guests)
    pool_cause = _pool_cause(
        observed, target, applied, scope, manifests_changed=_manifests_changed(guests, applied, desired)
    )
    # Manifests that follow the rollback may ask for something else: it stands against what they want again only.
    is_undone = Cause.UNDONE in (pool_cause, *(one.cause for one in guests))
    basis = basis_of(desired, observed, inventory_words(applied))
    return Plan(
        desired=desired,
        observed=observed,
        basis=basis,
        fingerprint=fingerprint_of(desired.host.name, basis),
        problems=problems.all,
        consents=tuple(_consents(guests, observed, target, scope, applied)) if ordered.steps else (),
        pool=target.holdings.pool,
        pool_reason=target.pool_reason,
        pool_cause=pool_cause,
        guests=guests,
        foreign=target.foreign,
        steps=_planned_steps(ordered.steps, desired, guests),
        only=only,
        untouched=aim.untouched,
        withheld=_withheld(desired, observed, applied, aim.suspended) if only is None else {},
        spared=aim.drifted | ({HOST} if target.holdings.pool != target.wanted_pool else set()),
        wanted_pool=target.wanted_pool if target.wanted_pool != target.holdings.pool else None,
        is_news=only is None and applied.digest != desired.digest,
        notes=((MORE_WRITES,) if budget.is_cut else ()),
        targets=_chosen_names(aim, desired, applied) if isinstance(scope, Targets) else None,
        rolled_back=applied.rolled_back if is_undone else None,
    )


class _Aim(NamedTuple):
    """What a scope makes of the manifests.

    Attributes:
        desired: the manifests, with what stays as it is as it is.
        target: what is to be held.
        confined: what the plan is confined to; None where it is for the whole host.
        suspended: the uuids of devices that stay as they are since their guests are suspended.
        drifted: likewise since their drift is not corrected.
    """

    desired: Desired
    target: Target
    confined: Confined | None = None
    suspended: frozenset[str] = frozenset()
    drifted: frozenset[str] = frozenset()

    @property
    def only(self) -> frozenset[str] | None:
        """The uuids of the devices that the plan is about; None: of all."""
        return None if self.confined is None else self.confined.only

    @property
    def untouched(self) -> frozenset[str]:
        """The uuids of all devices that stay as they are."""
        return self.suspended | self.drifted


def _host_aim(scope: AllBut, desired: Desired, observed: Observed, applied: Applied) -> _Aim:
    drifted = spared_devices(desired, observed, applied.guests, scope.spared)
    untouched = scope.suspended | drifted
    aimed = aimed_at(desired, observed, applied.guests, untouched)
    left = _left(desired, applied, untouched, scope.spared)
    target = target_of(aimed, observed, applied.guests.keys() - untouched, left)
    return _Aim(aimed, target, None, scope.suspended, drifted)


def _confined_aim(scope: VmEvent | Targets, desired: Desired, observed: Observed, applied: Applied) -> _Aim:
    confined = confined_to(scope, desired, observed, applied.guests)
    # The manifests decide about a guest whose VM starts; a suspension holds up the loop, not a person who chooses.
    suspended = scope.suspended - confined.only if isinstance(scope, VmEvent) else frozenset[str]()
    target = confined_target(confined, desired, observed, applied.guests.keys() - suspended)
    return _Aim(desired, target, confined, suspended)


def _guests_of(uuids: frozenset[str], desired: Desired) -> tuple[DesiredGuest, ...]:
    return tuple(one for one in desired.guests if one.uuid in uuids)


def _why(desired: Desired, applied: Applied, aim: _Aim) -> dict[str, Untouched]:
    names = _names(desired, applied)
    had = {uuid: config.matrix for uuid, (_, config) in applied.guests.items()}
    return {
        uuid: Untouched(
            names.get(uuid, uuid), Why.SUSPENDED if uuid in aim.suspended else Why.DRIFTED, had.get(uuid, EMPTY_MATRIX)
        )
        for uuid in sorted(aim.untouched)
    }


def _names(desired: Desired, applied: Applied) -> dict[str, str]:
    """The names of guests by uuid: those in the manifests, or those they had when they were applied last."""
    return {uuid: name for uuid, (name, _) in applied.guests.items()} | {one.uuid: one.name for one in desired.guests}


def _chosen_names(aim: _Aim, desired: Desired, applied: Applied) -> tuple[str, ...]:
    names = _names(desired, applied)
    return tuple(sorted(names[uuid] for uuid in aim.only or ()))


def _left(desired: Desired, applied: Applied, untouched: frozenset[str], spared: Spared) -> Left:
    reserved = tuple(applied.guests[uuid][1].matrix for uuid in sorted(untouched & applied.guests.keys()))
    if not spared.has(HOST):
        return Left(untouched, reserved)
    return Left(untouched, reserved, desired, applied.pool)


def _withheld(desired: Desired, observed: Observed, applied: Applied, suspended: frozenset[str]) -> dict[str, str]:
    """The names of the `suspended` devices, by uuid, that would be made, changed or removed if they were not."""
    if not suspended:
        return {}
    wanted = aimed_at(desired, observed, applied.guests, ())
    target = target_of(wanted, observed, applied.guests).holdings.mdevs
    found = {one.uuid: one.config for one in observed.mdevs}
    names = _names(desired, applied)
    return {uuid: names.get(uuid, uuid) for uuid in sorted(suspended) if target.get(uuid) != found.get(uuid)}


def _problems(
    aim: _Aim,
    observed: Observed,
    after: Bindings,
    scope: Whole | AllBut | VmEvent | Targets,
    untouched: Mapping[str, Untouched],
) -> list[Problem]:
    target = aim.target
    if isinstance(scope, VmEvent | Targets):
        assert aim.confined
        return confined_problems(scope, aim.confined, aim.desired, observed, target, after, untouched)
    built = [one.uuid for one in observed.mdevs]
    pool = target.holdings.pool if target.pool_reason else None
    return [
        *conflicts(
            aim.desired,
            pool,
            target.foreign,
            built,
            observed.vms,
            untouched,
            idle=observed.idle,
        ),
        *host_problems(aim.desired, observed, target, after),
    ]


def inventory_words(applied: Applied) -> list[str]:
    """Words that stand for what was applied last, for the basis of a plan."""
    guests = [f"{uuid} {_words(*applied.guests[uuid])}" for uuid in sorted(applied.guests)]
    return [repr(applied.pool), *guests, *(f"{uuid} {name}" for uuid, name in sorted(applied.unclaimed.items()))]


def _words(name: str, config: ApConfig) -> str:
    return f"{name} {config.adapters.bits:x} {config.domains.bits:x} {config.control_domains.bits:x}"


class _View(NamedTuple):
    """What all guest plans are made from."""

    found: Mapping[str, ObservedMdev]
    target: Target
    now: Bindings
    after: Bindings
    applied: Applied
    interrupted: frozenset[str]
    vms: Mapping[str, VmName]
    gradual: bool
    is_news: bool


def _guest_plans(
    desired: Desired,
    observed: Observed,
    target: Target,
    after: Bindings,
    applied: Applied,
    interrupted: frozenset[str],
) -> tuple[GuestPlan, ...]:
    found = {one.uuid: one for one in observed.mdevs}
    gradual = not observed.abilities.over_provision
    is_news = applied.digest != desired.digest
    view = _View(found, target, bindings_now(observed), after, applied, interrupted, observed.vms, gradual, is_news)
    plans = [_guest_plan(guest.name, guest.uuid, guest, view) for guest in desired.guests]
    named = {guest.uuid for guest in desired.guests}
    plans += [
        _guest_plan(applied.guests[uuid][0] if uuid in applied.guests else uuid, uuid, None, view)
        for uuid in sorted(target.leaving - named)
    ]
    return tuple(plans)


def _guest_plan(name: str, uuid: str, guest: DesiredGuest | None, view: _View) -> GuestPlan:
    mdev = view.found.get(uuid)
    before = mdev.config if mdev else None
    after = view.target.holdings.mdevs.get(uuid)
    sees_before = _sees(mdev, view.now) if mdev else None
    sees_after = effective(after.matrix, view.after) if after else None
    emptied = mdev is not None and mdev.in_use and uuid in view.target.leaving and before != after
    return GuestPlan(
        name=name,
        uuid=uuid,
        guest=guest,
        before=before,
        after=after,
        sees_before=sees_before,
        sees_after=sees_after,
        effect=Effect.LOSES_DEVICE if emptied else effect_of(sees_before, sees_after),
        in_use=mdev is not None and mdev.in_use,
        interrupted=uuid in view.interrupted,
        bindings=view.after,
        cause=None if before == after else _cause(uuid, guest, before, after, view),
        goes=before is not None and (after is None or uuid in view.target.leaving),
        opened_by=mdev.opened_by if mdev else None,
        vm=view.vms.get(uuid),
        drifted=before != after and _is_drifted(before, view.applied.guests.get(uuid), view),
    )


def _is_drifted(before: ApConfig | None, last: tuple[str, ApConfig] | None, view: _View) -> bool:
    # Before 6.0 a device that was applied has only what was there.
    return last is not None and before != last[1] and not view.gradual


def _sees(mdev: ObservedMdev, now: Bindings) -> Matrix:
    return mdev.effective if mdev.effective is not None else effective(mdev.config.matrix, now)


def _cause(
    uuid: str, guest: DesiredGuest | None, before: ApConfig | None, after: ApConfig | None, view: _View
) -> Cause:
    last = view.applied.guests.get(uuid)
    if guest is None and last is None and not view.is_news:
        return Cause.HOST  # a device that has been made since, where none but ours may be
    # What was applied had a device, so a guest without a claim has become so in the manifests.
    if not (guest and guest.activation is not Activation.INACTIVE and last and last[1] == guest.config):
        return _cause_in_manifests(uuid, guest, last, view)
    if view.gradual and before and after and all(was <= becomes for was, becomes in zip(before, after, strict=True)):
        return Cause.ARRIVED
    return Cause.HOST


def _by_vm(one: GuestPlan) -> GuestPlan:
    """What becomes of a device that is made since a VM starts, or removed since it has ended."""
    if one.cause is None or (one.before is not None and one.after is not None):
        return one
    return one._replace(cause=Cause.VM_STARTS if one.before is None else Cause.VM_ENDED)


def _cause_in_manifests(uuid: str, guest: DesiredGuest | None, last: tuple[str, ApConfig] | None, view: _View) -> Cause:
    """Why the manifests ask for something that was not applied last."""
    rolled_back = view.applied.rolled_back if view.is_news else None
    is_known = last is not None or uuid in view.applied.unclaimed
    if rolled_back and uuid in rolled_back.guests:
        wanted = guest.config if guest and guest.activation is not Activation.INACTIVE else None
        if rolled_back.guests[uuid] == wanted:
            return Cause.UNDONE
        is_known = True
    if is_known:
        return Cause.MANIFEST
    return Cause.UNNAMED if guest is None else Cause.NEW


def _manifests_changed(guests: tuple[GuestPlan, ...], applied: Applied, desired: Desired) -> bool:
    """Whether the manifests say something that was not applied, such as to a guest that was suspended then."""
    return applied.digest != desired.digest or any(one.cause and one.cause.is_of_manifests for one in guests)


def _pool_cause(
    observed: Observed,
    target: Target,
    applied: Applied,
    scope: Whole | AllBut | VmEvent | Targets,
    *,
    manifests_changed: bool,
) -> Cause | None:
    if target.holdings.pool == observed.pool:
        return None
    if isinstance(scope, VmEvent):
        return Cause.VM_STARTS  # one that ends leaves the masks as they are
    # A derived pool also makes room for the devices of others: where these change it, the manifests are as they were.
    if applied.pool == target.holdings.pool or not manifests_changed:
        return Cause.HOST
    if applied.rolled_back and applied.rolled_back.pool == target.holdings.pool:
        return Cause.UNDONE
    return Cause.MANIFEST if applied != NOTHING_APPLIED else Cause.NEW


def _consents(
    guests: tuple[GuestPlan, ...],
    observed: Observed,
    target: Target,
    scope: Whole | AllBut | VmEvent | Targets,
    applied: Applied,
) -> list[Consent]:
    consents = [
        Consent(one.name, _disruption(one), uuid=one.uuid)
        for one in guests
        if one.needs_consent and not (one.guest and one.guest.disruption_allowed)
    ]
    taken = [one.queue for one in observed.queues if one.busy and not target.holdings.pool.has(one.queue)]
    if taken:
        names = ", ".join(map(str, taken[:8])) + (" …" if len(taken) > 8 else "")
        consents.append(Consent("host", f"the host's drivers have requests in flight on {names}, which they lose"))
    if isinstance(scope, VmEvent):
        return consents
    others = 0
    if isinstance(scope, Targets):  # those that stay count, too
        planned = {one.uuid for one in guests}
        others = sum(one.uuid in applied.guests and one.uuid not in planned for one in observed.mdevs)
    return consents + removal_consents(guests, others)


_OTHERWISE: Final = "this kernel refuses the mask write otherwise"


def _disruption(one: GuestPlan) -> str:
    reasons = []
    if one.interrupted:
        reasons.append(f"loses queues for a while that it has before and after: {_OTHERWISE}")
    elif one.disrupted:
        because = f": {'; '.join(one.hidden)}" if one.hidden else ""
        reasons.append(f"{its_vm(one.opened_by)} runs and {effect_text(one)}{because}")
    if one.rollback_takes:
        reasons.append(f"{rollback_text(one)}: {_OTHERWISE}")
    return "; ".join(reasons)


def _planned_steps(steps: tuple[Step, ...], desired: Desired, guests: tuple[GuestPlan, ...]) -> tuple[PlannedStep, ...]:
    plans = {one.uuid: one for one in guests}
    final = {step.uuid: place for place, step in enumerate(steps)}
    return tuple(
        _mask_step(step, desired)
        if step.action in MASK_ACTIONS
        else _device_step(step, plans[step.uuid], desired.host.position, is_last=final[step.uuid] == place)
        for place, step in enumerate(steps)
    )


def _mask_step(step: Step, desired: Desired) -> PlannedStep:
    noun = "adapters" if step.action is Action.APMASK else "domains"
    return PlannedStep(step, "host", desired.host.position, f"changes which {noun} the host's drivers have")


def _device_step(step: Step, plan: GuestPlan, elsewhere: Position, *, is_last: bool) -> PlannedStep:
    position = plan.guest.position if plan.guest else elsewhere
    if step.action is Action.CREATE:
        effect: str = "makes an empty device"
    elif is_last:
        effect = plan.effect
    else:
        effect = "gives up for a while what it keeps" if plan.interrupted else "gives up what others wait for"
    return PlannedStep(step, plan.name, position, effect)
