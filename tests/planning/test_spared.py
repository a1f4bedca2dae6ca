"""Drift that a plan does not correct, and what the manifests cannot have because of it."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.kernel.paths import APMASK, AQMASK
from reconciler.kernel.writes import writes_of
from reconciler.model.desired import Activation, Desired, Ignored
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, make_plan
from reconciler.planning.scope import HOST, AllBut, Spared
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.journal import applied_by
from testing.holdings import config, desired, guest, hardware, uuid
from testing.plans import problem_ids

EVERYTHING = Spared(None)
A = guest("a", config([5], [4]), 1)
B = guest("b", config([6], [4]), 2)
C = guest("c", config([7], [4]), 3)


class World:
    """A host to which something was applied and which others change."""

    def __init__(self, *guests: object, kernel: str = "6.12", what: Desired | None = None) -> None:
        self.host = SimulatedHost(hardware(), PROFILES[kernel])
        self.applied = NOTHING_APPLIED
        self.apply(what or desired(guests))  # type: ignore[arg-type]

    def plan(self, what: Desired, spared: Spared = EVERYTHING) -> Plan:
        """The plan for `what`."""
        return make_plan(what, observe(self.host), self.applied, AllBut(spared=spared))

    def apply(self, what: Desired) -> Plan:
        """Carry it out."""
        plan = self.plan(what)
        assert plan.is_valid, plan.problems
        for planned in plan.steps:
            for write in writes_of(planned.step, plan.abilities):
                self.host.write(write.path, write.value)
        self.applied = applied_by(plan, 1, self.applied)
        return plan

    def write(self, number: int, attribute: str, value: str) -> None:
        """Another program changes a device."""
        self.host.write(f"devices/vfio_ap/matrix/{uuid(number)}/{attribute}", value)


def test_a_device_that_is_gone_is_not_made_again_by_another_guests_manifest() -> None:
    """What is wanted of it is not forgotten."""
    world = World(A, B)
    world.write(1, "remove", "1")
    plan = world.apply(desired([A, B, C]))
    assert [one.name for one in plan.guests if one.changes] == ["c"]
    assert plan.spared == {uuid(1)}
    assert [one.name for one in world.plan(desired([A, B, C]), Spared()).guests if one.changes] == ["a"]


@pytest.mark.parametrize(
    "changed",
    [
        A._replace(activation=Activation.INACTIVE),
        A._replace(config=config([5], [0x47])),
        A._replace(config=config([5, 7], [4], [0x47])),
    ],
)
def test_what_the_manifests_change_is_no_drift(changed: object) -> None:
    """The device becomes what they say."""
    world = World(A, B)
    world.write(1, "assign_control_domain", "0xab")
    plan = world.plan(desired([changed, B]))  # type: ignore[list-item]
    assert [one.name for one in plan.guests if one.changes] == ["a"]
    assert uuid(1) not in plan.spared


@pytest.mark.parametrize("fields", [{"activation": Activation.ON_DEMAND}, {"ignored": frozenset([Ignored.DEVICE])}])
def test_a_device_that_need_not_be_there_has_not_drifted(fields: dict[str, object]) -> None:
    """An on-demand guest without its VM, and one whose device others may remove."""
    mine = A._replace(**fields)  # type: ignore[arg-type]
    world = World(A, B)
    world.write(1, "remove", "1")
    assert not world.plan(desired([mine, B, C])).spared


def test_before_6_0_hardware_that_is_not_there_is_no_drift() -> None:
    """A device holds less than it was granted; one that holds more has drifted."""
    mine = guest("a", config([5, 9], [4]), 1)
    world = World(mine, B, kernel="5.15")
    assert not world.plan(desired([mine, B])).spared
    world.write(1, "assign_adapter", "7")
    assert world.plan(desired([mine, B])).spared == {uuid(1)}


def test_masks_that_drifted_stay_where_the_manifests_ask_for_nothing_else() -> None:
    """And are still to be what they were, whatever else is applied."""
    world = World(A, B)
    world.host.write(APMASK, "-200")
    plan = world.apply(desired([A, B, C]))
    assert plan.pool == plan.observed.pool
    assert plan.spared == {HOST}
    assert world.plan(desired([A, B, C]), Spared()).pool != plan.pool
    assert world.apply(desired([A])).spared == {HOST}


def test_a_mask_that_did_not_drift_changes_beside_one_that_did() -> None:
    """Each is looked at alone."""
    world = World(A, B)
    world.host.write(APMASK, "-200")
    before = world.plan(desired([A, B])).observed.pool
    plan = world.apply(desired([A._replace(config=config([5], [4, 0x47])), B]))
    assert plan.pool.adapters == before.adapters
    assert 0x47 not in plan.pool.domains
    assert plan.spared == {HOST}


def test_a_mask_that_drifted_and_has_to_change_is_a_problem() -> None:
    """Unless it is already as it has to be."""
    world = World(A, B)
    wider = desired([A._replace(config=config([5], [4, 0x47])), B])
    world.host.write(AQMASK, "-171")
    plan = world.plan(wider)
    assert problem_ids(plan) == [("masks-drifted", "error")]
    assert "aqmask" in plan.problems[0].message
    world.host.write(AQMASK, "+171,-71")
    assert world.plan(wider).is_valid


def test_a_new_guest_does_not_get_what_a_drifted_mask_gives_to_the_host() -> None:
    """It is named, with the masks; guests that the manifests do not change are none of its business."""
    world = World(A, B)
    world.write(1, "remove", "1")
    world.write(2, "remove", "1")
    world.host.write(AQMASK, "+4")
    plan = world.plan(desired([A, B, C]))
    assert problem_ids(plan) == [("masks-drifted", "error")]
    assert "'c'" in plan.problems[0].message
    elsewhere = guest("c", config([7], [4]), 3, activation=Activation.ON_DEMAND)
    assert world.plan(desired([A, B, elsewhere])).is_valid


def test_a_new_guest_does_not_get_what_a_drifted_device_has() -> None:
    """Both are named; a guest that waits for its VM is not in the way, and two that drifted are not either."""
    world = World(A, B)
    world.write(1, "assign_adapter", "7")
    plan = world.plan(desired([A, B, C]))
    assert problem_ids(plan) == [("held-meanwhile", "error")]
    assert "'a'" in plan.problems[0].message
    assert "'c'" in plan.problems[0].message
    assert world.plan(desired([A, B, C._replace(activation=Activation.ON_DEMAND)])).is_valid
    world.write(2, "remove", "1")
    world.write(1, "assign_adapter", "6")
    assert world.plan(desired([A, B])).is_valid


def test_only_what_is_named_is_spared() -> None:
    """Everything else is corrected."""
    world = World(A, B)
    world.write(1, "remove", "1")
    world.write(2, "remove", "1")
    world.host.write(APMASK, "-200")
    plan = world.plan(desired([A, B]), Spared(frozenset([uuid(1)])))
    assert [one.name for one in plan.guests if one.changes] == ["b"]
    assert plan.pool != plan.observed.pool
    plan = world.plan(desired([A, B]), Spared(frozenset([HOST])))
    assert [one.name for one in plan.guests if one.changes] == ["a", "b"]
    assert plan.pool == plan.observed.pool
