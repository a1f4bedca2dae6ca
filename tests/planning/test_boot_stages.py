"""A boot in two stages: the masks, then everything; together they lead to where one plan leads."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Ignored, Keep
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.boot_stages import plan_stage
from reconciler.planning.planner import NOTHING_APPLIED, Applied
from reconciler.planning.scope import BootStage
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile
from testing.holdings import config, desired, guest, hardware, host_holding, matrix, uuid

WANTED = desired(
    [guest("one", config([5], [4]), 1), guest("two", config([6], [4]), 2, activation=Activation.ON_DEMAND)]
)


def booting(profile: Profile = PROFILES["6.12"]) -> SimulatedHost:
    """A host on which vfio_ap is not loaded yet."""
    return SimulatedHost(hardware(), profile, vfio_ap=False)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_the_masks_come_without_a_device(profile: Profile) -> None:
    """They are those that all guests need, also the ones that are built later."""
    made = plan_stage(BootStage.MASKS, WANTED, observe(booting(profile)), NOTHING_APPLIED)

    assert made.is_valid
    assert [one.step.action for one in made.steps] == ["aqmask"]
    assert made.pool == Matrix(ALL_IDS, ALL_IDS - IdSet([4]))
    assert made.only == frozenset()


def test_then_everything_comes() -> None:
    """But for what is made when its VM starts; the plan is confined to the devices of the guests."""
    host = SimulatedHost(hardware(), pool=Matrix(ALL_IDS, ALL_IDS - IdSet([4])))

    made = plan_stage(BootStage.WHOLE, WANTED, observe(host), NOTHING_APPLIED)

    assert [one.step.action for one in made.steps] == ["create", "configure"]
    assert made.only == frozenset({uuid(1), uuid(2)})


def test_what_was_given_up_by_hand_is_given_up_at_boot() -> None:
    """Whatever the guests need of it."""
    given = WANTED._replace(guests=(), host=WANTED.host._replace(keep=(Keep(matrix([7], [255]), 0),)))

    made = plan_stage(BootStage.MASKS, given, observe(booting()), Applied(None, {uuid(9): ("gone", config([5], [4]))}))

    assert (made.steps, made.pool) == ((), Matrix(ALL_IDS, ALL_IDS))


def test_what_cannot_be_has_the_problems_of_the_whole() -> None:
    """No pool does justice to guests that need what the host is to keep."""
    torn = WANTED._replace(host=WANTED.host._replace(keep=(Keep(matrix([5], [4]), 0),)))

    made = plan_stage(BootStage.MASKS, torn, observe(booting()), NOTHING_APPLIED)

    assert not made.is_valid
    assert made.steps == ()


def test_a_device_that_others_may_take_away_was_taken_by_the_boot() -> None:
    """It is made again; what others have changed of one that is there stays."""
    one = guest("one", config([5], [4]), 1, ignored=frozenset(Ignored))
    wanted, pool = desired([one]), Matrix(ALL_IDS, ALL_IDS - IdSet([4]))
    applied = Applied(pool, {one.uuid: ("one", one.config)})

    made = plan_stage(BootStage.WHOLE, wanted, observe(SimulatedHost(hardware(), pool=pool)), applied)
    again = plan_stage(
        BootStage.WHOLE,
        wanted,
        observe(host_holding(Holdings(pool, {one.uuid: config([6], [4])}), PROFILES["6.12"])),
        applied,
    )

    assert [one.step.action for one in made.steps] == ["create", "configure"]
    assert again.steps == ()
