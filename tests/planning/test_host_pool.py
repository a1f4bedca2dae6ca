"""The derived host pool: nothing smaller would do."""

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.planning.host_pool import PoolReason, derive_pool
from testing.holdings import matrix

IDS = (0, 1, 5, 255)
AXES = st.sets(st.sampled_from(IDS)).map(IdSet)
MATRICES = st.builds(Matrix, AXES, AXES)


def subsets() -> list[IdSet]:
    """Every set of the small universe."""
    return [IdSet(one for place, one in enumerate(IDS) if bits >> place & 1) for bits in range(1 << len(IDS))]


def possible_cuts(needed: list[Matrix], kept: list[Matrix]) -> list[tuple[IdSet, IdSet]]:
    """Every pair of ids to clear after which the host has no needed queue and all kept ones."""
    found = []
    for adapters, domains in product(subsets(), subsets()):
        pool = Matrix(~adapters, ~domains)
        if not any(pool.overlaps(one) for one in needed) and all(pool.covers(one) for one in kept):
            found.append((adapters, domains))
    return found


@given(st.lists(MATRICES, max_size=4), st.lists(MATRICES, max_size=2))
@example([matrix([0], [0])], [matrix([0], [0]), matrix([], [0])])
@example([matrix([0], [1, 5])], [matrix([1], [1])])
@example([matrix([0, 1], [0, 5])], [matrix([0], [1]), matrix([5], [0])])
@settings(max_examples=150)
def test_the_pool_is_the_best_of_all_pools(needed: list[Matrix], kept: list[Matrix]) -> None:
    """One axis alone where that works, the one with fewer ids, domains on a tie; else the fewest ids of both."""
    cuts = possible_cuts(needed, kept)
    derived = derive_pool(needed, kept)

    if derived is None:
        assert cuts == []
        return
    mine = (~derived.pool.adapters, ~derived.pool.domains)
    assert mine in cuts
    on_one_axis = [cut for cut in cuts if not (cut[0] and cut[1])]
    best = min((len(adapters) + len(domains), bool(adapters)) for adapters, domains in on_one_axis or cuts)
    assert len(mine[0]) + len(mine[1]) == best[0]
    if on_one_axis:
        assert (len(mine[0]) + len(mine[1]), bool(mine[0])) == best


QUEUES = st.sets(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), min_size=1, max_size=9)


@given(QUEUES)
@example({(0, 0), (0, 1), (1, 0), (5, 0), (255, 1), (255, 5)})
@settings(max_examples=60)
def test_a_mixed_pool_clears_as_few_ids_as_any(queues: set[tuple[int, int]]) -> None:
    """With kept ids in the way of either axis alone, as many ids are cleared as trying all pools finds."""
    kept = [matrix([2], [2])]
    needed = [matrix([2], [3]), matrix([3], [2]), *(matrix([adapter], [domain]) for adapter, domain in queues)]
    cut = min(len(adapters) + len(domains) for adapters, domains in possible_cuts(needed[2:], []))

    derived = derive_pool(needed, kept)

    assert derived is not None
    assert derived.reason is PoolReason.MIXED
    assert not any(derived.pool.overlaps(one) for one in needed)
    assert derived.pool.covers(kept[0])
    assert len(~derived.pool.adapters) + len(~derived.pool.domains) == cut + 2


@given(st.lists(MATRICES, max_size=5), st.lists(MATRICES, max_size=2), st.randoms())
def test_the_order_of_guests_changes_nothing(needed: list[Matrix], kept: list[Matrix], random: object) -> None:
    """The pool is a function of who needs what."""
    turned = list(needed)
    random.shuffle(turned)  # type: ignore[attr-defined]

    assert derive_pool(turned, kept) == derive_pool(needed, kept)


@pytest.mark.parametrize(
    ("needed", "kept", "adapters", "domains", "reason"),
    [
        ([], [], [], [], PoolReason.UNUSED),
        ([matrix([5], [])], [], [], [], PoolReason.UNUSED),
        ([matrix([5, 6], [4])], [], [], [4], PoolReason.DOMAINS),
        ([matrix([5, 6], [4, 5])], [], [], [4, 5], PoolReason.DOMAINS),
        ([matrix([5], [4, 0x47])], [], [5], [], PoolReason.ADAPTERS),
        ([matrix([5], [4, 0x47])], [matrix([5], [0])], [], [4, 0x47], PoolReason.DOMAINS_ONLY),
        ([matrix([5, 6], [4])], [matrix([0], [4])], [5, 6], [], PoolReason.ADAPTERS_ONLY),
        ([matrix([5], [4]), matrix([6], [5])], [matrix([5], [5])], [6], [4], PoolReason.MIXED),
    ],
)
def test_the_choice_is_explained(
    needed: list[Matrix], kept: list[Matrix], adapters: list[int], domains: list[int], reason: PoolReason
) -> None:
    """Each way to choose, with its reason."""
    derived = derive_pool(needed, kept)

    assert derived is not None
    assert derived.pool == Matrix(~IdSet(adapters), ~IdSet(domains))
    assert derived.reason is reason


def test_a_queue_with_both_ids_kept_has_no_pool() -> None:
    """The pool is a product: keeping 05.0004 and 06.0005 keeps 05.0005 too."""
    assert derive_pool([matrix([5], [5])], [matrix([5], [4]), matrix([6], [5])]) is None


def test_a_full_machine_is_shared_in_polynomial_time() -> None:
    """Half of 256 × 256 queues in a checkered pattern, with kept ids in the way of either axis alone."""
    odd = IdSet(range(1, 256, 2))
    needed = [Matrix(IdSet([adapter]), ~odd if adapter % 2 else odd) for adapter in range(256)]

    derived = derive_pool(needed, [matrix([0], [0])])

    assert derived is not None
    assert derived.pool == Matrix(~odd, ~odd)
