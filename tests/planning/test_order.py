"""The order of steps, by examples; tests/laws/test_fewest_writes.py tries all ways in a small universe."""

import pytest

from reconciler.kernel.writes import writes_of
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, Matrix
from reconciler.model.observed import Abilities
from reconciler.model.steps import MASK_ACTIONS, Action, Holdings
from reconciler.planning.order import order_steps
from reconciler.simulator.kernel_profiles import Profile
from testing.holdings import EVERY_PROFILE, abilities_of, config, matrix, uuid

BY_ID = [one for one in EVERY_PROFILE if not one.ap_config]


def steps_of(start: Holdings, target: Holdings, *, strict: bool = False) -> list[Action]:
    """What is done, in order."""
    return [one.action for one in order_steps(start, target, Abilities(True, True, strict), frozenset()).steps]


FREE = Matrix(ALL_IDS, ALL_IDS - IdSet([4, 0x47]))


def test_a_move_takes_one_write_for_each_guest() -> None:
    """What one guest gives and another takes is given first, then taken."""
    start = Holdings(FREE, {uuid(1): config([5, 6], [4]), uuid(2): config([5], [0x47])})
    target = Holdings(FREE, {uuid(1): config([5], [4]), uuid(2): config([5], [0x47])})

    assert steps_of(start, target) == [Action.CONFIGURE]


def test_a_swap_takes_one_write_more() -> None:
    """Two guests that exchange their queues wait for each other; one of them is written twice."""
    start = Holdings(FREE, {uuid(1): config([5], [4]), uuid(2): config([6], [4])})
    target = Holdings(FREE, {uuid(1): config([6], [4]), uuid(2): config([5], [4])})

    assert steps_of(start, target) == [Action.CONFIGURE] * 3


def test_a_ring_of_guests_takes_one_write_more() -> None:
    """However many guests pass their queues on in a ring, one of them is written twice."""
    ring = [config([adapter], [4]) for adapter in range(10, 18)]
    start = Holdings(FREE, {uuid(place): one for place, one in enumerate(ring)})
    target = Holdings(FREE, {uuid(place): ring[place - 1] for place in range(len(ring))})

    assert len(steps_of(start, target)) == len(ring) + 1


def test_queues_for_a_new_guest_are_freed_by_one_mask_write() -> None:
    """A new guest on a fresh host: one mask write, one create, one configuration."""
    start = Holdings(Matrix(ALL_IDS, ALL_IDS), {})
    target = Holdings(FREE, {uuid(1): config([5], [4])})

    assert steps_of(start, target) == [Action.AQMASK, Action.CREATE, Action.CONFIGURE]


def test_a_new_device_without_queues_takes_one_write() -> None:
    """It is empty when it is made; there is nothing to configure."""
    target = Holdings(FREE, {uuid(1): EMPTY_CONFIG})

    assert steps_of(Holdings(FREE, {}), target) == [Action.CREATE]


@pytest.mark.parametrize("strict", [False, True])
def test_a_guest_that_swaps_with_the_host_is_changed_once(strict: bool) -> None:
    """Where guest and host exchange queues the mask is written twice, so that the guest is interrupted once.

    With the rule of 6.19, too: the guest has no queue of a domain any more when its bit is set.
    """
    start = Holdings(Matrix(ALL_IDS, ALL_IDS - IdSet([4])), {uuid(1): config([5], [4])})
    target = Holdings(Matrix(ALL_IDS, ALL_IDS - IdSet([0x47])), {uuid(1): config([5], [0x47])})

    assert steps_of(start, target, strict=strict) == [Action.AQMASK, Action.CONFIGURE, Action.AQMASK]


@pytest.mark.parametrize("profile", BY_ID, ids=lambda one: one.name)
def test_a_guest_that_swaps_with_the_host_before_6_10_changes_each_id_and_the_mask_once(profile: Profile) -> None:
    """Where each id is a write, giving before the mask changes and taking after it costs nothing: no second mask."""
    start = Holdings(Matrix(ALL_IDS, ALL_IDS - IdSet([4])), {uuid(1): config([5], [4], [4])})
    target = Holdings(Matrix(ALL_IDS, ALL_IDS - IdSet([0x47])), {uuid(1): config([5], [0x47], [4])})
    ordered = order_steps(start, target, abilities_of(profile), frozenset())

    assert [one.action for one in ordered.steps] == [Action.CONFIGURE, Action.AQMASK, Action.CONFIGURE]
    assert sum(len(writes_of(step, abilities_of(profile))) for step in ordered.steps) == 3


def test_both_masks_at_once_are_never_more_than_two_writes_each() -> None:
    """Any change of both masks is at most two writes for each."""
    start = Holdings(Matrix(ALL_IDS - IdSet([5]), ALL_IDS - IdSet([4])), {})
    target = Holdings(Matrix(ALL_IDS - IdSet([6]), ALL_IDS - IdSet([0x47])), {})
    steps = steps_of(start, target)

    assert all(steps.count(action) <= 2 for action in MASK_ACTIONS)
    assert len(steps) == 3


def test_the_6_19_rule_interrupts_who_keeps_a_queue_of_the_adapter() -> None:
    """Setting an adapter's bit is refused while any device has a queue there, so that device lets go for a while."""
    start = Holdings(Matrix(ALL_IDS - IdSet([5]), ALL_IDS - IdSet([4])), {uuid(1): config([5], [4])})
    target = Holdings(Matrix(ALL_IDS, ALL_IDS - IdSet([4])), {uuid(1): config([5], [4])})

    assert steps_of(start, target, strict=False) == [Action.APMASK]
    ordered = order_steps(start, target, Abilities(True, True, True), frozenset())
    assert [one.action for one in ordered.steps] == [Action.CONFIGURE, Action.APMASK, Action.CONFIGURE]
    assert [(one.uuid, one.lost) for one in ordered.outages] == [(uuid(1), (matrix([5], [4]),))]


def test_the_6_19_rule_blocks_where_a_foreign_device_has_a_queue_of_the_adapter() -> None:
    """What must not be touched makes the target unreachable, and is named."""
    start = Holdings(Matrix(ALL_IDS - IdSet([5]), ALL_IDS - IdSet([4])), {uuid(1): config([5], [4])})
    target = start._replace(pool=Matrix(ALL_IDS, ALL_IDS - IdSet([4])))

    ordered = order_steps(start, target, Abilities(True, True, True), frozenset([uuid(1)]))

    assert ordered.steps == ()
    assert [(one.uuid, one.adapters) for one in ordered.blocked] == [(uuid(1), IdSet([5]))]
