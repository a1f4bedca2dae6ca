"""What a host has to boot into, so that it is as a plan leaves it."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, DesiredGuest, Persistence
from reconciler.model.steps import AtBoot, Definition
from reconciler.planning.boot_stages import at_boot
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import EVERYTHING_HOST, config, desired, guest, host_holding, uuid

GUESTS = [
    guest("day", config([5], [4]), 3, activation=Activation.ON_DEMAND),
    guest("night", config([5], [4, 0x47]), 2, activation=Activation.ON_DEMAND),
    guest("off", config([6], [4]), 4, activation=Activation.INACTIVE),
    guest("web", config([6, 200], [0x47]), 1),
]


def planned(kernel: str) -> Plan:
    """A plan for `GUESTS`."""
    return make_plan(on_mdevctl(GUESTS), observe(host_holding(EVERYTHING_HOST, PROFILES[kernel])))


def on_mdevctl(guests: list[DesiredGuest]) -> Desired:
    """Manifests of a host that boots by the files of mdevctl."""
    return desired(guests, persistence=Persistence.MDEVCTL)


def test_guests_are_defined_as_they_are_to_start() -> None:
    """Active ones at boot, on-demand ones by hand, inactive ones never; what has left is ours still."""
    plan = planned("6.12")
    expected = (
        Definition(uuid(1), config([6, 200], [0x47]), autostart=True),
        Definition(uuid(2), config([5], [4, 0x47]), autostart=False),
        Definition(uuid(3), config([5], [4]), autostart=False),
    )
    ours = frozenset(map(uuid, [1, 2, 3, 4, 9]))
    inactive = (Definition(uuid(4), config([6], [4]), autostart=False),)
    before = Applied(None, {uuid(9): ("gone", config([9], [9]))})
    assert AtBoot(plan.pool, expected, ours, inactive) == at_boot(plan, before)


def test_before_6_0_what_is_absent_is_not_defined() -> None:
    """The kernel would refuse the whole device."""
    wanted = at_boot(planned("5.15"), NOTHING_APPLIED)
    assert wanted
    assert config([6], [0x47]) == wanted.definitions[0].config


def test_where_mdevctl_starts_nothing_any_more_our_definitions_go() -> None:
    """But for those of inactive guests; and where it never did, no file is any of our business."""
    plan = make_plan(desired(GUESTS), observe(host_holding(EVERYTHING_HOST, PROFILES["6.12"])))
    assert at_boot(plan, NOTHING_APPLIED) is None
    before = Applied(None, {uuid(9): ("gone", config([9], [9]))}, persistence=Persistence.MDEVCTL)
    assert at_boot(plan, before) == AtBoot(None, (), frozenset(map(uuid, [1, 2, 3, 9])))
