"""What a plan says of a host: steps, causes, consents, predictions."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, GivenUp, Keep, Unmanaged
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Queue
from reconciler.model.observed import Observed
from reconciler.model.outcome import Result
from reconciler.model.problems import Severity
from reconciler.model.steps import Action, Holdings
from reconciler.planning.effect import Effect
from reconciler.planning.host_pool import PoolReason
from reconciler.planning.plan import ALLOW_DISRUPTION, ALLOW_EMPTY, Cause, Consent, Plan, RolledBack
from reconciler.planning.planner import make_plan
from reconciler.render.plan_text import plan_text
from reconciler.simulator.hardware import SetCard
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, held, host_holding, matrix, uuid
from testing.plans import FOREIGN, FREE, GIVES_UP, ONE, actions, applied, apply, host_with, plan_of, problem_ids

# What is foreign, what leaves ----------------------------------------------------------------------------------------


def test_a_device_that_no_manifest_names_and_we_did_not_make_stays() -> None:
    """A foreign device is counted, and nothing is done to it."""
    plan = make_plan(desired([], GIVES_UP), observe(host_with(mf=ONE)))

    assert plan.in_sync
    assert [one.uuid for one in plan.foreign] == [FOREIGN]
    assert plan.guests == ()


def test_a_device_that_we_made_goes_when_its_guest_has_left_the_manifests() -> None:
    """What is in the inventory is ours to remove; it keeps the name that it had."""
    plan = make_plan(desired([], GIVES_UP), observe(host_with(m1=ONE)), applied(m1=ONE))

    assert actions(plan) == [(Action.REMOVE, "m1")]
    assert plan_of(plan, "m1").cause is Cause.MANIFEST
    assert plan_of(plan, "m1").effect is Effect.LOSES_DEVICE


def test_unmanaged_devices_are_removed_where_the_host_says_so() -> None:
    """``unmanaged: remove`` makes every device that no manifest names ours to remove."""
    plan = make_plan(desired([], GIVES_UP, unmanaged=Unmanaged.REMOVE), observe(host_with(mf=ONE)))

    assert actions(plan) == [(Action.REMOVE, FOREIGN)]
    assert plan.foreign == ()


def test_a_leaving_device_that_a_vm_has_open_is_emptied_first_and_removed_later() -> None:
    """The kernel would block on removing it; emptying it needs consent, removing it follows when the VM has ended."""
    host, ours = host_with(m1=ONE), applied(m1=ONE)
    host.start_vm(uuid(1))

    first = make_plan(desired([], GIVES_UP), observe(host), ours)
    assert actions(first) == [(Action.CONFIGURE, "m1")]
    assert [(one.holder, one.flag) for one in first.consents] == [("m1", ALLOW_DISRUPTION), ("host", ALLOW_EMPTY)]
    done = apply(first, host)
    assert done.result is Result.APPLIED
    assert done.notes == ("'m1': its VM still has the emptied device open; an apply after it has ended removes it",)
    assert held(host, first.abilities).mdevs == {uuid(1): EMPTY_CONFIG}

    waiting = make_plan(desired([], GIVES_UP), observe(host), ours)
    assert waiting.in_sync

    host.stop_vm(uuid(1))
    last = make_plan(desired([], GIVES_UP), observe(host), ours)
    assert actions(last) == [(Action.REMOVE, "m1")]
    assert last.consents == ()


def test_an_emptied_device_that_waits_for_its_vm_needs_no_consent_again() -> None:
    """What a plan does not touch, it does not disrupt."""
    host = host_with(m1=EMPTY_CONFIG)
    host.start_vm(uuid(1))

    plan = make_plan(desired([guest("b", config([6], [4]), 2)], GIVES_UP), observe(host), applied(m1=ONE))

    assert [holder for _, holder in actions(plan)] == ["b", "b"]
    assert plan.consents == ()
    assert not plan_of(plan, "m1").disrupted


def test_an_unmanaged_device_in_use_needs_consent_before_it_is_emptied() -> None:
    """``unmanaged: remove`` does not take crypto from a running VM unasked."""
    host = host_with(mf=ONE)
    host.start_vm(FOREIGN)

    plan = make_plan(desired([], GIVES_UP, unmanaged=Unmanaged.REMOVE), observe(host))

    assert plan.consents == (
        Consent(FOREIGN, "its VM runs and loses its device", ALLOW_DISRUPTION, FOREIGN),
        Consent("host", "all of our mediated devices are removed (1)", ALLOW_EMPTY),
    )


# Activation ----------------------------------------------------------------------------------------------------------


def test_an_on_demand_guest_without_device_is_authorised_for_the_pool_but_not_built() -> None:
    """Its queues leave the host pool in advance; its device is made when the VM starts."""
    plan = make_plan(desired([guest("a", ONE, 1, activation=Activation.ON_DEMAND)]), observe(SimulatedHost()))

    assert actions(plan) == [(Action.AQMASK, "host")]
    assert plan_of(plan, "a").after is None


def test_an_on_demand_guest_that_is_built_follows_its_manifest() -> None:
    """While its device is there it is kept as the manifest says."""
    wanted = guest("a", config([5, 6], [4]), 1, activation=Activation.ON_DEMAND)

    plan = make_plan(desired([wanted], GIVES_UP), observe(host_with(m1=ONE)))

    assert actions(plan) == [(Action.CONFIGURE, "a")]


def test_an_on_demand_guest_that_is_built_may_not_grow_into_a_foreign_device() -> None:
    """Its device exists, so what somebody else has cannot be had: an error, not a plan that the kernel refuses."""
    wanted = guest("a", config([5, 6], [4]), 1, activation=Activation.ON_DEMAND)

    plan = make_plan(desired([wanted], GIVES_UP), observe(host_with(m1=ONE, mf=config([6], [4]))))

    assert problem_ids(plan) == [("foreign-overlap", "error")]
    assert plan.steps == ()


def test_a_guest_made_inactive_loses_its_device_on_purpose() -> None:
    """An inactive guest claims nothing; that its device goes is the manifest's doing, not drift."""
    wanted = guest("a", ONE, 1, activation=Activation.INACTIVE)

    plan = make_plan(desired([wanted], GIVES_UP), observe(host_with(m1=ONE)), applied(m1=ONE))

    assert actions(plan) == [(Action.REMOVE, "a")]
    assert plan_of(plan, "a").cause is Cause.MANIFEST


# Causes --------------------------------------------------------------------------------------------------------------


def test_what_differs_from_the_last_apply_was_changed_on_the_host() -> None:
    """The manifest asks for what was applied: so the host has drifted."""
    plan = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host_with(m1=config([6], [4]))), applied(m1=ONE))

    assert plan_of(plan, "a").cause is Cause.HOST


def test_what_the_manifest_changes_says_so() -> None:
    """The manifest asks for something else than was applied last."""
    wanted = guest("a", config([6], [4]), 1)
    plan = make_plan(desired([wanted], GIVES_UP), observe(host_with(m1=ONE)), applied(m1=ONE))

    assert plan_of(plan, "a").cause is Cause.MANIFEST


@pytest.mark.parametrize("other", [config([6], [0x47]), config([7], [0x47])])
@pytest.mark.parametrize("wanted", [ONE, config([5, 6], [4]), config([7], [4])])
def test_a_rollback_is_named_by_exactly_those_plans_that_undo_it(wanted: ApConfig, other: ApConfig) -> None:
    """Whatever the manifests want of the guest that it has changed, and of another one."""
    before = config([5, 6], [4])
    rolled_back = RolledBack(3, 1, 0, FREE, {uuid(1): before})
    last = applied(m1=ONE, m2=config([6], [0x47]))._replace(generation=3, rolled_back=rolled_back)
    host = observe(host_with(m1=ONE, m2=config([6], [0x47])))

    plan = make_plan(desired([guest("a", wanted, 1), guest("b", other, 2)], GIVES_UP), host, last)

    assert (Cause.UNDONE in plan.causes) is (wanted == before)
    assert plan.rolled_back == (rolled_back if wanted == before else None)


def test_a_mask_that_another_program_changed_says_so() -> None:
    """The pool that was applied last is wanted again."""
    host = host_with()
    host.write("bus/ap/aqmask", "+71")

    plan = make_plan(desired([], GIVES_UP), observe(host), applied())

    assert actions(plan) == [(Action.AQMASK, "host")]
    assert plan.pool_cause is Cause.HOST
    assert make_plan(desired([], GIVES_UP), observe(host)).pool_cause is Cause.NEW
    others = applied()._replace(pool=None, digest="other")
    assert make_plan(desired([], GIVES_UP), observe(host), others).pool_cause is Cause.MANIFEST


# Consent -------------------------------------------------------------------------------------------------------------


def test_taking_queues_from_a_running_vm_needs_consent() -> None:
    """Who loses what is told; a guest that only gains needs none."""
    host = host_with(m1=config([5, 6], [4]), m2=config([7], [4]))
    host.start_vm(uuid(1))
    host.start_vm(uuid(2))
    wanted = desired([guest("a", ONE, 1), guest("b", config([7], [4, 0x47]), 2)], GIVES_UP)

    plan = make_plan(wanted, observe(host))

    assert [(one.holder, one.reason) for one in plan.consents] == [("a", "its VM runs and loses a whole adapter")]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (config([5], [4, 0x47]), config([5], [4]), "05.0047"),
        (config([5, 6], [4, 0x47]), config([5, 6], [4]), "05.0047, 06.0047"),
        (config([5, 6, 7], [4, 0x47]), config([5, 6, 7], [0x47]), "05.0004, 06.0004, 07.0004"),
        (config([4, 5, 6, 7], [4, 0x47]), config([4, 5, 6, 7], [0x47]), "4 queues"),
        (config([5], [4]), config([5], [0x47]), "05.0004"),
    ],
)
def test_the_queues_that_a_vm_loses_are_named_where_they_are_few(before: ApConfig, after: ApConfig, said: str) -> None:
    """In the consent and at the guest's own lines; of more there is the number."""
    host = host_holding(Holdings(FREE, {uuid(1): before}), PROFILES["6.12"], hardware(range(4, 8), [4, 0x47]))
    host.start_vm(uuid(1))

    plan = make_plan(desired([guest("a", after, 1)], GIVES_UP), observe(host))

    assert [one.reason for one in plan.consents] == [f"its VM runs and loses {said}"]
    assert f"      its VM runs and loses {said}\n" in plan_text(plan)


def test_consent_in_the_manifest_is_enough() -> None:
    """``disruption: allow`` is consent given in advance."""
    host = host_with(m1=config([5, 6], [4]))
    host.start_vm(uuid(1))
    wanted = guest("a", ONE, 1, disruption_allowed=True)

    assert make_plan(desired([wanted], GIVES_UP), observe(host)).consents == ()


def test_a_domain_that_hides_an_adapter_from_a_running_vm_needs_consent() -> None:
    """Granting one queue more that has no driver takes the whole adapter away, and the plan says so."""
    host = host_with(m1=config([5, 6], [4]))
    host.start_vm(uuid(1))
    host.write("bus/ap/drivers/vfio_ap/unbind", "06.0047")

    plan = make_plan(desired([guest("a", config([5, 6], [4, 0x47]), 1)], GIVES_UP), observe(host))

    assert [one.reason for one in plan.consents] == [
        "its VM runs and loses a whole adapter: adapter 0x06 (6) is hidden as a whole: 06.0047 is not bound to vfio_ap"
    ]
    assert apply(plan, host).notes == ()


def test_taking_queues_that_the_hosts_drivers_work_on_needs_consent() -> None:
    """Requests in flight are lost with the queue; the first few queues are named."""
    machine = hardware(range(12), [4, 0x47])
    host = SimulatedHost(machine)
    for adapter in range(11):
        host.set_pending(Queue(adapter, 4), 1)

    plan = make_plan(desired([], GivenUp(NO_IDS, IdSet([4]))), observe(host))

    (consent,) = plan.consents
    assert consent.holder == "host"
    assert "00.0004, 01.0004" in consent.reason
    assert "07.0004 …, which they lose" in consent.reason


def test_a_plan_without_steps_asks_for_nothing() -> None:
    """Requests on queues that stay with the host are nobody's business."""
    host = host_with()
    host.set_pending(Queue(5, 0xAB), 1)

    assert make_plan(desired([], GIVES_UP), observe(host)).consents == ()


# Half-empty devices, driverless queues -------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [config([5], [], []), config([], [4]), EMPTY_CONFIG])
@pytest.mark.parametrize("profile", ["5.15", "6.1", "6.12", "7.2"])
def test_a_half_made_device_is_completed(profile: str, half: ApConfig) -> None:
    """What an interrupted tool left behind has no queue yet and is no conflict; it gets what is missing."""
    host = host_with(profile, m1=half)

    plan = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host))

    assert actions(plan) == [(Action.CONFIGURE, "a")]
    assert apply(plan, host).result is Result.APPLIED
    assert held(host, plan.abilities).mdevs == {uuid(1): ONE}


def test_a_half_made_foreign_device_is_in_nobodys_way() -> None:
    """An adapter without domains is no queue, so it conflicts with nobody and keeps no mask."""
    plan = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host_with("7.2", mf=config([5], [], []))))

    assert plan.is_valid


def test_a_queue_without_driver_is_predicted_to_stay_without() -> None:
    """Whether a mask write binds it depends on the kernel, so the guest is told that it will not see it."""
    host = SimulatedHost(hardware())
    host.write("bus/ap/drivers/cex4queue/unbind", "05.0004")

    plan = make_plan(desired([guest("a", config([5, 6], [4]), 1)]), observe(host))

    assert plan_of(plan, "a").sees_after == matrix([6], [4])
    assert plan_of(plan, "a").because == ("adapter 0x05 (5) is hidden as a whole: 05.0004 is not bound to vfio_ap",)
    outcome = apply(plan, host)
    assert (outcome.result, outcome.notes) == (Result.APPLIED, ())


# What presence of hardware changes (I8) ------------------------------------------------------------------------------


def test_absent_hardware_changes_the_report_only() -> None:
    """The same manifests on hosts with and without the cards: the same steps, another prediction."""
    wanted = desired([guest("a", config([5, 6], [4]), 1), guest("b", config([200], [0x47]), 2)], keep=())

    def planned(observed: Observed) -> Plan:
        return make_plan(wanted, observed)

    full, bare = (planned(observe(SimulatedHost(hardware(adapters)))) for adapters in ((5, 6, 200), ()))

    assert [one.step for one in full.steps] == [one.step for one in bare.steps]
    assert full.pool == bare.pool
    assert full.problems == bare.problems == ()
    assert [one.sees_after for one in full.guests] != [one.sees_after for one in bare.guests]


def test_a_card_that_breaks_down_keeps_its_place() -> None:
    """Deconfigured and check-stopped cards stay bound, and stay what the guest sees."""
    host = host_with(m1=config([5, 6], [4]))
    host.change_hardware(SetCard(5, configured=False))
    host.change_hardware(SetCard(6, checkstopped=True))

    plan = make_plan(desired([guest("a", config([5, 6], [4]), 1)], GIVES_UP), observe(host))

    assert plan.in_sync
    assert plan_of(plan, "a").sees_after == matrix([5, 6], [4])


# The pool ------------------------------------------------------------------------------------------------------------


def test_the_plan_explains_the_pool() -> None:
    """Given, derived, or as it is where none does justice to all."""
    observed = observe(host_with())
    keep = Keep(matrix([5], [0xAB]), 0)
    hole = guest("a", matrix_config([5, 6], [4, 0xAB]), 1)

    assert make_plan(desired([], GIVES_UP), observed).pool_reason is PoolReason.GIVEN
    assert make_plan(desired([]), observed).pool_reason is PoolReason.UNUSED
    impossible = make_plan(desired([hole], keep=(keep,)), observed)
    assert impossible.pool_reason is None
    assert impossible.pool == observed.pool
    assert all(one.severity is Severity.ERROR for one in impossible.problems)


def matrix_config(adapters: list[int], domains: list[int]) -> ApConfig:
    """A configuration without control domains."""
    return config(adapters, domains, [])


def test_so_many_claims_of_a_foreign_device_s_queues_are_counted() -> None:
    """The first are shown one by one, the rest in one line of the same weight."""
    guests = [guest(f"g{one}", ONE, one, activation=Activation.ON_DEMAND) for one in range(0x10, 0x10 + 150)]

    problems = make_plan(desired(guests, GIVES_UP), observe(host_with(mf=ONE))).problems

    found = [one for one in problems if one.id == "foreign-overlap"]
    assert {one.severity for one in found} == {Severity.WARNING}
    assert len(found) < sum(one.stands_for for one in found) == 150


def test_a_device_that_goes_hides_nothing() -> None:
    """There is nothing that its guest is wanted to see."""
    plan = make_plan(desired([], GIVES_UP), observe(host_with(m1=ONE)), applied(m1=ONE))

    assert [(one.after, one.hidden, one.because) for one in plan.guests] == [(None, (), ())]
