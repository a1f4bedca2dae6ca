"""What a plan does when a VM starts or has ended, and what it leaves alone."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, DesiredGuest, GivenUp, Keep, Presence, Unmanaged
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, ApConfig, Matrix
from reconciler.model.observed import Observed
from reconciler.model.steps import Action, Holdings
from reconciler.planning.plan import Cause, Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.scope import VmEvent
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import EVERY_PROFILE, config, desired, guest, hardware, host_holding, matrix, uuid

FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
ONE = config([5], [4])
OTHER = config([6], [4])
MORE = config([6], [4, 0x47])


def on_demand(name: str, what: ApConfig, number: int, **fields: object) -> DesiredGuest:
    """A guest whose device is there only while its VM runs."""
    return guest(name, what, number, activation=Activation.ON_DEMAND, **fields)


DAY = on_demand("day", ONE, 1)
NIGHT = on_demand("night", config([5], [4, 0x47]), 2)
START = VmEvent(starts=frozenset([uuid(1)]))
END = VmEvent(ends=frozenset([uuid(1)]))


def host(pool: Matrix = FREE, profile: str = "6.12", **mdevs: ApConfig) -> SimulatedHost:
    """A host with `pool` and the devices named by the last digit of their uuid (``m1``)."""
    return host_holding(
        Holdings(pool, {uuid(int(name[1:], 16)): one for name, one in mdevs.items()}), PROFILES[profile]
    )


def started(wanted: Desired, observed: Observed | SimulatedHost) -> Plan:
    """The plan for the start of guest 1."""
    return make_plan(wanted, observe(observed) if isinstance(observed, SimulatedHost) else observed, scope=START)


def actions(plan: Plan) -> list[tuple[Action, str]]:
    """What is done to whom."""
    return [(one.step.action, one.holder) for one in plan.steps]


def errors(plan: Plan) -> list[str]:
    """The ids of all problems; such a plan has no steps."""
    assert not plan.steps
    return [one.id for one in plan.problems]


MADE = [(Action.CREATE, "day"), (Action.CONFIGURE, "day")]


@pytest.mark.parametrize("profile", [one.name for one in EVERY_PROFILE])
def test_a_start_makes_the_device(profile: str) -> None:
    """Its configuration is that of the manifest, on every kernel."""
    plan = started(desired([DAY, NIGHT]), host(profile=profile))

    assert actions(plan) == MADE
    assert plan.steps[-1].step.after == ONE
    assert [(one.name, one.cause) for one in plan.guests] == [("day", Cause.VM_STARTS)]


def test_an_end_removes_the_device() -> None:
    """And where it was the only one, nobody has to consent."""
    plan = make_plan(desired([DAY]), observe(host(m1=ONE)), scope=END)

    assert actions(plan) == [(Action.REMOVE, "day")]
    assert [one.cause for one in plan.guests] == [Cause.VM_ENDED]
    assert plan.consents == ()


def test_a_device_that_is_still_open_stays() -> None:
    """Removing it would wait for whoever has it open."""
    machine = host(m1=ONE)
    machine.start_vm(uuid(1))

    assert make_plan(desired([DAY]), observe(machine), scope=END).in_sync


def test_what_is_there_already_is_left_so() -> None:
    """A start finds its device, an end finds none."""
    assert started(desired([DAY]), host(m1=ONE)).in_sync
    assert make_plan(desired([DAY]), observe(host()), scope=END).in_sync


def test_a_device_of_another_form_is_put_right() -> None:
    """It may have been left by an earlier start, before the manifest was changed."""
    plan = started(desired([DAY]), host(m1=MORE))

    assert actions(plan) == [(Action.CONFIGURE, "day")]
    assert [one.cause for one in plan.guests] == [Cause.NEW]


def test_nobody_else_is_touched() -> None:
    """Neither a guest that has drifted, nor one that is to go, nor the masks."""
    drifted = guest("drifted", OTHER, 3)
    missing = guest("missing", config([7], [4]), 4)
    machine = host(Matrix(ALL_IDS, ~IdSet([4, 0x47, 0xAB])), m3=MORE, m5=config([7], [0x47]))

    for event, expected in ((START, MADE), (END, [])):
        plan = make_plan(desired([DAY, drifted, missing], unmanaged=Unmanaged.REMOVE), observe(machine), scope=event)
        assert actions(plan) == expected
        assert plan.pool == observe(machine).pool


@pytest.mark.parametrize("activation", [Activation.ACTIVE, Activation.INACTIVE])
def test_other_guests_are_left_to_apply(activation: Activation) -> None:
    """Their VM starts where the device is there, and only there."""
    wanted = desired([DAY._replace(activation=activation)])

    assert started(wanted, host(m1=MORE)).in_sync
    assert errors(started(wanted, host())) == ["vm-device-missing"]
    assert make_plan(wanted, observe(host(m1=ONE)), scope=END).in_sync


# The host pool -------------------------------------------------------------------------------------------------------


def test_the_host_gives_up_what_is_needed_and_no_more() -> None:
    """The masks may never have been applied: then the other guests' queues are not this start's business."""
    plan = started(desired([DAY, guest("web", config([6], [0x47]), 2)]), host(FULL_MATRIX))

    assert actions(plan) == [(Action.AQMASK, "host"), *MADE]
    assert plan.pool == Matrix(ALL_IDS, ~IdSet([4]))
    assert plan.pool_cause is Cause.VM_STARTS


def test_the_host_gives_up_the_axis_that_the_manifests_give_up() -> None:
    """Here the kept domain leaves only the adapter."""
    plan = started(desired([DAY], keep=(Keep(matrix([0], [4]), 0),)), host(FULL_MATRIX))

    assert plan.pool == Matrix(~IdSet([5]), ALL_IDS)
    assert actions(plan) == [(Action.APMASK, "host"), *MADE]


def test_what_the_manifest_does_not_give_up_stays_with_the_host() -> None:
    """The start is refused."""
    plan = started(desired([DAY], GivenUp(NO_IDS, IdSet([0x47]))), host(FULL_MATRIX))

    assert errors(plan) == ["queue-left-to-host"]


def test_where_no_pool_exists_the_host_keeps_its_queues() -> None:
    """Other guests are to blame, and this one cannot be served before that is mended."""
    keep = (Keep(matrix([6], [0x47]), 0), Keep(matrix([7], [0xAB]), 1))
    wanted = desired([DAY, guest("wrong", config([6], [0xAB]), 2)], keep=keep)

    assert errors(started(wanted, host(FULL_MATRIX))) == ["queue-held"]
    assert actions(started(wanted, host())) == MADE


def test_the_last_queue_of_the_host_is_not_taken() -> None:
    """Where the masks must change for it; where they are so already, that is not this start's business."""
    wanted = desired([on_demand("day", config([5], range(256)), 1)])
    empty = Matrix(ALL_IDS, NO_IDS)

    assert errors(started(wanted, host(Matrix(IdSet([5]), ALL_IDS)))) == ["host-without-queues"]
    assert actions(started(wanted, host(empty))) == MADE


# Who else has the queues ---------------------------------------------------------------------------------------------


def test_two_on_demand_guests_never_hold_a_queue_at_once() -> None:
    """The second start is refused with the name of the first, and goes through when that has ended."""
    wanted, on = desired([DAY, NIGHT]), host(m2=NIGHT.config)
    on.start_vm(NIGHT.uuid)

    plan = started(wanted, on)

    assert errors(plan) == ["guest-overlap"]
    assert plan.problems[0].message.endswith("and both need their device now")
    assert "05.0004" in plan.problems[0].details[0]


def test_an_active_guest_has_its_queues_even_without_a_device() -> None:
    """An on-demand guest cannot come first."""
    assert errors(started(desired([DAY, guest("db", ONE, 2)]), host())) == ["guest-overlap"]


def test_conflicts_among_others_stop_nobody() -> None:
    """They are told by every plan for the whole host."""
    others = [guest("a", OTHER, 3), guest("b", OTHER, 4)]

    assert actions(started(desired([DAY, *others]), host())) == MADE


def test_conflicts_of_others_stop_no_start_however_many() -> None:
    """A VM's own conflicts do, also where those of others are more than one plan shows."""
    many = [guest(f"g{number:03}", OTHER, 100 + number) for number in range(16)]
    rival = guest("zz", DAY.config, 300)

    assert started(desired([DAY, *many]), host()).steps
    assert errors(started(desired([DAY, *many, rival]), host())) == ["guest-overlap"]


@pytest.mark.parametrize(
    ("others", "holder"),
    [
        ([guest("drifted", OTHER, 3)], "guest 'drifted'"),
        ([guest("off", ONE, 3, activation=Activation.INACTIVE)], "guest 'off'"),
        ([], f"mediated device {uuid(3)}"),
    ],
)
def test_what_somebody_really_has_counts(others: list[DesiredGuest], holder: str) -> None:
    """Also where the manifests alone say that it is free."""
    wanted = desired([DAY, *others], unmanaged=Unmanaged.REMOVE)

    plan = started(wanted, host(m3=config([5], [4, 0x47])))

    assert errors(plan) == ["queue-held"]
    assert f"'day' needs a queue that {holder} has" in plan.problems[0].message


def test_a_foreign_device_counts() -> None:
    """For a guest that starts now it is no mere warning."""
    assert errors(started(desired([DAY]), host(mf=ONE))) == ["foreign-overlap"]


def test_only_its_own_hardware_matters() -> None:
    """A card that another guest requires, and that is not there, keeps no VM from starting."""
    needy = guest("needy", config([200], [4]), 3, presence=Presence.REQUIRED)

    assert actions(started(desired([DAY, needy]), host())) == MADE
    own = started(desired([on_demand("day", config([200], [4]), 1, presence=Presence.REQUIRED)]), host())
    assert errors(own) == ["required-absent"]


def test_without_the_driver_nothing_starts() -> None:
    """What to type is in the problem's help."""
    assert errors(started(desired([DAY]), SimulatedHost(hardware(), pool=FREE, vfio_ap=False))) == ["no-vfio-ap"]
