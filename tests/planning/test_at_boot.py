"""What a host has to boot into, so that it is as a plan leaves it."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, DesiredGuest, Persistence
from reconciler.model.matrix import FULL_MATRIX
from reconciler.model.steps import AtBoot, Definition, FileChange
from reconciler.planning.boot_stages import at_boot, unconcerned_files, with_files
from reconciler.planning.plan import Cause, Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.planning.scope import HOST
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


def test_files_that_the_manifests_ask_for_as_before_are_no_concern_of_the_plan() -> None:
    """What another program has made of them stays; what a manifest changes is written."""
    wanted = on_mdevctl(GUESTS)
    plan = make_plan(wanted, observe(host_holding(EVERYTHING_HOST, PROFILES["6.12"])))
    before = Applied(plan.pool, {}, persistence=Persistence.MDEVCTL)
    there = plan._replace(guests=tuple(one._replace(before=one.after) for one in plan.guests))

    assert unconcerned_files(there, before, wanted) == {HOST, *(uuid(number) for number in range(1, 5))}
    assert unconcerned_files(plan, before, wanted) == {HOST, *(uuid(number) for number in range(2, 5))}, "web is made"
    assert HOST not in unconcerned_files(there, before._replace(pool=FULL_MATRIX), wanted)

    day, night, off, web = GUESTS
    changed = [
        day._replace(activation=Activation.INACTIVE),
        night._replace(config=config([5], [4])),
        off,
    ]
    assert unconcerned_files(there, before, on_mdevctl(changed)) == {HOST, off.uuid}
    assert web.uuid not in unconcerned_files(there, before, on_mdevctl(changed)), "it is new"


def test_where_the_manifests_of_then_are_not_known_the_inventory_says_what_was_asked_for() -> None:
    """It knows no guest without a device, so that these files are written again; so are all where the way changes."""
    web = GUESTS[3]
    plan = make_plan(on_mdevctl(GUESTS), observe(host_holding(EVERYTHING_HOST, PROFILES["6.12"])))
    there = plan._replace(guests=tuple(one._replace(before=one.after) for one in plan.guests))
    before = Applied(None, {web.uuid: ("web", web.config)}, persistence=Persistence.MDEVCTL)

    assert unconcerned_files(there, before, None) == {web.uuid}
    assert unconcerned_files(there, before._replace(persistence=Persistence.SERVICE), None) == frozenset()


def test_a_plan_rests_on_the_files_that_it_changes() -> None:
    """Each change has the name of its guest; what is saved does not fit where a file is another one meanwhile."""
    plan = make_plan(on_mdevctl(GUESTS), observe(host_holding(EVERYTHING_HOST, PROFILES["6.12"])))
    changes = (FileChange("etc/a", None, b"a", uuid(1)), FileChange("etc/b", b"b", None, uuid(9)))

    made = with_files(plan, changes, {uuid(1): "web"})
    other = with_files(plan, (changes[0]._replace(before=b"edited"), changes[1]), {uuid(1): "web"})

    assert with_files(plan, (), {}) == plan
    assert [one.holder for one in made.files] == ["web", uuid(9)]
    assert len({plan.fingerprint, made.fingerprint, other.fingerprint}) == 3
    assert made.changes
    assert made._replace(steps=(), is_news=True, pool_cause=None, guests=()).causes == {Cause.MANIFEST}
    assert made._replace(steps=(), is_news=False, pool_cause=None, guests=()).causes == {Cause.HOST}
