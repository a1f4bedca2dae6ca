"""How things stand: wanted, authorised, effective, and why they differ."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.steps import Holdings
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.status import Status, status_of
from reconciler.simulator.hardware import Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.profiles import PROFILES
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
        "changed": ("its device holds something else than planned; apply changes it",),
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


def test_queues_that_nobody_can_use_are_idle() -> None:
    """Given up by the host and in no device."""
    found = status(desired([], GIVES_UP), host(m1=ONE, mf=config([6], [4])))

    assert found.idle == (Queue(5, 0x47), Queue(6, 0x47))
    assert [one.uuid for one in found.foreign] == [uuid(1), uuid(0xF)]


def test_a_card_that_is_gone_is_explained_by_what_is_authorised() -> None:
    """What the device has and the guest does not see."""
    on = host(m1=config([5, 6], [4]))
    on.change_hardware(Unplug(6))

    assert whys(status(desired([guest("a", config([5, 6], [4]), 1)], GIVES_UP), on)) == {
        "a": ("pending: adapter 0x06 (6) is not there yet",)
    }
