"""A plan for chosen guests changes their devices and nothing else, from any state and whatever the manifests say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, Selector, Unmanaged
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.scope import Targets
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.journal import applied_by
from testing.clocks import FakeClock
from testing.holdings import (
    EVERY_PROFILE,
    abilities_of,
    desired,
    desired_like,
    held,
    holdings,
    host_holding,
    uuid,
)
from testing.invariants import violations
from testing.journals import FakeJournal
from testing.recording_sysfs import RecordingSysfs

UUIDS = [uuid(number) for number in range(1, 5)]


@st.composite
def manifests(draw: st.DrawFn) -> Desired:
    """Manifests of any activation, with the pool given or derived, and a label on some guests."""
    asked = desired_like(draw(holdings()))
    guests = [
        one._replace(
            activation=draw(st.sampled_from(Activation)),
            labels=(("tenant", draw(st.sampled_from(["x", "y"]))),),
        )
        for one in asked.guests
    ]
    given_up = asked.host.given_up if draw(st.booleans()) else None
    return desired(guests, given_up, unmanaged=draw(st.sampled_from(Unmanaged)))


def attainable(start: Holdings, profile: Profile) -> Holdings:
    """`start` as far as a kernel of `profile` can be led there."""
    if profile.over_provision:
        return start
    kept = {one: what for one, what in start.mdevs.items() if 200 not in what.adapters}
    return start._replace(mdevs={one: what for one, what in kept.items() if bool(what.adapters) == bool(what.domains)})


def apply_and_watch(plan: Plan, host: SimulatedHost, profile: Profile, chosen: frozenset[str]) -> None:
    """Apply `plan`; after each write no invariant is violated, and only the chosen devices and the host differ."""
    abilities = abilities_of(profile)
    start = held(host, abilities)
    after = {one.uuid: one.after for one in plan.guests}
    mdevs = {**start.mdevs, **{one: what for one, what in after.items() if what is not None}}
    target = Holdings(plan.pool, {one: what for one, what in mdevs.items() if after.get(one, what) is not None})
    interrupted = {one.uuid for one in plan.guests if one.interrupted}

    def look(_write: object) -> None:
        now = held(host, abilities)
        assert violations(now, start, target, interrupted) == []
        others = [{uuid: what for uuid, what in one.mdevs.items() if uuid not in chosen} for one in (start, now)]
        assert others[0] == others[1]

    outcome = apply_plan(plan, RecordingSysfs(host, look), FakeClock(), FakeJournal(), NoProgress()).outcome
    assert outcome.result in (Result.APPLIED, Result.NOTHING)
    assert held(host, abilities) == target


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(start=holdings(), wanted=manifests(), ours=st.sets(st.sampled_from(UUIDS)), data=st.data())
@settings(max_examples=60)
def test_only_what_was_chosen_changes(
    profile: Profile, start: Holdings, wanted: Desired, ours: set[str], data: st.DataObject
) -> None:
    """The host gives up no more than they need and gets nothing back; what is ours besides stays ours.

    What it gave up was given up by us: no plan takes it for the work of another program.
    """
    start = attainable(start, profile)
    host = host_holding(start, profile)
    inventory = Applied(start.pool, {one: (f"was{one[-2:]}", start.mdevs[one]) for one in ours & start.mdevs.keys()})
    names = sorted({one.name for one in wanted.guests} | {name for name, _ in inventory.guests.values()})
    targets = Targets(frozenset(data.draw(st.sets(st.sampled_from(names)))) if names else frozenset())
    chosen = targets.chosen(wanted, inventory.guests)
    plan = make_plan(wanted, observe(host), inventory, targets)

    assert plan.only == chosen
    assert {one.uuid for one in plan.guests} <= chosen
    assert not plan.is_news
    if not plan.is_valid:
        assert not plan.steps
        return
    apply_and_watch(plan, host, profile, chosen)
    needed = [one.config.matrix for one in wanted.guests if one.uuid in chosen]
    now = observe(host)
    assert now.pool.adapters <= start.pool.adapters
    assert now.pool.domains <= start.pool.domains
    if not any(one.overlaps(start.pool) for one in needed):
        assert now.pool == start.pool
    after = applied_by(plan, 7, inventory)
    assert {one: what for one, what in after.guests.items() if one not in chosen} == {
        one: what for one, what in inventory.guests.items() if one not in chosen
    }
    assert (after.pool, after.digest) == (now.pool, inventory.digest)  # what we took did not drift
    again = make_plan(wanted, now, after, targets)
    assert again.is_valid
    assert not again.steps


@given(start=holdings(), wanted=manifests())
@settings(max_examples=60)
def test_choosing_all_guests_makes_each_as_the_whole_plan_does(start: Holdings, wanted: Desired) -> None:
    """Unless the whole plan is refused, or removes what stands in the way of the chosen ones."""
    host = host_holding(start, EVERY_PROFILE[-2])
    inventory = Applied(start.pool, {one: (one, what) for one, what in start.mdevs.items()})
    whole = make_plan(wanted, observe(host), inventory)
    chosen = make_plan(wanted, observe(host), inventory, Targets(frozenset(one.name for one in wanted.guests)))
    if not whole.is_valid or not chosen.is_valid:
        return

    assert {one.uuid: one.after for one in chosen.guests} == {
        one.uuid: one.after for one in whole.guests if one.guest is not None
    }


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(start=holdings(), data=st.data())
@settings(max_examples=40)
def test_chosen_guests_can_swap_what_they_have(profile: Profile, start: Holdings, data: st.DataObject) -> None:
    """As the whole plan has them do: what one of them gives up, another one gets."""
    start = attainable(start, profile)
    configs = data.draw(st.permutations(list(start.mdevs.values())))
    wanted = desired_like(start._replace(mdevs=dict(zip(start.mdevs, configs, strict=True))))
    host = host_holding(start, profile)
    inventory = Applied(start.pool, {one: (one, what) for one, what in start.mdevs.items()})
    whole = make_plan(wanted, observe(host), inventory)
    chosen = make_plan(wanted, observe(host), inventory, Targets(frozenset(one.name for one in wanted.guests)))

    assert chosen.is_valid == whole.is_valid
    if whole.is_valid:
        apply_and_watch(chosen, host, profile, frozenset(start.mdevs))


@given(wanted=manifests(), value=st.sampled_from(["x", "y", "z"]))
def test_labels_choose_who_has_all_of_them(wanted: Desired, value: str) -> None:
    """And no guest that has left the manifests, whose labels nobody knows."""
    targets = Targets(labels=Selector((("tenant", value),)))

    found = targets.chosen(wanted, {uuid(9): ("left", object())})

    assert found == {one.uuid for one in wanted.guests if ("tenant", value) in one.labels}
    assert Targets(labels=Selector((("tenant", value), ("no", "such")))).chosen(wanted, {}) == frozenset()
