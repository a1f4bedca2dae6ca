"""The ways from one pool to another, one mask at a time."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix
from reconciler.model.steps import MASK_ACTIONS, Action, Holdings
from reconciler.planning.host_pool import mask_paths
from testing.invariants import violations

AXES = st.sets(st.sampled_from((0, 5, 255))).map(lambda ids: ~IdSet(ids))
POOLS = st.builds(Matrix, AXES, AXES)


@given(POOLS, POOLS)
def test_every_way_leads_there_and_keeps_the_invariants(start: Matrix, end: Matrix) -> None:
    """Each write changes one mask; at most two writes for each; nothing is given or taken on the way (I2, I3)."""
    paths = mask_paths(start, end)

    assert paths
    assert [len(one) for one in paths] == sorted(len(one) for one in paths)
    for path in paths:
        pool = start
        for write in path:
            assert write.pool_before == pool
            axis = MASK_ACTIONS.index(write.action)
            assert write.pool_after[1 - axis] == pool[1 - axis]
            assert write.newly_set == write.pool_after[axis] - pool[axis]
            pool = write.pool_after
            assert violations(Holdings(pool, {}), Holdings(start, {}), Holdings(end, {})) == []
        assert pool == end
        assert all([one.action for one in path].count(action) <= 2 for action in MASK_ACTIONS)


@given(POOLS, POOLS)
def test_one_write_for_each_mask_is_found_where_it_is_allowed(start: Matrix, end: Matrix) -> None:
    """The shortest way has no more writes than any allowed order of single writes."""
    changed = [axis for axis in (0, 1) if start[axis] != end[axis]]
    orders = [changed, changed[::-1]]
    allowed = [order for order in orders if _stays_allowed(start, end, order)]

    assert (len(mask_paths(start, end)[0]) == len(changed)) == bool(allowed)


def _stays_allowed(start: Matrix, end: Matrix, order: list[int]) -> bool:
    pool = start
    for axis in order:
        pool = pool._replace(adapters=end.adapters) if axis == 0 else pool._replace(domains=end.domains)
        if violations(Holdings(pool, {}), Holdings(start, {}), Holdings(end, {})):
            return False
    return True


def test_nothing_is_written_where_nothing_changes() -> None:
    """The only way is the empty one."""
    for adapters, domains in product((FULL_MATRIX.adapters, ~IdSet([5])), repeat=2):
        assert mask_paths(Matrix(adapters, domains), Matrix(adapters, domains)) == [()]


def test_a_mask_that_gives_and_takes_may_be_written_in_two() -> None:
    """At once, or first what goes and then what comes."""
    start, end = (FULL_MATRIX._replace(domains=~IdSet([one])) for one in (4, 0x47))

    assert [[one.action for one in path] for path in mask_paths(start, end)] == [
        [Action.AQMASK],
        [Action.AQMASK, Action.AQMASK],
    ]
