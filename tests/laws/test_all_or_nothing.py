"""I4: whatever the kernel refuses, at whichever write, the host ends at the target or at the start."""

import errno
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.kernel.text_forms import ap_config_text
from reconciler.model.outcome import Outcome, Result
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.faults import (
    BindingDelayed,
    CandidateShown,
    Fault,
    FaultySysfs,
    ForeignWriter,
    ReadRefused,
    WriteBlocked,
    WriteRefused,
)
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import (
    EVERY_PROFILE,
    NEW_PROFILES,
    abilities_of,
    config,
    desired_like,
    held,
    holdings,
    host_holding,
    uuid,
)
from testing.journals import FakeJournal
from testing.transitions import CREATES, REMOVES, SWAPS, TRANSITIONS, errors_at, write_paths

PLANS = {name: TRANSITIONS[name] for name in ("create", "remove", "swap", "pool")}


def planned(start: Holdings, target: Holdings, profile: Profile) -> tuple[SimulatedHost, Plan]:
    """A host at `start` and the plan to `target`."""
    host = host_holding(start, profile)
    return host, make_plan(desired_like(target), observe(host), _inventory(start))


def _inventory(start: Holdings) -> Applied:
    return Applied(start.pool, {one: (one, what) for one, what in start.mdevs.items()})


def run(plan: Plan, host: SimulatedHost, *faults: Fault) -> tuple[Outcome, FakeJournal]:
    """Apply `plan` while `faults` happen."""
    journal = FakeJournal()
    return apply_plan(plan, FaultySysfs(host, faults), FakeClock(), journal, NoProgress()).outcome, journal


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@pytest.mark.parametrize("name", PLANS)
def test_a_refusal_at_any_write_puts_the_start_back(name: str, profile: Profile) -> None:
    """Every write of every plan, refused with every errno of the kernel's tables."""
    start, target = PLANS[name]
    host, plan = planned(start, target, profile)
    tried = 0
    for nth, path in enumerate(write_paths(plan), 1):
        for code in errors_at(path):
            host, plan = planned(start, target, profile)
            before = held(host, abilities_of(profile))
            outcome, journal = run(plan, host, WriteRefused(nth, code))
            if code == errno.EAGAIN:
                assert outcome.result is Result.APPLIED
                continue
            assert outcome.result is Result.ROLLED_BACK, (nth, path, errno.errorcode[code], outcome)
            assert held(host, abilities_of(profile)) == before
            assert errno.errorcode[code] in outcome.failure
            assert outcome.writes == nth - 1
            removed = sum(one.endswith("/remove") for one in write_paths(plan)[: nth - 1])
            abilities = abilities_of(profile)
            # From 6.19 on, a mask that is set again may take a step aside of whoever has its ids.
            if not removed or (abilities.ap_config and not abilities.strict_in_use):
                assert outcome.rollback_writes <= outcome.writes + removed
            if abilities.ap_config and not abilities.strict_in_use:
                assert outcome.rollback_writes <= len(write_paths(plan))
            assert journal.entries[-1] == "rolled back"
            tried += 1

    assert tried > 0


@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize("name", PLANS)
def test_a_write_that_blocks_puts_the_start_back(name: str, takes_effect: bool) -> None:
    """A write that does not return in time, whether or not it takes effect, leads back to the start."""
    start, target = PLANS[name]
    _, plan = planned(start, target, PROFILES["6.12"])
    for nth in range(1, len(write_paths(plan)) + 1):
        host, plan = planned(start, target, PROFILES["6.12"])
        outcome, _ = run(plan, host, WriteBlocked(nth, takes_effect))

        assert outcome.result is Result.ROLLED_BACK
        assert "kernel busy" in outcome.failure
        assert held(host, plan.abilities) == start


@pytest.mark.parametrize("profile", NEW_PROFILES, ids=lambda one: one.name)
@given(data=st.data())
@settings(max_examples=60)
def test_a_refusal_in_a_random_plan_puts_the_start_back(profile: Profile, data: st.DataObject) -> None:
    """Random states, a random write, a random errno."""
    start, target = data.draw(holdings()), data.draw(holdings())
    assume(not target.pool.is_empty)
    host, plan = planned(start, target, profile)
    assume(plan.steps)
    paths = write_paths(plan)
    nth = data.draw(st.integers(1, len(paths)))
    code = data.draw(st.sampled_from([one for one in errors_at(paths[nth - 1]) if one != errno.EAGAIN]))

    outcome, _ = run(plan, host, WriteRefused(nth, code))

    assert outcome.result is Result.ROLLED_BACK
    assert held(host, plan.abilities) == start


def test_binding_that_never_ends_puts_the_start_back() -> None:
    """The wait for re-binding is bounded; when it is over everything goes back."""
    host, plan = planned(*CREATES, PROFILES["6.12"])

    outcome, _ = run(plan, host, BindingDelayed(1, None))

    assert outcome.result in (Result.ROLLED_BACK, Result.DEGRADED)
    assert "re-binding" in outcome.failure
    assert held(host, plan.abilities) == CREATES[0]


def test_binding_that_takes_its_time_is_waited_for() -> None:
    """Drivers that change a little after the mask do not disturb."""
    host, plan = planned(*CREATES, PROFILES["6.12"])

    outcome, _ = run(plan, host, BindingDelayed(1, 40))

    assert outcome.result is Result.APPLIED


def test_a_configuration_that_is_only_a_candidate_is_not_believed() -> None:
    """What ``ap_config`` shows for a moment while the kernel checks somebody's write is read again."""
    host, plan = planned(*SWAPS, PROFILES["6.12"])
    candidate = CandidateShown(f"{mdev(uuid(1))}/ap_config", 1, config([7], [0xAB]))

    outcome, _ = run(plan, host, candidate)

    assert outcome.result is Result.APPLIED
    assert held(host, plan.abilities) == SWAPS[1]


def foreign_mask(host: SimulatedHost) -> None:
    """Somebody changes a mask."""
    host.write(APMASK, "-7")


def foreign_device(host: SimulatedHost) -> None:
    """Somebody makes a device that takes a queue which the plan wants."""
    host.write(CREATE, uuid(0xF))
    host.write(f"{mdev(uuid(0xF))}/ap_config", ap_config_text(config([5], [4])))


def foreign_change(host: SimulatedHost) -> None:
    """Somebody changes a device of ours."""
    host.write(f"{mdev(uuid(1))}/assign_adapter", "7")


@pytest.mark.parametrize("act", [foreign_mask, foreign_device, foreign_change])
@pytest.mark.parametrize("after", [False, True])
def test_a_foreign_writer_in_between_is_found(act: Callable[[SimulatedHost], None], after: bool) -> None:
    """Who changes something between two of our writes is never overwritten unseen: target, start, or told."""
    for nth in range(1, 6):
        host, plan = planned(*CREATES, PROFILES["6.12"])

        def meddle(host: SimulatedHost = host) -> None:
            try:
                act(host)
            except OSError:
                return

        outcome, _ = run(plan, host, ForeignWriter(nth, meddle, after))
        now = held(host, plan.abilities)
        ours = {one: what for one, what in now.mdevs.items() if one != uuid(0xF)}
        if outcome.result is Result.APPLIED:
            assert ours == CREATES[1].mdevs
        elif outcome.result is Result.ROLLED_BACK:
            assert ours == {}
            assert now.pool == CREATES[0].pool
        else:
            assert outcome.differences


def test_a_device_that_vanishes_while_it_is_read_is_no_failure() -> None:
    """ENODEV while observing means that the host changed; it is read again."""
    host, plan = planned(*SWAPS, PROFILES["6.12"])

    outcome, _ = run(plan, host, ReadRefused(AQMASK, 2, errno.ENODEV))

    assert outcome.result is Result.APPLIED


def test_a_start_that_somebody_else_has_taken_is_told_as_degraded() -> None:
    """The way back is refused by a foreign device: everything else is put back and the rest is named."""
    host, plan = planned(*REMOVES, PROFILES["6.12"])

    def steal() -> None:
        host.write(CREATE, uuid(0xF))
        host.write(f"{mdev(uuid(0xF))}/ap_config", ap_config_text(config([5], [0x47])))

    last = len(write_paths(plan))
    outcome, journal = run(plan, host, ForeignWriter(last, steal), WriteRefused(last, errno.EINVAL))

    assert outcome.result is Result.DEGRADED
    assert any(uuid(2) in one for one in outcome.differences)
    assert journal.entries[-1] == "degraded"
    assert held(host, plan.abilities).mdevs[uuid(0xF)] == config([5], [0x47], [0x47])
