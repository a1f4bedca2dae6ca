"""Hardware that guests wait for, on a host with adapters 5, 6 and domains 4, 0x47."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, DesiredGuest, GivenUp
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.pending import Pending, pending_hardware
from reconciler.planning.planner import make_plan
from reconciler.planning.status import ComparedWith, GuestState, Known, Source, host_status, status_of
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, host_holding, uuid

GIVES_UP = IdSet([4, 0x2F, 0x47])


def pending(*guests: DesiredGuest, **devices: ApConfig) -> list[Pending]:
    """What is waited for on a host with these guests; devices are named by the last digit of their uuid."""
    held = {uuid(int(name[1:], 16)): one for name, one in devices.items()}
    pool = Matrix(~NO_IDS, ~GIVES_UP)
    on = host_holding(Holdings(pool, held), PROFILES["6.12"], hardware([5, 6], [4, 0x47]))
    status = status_of(make_plan(desired(guests, GivenUp(NO_IDS, GIVES_UP)), observe(on)))
    return [one for found in pending_hardware(status).values() for one in found]


def test_what_no_device_has_is_claimed_only() -> None:
    """A new host: nothing was applied, so nothing is authorised in advance."""
    batch = guest("batch", config([0x10], [4, 0x2F]), 1)

    found = pending(batch)

    assert found == [
        Pending("adapter", IdSet([0x10]), (), ("batch",)),
        Pending("domain", IdSet([0x2F]), (), ("batch",)),
    ]


def test_what_a_device_has_is_authorised_in_advance() -> None:
    """Of the same card both can be true, of two guests; a domain is not named again as a control domain."""
    first = guest("first", config([0x10], [4, 0x2F]), 1)
    second = guest("second", config([0x10], [0x47]), 2)

    found = pending(first, second, m1=first.config)

    assert found == [
        Pending("adapter", IdSet([0x10]), ("first",), ("second",)),
        Pending("domain", IdSet([0x2F]), ("first",), ()),
    ]


def test_what_the_same_guests_wait_for_is_one_group() -> None:
    """Adapters that differ in who waits are two; control domains are a kind of their own."""
    first = guest("first", config([0x10, 0x11, 0x12], [4], [4, 9]), 1, activation=Activation.ON_DEMAND)
    second = guest("second", config([0x12], [0x47], []), 2)

    assert pending(first, second) == [
        Pending("adapter", IdSet([0x10, 0x11]), (), ("first",)),
        Pending("adapter", IdSet([0x12]), (), ("first", "second")),
        Pending("control domain", IdSet([9]), (), ("first",)),
    ]


def test_nothing_waits_for_what_no_active_guest_wants() -> None:
    """Neither an inactive guest, nor what a device is to lose."""
    idle = guest("idle", config([0x10], [0x2F]), 1, activation=Activation.INACTIVE)
    less = guest("less", config([5], [4]), 2)

    assert pending(idle, less, m2=config([5, 0x11], [4])) == []


def test_where_nothing_says_what_is_wanted_a_device_waits_for_all_that_it_has() -> None:
    """Adapters, domains and control domains, in the host and with each device; but not what is to go by a report."""
    devices = {
        uuid(1): config([0x10], [4]),
        uuid(2): config([5], [4], [4, 9]),
        uuid(3): config([5, 0x11], [0x47, 0x2F]),
        uuid(4): config([0x12], [0x47]),
        uuid(5): config([6], [0x47]),
    }
    on = host_holding(Holdings(Matrix(~NO_IDS, ~GIVES_UP), devices), PROFILES["6.12"], hardware([5, 6], [4, 0x47]))
    observed = observe(on)

    found = host_status("lpar7", observed, ComparedWith(Source.HOST, "nothing"))

    assert [one for of_kind in pending_hardware(found).values() for one in of_kind] == [
        Pending("adapter", IdSet([0x10]), (uuid(1),), ()),
        Pending("adapter", IdSet([0x11]), (uuid(3),), ()),
        Pending("adapter", IdSet([0x12]), (uuid(4),), ()),
        Pending("domain", IdSet([0x2F]), (uuid(3),), ()),
        Pending("control domain", IdSet([9]), (uuid(2),), ()),
    ]
    assert found.pending == ((0x10, (uuid(1),)), (0x11, (uuid(3),)), (0x12, (uuid(4),)))
    assert {one.uuid: one.state.value for one in found.guests} == {
        **dict.fromkeys(map(uuid, (1, 2, 3, 4)), "pending"),
        uuid(5): "unknown",
    }
    assert [one.why for one in found.guests] == [
        ("pending: adapter 0x10 (16) is not there yet",),
        ("pending: control domain 0x09 (9) is not in the LPAR yet",),
        (
            "pending: adapter 0x11 (17) is not there yet",
            "pending: domain 0x2f (47) is not in the LPAR yet",
        ),
        ("pending: adapter 0x12 (18) is not there yet",),
        (),
    ]
    known = [
        Known("first", uuid(1), 1, GuestState.IN_SYNC),
        Known("gone", uuid(4), 0, GuestState.LEAVING),
    ]
    reported = host_status("lpar7", observed, ComparedWith(Source.REPORT, "the report"), known)
    assert pending_hardware(reported)["adapter"] == (Pending("adapter", IdSet([0x10]), ("first",), ()),)
    assert [one.state.value for one in reported.guests] == ["pending", "leaving"]
