"""Rectangles behave as the sets of their queues do."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, EMPTY_MATRIX, FULL_MATRIX, ApConfig, Matrix, Queue
from reconciler.model.steps import Action, Holdings, Step, holdings_after
from testing.holdings import config, matrix

AXES = st.sets(st.sampled_from((0, 1, 5, 254, 255))).map(IdSet)
MATRICES = st.builds(Matrix, AXES, AXES)


@given(MATRICES, MATRICES)
def test_rectangles_agree_with_sets_of_queues(one: Matrix, other: Matrix) -> None:
    """Common queues, what is left, overlap, covering, size."""
    left, right = set(one.queues()), set(other.queues())

    assert set(one.meet(other).queues()) == left & right
    assert one.overlaps(other) == bool(left & right)
    assert one.covers(other) == (right <= left)
    assert one.size == len(left)
    assert one.is_empty == (not left)
    assert all(one.has(queue) for queue in left)


@given(MATRICES, MATRICES)
def test_what_is_left_is_at_most_two_rectangles_without_a_common_queue(one: Matrix, other: Matrix) -> None:
    """Taking a rectangle out of another one, queue by queue."""
    parts = one.minus(other)

    assert [queue for part in parts for queue in part.queues()].__len__() == len(
        set(one.queues()) - set(other.queues())
    )
    assert {queue for part in parts for queue in part.queues()} == set(one.queues()) - set(other.queues())
    assert len(parts) <= 2
    assert all(not part.is_empty for part in parts)


def test_an_axis_alone_is_no_queue() -> None:
    """An adapter without domains, and a domain without adapters."""
    for half in (matrix([5], []), matrix([], [4]), EMPTY_MATRIX):
        assert half.is_empty
        assert not FULL_MATRIX.overlaps(half)
        assert EMPTY_MATRIX.covers(half)


def test_queues_are_written_as_every_tool_does() -> None:
    """Hex, two digits, dot, four digits."""
    assert str(Queue(5, 0x47)) == "05.0047"
    assert [str(one) for one in matrix([5, 0xAB], [4, 255]).queues()] == ["05.0004", "05.00ff", "ab.0004", "ab.00ff"]


def test_a_configuration_has_control_domains_beside_its_queues() -> None:
    """The matrix is without them."""
    assert ApConfig(IdSet([5]), IdSet([4]), ALL_IDS).matrix == matrix([5], [4])


def test_steps_add_up() -> None:
    """What is held after masks, creating, configuring and removing."""
    start = Holdings(FULL_MATRIX, {"old": config([6], [4])})
    steps = [
        Step(Action.REMOVE, "old", config([6], [4]), None),
        Step(Action.APMASK, "", ALL_IDS, ~IdSet([5])),
        Step(Action.AQMASK, "", ALL_IDS, ~IdSet([4])),
        Step(Action.CREATE, "new", None, EMPTY_CONFIG),
        Step(Action.CONFIGURE, "new", EMPTY_CONFIG, config([5], [4])),
    ]

    assert holdings_after(start, steps) == Holdings(Matrix(~IdSet([5]), ~IdSet([4])), {"new": config([5], [4])})
    assert start.mdevs == {"old": config([6], [4])}
