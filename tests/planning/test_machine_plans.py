"""Plans for machines and kernels that cannot do everything: large guests, old kernels, absent hardware."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import GivenUp, Presence
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Result
from reconciler.model.steps import Action, Holdings
from reconciler.planning.effect import Effect
from reconciler.planning.plan import ALLOW_DISRUPTION, Consent, rollback_text
from reconciler.planning.planner import make_plan
from reconciler.simulator.hardware import Card, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, host_holding, matrix, uuid
from testing.plans import FOREIGN, FREE, GIVES_UP, ONE, applied, apply, host_with, plan_of, problem_ids
from testing.simulated_hosts import VmProcesses

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


def test_who_rolling_back_would_take_queues_from_has_to_agree_first() -> None:
    """From 6.19 on the mask could not be set again while it has them, VM or not; the queues are named."""
    pool = Matrix(~IdSet([5]), ALL_IDS)
    host = host_holding(Holdings(pool, {uuid(1): ONE}), PROFILES["7.2"])
    guests = [guest("a", config([5], [4, 0x47]), 1), guest("b", config([6], [4]), 2)]

    plan = make_plan(desired(guests, GivenUp(IdSet([5]), IdSet([4]))), observe(host))
    allowed = make_plan(
        desired([guests[0]._replace(disruption_allowed=True), guests[1]], GivenUp(IdSet([5]), IdSet([4]))),
        observe(host),
    )

    assert plan.consents == (
        Consent(
            "a",
            "rolling back would take 05.0004 from it for a while: this kernel refuses the mask write otherwise",
            uuid=uuid(1),
        ),
    )
    assert (plan.flags, plan.interruptible) == ((ALLOW_DISRUPTION,), frozenset([uuid(1)]))
    assert (allowed.consents, allowed.interruptible) == ((), frozenset([uuid(1)]))
    many = plan_of(plan, "a")._replace(rollback_takes=(matrix([6], [4]), matrix([5], range(3)), matrix([7], [4])))
    assert rollback_text(many) == "rolling back would take 05.0000, 05.0001, 05.0002, 06.0004 … from it for a while"


def test_a_change_that_cannot_be_rolled_back_is_announced() -> None:
    """A foreign device keeps the bit of a mask from being set again, so that there is no rollback."""
    pool = Matrix(~IdSet([5]), ALL_IDS)
    host = host_holding(Holdings(pool, {FOREIGN: ONE}), PROFILES["7.2"])

    plan = make_plan(desired([guest("b", config([6], [4]), 2)], GivenUp(IdSet([5]), IdSet([4]))), observe(host))

    assert problem_ids(plan) == [("no-way-back", "warning")]
    assert f"domain 0x04 (4) there is no rollback while mediated device {FOREIGN}" in plan.problems[0].message
    assert plan.steps
