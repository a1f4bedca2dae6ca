"""A fingerprint changes with everything that a plan rests on, and with nothing else."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import GivenUp
from reconciler.model.identity import MachineIdentity
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.observed import Observed
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.simulator.hardware import SetCard, SetDomains, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, host_holding, uuid

FREE = Matrix(ALL_IDS, ~IdSet([4]))
WANTED = desired([guest("a", config([5], [4]), 1)], GivenUp(NO_IDS, IdSet([4])))


def host() -> SimulatedHost:
    """A host with a device of somebody else."""
    return host_holding(Holdings(FREE, {uuid(0xF): config([6], [4])}), PROFILES["6.12"])


def planned(observed: Observed, applied: Applied = NOTHING_APPLIED) -> Plan:
    """The plan for `WANTED`."""
    return make_plan(WANTED, observed, applied)


def changed_parts(one: Plan, other: Plan) -> set[str]:
    """Which parts of the basis differ; the fingerprint differs where any does."""
    parts = {name for name in one.basis._fields if getattr(one.basis, name) != getattr(other.basis, name)}
    assert (one.fingerprint != other.fingerprint) == bool(parts)
    return parts


@pytest.mark.parametrize(
    ("act", "part"),
    [
        (lambda host: host.write("bus/ap/apmask", "-200"), "masks"),
        (lambda host: host.write(f"devices/vfio_ap/matrix/{uuid(0xF)}/assign_control_domain", "5"), "mdevs"),
        (lambda host: host.start_vm(uuid(0xF)), "mdevs"),
        (lambda host: host.change_hardware(Unplug(7)), "hardware"),
        (lambda host: host.change_hardware(SetCard(7, configured=False)), "hardware"),
        (lambda host: host.change_hardware(SetDomains(control=IdSet([5]))), "hardware"),
        (lambda host: host.write("bus/ap/drivers/cex4queue/unbind", "07.0047"), "hardware"),
    ],
)
def test_every_change_of_the_host_changes_its_part(act: object, part: str) -> None:
    """Masks, devices (also foreign ones), hardware: each has its own digest, so that what changed can be told."""
    changed = host()
    act(changed)  # type: ignore[operator]

    assert changed_parts(planned(observe(host())), planned(observe(changed))) == {part}


def test_where_the_host_runs_is_no_part_of_it() -> None:
    """It is compared with the manifests at each plan; a standby that takes over makes no plan stale by that alone."""
    here = observe(host())
    there = here._replace(identity=MachineIdentity("IBM-3931-00000000000829E7", "LPAR7"), unidentified="")

    assert changed_parts(planned(here), planned(there)) == set()


def test_manifests_kernel_and_inventory_have_theirs() -> None:
    """What is wanted, what the kernel can do, what was applied last, and for which host it is."""
    observed = observe(host())
    plan = planned(observed)

    other_manifest = make_plan(desired([guest("b", config([5], [4]), 1)]), observed)
    assert changed_parts(plan, other_manifest) == {"manifests"}
    stricter = observed._replace(abilities=observed.abilities._replace(strict_in_use=True))
    assert changed_parts(plan, planned(stricter)) == {"kernel"}
    assert changed_parts(plan, planned(observed._replace(vfio_ap=False))) == {"kernel"}
    applied = Applied(FREE, {uuid(1): ("a", config([5], [4]))})
    assert changed_parts(plan, planned(observed, applied)) == {"inventory"}
    renamed = WANTED._replace(host=WANTED.host._replace(name="lpar8"))
    assert make_plan(renamed, observed).fingerprint != plan.fingerprint


def test_what_changes_by_the_millisecond_or_is_for_people_only_is_left_out() -> None:
    """Requests in flight and the release's name do not make a plan stale."""
    working = host()
    working.set_pending(Queue(5, 0x47), 3)
    observed = observe(working)._replace(release="something else")

    assert changed_parts(planned(observe(host())), planned(observed)) == set()


def test_the_same_inventory_in_another_order_is_the_same() -> None:
    """How the file lists its entries is of no account."""
    guests = {uuid(number): (f"g{number}", config([5], [number])) for number in (1, 2)}
    turned = dict(reversed(guests.items()))
    observed = observe(host())

    assert changed_parts(planned(observed, Applied(FREE, guests)), planned(observed, Applied(FREE, turned))) == set()
