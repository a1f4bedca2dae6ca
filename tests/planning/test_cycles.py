"""Cycles are broken at the fewest places."""

from graphlib import TopologicalSorter
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.stopping import Abandoned, Budget, StopToken
from reconciler.planning.cycles import fewest_breakers

NONE: frozenset[int] = frozenset()


@st.composite
def graphs(draw: st.DrawFn, most: int = 7) -> dict[int, set[int]]:
    """A directed graph; cycles of any kind."""
    count = draw(st.integers(2, most))
    return {node: draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=4)) for node in range(count)}


def has_cycle(graph: dict[int, set[int]], without: frozenset[int] | set[int] = NONE) -> bool:
    """Whether following edges leads back, by taking away ends until nothing changes."""
    left = {node: after - without for node, after in graph.items() if node not in without}
    while ends := [node for node, after in left.items() if not after & left.keys()]:
        for node in ends:
            del left[node]
    return bool(left)


def by_trying(graph: dict[int, set[int]], unbreakable: frozenset[int]) -> int:
    """The smallest number of breakers, found by trying all sets."""
    nodes = sorted(graph.keys() - unbreakable)
    return next(
        size
        for size in range(len(nodes) + 1)
        if any(not has_cycle(graph, set(chosen)) for chosen in combinations(nodes, size))
    )


@given(graphs(), st.frozensets(st.integers(0, 6), max_size=3))
@settings(max_examples=150)
def test_no_smaller_set_breaks_all_cycles(graph: dict[int, set[int]], unbreakable: frozenset[int]) -> None:
    """As many as trying all sets finds, and none of those that must not be chosen."""
    unbreakable = frozenset(unbreakable & graph.keys())
    if has_cycle({node: graph[node] & unbreakable for node in unbreakable}):
        return

    found = fewest_breakers(graph, unbreakable)

    assert not has_cycle(graph, found)
    assert found.isdisjoint(unbreakable)
    assert len(found) == by_trying(graph, unbreakable)


@given(graphs(most=20))
@settings(max_examples=50)
def test_large_graphs_are_broken_too(graph: dict[int, set[int]]) -> None:
    """However tangled: no cycle is left, and none of the breakers is there for nothing."""
    found = fewest_breakers(graph, NONE)

    assert not has_cycle(graph, found)
    assert all(has_cycle(graph, found - {node}) for node in found)


def test_the_busiest_node_need_not_be_a_breaker() -> None:
    """Taking the busiest node each time would need three here."""
    graph = {2: {4, 5}, 3: {2, 5, 6}, 4: {2, 3}, 5: {4, 6}, 6: {3, 5}}

    assert len(fewest_breakers(graph, NONE)) == by_trying(graph, NONE) == 2


def test_long_cycles_are_broken_once_each() -> None:
    """Rings that have one node in common, and one beside them."""
    rings = {0: {1, 4}, 1: {2}, 2: {3}, 3: {0}, 4: {5}, 5: {0}, 10: {11}, 11: {12}, 12: {10}}

    assert len(fewest_breakers(rings, NONE)) == 2
    assert 0 in fewest_breakers(rings, NONE)


@pytest.mark.parametrize(("count", "steps"), [(7, (1, 2)), (8, (1, 3)), (9, (1, 2)), (9, (2, 3))])
def test_graphs_without_short_cycles_are_broken_at_the_fewest_places(count: int, steps: tuple[int, int]) -> None:
    """Circles with chords: nobody waits for two others only, and no two for each other."""
    graph = {node: {(node + step) % count for step in steps} for node in range(count)}

    found = fewest_breakers(graph, NONE)

    assert not has_cycle(graph, found)
    assert len(found) == by_trying(graph, NONE)


def test_without_a_cycle_nothing_is_broken() -> None:
    """A chain and a diamond."""
    assert fewest_breakers({0: {1, 2}, 1: {3}, 2: {3}, 3: set()}, NONE) == NONE


def test_the_same_graph_gives_the_same_answer() -> None:
    """The order in which edges are given changes nothing."""
    graph = {node: {(node + step) % 12 for step in (1, 5, 7)} for node in range(12)}
    turned = {node: graph[node] for node in reversed(range(12))}

    assert fewest_breakers(graph, NONE) == fewest_breakers(turned, NONE)


@pytest.mark.parametrize("units", [0, 10, 100, 300])
def test_when_the_budget_is_used_up_the_best_so_far_is_taken(units: int) -> None:
    """Work is counted, not seconds; the answer is then still one, perhaps not the smallest, and that is known."""
    graph = {node: {other for other in range(9) if other != node and (node * other) % 3} for node in range(9)}
    budget = Budget(units)

    found = fewest_breakers(graph, NONE, budget)

    assert budget.is_cut
    assert not has_cycle(graph, found)
    assert found == fewest_breakers(graph, NONE, Budget(units))


def swaps(count: int, domains: int) -> dict[int, set[int]]:
    """Guests of some domains each that wait for each other at random."""
    source = Random(1)
    return {node: {source.randrange(count) for _ in range(domains)} - {node} for node in range(count)}


@pytest.mark.parametrize(("count", "degree"), [(160, 8), (640, 8), (3000, 8), (20_000, 2)])
def test_large_graphs_cost_no_more_than_the_budget(monkeypatch: pytest.MonkeyPatch, count: int, degree: int) -> None:
    """However tangled: nodes and edges that are visited are counted, also beyond the budget."""
    done: list[int] = []
    real = Budget.work
    monkeypatch.setattr(Budget, "work", lambda self, units: (done.append(units), real(self, units))[1])  # type: ignore[func-returns-value]
    graph = swaps(count, degree)

    found = fewest_breakers(graph, NONE, Budget(200_000))

    assert len(found) < 0.6 * count
    assert sum(done) < 400_000 + 60 * count * (degree + 1)
    TopologicalSorter({node: after - found for node, after in graph.items() if node not in found}).prepare()


def test_small_components_do_not_suffer_from_a_hopeless_one() -> None:
    """The budget is spent on the small ones first, in an order that does not depend on the numbering."""
    hopeless = {100 + node: {100 + one for one in after} for node, after in swaps(300, 6).items()}
    small = {node: {other for other in range(9) if other != node and (node * other) % 3} for node in range(9)}

    budget = Budget(60_000)
    found = fewest_breakers(small | hopeless, NONE, budget)

    assert budget.is_cut
    assert len([node for node in found if node < 100]) == by_trying(small, NONE)


def test_a_plan_can_be_ended_while_it_searches() -> None:
    """The check is asked every few thousand nodes and edges."""
    asked: list[int] = []

    class Enough(StopToken):
        def check(self) -> None:
            asked.append(1)
            if len(asked) == 3:
                raise Abandoned("enough")

    with pytest.raises(Abandoned):
        fewest_breakers(swaps(2000, 8), NONE, Budget(stop=Enough()))
