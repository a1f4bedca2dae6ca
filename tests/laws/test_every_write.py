"""I1, I2, I3 and I5 hold after every single write, on every kernel; I6: a second plan has no steps."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.kernel.writes import writes_of
from reconciler.model.matrix import ApConfig
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import (
    EVERY_PROFILE,
    EVERYTHING_HOST,
    abilities_of,
    config,
    desired_like,
    held,
    holdings,
    host_holding,
    uuid,
)
from testing.invariants import violations
from testing.journals import FakeJournal
from testing.recording_sysfs import RecordingSysfs

FOREIGN = {uuid(0xF): config([7], [4])}


def applied(holdings: Holdings) -> Applied:
    """The inventory after `holdings` have been applied; foreign devices are not in it."""
    return Applied(holdings.pool, {one: (one, what) for one, what in holdings.mdevs.items() if one not in FOREIGN})


def without_foreign(holdings: Holdings) -> Holdings:
    """What the manifests ask for."""
    return holdings._replace(mdevs={one: what for one, what in holdings.mdevs.items() if one not in FOREIGN})


def watched_apply(plan: Plan, host: SimulatedHost, profile: Profile, target: Holdings) -> tuple[list[str], Result, int]:
    """Apply `plan` and look at the host after every write; what was violated, the outcome, the number of writes."""
    abilities = abilities_of(profile)
    start = held(host, abilities)
    interrupted = {one.uuid for one in plan.guests if one.interrupted}
    found: list[str] = []

    def look(_write: object) -> None:
        now = held(host, abilities)
        found.extend(violations(now, start, target, interrupted))
        found.extend(f"I5: {one} changed" for one in FOREIGN if now.mdevs.get(one) != start.mdevs.get(one))

    sysfs = RecordingSysfs(host, look)
    outcome = apply_plan(plan, sysfs, FakeClock(), FakeJournal(), NoProgress()).outcome
    return found, outcome.result, len(sysfs.writes)


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(data=st.data())
def test_no_write_breaks_an_invariant(profile: Profile, data: st.DataObject) -> None:
    """Between any two writes of an apply from one random state to another nothing is held that must not be."""
    foreign = data.draw(st.sampled_from([{}, FOREIGN]))
    start = data.draw(holdings(foreign=foreign))
    host = on_kernel(start, profile)
    target = data.draw(holdings(foreign=foreign))
    assume(not target.pool.is_empty)
    plan = make_plan(desired_like(without_foreign(target)), observe(host), applied(start))
    if not plan.is_valid:
        assert {one.id for one in plan.problems} <= {"unreachable", "host-without-queues"}
        return

    found, result, writes = watched_apply(plan, host, profile, reached(plan, target))

    assert found == []
    assert result in (Result.APPLIED, Result.NOTHING)
    assert writes == sum(1 for _ in plan_writes(plan))
    assert held(host, abilities_of(profile)) == reached(plan, target)
    again = make_plan(desired_like(without_foreign(target)), observe(host), applied(target))
    assert again.steps == ()


def on_kernel(start: Holdings, profile: Profile) -> SimulatedHost:
    """A host that holds `start`, or on kernels before 6.0 what of it can be assigned."""
    if profile.over_provision:
        return host_holding(start, profile)
    foreign = {one: what for one, what in start.mdevs.items() if one in FOREIGN}
    host = host_holding(Holdings(start.pool, foreign), profile)
    plan = make_plan(desired_like(without_foreign(start)), observe(host))
    apply_plan(plan, host, FakeClock(), FakeJournal(), NoProgress())
    return host


def reached(plan: Plan, target: Holdings) -> Holdings:
    """The target, or on kernels before 6.0 the part of it that is bound to vfio_ap."""
    after = {one.uuid: one.after for one in plan.guests if one.after}
    mdevs: dict[str, ApConfig] = {one: after.get(one, what) for one, what in target.mdevs.items()}
    return target._replace(mdevs=dict(sorted(mdevs.items())))


def plan_writes(plan: Plan) -> list[object]:
    """Every write of the plan."""
    return [write for one in plan.steps for write in writes_of(one.step, plan.abilities)]


@given(target=holdings())
@settings(max_examples=30)
def test_an_apply_from_a_fresh_host_gives_what_was_asked_for(target: Holdings) -> None:
    """From a host that has everything itself to any state without conflict, in one apply."""
    profile = EVERY_PROFILE[2]
    host = host_holding(EVERYTHING_HOST, profile)
    plan = make_plan(desired_like(target), observe(host))

    found, _, _ = watched_apply(plan, host, profile, target)

    assert found == []
    assert held(host, abilities_of(profile)) == target
