"""What a plan says of a host: steps, causes, consents, predictions."""

import pytest

from books import FakeBooks, NoProgress
from clocks import FakeClock
from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, GivenUp, Keep, Presence, Unmanaged
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix, Queue
from reconciler.model.observed import Observed
from reconciler.model.outcome import Outcome, Result
from reconciler.model.problems import Severity
from reconciler.model.steps import Action, Holdings
from reconciler.planning.effect import Effect
from reconciler.planning.host_pool import PoolReason
from reconciler.planning.plan import ALLOW_DISRUPTION, ALLOW_EMPTY, Cause, Consent, GuestPlan, Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.hardware import Card, SetCard, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.profiles import PROFILES
from reconciler.transaction.apply import apply_plan
from vm_processes import VmProcesses
from worlds import config, desired, guest, hardware, held, host_holding, matrix, uuid

GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
FREE = Matrix(ALL_IDS, ~GIVES_UP.domains)
ONE = config([5], [4])
FOREIGN = uuid(0xF)


def host_with(profile: str = "6.12", **mdevs: ApConfig) -> SimulatedHost:
    """A host that gives up domains 4 and 0x47 and has the devices named by the last digit of their uuid (``m1``)."""
    return host_holding(
        Holdings(FREE, {uuid(int(name[1:], 16)): one for name, one in mdevs.items()}), PROFILES[profile]
    )


def applied(**guests: ApConfig) -> Applied:
    """What was applied last; guests are named as their devices in `host_with`."""
    return Applied(FREE, {uuid(int(name[1:], 16)): (name, one) for name, one in guests.items()})


def apply(plan: Plan, host: SimulatedHost) -> Outcome:
    """Carry `plan` out."""
    return apply_plan(plan, host, FakeClock(), FakeBooks(), NoProgress())


def problem_ids(plan: Plan) -> list[tuple[str, str]]:
    """Each problem's id and severity."""
    return [(one.id, one.severity.value) for one in plan.problems]


def actions(plan: Plan) -> list[tuple[Action, str]]:
    """What is done to whom."""
    return [(one.step.action, one.holder) for one in plan.steps]


def plan_of(plan: Plan, name: str) -> GuestPlan:
    """What becomes of one guest."""
    return next(one for one in plan.guests if one.name == name)


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
    assert plan_of(plan, "m1").cause is Cause.INTENTIONAL
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
        Consent(FOREIGN, "its VM runs and loses its device", ALLOW_DISRUPTION),
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
    assert plan_of(plan, "a").cause is Cause.INTENTIONAL


# Causes --------------------------------------------------------------------------------------------------------------


def test_what_differs_from_the_last_apply_is_corrective() -> None:
    """The manifest asks for what was applied: so the host has drifted."""
    plan = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host_with(m1=config([6], [4]))), applied(m1=ONE))

    assert plan_of(plan, "a").cause is Cause.CORRECTIVE


def test_what_the_manifest_changes_is_intentional() -> None:
    """The manifest asks for something else than was applied last."""
    wanted = guest("a", config([6], [4]), 1)
    plan = make_plan(desired([wanted], GIVES_UP), observe(host_with(m1=ONE)), applied(m1=ONE))

    assert plan_of(plan, "a").cause is Cause.INTENTIONAL


def test_a_mask_that_somebody_changed_is_put_right_as_corrective() -> None:
    """The pool that was applied last is wanted again."""
    host = host_with()
    host.write("bus/ap/aqmask", "+71")

    plan = make_plan(desired([], GIVES_UP), observe(host), applied())

    assert actions(plan) == [(Action.AQMASK, "host")]
    assert plan.pool_cause is Cause.CORRECTIVE
    assert make_plan(desired([], GIVES_UP), observe(host)).pool_cause is Cause.INTENTIONAL


# Consent -------------------------------------------------------------------------------------------------------------


def test_taking_queues_from_a_running_vm_needs_consent() -> None:
    """Who loses what is told; a guest that only gains needs none."""
    host = host_with(m1=config([5, 6], [4]), m2=config([7], [4]))
    host.start_vm(uuid(1))
    host.start_vm(uuid(2))
    wanted = desired([guest("a", ONE, 1), guest("b", config([7], [4, 0x47]), 2)], GIVES_UP)

    plan = make_plan(wanted, observe(host))

    assert [(one.holder, one.reason) for one in plan.consents] == [("a", "its VM runs and loses a whole adapter")]


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


# Large guests --------------------------------------------------------------------------------------------------------

BIG = config(range(16), range(64))
BIG_POOL = Matrix(ALL_IDS, ~IdSet(range(64)))
BIG_GIVES_UP = GivenUp(NO_IDS, IdSet(range(64)))
BIG_MACHINE = hardware(range(16), range(65))


def test_what_a_guest_of_more_than_512_queues_loses_is_told() -> None:
    """The kernel cuts ``guest_matrix`` after a page; what the guest sees is then worked out instead."""
    host = host_holding(Holdings(BIG_POOL, {uuid(1): BIG}), PROFILES["6.12"], BIG_MACHINE)
    host.start_vm(uuid(1))

    plan = make_plan(desired([guest("a", config(range(8), range(64)), 1)], BIG_GIVES_UP), observe(host))

    assert plan_of(plan, "a").effect is Effect.LOSES_ADAPTER
    assert [one.holder for one in plan.consents] == ["a"]


def test_a_guest_of_more_than_512_queues_is_applied_without_surprise() -> None:
    """That the kernel shows a part only is no difference."""
    host = SimulatedHost(BIG_MACHINE)
    plan = make_plan(desired([guest("a", BIG, 1)], BIG_GIVES_UP), observe(host))

    outcome = apply(plan, host)

    assert (outcome.result, outcome.notes) == (Result.APPLIED, ())


def test_a_kernel_that_cannot_show_a_large_guest_is_not_asked_to_make_one() -> None:
    """Without ``ap_config`` nobody could verify it, so it is an error before anything is written."""
    plan = make_plan(desired([guest("a", BIG, 1)], BIG_GIVES_UP), observe(SimulatedHost(BIG_MACHINE, PROFILES["6.1"])))

    assert problem_ids(plan) == [("matrix-cut", "error")]
    assert "1,024 queues" in plan.problems[0].message


def test_a_large_device_of_somebody_else_is_an_error_where_the_kernel_cuts_it() -> None:
    """Nobody can tell which queues it has, so no conflict can be excluded."""
    host = host_holding(Holdings(BIG_POOL, {FOREIGN: BIG}), PROFILES["6.1"], BIG_MACHINE)

    plan = make_plan(desired([], BIG_GIVES_UP), observe(host))

    assert problem_ids(plan) == [("matrix-cut", "error")]


# Kernels before 6.0 --------------------------------------------------------------------------------------------------


def test_an_old_kernel_gets_what_is_there_and_the_rest_is_pending() -> None:
    """Before 6.0 only bound queues can be assigned; the plan says what waits."""
    plan = make_plan(desired([guest("a", config([5, 200], [4]), 1)], GIVES_UP), observe(host_with("5.15")))

    assert plan_of(plan, "a").after == ONE
    assert plan_of(plan, "a").because == ("pending: adapter 0xc8 (200) is not there yet",)


def test_a_card_that_vanishes_on_an_old_kernel_changes_nothing_of_what_is_held() -> None:
    """What a device holds it keeps, although the kernel would not assign it again while the card is away (I8)."""
    host = host_with("5.15", m1=config([5, 6], [4]))
    wanted = desired([guest("a", config([5, 6], [4]), 1)], GIVES_UP)
    host.change_hardware(Unplug(6))

    assert make_plan(wanted, observe(host)).in_sync
    host.start_vm(uuid(1))
    assert make_plan(wanted, observe(host)).in_sync


def test_an_old_kernel_gives_up_an_absent_card_where_it_is_in_the_way_of_a_new_domain() -> None:
    """The product with an absent card cannot be assigned, so the card waits until it is back."""
    host = host_with("5.15", m1=config([5, 6], [4]))
    host.change_hardware(Unplug(6))

    plan = make_plan(desired([guest("a", config([5, 6], [4, 0x47]), 1)], GIVES_UP), observe(host))

    assert plan_of(plan, "a").after == config([5], [4, 0x47])
    assert apply(plan, host).result is Result.APPLIED


def test_a_running_vm_on_an_old_kernel_cannot_be_changed() -> None:
    """The kernel refuses every change while the VM runs, so the plan does."""
    host = host_with("5.15", m1=ONE, m2=config([6], [4]))
    host.start_vm(uuid(1))
    host.start_vm(uuid(2))

    plan = make_plan(desired([guest("a", config([5], [0x47]), 1)], GIVES_UP), observe(host), applied(m2=ONE))

    assert problem_ids(plan) == [("vm-runs", "error"), ("vm-runs", "error")]
    assert plan.problems[0].message.startswith("guest 'a' must change, but its VM runs")
    assert plan.problems[1].message.startswith(f"mediated device {uuid(2)} must change, but its VM runs")


def test_the_process_of_a_vm_that_cannot_be_changed_is_named() -> None:
    """So that the administrator knows what to stop."""
    host = host_with("5.15", m1=ONE)
    host.start_vm(uuid(1))

    plan = make_plan(desired([guest("a", config([5], [0x47]), 1)], GIVES_UP), observe(VmProcesses(host)))

    assert "its VM (qemu-system-s390x, process 4711) runs" in plan.problems[0].message
    assert plan.basis == make_plan(plan.desired, observe(host)).basis


# What the machine and the kernel cannot do ---------------------------------------------------------------------------


def test_required_queues_that_are_absent_are_an_error() -> None:
    """``presence: required`` says what is missing; without it the same guest is only pending."""
    observed = observe(host_with())
    any_, required = (guest("a", config([5, 200], [4]), 1, presence=presence) for presence in Presence)

    assert make_plan(desired([any_], GIVES_UP), observed).problems == ()
    plan = make_plan(desired([required], GIVES_UP), observed)
    assert problem_ids(plan) == [("required-absent", "error")]
    assert plan.problems[0].details == ("pending: adapter 0xc8 (200) is not there yet",)


def test_required_queues_that_are_there_are_none() -> None:
    """All queues of a guest with ``presence: required`` are present and will be bound."""
    assert make_plan(desired([guest("a", ONE, 1, presence=Presence.REQUIRED)]), observe(SimulatedHost())).is_valid


def test_ids_that_the_machine_can_never_have_are_an_error() -> None:
    """Every axis is told apart; control domains that are usage domains too are told once."""
    machine = hardware()._replace(max_adapter=199, max_domain=254, cards={5: Card()}, usage=IdSet([4]))
    observed = observe(SimulatedHost(machine._replace(control=IdSet([4]))))
    wanted = guest("a", config([200], [4, 255], [4, 255]), 1)

    messages = [one.message for one in make_plan(desired([wanted]), observed).problems]

    assert messages == [
        "guest 'a' has adapter 0xc8 (200), but this machine's highest adapter is 0xc7 (199)",
        "guest 'a' has domain 0xff (255), but this machine's highest domain is 0xfe (254)",
    ]
    control = guest("a", config([5], [4], [4, 255]), 1)
    assert "control domain 0xff (255)" in make_plan(desired([control]), observed).problems[0].message


def test_guests_that_need_everything_leave_the_host_without_queues() -> None:
    """That is an error unless the manifest says so itself."""
    machine = hardware()._replace(max_adapter=7, max_domain=4, usage=IdSet([4]), control=IdSet([4]))
    observed = observe(SimulatedHost(machine))
    everything = guest("a", config(range(8), range(5)), 1)

    derived = make_plan(desired([everything]), observed)
    given = make_plan(desired([everything], GivenUp(NO_IDS, ALL_IDS)), observed)

    assert problem_ids(derived) == [("host-without-queues", "error")]
    assert "pool: {domains: [0-255]}" in derived.problems[0].help
    assert problem_ids(given) == [("host-without-queues", "warning")]
    assert given.steps


def test_a_driver_override_forbids_a_change_of_the_masks() -> None:
    """From 6.19 on the kernel refuses mask writes while any queue is pinned; the queues are named."""
    host = SimulatedHost(hardware(), PROFILES["7.2"])
    host.write("bus/ap/devices/05.0004/driver_override", "cex4queue")

    plan = make_plan(desired([guest("a", ONE, 1)]), observe(host))

    assert problem_ids(plan) == [("driver-override", "error")]
    assert plan.problems[0].details == ("overridden: 05.0004",)
    assert make_plan(desired([]), observe(host)).in_sync


def test_a_guest_needs_the_driver() -> None:
    """Without the vfio_ap module no device can be made."""
    plan = make_plan(desired([guest("a", ONE, 1)]), observe(SimulatedHost(vfio_ap=False)))

    assert problem_ids(plan) == [("no-vfio-ap", "error")]


def test_a_foreign_device_can_make_a_pool_unreachable_while_the_host_runs() -> None:
    """From 6.19 on a mask bit cannot be set while a device has a queue with that id; whose it is is told."""
    pool = Matrix(~IdSet([5]), FREE.domains)
    host = host_holding(Holdings(pool, {FOREIGN: ONE}), PROFILES["7.2"])

    plan = make_plan(desired([], GIVES_UP), observe(host))

    assert problem_ids(plan) == [("unreachable", "error")]
    assert plan.problems[0].message == (
        f"the host cannot get adapter 0x05 (5) back while mediated device {FOREIGN} has a queue there: "
        "this kernel refuses the mask write"
    )
    assert plan.steps == ()
    derived = make_plan(desired([]), observe(host))
    assert problem_ids(derived) == [("unreachable", "error")]
    assert "spec.pool: {adapters: [5], domains: [4, 71]}" in derived.problems[0].help


def test_a_guest_of_ours_in_the_way_of_a_mask_is_interrupted_with_consent() -> None:
    """The same for a guest of ours: it loses the queues for a while, VM or not, and that needs consent."""
    pool = Matrix(~IdSet([5]), FREE.domains)
    host = host_holding(Holdings(pool, {uuid(1): ONE}), PROFILES["7.2"])

    plan = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host))

    assert [one.step.action for one in plan.steps] == [Action.CONFIGURE, Action.APMASK, Action.CONFIGURE]
    assert [one.effect for one in plan.steps][::2] == ["gives up for a while what it keeps", "none"]
    assert [one.holder for one in plan.consents] == ["a"]
    assert plan_of(plan, "a").interrupted
    assert apply(plan, host).result is Result.APPLIED


def test_a_swap_says_who_gives_up_what_others_wait_for() -> None:
    """The guest that is written twice gives up first what the other waits for."""
    host = host_with(m1=ONE, m2=config([6], [4]))

    plan = make_plan(desired([guest("a", config([6], [4]), 1), guest("b", ONE, 2)], GIVES_UP), observe(host))

    in_the_end = "loses a whole adapter"
    assert [one.effect for one in plan.steps] == ["gives up what others wait for", in_the_end, in_the_end]


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
    assert make_plan(desired([]), observed).pool_reason is PoolReason.NOBODY
    impossible = make_plan(desired([hole], keep=(keep,)), observed)
    assert impossible.pool_reason is None
    assert impossible.pool == observed.pool
    assert all(one.severity is Severity.ERROR for one in impossible.problems)


def matrix_config(adapters: list[int], domains: list[int]) -> ApConfig:
    """A configuration without control domains."""
    return config(adapters, domains, [])
