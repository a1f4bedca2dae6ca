"""A boot leads to what was there before it, from whatever was applied, on every kernel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings
from reconciler.planning.boot_stages import plan_stage
from reconciler.planning.planner import NOTHING_APPLIED
from reconciler.planning.scope import BootStage
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import EVERY_PROFILE, abilities_of, desired_like, hardware, held, holdings
from testing.invariants import violations
from testing.journals import FakeJournal
from testing.recording_sysfs import RecordingSysfs


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(before=holdings(), derived=st.booleans(), early=st.booleans())
def test_a_boot_leads_back(profile: Profile, before: Holdings, derived: bool, early: bool) -> None:
    """In two stages, or in one where vfio_ap is there too early; after each write all invariants hold."""
    if not profile.over_provision:
        # Before 6.0 an id is assigned only if one of its queues is there for vfio_ap.
        kept = {one: what for one, what in before.mdevs.items() if 200 not in what.adapters}
        kept = {one: what for one, what in kept.items() if bool(what.adapters) == bool(what.domains)}
        before = before._replace(mdevs=kept)
    abilities = abilities_of(profile)
    wanted = desired_like(before)
    wanted = wanted._replace(
        host=wanted.host._replace(given_up=None if derived else wanted.host.given_up),
        guests=tuple(one._replace(activation=Activation.ACTIVE) for one in wanted.guests),
    )
    host = SimulatedHost(hardware(), profile, vfio_ap=early)

    def stage(one: BootStage) -> Holdings:
        made = plan_stage(one, wanted, observe(host), NOTHING_APPLIED)
        assert made.is_valid
        target = Holdings(made.pool, {guest.uuid: guest.after for guest in made.guests if guest.after})
        start = held(host, abilities)

        def look(_write: object) -> None:
            assert violations(held(host, abilities), start, target) == []

        outcome = apply_plan(made, RecordingSysfs(host, look), FakeClock(), FakeJournal(), NoProgress()).outcome
        assert outcome.result in (Result.APPLIED, Result.NOTHING)
        return target

    if not early:
        masks = stage(BootStage.MASKS)
        assert not observe(host).vfio_ap
        host.load_vfio_ap()
        assert held(host, abilities).pool == masks.pool
    after = stage(BootStage.WHOLE)
    assert held(host, abilities) == after
    assert after.mdevs == before.mdevs
    assert derived or after.pool == before.pool
    assert plan_stage(BootStage.WHOLE, wanted, observe(host), NOTHING_APPLIED).in_sync
