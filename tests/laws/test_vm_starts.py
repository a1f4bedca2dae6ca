"""A VM that starts or ends changes its own device and nothing else, from any state and whatever the manifests say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired
from reconciler.model.matrix import ApConfig
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.scope import VmEvent
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import (
    EVERY_PROFILE,
    abilities_of,
    desired,
    desired_like,
    guest,
    held,
    holdings,
    host_holding,
    rectangles,
    uuid,
)
from testing.invariants import violations
from testing.journals import FakeJournal
from testing.recording_sysfs import RecordingSysfs

OURS = uuid(9)


def apply_and_watch(plan: Plan, host: SimulatedHost, profile: Profile) -> None:
    """Apply `plan`; after each write no invariant is violated, and nobody has changed but our guest and the host."""
    abilities = abilities_of(profile)
    start = held(host, abilities)
    after = {one.uuid: one.after for one in plan.guests}
    mdevs = {**start.mdevs, **{one: what for one, what in after.items() if what is not None}}
    target = Holdings(plan.pool, {one: what for one, what in mdevs.items() if after.get(one, what) is not None})

    def look(_write: object) -> None:
        now = held(host, abilities)
        assert violations(now, start, target) == []
        assert {**now.mdevs, OURS: None} == {**start.mdevs, OURS: None}

    outcome = apply_plan(plan, RecordingSysfs(host, look), FakeClock(), FakeJournal(), NoProgress()).outcome
    assert outcome.result in (Result.APPLIED, Result.NOTHING)
    assert held(host, abilities) == target


@st.composite
def manifests(draw: st.DrawFn) -> Desired:
    """Manifests with our on-demand guest; the others ask for some state, with the pool given or derived."""
    others = desired_like(draw(holdings()))
    ours = guest("ours", ApConfig(*draw(rectangles()), draw(rectangles()).domains), 9, activation=Activation.ON_DEMAND)
    given_up = others.host.given_up if draw(st.booleans()) else None
    return desired([*others.guests, ours], given_up)


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(start=holdings(), wanted=manifests())
def test_a_start_and_an_end_change_one_device(profile: Profile, start: Holdings, wanted: Desired) -> None:
    """Or the start is refused, with a reason; the end takes back all but what the host gave up."""
    if not profile.over_provision:
        # Before 6.0 an id is assigned only if one of its queues is there for vfio_ap.
        kept = {one: what for one, what in start.mdevs.items() if 200 not in what.adapters}
        kept = {one: what for one, what in kept.items() if bool(what.adapters) == bool(what.domains)}
        start = start._replace(mdevs=kept)
    host = host_holding(start, profile)
    plan = make_plan(wanted, observe(host), scope=VmEvent(starts=frozenset([OURS])))
    if not plan.is_valid:
        assert not plan.steps
        return

    apply_and_watch(plan, host, profile)
    assert observe(host).pool.adapters <= start.pool.adapters
    assert observe(host).pool.domains <= start.pool.domains
    again = make_plan(wanted, observe(host), scope=VmEvent(starts=frozenset([OURS])))
    assert again.in_sync

    apply_and_watch(make_plan(wanted, observe(host), scope=VmEvent(ends=frozenset([OURS]))), host, profile)
    assert held(host, abilities_of(profile)).mdevs == start.mdevs
