"""What is left of a plan that was carried out: what planning again would give."""

from hypothesis import given

from reconciler.kernel.observe import look_again, observe
from reconciler.kernel.writes import writes_of
from reconciler.model.desired import Activation
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan, replanned
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.journal import applied_by
from testing.holdings import config, desired, desired_like, guest, hardware, holdings, host_holding, uuid


def carried_out(plan: Plan, host: SimulatedHost) -> Plan:
    """What is left of `plan` when all its writes were made on `host`."""
    for planned in plan.steps:
        for write in writes_of(planned.step, plan.abilities):
            host.write(write.path, write.value)
    touched = {planned.step.uuid for planned in plan.steps}
    return replanned(plan, look_again(host, touched, plan.abilities).mdevs)


@given(holdings(), holdings())
def test_nothing_is_left_to_do(start: Holdings, target: Holdings) -> None:
    """Steps, consents and changes are gone; guests have what planning again finds that they have."""
    host = host_holding(start, PROFILES["6.12"])
    applied = Applied(start.pool, {one: (one, what) for one, what in start.mdevs.items()})
    plan = make_plan(desired_like(target), observe(host), applied)
    if not plan.is_valid:
        return
    left = carried_out(plan, host)
    again = make_plan(plan.desired, observe(host), applied_by(plan, 1, applied))

    assert left.in_sync
    assert again.in_sync
    assert not left.causes
    assert left.observed.mdevs == again.observed.mdevs
    assert left.observed.pool == again.observed.pool
    assert {one.uuid: (one.before, one.after) for one in left.guests} == {
        one.uuid: (one.before, one.after) for one in again.guests
    }
    assert not left.is_news


def test_a_guest_sees_what_the_kernel_shows() -> None:
    """Not only what was predicted; one without a device stays, one that is gone does not."""
    host = SimulatedHost(hardware())
    wanted = [guest("a", config([5], [4]), 1), guest("b", config([6], [4]), 2, activation=Activation.ON_DEMAND)]
    left = carried_out(make_plan(desired(wanted), observe(host)), host)
    shown = {one.uuid: one.effective for one in observe(host).mdevs}
    assert {one.name: one.sees_before for one in left.guests} == {"a": shown[uuid(1)], "b": None}
