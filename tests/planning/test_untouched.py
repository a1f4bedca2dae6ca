"""Guests that are left as they are: suspended, or changed by others with the manifest's leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.kernel.paths import CREATE
from reconciler.kernel.writes import writes_of
from reconciler.model.desired import Activation, Desired, DesiredGuest, GivenUp, Ignored, Keep, Unmanaged
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.planning.plan import Cause, Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.scope import AllBut, Spared, VmEvent
from reconciler.planning.status import WITHHELD, status_of
from reconciler.simulator.hardware import Card, Plug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.journal import applied_by
from testing.holdings import config, desired, guest, hardware, uuid

GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
A = guest("a", config([5], [4]), 1)
B = guest("b", config([6], [4]), 2)


class World:
    """A host, and what was applied to it."""

    def __init__(self, kernel: str = "6.12") -> None:
        self.host = SimulatedHost(hardware(), PROFILES[kernel])
        self.applied = Applied(None, {})

    def plan(self, what: Desired, *untouched: int) -> Plan:
        """The plan for `what`."""
        return make_plan(what, observe(self.host), self.applied, AllBut(frozenset(map(uuid, untouched))))

    def apply(self, what: Desired, *untouched: int) -> Plan:
        """Carry it out."""
        plan = self.plan(what, *untouched)
        assert plan.is_valid
        for planned in plan.steps:
            for write in writes_of(planned.step, plan.abilities):
                self.host.write(write.path, write.value)
        self.applied = applied_by(plan, 1, self.applied)
        return plan

    def assign(self, number: int, attribute: str, value: str) -> None:
        """Somebody changes a device by hand."""
        self.host.write(f"devices/vfio_ap/matrix/{uuid(number)}/{attribute}", value)


def sites(*guests: DesiredGuest) -> Desired:
    """Manifests of a host with a fixed pool."""
    return desired(guests, GIVES_UP)


def test_a_suspended_guest_keeps_what_it_has() -> None:
    """Whatever the manifests say, and somebody else does; it stays ours, and what is to be done is done afterwards."""
    world = World()
    world.apply(sites(A, B))
    world.assign(1, "assign_domain", "0x47")
    changed = A._replace(config=config([5], [0x47]))

    plan = world.apply(sites(changed, B), 1)
    assert not plan.changes
    assert not plan.in_sync
    assert world.applied.guests[uuid(1)] == ("a", A.config)
    assert [one.authorised for one in status_of(plan).guests] == [config([5], [4, 0x47], [4]), B.config]

    resumed = world.plan(sites(A, B))
    assert [(one.name, one.cause) for one in resumed.guests if one.changes] == [("a", Cause.HOST)]


def test_what_a_suspended_guest_has_counts_without_its_manifest() -> None:
    """Another guest does not get it: the suspended one is named, and how it is resumed."""
    world = World()
    world.apply(sites(A))
    claiming = guest("c", A.config, 3)

    plan = world.plan(sites(claiming), 1)

    [problem] = [one for one in plan.problems if one.id == "held-meanwhile"]
    assert problem.held_by == ("a",)
    assert "guest 'c' claims a queue that the device of 'a' has" in problem.message
    assert world.plan(sites(claiming)).is_valid


KEPT = (Keep(A.config.matrix, 0),)
AROUND = (Keep(Matrix(IdSet([5]), IdSet([7])), 0), Keep(Matrix(IdSet([7]), IdSet([4])), 1))
OTHER_POOL = GivenUp(NO_IDS, IdSet([7]))


@pytest.mark.parametrize(
    ("what", "id"),
    [
        (desired([], keep=KEPT), "kept-by-foreign"),
        (desired([], OTHER_POOL), "pool-takes-foreign"),
        (desired([], keep=AROUND), "no-pool"),
        (desired([A], keep=KEPT), "held-meanwhile"),
        (desired([A], OTHER_POOL), "held-meanwhile"),
        (desired([A], keep=AROUND), "no-pool"),
    ],
)
def test_whatever_needs_a_suspended_guest_says_how_it_is_resumed(what: Desired, id: str) -> None:
    """One problem, whether a manifest names the guest or not; its name is there, and the command."""
    world = World()
    world.apply(sites(A))

    [problem] = world.plan(what, 1).problems

    assert problem.id == id
    assert "'a'" in problem.message
    assert str(problem.advice) == "reconcile resume a"
    assert problem.held_by == ("a",)


@pytest.mark.parametrize("what", [desired([], keep=AROUND), desired([A], keep=AROUND)])
def test_what_is_reserved_for_a_suspended_guest_is_named(what: Desired) -> None:
    """Its device is gone, and the host must not get back what it had."""
    world = World()
    world.apply(sites(A))
    world.host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")

    [problem] = world.plan(what, 1).problems

    assert problem.id == "no-pool"
    assert "guest 'a'" in problem.message
    assert problem.held_by == ("a",)


@pytest.mark.parametrize("named", [True, False])
def test_a_vm_whose_queue_a_suspended_guest_has_is_led_to_it(named: bool) -> None:
    """Its start is refused with the command that ends the suspension."""
    world = World()
    world.apply(sites(A))
    starts = guest("c", A.config, 3, activation=Activation.ON_DEMAND)
    moved = A._replace(config=config([6], [4]))
    what = sites(moved, starts) if named else sites(starts)

    event = VmEvent(frozenset({uuid(3)}), suspended=frozenset({uuid(1)}))
    plan = make_plan(what, observe(world.host), world.applied, event)

    [problem] = plan.problems
    assert problem.id == ("queue-held" if named else "held-meanwhile")
    assert str(problem.advice) == "reconcile resume a"


def test_what_a_suspended_guest_has_counts() -> None:
    """Another guest does not get it."""
    world = World()
    world.apply(sites(A))
    world.assign(1, "assign_adapter", "6")
    plan = world.plan(sites(A, B), 1)
    assert [one.id for one in plan.problems] == ["held-meanwhile"]
    assert not world.plan(sites(A, B)).problems


def test_a_suspended_guest_without_a_device_is_not_made() -> None:
    """It goes on claiming its queues; one that is on-demand or inactive stays so."""
    world = World()
    plan = world.plan(sites(A, B), 1)
    assert [one.name for one in plan.guests if one.changes] == ["b"]
    assert plan.desired.guests == (A, B)
    overlapping = B._replace(config=A.config)
    assert world.plan(sites(A, overlapping), 1).problems
    assert world.plan(sites(A._replace(activation=Activation.INACTIVE), B), 1).is_valid


def test_a_suspended_guest_that_left_the_manifests_stays_ours() -> None:
    """It is removed when it is resumed."""
    world = World()
    world.apply(sites(A, B))
    plan = world.apply(sites(B), 1)
    assert not plan.changes
    assert uuid(1) in world.applied.guests
    assert [(one.name, one.goes) for one in world.plan(sites(B)).guests if one.changes] == [("a", True)]


@pytest.mark.parametrize(
    ("ignored", "attribute", "healed"),
    [
        ([Ignored.CONTROL_DOMAINS], "assign_control_domain", False),
        ([Ignored.DOMAINS], "assign_domain", False),
        ([Ignored.ADAPTERS, Ignored.DEVICE], "assign_domain", True),
        ([], "assign_control_domain", True),
    ],
)
def test_what_others_may_change_is_no_drift(ignored: list[Ignored], attribute: str, healed: bool) -> None:
    """Only those parts."""
    mine = A._replace(ignored=frozenset(ignored))
    world = World()
    world.apply(sites(mine))
    world.assign(1, attribute, "0x47")
    plan = world.plan(sites(mine))
    assert plan.in_sync is not healed
    (status,) = status_of(plan).guests
    assert ("spec.ignoreDrift" in " ".join(status.why)) is not healed


def test_a_device_that_others_may_remove_is_not_made_again() -> None:
    """Until the manifest changes."""
    mine = A._replace(ignored=frozenset([Ignored.DEVICE]))
    world = World()
    world.apply(sites(mine, B))
    world.assign(1, "remove", "1")
    world.assign(2, "remove", "1")
    assert [one.name for one in world.plan(sites(mine, B)).guests if one.changes] == ["b"]
    changed = mine._replace(config=config([5], [0x47]))
    assert {one.name: one.cause for one in world.plan(sites(changed, B)).guests if one.changes} == {
        "a": Cause.MANIFEST,
        "b": Cause.HOST,
    }


def test_a_change_of_the_manifest_is_applied_whatever_is_ignored() -> None:
    """Ignoring is for drift."""
    mine = A._replace(ignored=frozenset(Ignored))
    world = World()
    world.apply(sites(mine))
    plan = world.apply(sites(mine._replace(config=config([5], [4, 0x47]))))
    assert [one.after for one in plan.guests] == [config([5], [4, 0x47])]


def test_hardware_that_arrives_is_no_drift() -> None:
    """Before 6.0 a guest gets a queue when it is there."""
    world = World("5.15")
    wanted = sites(guest("a", config([5, 9], [4]), 1))
    world.apply(wanted)
    assert world.plan(wanted).in_sync
    world.host.change_hardware(Plug(9, Card()))
    plan = world.plan(wanted)
    assert [one.cause for one in plan.guests] == [Cause.ARRIVED]
    world.apply(wanted)
    world.assign(1, "unassign_adapter", "9")
    world.assign(1, "remove", "1")
    assert [one.cause for one in world.plan(wanted).guests] == [Cause.HOST]


@given(
    st.sets(st.sampled_from(list(Ignored))),
    st.sampled_from(["assign_domain", "assign_adapter", "assign_control_domain", "unassign_domain", "remove"]),
    st.booleans(),
)
def test_planning_again_after_an_apply_gives_nothing_to_do(ignored: set[Ignored], attribute: str, alone: bool) -> None:
    """I6 holds for what is left alone as well."""
    mine = A._replace(ignored=frozenset(ignored))
    world = World()
    world.apply(sites(mine, B))
    values = {"assign_domain": "0x47", "assign_adapter": "7", "assign_control_domain": "9", "unassign_domain": "4"}
    world.assign(1, attribute, values.get(attribute, "1"))
    untouched = (1,) if alone else ()
    world.apply(sites(mine, B), *untouched)
    plan = world.plan(sites(mine, B), *untouched)
    assert not plan.changes
    assert {one.uuid: one.config for one in plan.observed.mdevs}[uuid(2)] == B.config


def test_a_suspended_guest_stays_whatever_is_to_become_of_unmanaged_devices() -> None:
    """Also one that left the manifests of a host on which only ours may be."""
    world = World()
    world.apply(sites(A, B))
    plan = world.plan(desired([B], GIVES_UP, unmanaged=Unmanaged.REMOVE), 1)
    assert not plan.changes
    assert set(plan.withheld) == {uuid(1)}


def test_a_suspended_guest_does_not_step_aside_for_the_masks() -> None:
    """From 6.19 the masks can only move where no device has a queue with that id; then it is an error instead."""
    world = World("7.2")
    world.apply(desired([guest("a", config([5], [4]), 1)], GivenUp(IdSet([5]), IdSet([4]))))
    narrower = desired([guest("a", config([5], [4]), 1)], GivenUp(NO_IDS, IdSet([4])))
    assert {one.step.uuid for one in world.plan(narrower).steps} == {uuid(1), ""}
    plan = world.plan(narrower, 1)
    assert [one.id for one in plan.problems if one.severity.value == "error"] == ["unreachable"]
    assert not plan.steps


def test_a_suspended_guest_that_gave_a_queue_up_by_hand_keeps_it_from_the_host() -> None:
    """The masks of a derived pool do not follow what is done by hand."""
    world = World()
    wide = A._replace(config=config([5], [4, 0x47]))
    world.apply(desired([wide, B]))
    before = world.plan(desired([wide, B])).observed.pool
    world.assign(1, "unassign_domain", "0x47")
    assert world.plan(desired([wide, B]), 1).pool == before


def test_what_differs_from_the_manifest_of_a_suspended_guest_is_said() -> None:
    """Also in its reasons; nothing is said where it is as its manifest says."""
    world = World()
    world.apply(sites(A, B))
    assert not world.plan(sites(A, B), 1).withheld
    plan = world.plan(sites(A._replace(config=config([5], [0x47])), B), 1)
    assert set(plan.withheld) == {uuid(1)}
    assert WITHHELD in status_of(plan).guests[0].why


def test_where_drift_is_spared_a_pool_that_is_given_does_not_take_it() -> None:
    """The host would get a queue back that a drifted device has: a problem, which names the guest."""
    world = World()
    world.apply(sites(A))
    world.assign(1, "assign_domain", "0x47")
    narrower = desired([A], GivenUp(NO_IDS, IdSet([4])))
    plan = make_plan(narrower, observe(world.host), world.applied, AllBut(spared=Spared(None)))
    assert [one.id for one in plan.problems] == ["held-meanwhile"]
    assert "'a'" in plan.problems[0].message
    derived = make_plan(desired([A]), observe(world.host), world.applied, AllBut(spared=Spared(None)))
    assert derived.is_valid
    assert derived.spared == {uuid(1)}


def test_devices_of_strangers_are_spared_by_name_as_well() -> None:
    """Where removing one again and again would be a fight."""
    world = World()
    remove = desired([A], GIVES_UP, unmanaged=Unmanaged.REMOVE)
    world.apply(remove)
    world.host.write(CREATE, uuid(9))
    world.host.write(CREATE, uuid(10))
    plan = make_plan(remove, observe(world.host), world.applied, AllBut(spared=Spared(frozenset([uuid(9)]))))
    assert [one.uuid for one in plan.guests if one.changes] == [uuid(10)]


def test_nothing_is_made_up() -> None:
    """Where nothing is left alone or ignored the manifests are aimed at as they are."""
    plan = World().plan(sites(A))
    assert plan.guests[0].guest is plan.desired.guests[0]
    assert ApConfig(*plan.guests[0].after or ()) == A.config
