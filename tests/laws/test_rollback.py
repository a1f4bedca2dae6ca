"""I3 on the way back: rolling back takes no queue that a guest keeps, or the plan has said so and needs consent."""

import errno
from collections.abc import Collection, Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings, Step, holdings_after
from reconciler.planning.effect import rollback_effects
from reconciler.planning.host_pool import without_blocked
from reconciler.planning.order import order_steps
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.faults import Fault, FaultySysfs, WriteBlocked, WriteRefused
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.rollback import roll_back
from reconciler.transaction.step import Host
from testing.clocks import FakeClock
from testing.holdings import (
    EVERY_PROFILE,
    abilities_of,
    all_holdings,
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
from testing.transitions import write_paths

FOREIGN = uuid(0xF)
SMALL = all_holdings((5, 6), (4, 0x47), 2)
STRICT = abilities_of(PROFILES["7.2"])
STATES = st.one_of(holdings(), st.sampled_from(SMALL))


def named(plan: Plan) -> set[str]:
    """Whose queues the plan, or rolling it back, takes for a while, as it says."""
    return {one.uuid for one in plan.guests if one.interrupted or one.rollback_takes}


def planned(
    start: Holdings, target: Holdings, profile: Profile, running: Collection[str]
) -> tuple[SimulatedHost, Plan]:
    """A host at `start` with VMs that run, and the plan to `target`."""
    host = host_holding(start, profile)
    for one in running:
        host.start_vm(one)
    inventory = Applied(start.pool, {one: (one, what) for one, what in start.mdevs.items() if one != FOREIGN})
    wanted = target._replace(mdevs={one: what for one, what in target.mdevs.items() if one != FOREIGN})
    return host, make_plan(desired_like(wanted), observe(host), inventory)


def faults_at(nth: int) -> list[Fault]:
    """The write `nth` fails: with an error, or blocks and has an effect or none."""
    return [
        WriteRefused(nth, errno.EINVAL),
        WriteBlocked(nth, takes_effect=True),
        WriteBlocked(nth, takes_effect=False),
    ]


class Watched(NoProgress):
    """Looks at a host after every write, and knows how it was when the failure came."""

    def __init__(self, host: SimulatedHost, plan: Plan) -> None:
        self._host, self._plan = host, plan
        self.start = held(host, plan.abilities)
        self.failed: Holdings | None = None
        self.found: list[str] = []

    def rolling_back(self, reason: str) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        self.failed = held(self._host, self._plan.abilities)

    def look(self, _write: object) -> None:
        """Look whether rolling back keeps the invariants, but for whom the plan has named."""
        if self.failed is not None:
            now = held(self._host, self._plan.abilities)
            self.found += violations(now, self.failed, self.start, named(self._plan))

    def apply(self, *faults: Fault) -> Result:
        """Apply while `faults` happen."""
        sysfs = FaultySysfs(RecordingSysfs(self._host, self.look), faults)  # type: ignore[arg-type]
        return apply_plan(self._plan, sysfs, FakeClock(), FakeJournal(), self).outcome.result


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(data=st.data())
@settings(max_examples=80)
def test_rolling_back_takes_only_what_the_plan_has_named(profile: Profile, data: st.DataObject) -> None:
    """From a failure at any write, with or without effect, on every kernel, whoever runs."""
    start, target = data.draw(STATES), data.draw(STATES)
    assume(not target.pool.is_empty)
    running = data.draw(st.sets(st.sampled_from(sorted(start.mdevs)))) if start.mdevs else set()
    try:
        host, plan = planned(start, target, profile, running)
    except OSError:  # before 6.0 not everything can be assigned
        assume(False)
    assume(plan.steps)
    nth = data.draw(st.integers(1, len(write_paths(plan))))
    fault = data.draw(st.sampled_from(faults_at(nth)))
    watched = Watched(host, plan)

    result = watched.apply(fault)

    assert watched.found == []
    if result is Result.ROLLED_BACK:
        assert held(host, plan.abilities) == watched.start


@given(data=st.data())
@settings(max_examples=80)
def test_rolling_back_a_whole_apply_takes_only_what_the_plan_has_named(data: st.DataObject) -> None:
    """As when nobody confirms it; also where VMs were started meanwhile."""
    start, target = data.draw(STATES), data.draw(STATES)
    assume(not target.pool.is_empty)
    host, plan = planned(start, target, PROFILES["7.2"], ())
    assume(plan.steps)
    watched = Watched(host, plan)
    assert watched.apply() is Result.APPLIED
    now = watched.failed = held(host, plan.abilities)
    for one in data.draw(st.sets(st.sampled_from(sorted(now.mdevs)))) if now.mdevs else ():
        host.start_vm(one)

    touched = {one.step.uuid for one in plan.steps if one.step.uuid}
    sysfs = RecordingSysfs(host, watched.look)
    roll_back(watched.start, touched, Host(sysfs, FakeClock(), plan.abilities, ()), plan.interruptible)

    assert watched.found == []


def prefixes(start: Holdings, steps: tuple[Step, ...]) -> Iterator[Holdings]:
    """Every state that the steps lead through."""
    for count in range(1, len(steps) + 1):
        yield holdings_after(start, steps[:count])


def by_planning(start: Holdings, steps: tuple[Step, ...]) -> dict[str, set[Matrix]]:
    """Whom rolling back takes what from, found out by planning it from every prefix."""
    fixed = frozenset(start.mdevs) - {step.uuid for step in steps}
    taken: dict[str, set[Matrix]] = {}
    for now in prefixes(start, steps):
        ordered = order_steps(now, start, STRICT, fixed)
        if ordered.blocked:
            reachable = start._replace(pool=without_blocked(start.pool, ordered.blocked))
            ordered = order_steps(now, reachable, STRICT, fixed)
            assert not ordered.blocked
        for one in ordered.outages:
            taken.setdefault(one.uuid, set()).update(one.lost)
    return taken


@given(start=STATES, target=STATES)
@settings(max_examples=400)
def test_what_rolling_back_takes_is_what_planning_it_from_every_prefix_says(start: Holdings, target: Holdings) -> None:
    """The short way to find it out agrees with the long one."""
    steps = order_steps(start, target, STRICT, frozenset()).steps
    effects = rollback_effects(start, steps)

    assert {one: set(parts) for one, parts in effects.taken.items()} == by_planning(start, steps)
    fixed = frozenset(start.mdevs) - {step.uuid for step in steps}
    assert effects.barring == order_steps(holdings_after(start, steps), start, STRICT, fixed).blocked


def test_a_device_that_is_to_go_is_not_taken_from_by_rolling_back() -> None:
    """It is removed before the mask is changed, since the mask could not be set again while it is there."""
    start = Holdings(Matrix(~config([5], []).adapters, ~config([], [7]).domains), {uuid(1): config([5], [4])})
    target = Holdings(Matrix(start.pool.adapters, start.pool.domains - config([], [4]).domains), {})

    steps = order_steps(start, target, STRICT, frozenset()).steps

    assert [one.action.value for one in steps] == ["remove", "aqmask"]
    assert rollback_effects(start, steps).taken == {}
