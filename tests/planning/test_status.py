"""How things stand: wanted, authorised, effective, and why they differ."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, GivenUp, Ignored
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.steps import Holdings
from reconciler.model.suspending import SuspendedNow
from reconciler.planning.plan import Cause
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.queue_status import CardStatus, QueueStatus, card_status, domain_status, queue_status
from reconciler.planning.status import (
    WITHHELD,
    ComparedWith,
    GuestState,
    Known,
    Source,
    Status,
    SuspendedBy,
    host_status,
    status_of,
)
from reconciler.render.status_text import guest_cells
from reconciler.simulator.hardware import Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, host_holding, matrix, uuid

FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
ONE = config([5], [4])


def host(**mdevs: object) -> SimulatedHost:
    """A host of two adapters and two free domains."""
    held = {uuid(int(name[1:], 16)): one for name, one in mdevs.items()}
    return host_holding(Holdings(FREE, held), PROFILES["6.12"], hardware([5, 6], [4, 0x47]))  # type: ignore[arg-type]


def status(what: Desired, on: SimulatedHost, applied: Applied | None = None) -> Status:
    """How `on` stands, given the manifests."""
    return status_of(make_plan(what, observe(on), applied or Applied(None, {})))


def states(found: Status) -> list[tuple[str, str]]:
    """Of each row its name and state, those that a person should look at first."""
    return [(one.name, one.state.value) for one in found.rows]


def whys(found: Status) -> dict[str, tuple[str, ...]]:
    """By guest, why wanted, authorised and effective differ."""
    return {one.name: one.why for one in found.guests}


def test_a_guest_in_sync_needs_no_explanation() -> None:
    """Wanted, authorised and effective are the same."""
    (one,) = status(desired([guest("a", ONE, 1)], GIVES_UP), host(m1=ONE)).guests

    assert (one.name, one.uuid, one.authorised, one.effective, one.in_use) == (
        "a",
        uuid(1),
        ONE,
        matrix([5], [4]),
        False,
    )
    assert one.why == ()


def test_each_difference_has_its_reason() -> None:
    """Not there yet, not as planned, to go, or hidden; an on-demand or inactive guest needs no device."""
    on = host(m1=config([6], [4]), m2=config([6], [0x47]))
    on.write("bus/ap/drivers/vfio_ap/unbind", "06.0047")
    guests = [
        guest("changed", config([6], [4], []), 1),
        guest("later", ONE, 3, activation=Activation.ON_DEMAND),
        guest("never", ONE, 4, activation=Activation.INACTIVE),
        guest("new", config([5], [0x47]), 5),
    ]

    found = status(desired(guests, GIVES_UP), on, Applied(FREE, {uuid(2): ("gone", config([6], [0x47]))}))

    assert whys(found) == {
        "changed": ("its device differs; apply changes it",),
        "later": (),
        "never": (),
        "new": ("its device does not exist; apply makes it",),
        "gone": (
            "no manifest names it any more; apply removes it",
            "adapter 0x06 (6) is hidden as a whole: 06.0047 is not bound to vfio_ap",
        ),
    }


def test_who_waits_for_which_adapter_is_listed() -> None:
    """By adapter; an inactive guest waits for nothing."""
    guests = [
        guest("a", config([5, 200], [4]), 1),
        guest("b", config([200, 201], [0x47]), 2, activation=Activation.ON_DEMAND),
        guest("c", config([202], [0x47]), 3, activation=Activation.INACTIVE),
    ]

    assert status(desired(guests, GIVES_UP), host()).pending == ((200, ("a", "b")), (201, ("b",)))


def test_queues_that_nobody_can_use_are_free() -> None:
    """Given up by the host and in no device."""
    found = status(desired([], GIVES_UP), host(m1=ONE, mf=config([6], [4])))

    assert found.free == (Queue(5, 0x47), Queue(6, 0x47))
    assert [one.uuid for one in found.foreign] == [uuid(1), uuid(0xF)]


def test_a_card_that_is_gone_is_explained_by_what_is_authorised() -> None:
    """What the device has and the guest does not see."""
    on = host(m1=config([5, 6], [4]))
    on.change_hardware(Unplug(6))

    assert whys(status(desired([guest("a", config([5, 6], [4]), 1)], GIVES_UP), on)) == {
        "a": ("pending: adapter 0x06 (6) is not there yet",)
    }


def test_what_is_to_leave_a_device_is_not_waited_for() -> None:
    """Ids that were wrong and have been corrected in the manifest; what stays is waited for still."""
    on = host(m1=config([5, 200, 201], [4]))
    what = desired([guest("a", config([5, 200], [4]), 1), guest("b", config([6], [4]), 2)], GIVES_UP)

    assert whys(status(what, on))["a"] == (
        "its device differs; apply changes it",
        "pending: adapter 0xc8 (200) is not there yet",
    )
    what = desired([guest("a", config([5, 6], [4]), 1)], GIVES_UP)
    assert whys(status(what, on))["a"] == ("its device differs; apply changes it",)


def test_each_guest_is_in_one_state_and_those_to_look_at_come_first() -> None:
    """Whatever is wrong, whoever caused it; then what is suspended, what is well, and what is not ours."""
    on = host(m1=config([5], [4]), m2=config([6], [4]), m3=config([6], [0x47]), mf=config([7], [4]))
    on.write("bus/ap/drivers/vfio_ap/unbind", "06.0047")
    guests = [
        guest("well", config([5], [4]), 1),
        guest("changed", config([6], [4], []), 2),
        guest("hidden", config([6], [0x47]), 3),
        guest("later", config([8], [4]), 4, activation=Activation.ON_DEMAND),
        guest("never", config([8], [4]), 5, activation=Activation.INACTIVE),
        guest("new", config([5], [0x47]), 6),
    ]
    applied = Applied(FREE, {uuid(1): ("well", ONE), uuid(2): ("changed", config([6], [4]))})

    found = status(desired(guests, GIVES_UP), on, applied)

    assert states(found) == [
        ("changed", "changes"),
        ("new", "missing"),
        ("hidden", "hidden"),
        ("well", "in-sync"),
        ("later", "on-demand"),
        ("never", "inactive"),
        (uuid(0xF), "foreign"),
    ]
    assert [one.name for one in found.rows if one.state.is_good] == ["well", "later", "never", uuid(0xF)]


def test_what_another_program_changed_is_drift() -> None:
    """The manifest is as it was applied last, the device is not; a device that no manifest names is to go."""
    on = host(m1=config([6], [4]), m2=config([6], [0x47]))
    applied = Applied(FREE, {uuid(1): ("a", ONE), uuid(2): ("gone", config([6], [0x47]))})

    assert states(status(desired([guest("a", ONE, 1)], GIVES_UP), on, applied)) == [("a", "drift"), ("gone", "leaving")]


def test_a_guest_waits_for_hardware_or_has_some_that_fails() -> None:
    """Absent adapters and control domains are waited for; a card that is check-stopped fails every request."""
    on = host(m1=config([5, 200], [4]), m2=config([6], [4], [4, 250]))
    guests = [guest("a", config([5, 200], [4]), 1), guest("b", config([6], [4], [4, 250]), 2)]
    what, observed = desired(guests, GIVES_UP), observe(on)
    broken = tuple(one._replace(checkstopped=one.adapter == 6) for one in observed.cards)

    assert states(status_of(make_plan(what, observed))) == [("a", "pending"), ("b", "pending")]
    assert states(status_of(make_plan(what, observed._replace(cards=broken)))) == [("b", "failing"), ("a", "pending")]


def test_a_suspended_guest_says_why_and_by_whom() -> None:
    """Whether it is as its manifest says or not."""
    on = host(m1=ONE, m2=config([6], [4]))
    plan = make_plan(desired([guest("a", ONE, 1), guest("b", config([6], [0x47]), 2)], GIVES_UP), observe(on))
    suspended = SuspendedBy("for good", {"a": "suspended by kim: ticket 1", "b": "suspended by kim: ticket 2"})

    found = status_of(plan._replace(suspended=frozenset([uuid(1), uuid(2)])), suspended=suspended)

    assert found.suspended == "for good"
    assert states(found) == [("b", "suspended-out-of-sync"), ("a", "suspended")]
    assert whys(found)["a"] == ("suspended by kim: ticket 1",)
    assert whys(found)["b"][:2] == ("suspended by kim: ticket 2", WITHHELD)
    assert [one.suspended for one in found.guests] == ["suspended by kim: ticket 1", "suspended by kim: ticket 2"]


def test_before_6_0_a_guest_waits_for_what_cannot_be_assigned_yet() -> None:
    """Its device lacks absent queues, or is not made at all; what others may change is no reason to wait."""
    on = host_holding(
        Holdings(FREE, {uuid(1): ONE, uuid(4): config([6], [4])}), PROFILES["5.15"], hardware([5, 6], [4, 0x47])
    )
    ignoring = guest("d", config([6, 7], [4]), 4)._replace(ignored=frozenset(Ignored))
    guests = [
        guest("a", config([5, 200], [4]), 1),
        guest("b", config([201], [4]), 2),
        guest("c", config([202], [4]), 3, activation=Activation.ON_DEMAND),
        ignoring,
    ]

    found = status(desired(guests, GIVES_UP), on)

    assert states(found) == [("b", "missing"), ("a", "pending"), ("d", "in-sync"), ("c", "on-demand")]
    assert whys(found)["a"] == ("pending: adapter 0xc8 (200) is not there yet",)


def test_a_device_that_others_may_remove_is_missing_and_stays_so() -> None:
    """The manifest says that this is no drift."""
    one = guest("a", ONE, 1)._replace(ignored=frozenset([Ignored.DEVICE]))

    found = status(desired([one], GIVES_UP), host(), Applied(FREE, {uuid(1): ("a", ONE)}))

    assert states(found) == [("a", "missing")]
    assert whys(found)["a"] == ("another program has removed its device, which may be so (spec.ignoreDrift)",)


def test_free_queues_that_guests_claim_are_named() -> None:
    """By the names of the guests that have no device now; an inactive guest claims nothing."""
    guests = [
        guest("a", config([5], [0x47]), 2, activation=Activation.ON_DEMAND),
        guest("b", config([5, 6], [0x47]), 3, activation=Activation.ON_DEMAND),
        guest("c", config([6], [4]), 4, activation=Activation.INACTIVE),
    ]

    found = status(desired(guests, GIVES_UP), host(m1=ONE))

    assert found.unheld == (Queue(5, 0x47), Queue(6, 4), Queue(6, 0x47))
    assert found.free == (Queue(6, 4),)
    assert found.claims() == {Queue(5, 0x47): ("a", "b"), Queue(6, 0x47): ("b",)}


def test_a_host_alone_shows_its_devices_as_they_are() -> None:
    """Nothing says what they should be, but a card that fails is no matter of manifests."""
    observed = observe(host(m1=ONE, m2=config([6], [4])))
    broken = tuple(one._replace(checkstopped=one.adapter == 6) for one in observed.cards)
    alone = ComparedWith(Source.HOST, "nothing")

    found = host_status("lpar7", observed._replace(cards=broken), alone)

    assert (found.plan, found.host, found.foreign) == (None, "lpar7", ())
    assert states(found) == [(uuid(2), "failing"), (uuid(1), "unknown")]
    assert found.free == (Queue(5, 0x47), Queue(6, 0x47))
    assert found.claims() == {}


def test_a_host_with_a_report_has_names() -> None:
    """What is authorised is of now, the rest as it was reported; what no report names is not ours."""
    observed = observe(host(m1=ONE, mf=config([6], [4])))
    known = [
        Known("a", uuid(1), 2, GuestState.PENDING, ("pending: adapter",)),
        Known("b", uuid(2), 4, GuestState.MISSING, ("no device",)),
    ]

    found = host_status("lpar7", observed, ComparedWith(Source.REPORT, "the report"), known)

    assert states(found) == [("b", "missing"), ("a", "pending"), (uuid(0xF), "foreign")]
    assert [(one.authorised, one.wanted) for one in found.guests] == [(ONE, 2), (None, 4)]
    assert whys(found) == {"a": ("pending: adapter",), "b": ("no device",)}


def test_where_an_error_forbids_the_plan_no_apply_is_promised() -> None:
    """Two guests claim a queue: nothing is made, changed or removed."""
    guests = [guest("a", ONE, 1), guest("b", ONE, 2)]
    applied = Applied(FREE, {uuid(3): ("gone", config([6], [0x47]))})

    found = status(desired(guests, GIVES_UP), host(m1=config([6], [4]), m3=config([6], [0x47])), applied)

    assert whys(found) == {
        "a": ("its device differs",),
        "b": ("its device does not exist",),
        "gone": ("no manifest names it any more",),
    }


def test_who_has_a_queue_and_who_is_to_have_it() -> None:
    """An inactive guest claims nothing; what is missing of a queue is named."""
    guests = [
        guest("a", config([5, 200], [4]), 1),
        guest("b", config([6], [0x47]), 2, activation=Activation.ON_DEMAND),
        guest("c", config([6], [0x47]), 3, activation=Activation.INACTIVE),
    ]
    found = status(desired(guests, GIVES_UP), host(m1=config([5, 200], [4])))

    def about(adapter: int, domain: int) -> QueueStatus:
        return queue_status(found, Queue(adapter, domain))

    assert about(5, 4)[1:5] == ("", ("a",), (), False)
    assert about(6, 0x47)[1:5] == ("", (), ("b",), False)
    assert about(200, 4)[1:5] == ("adapter 0xc8 (200) is not present", ("a",), (), False)
    assert about(5, 9)[1:5] == ("domain 0x09 (9) is not present", (), (), True)
    assert about(7, 9)[1:5] == ("adapter 0x07 (7) and domain 0x09 (9) are not present", (), (), True)


def test_who_has_the_queues_of_a_card() -> None:
    """Those that are present, and those that are claimed; also of a card that is not there, and of other devices."""
    guests = [
        guest("a", config([5, 200], [4]), 1),
        guest("b", config([5], [0x60]), 2),
        guest("c", config([6], [4]), 3),
        guest("d", config([200], []), 4),
    ]
    on = host(m1=config([5, 200], [4]), m9=config([5], [0x47]))
    found = status(desired(guests, GIVES_UP), on)
    there = {one.queue for one in found.observed.queues}

    here, missing, nowhere = (card_status(found, adapter) for adapter in (5, 200, 201))

    assert {one.queue for one in here.queues} == {Queue(5, 0x60), *(one for one in there if one.adapter == 5)}
    assert [one.queue.domain for one in here.queues] == sorted(one.queue.domain for one in here.queues)
    assert all(one == queue_status(found, one.queue)._replace(in_decimal=None) for one in here.queues)
    assert here.card is not None
    assert [(str(one.queue), one.held) for one in missing.queues] == [("c8.0004", ("a",))]
    assert (missing.card, nowhere) == (None, CardStatus(201, None, ()))


def test_a_card_may_lack_a_queue_that_the_lpar_has() -> None:
    """A card that is deconfigured offers none."""
    on = host()
    found = status(desired([], GIVES_UP), on)
    without = found._replace(observed=found.observed._replace(queues=()))

    assert queue_status(without, Queue(5, 4)).missing == "adapter 0x05 (5) does not offer it"


def test_a_guest_has_what_its_device_holds_and_what_that_is_to_hold() -> None:
    """By queue and by card."""
    (row,) = status(desired([guest("a", config([6], [4]), 1)]), host(m1=config([5], [4]))).rows

    assert row.has(Queue(5, 4))
    assert row.has(Queue(6, 4))
    assert not row.has(Queue(6, 5))
    assert row.has_card(5)
    assert not row.has_card(7)


def test_a_suspended_guest_that_needs_no_device_is_to_hold_nothing() -> None:
    """Inactive, or on-demand without a VM: as without the suspension."""
    guests = [
        guest("off", ONE, 1, activation=Activation.INACTIVE),
        guest("later", config([6], [4]), 2, activation=Activation.ON_DEMAND),
        guest("lost", config([6], [0x47]), 3),
    ]
    words = {one.name: "suspended by root until it is resumed: audit" for one in guests}
    made = make_plan(desired(guests, GIVES_UP), observe(host()), Applied(None, {}))

    found = status_of(made, suspended=SuspendedBy(guests=words))

    assert {one.name: one.needs_no_device for one in found.guests} == {"off": True, "later": True, "lost": False}
    assert {one.name: guest_cells(one)[2] for one in found.guests} == {"off": "1", "later": "1", "lost": "0/1"}


def test_the_queues_of_a_domain_are_those_that_are_present() -> None:
    """Each as a status of the queue says it."""
    found = status(desired([guest("a", config([5, 200], [4]), 1)], GIVES_UP), host(m1=ONE))

    assert domain_status(found, 4).queues == tuple(
        queue_status(found, Queue(adapter, 4))._replace(in_decimal=None) for adapter in (5, 6)
    )
    assert domain_status(found, 200).queues == ()


def test_a_suspension_of_the_host_says_how_long_it_lasts_where_that_is_known() -> None:
    """A report has its words only."""
    plan = make_plan(desired([], GIVES_UP), observe(host()))
    now = SuspendedNow("kim", 7260.0, "ticket 1", 60.0)

    known = status_of(plan, suspended=SuspendedBy(now.text, {}, {"": now}))
    words = status_of(plan, suspended=SuspendedBy(now.text))

    assert words.host_suspended == "the whole host by kim until 1970-01-01 02:01 UTC: ticket 1"
    assert known.host_suspended == "the whole host by kim until 1970-01-01 02:01 UTC (2h left): ticket 1"


def test_a_guest_that_does_not_change_has_no_cause() -> None:
    """One that does has that of its manifest."""
    made = make_plan(desired([guest("a", ONE, 1), guest("b", config([6], [4]), 2)], GIVES_UP), observe(host(m1=ONE)))

    assert {one.name: one.causes for one in made.guests} == {"a": (), "b": (Cause.NEW,)}
