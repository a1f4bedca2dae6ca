"""Breaks the cycles of a "waits for" graph at the fewest places (a minimum feedback vertex set).

Guests that swap queues wait for each other; each guest chosen here is written twice so that no guest waits for ever.
The problem is NP-hard (Karp, 1972), and the graphs are small. The search is exact as long as the budget of the plan
lasts, which counts the nodes and edges that are visited. It is spent on small components first, so that one that is
hopeless takes nothing from the others; what it does not cover is answered greedily, in time that grows little faster
than the graph. Every choice goes by the numbers of the nodes, never by the order of a set: same input, same plan (I6).

Four facts carry the search:

* A cycle lies within one strongly connected component, so that components are answered one by one (Tarjan, 1972).
* Levy and Low, "A contraction algorithm for finding small cycle cutsets", Journal of Algorithms 9 (1988), shrink a
  graph without losing a smallest answer. Their rules are named in `_reduced`.
* A node that is not in the answer can be bypassed: each of its predecessors gets an edge to each of its successors, so
  that every cycle through it stays a cycle, which another node has to break. One branch takes the node, the other
  bypasses it.
* Cycles without a common node need a breaker each, so that their number is a lower bound.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.model.stopping import Budget

_PASSES: Final = 5
"""How often a branch visits the whole graph: reduce, divide, bound, choose, copy."""

_SHORT: Final = (2, 3, 4)
"""Lengths of cycles that are looked for first, shortest first: they make the better bound."""

_Graph = dict[int, set[int]]


def fewest_breakers(
    edges: Mapping[int, Iterable[int]], unbreakable: frozenset[int], budget: Budget | None = None
) -> frozenset[int]:
    """The smallest set of nodes whose removal leaves no cycle, or a small one where `budget` runs out.

    Args:
        edges: for each node its successors; nodes are small integers.
        unbreakable: nodes that must not be chosen; they have no cycle of their own.
        budget: of the plan; left out, a fresh one.
    """
    budget = budget or Budget()
    chosen: set[int] = set()
    parts = _components({node: set(after) for node, after in edges.items()}, budget)
    for graph in sorted(parts, key=lambda part: (_size(part), min(part))):
        # Those that must not be chosen have no cycle among themselves, so that bypassing them leaves no loop at one of
        # them, and every cycle keeps a node that may be chosen.
        for node in sorted(unbreakable & graph.keys()):
            _bypass(graph, node)
        chosen |= _smallest(graph, budget)
    return frozenset(chosen)


def _smallest(graph: _Graph, budget: Budget) -> set[int]:
    """Branch and bound over a strongly connected graph, from the greedy answer on."""
    best = _without_needless(graph, _greedy(_copy(graph), budget), budget)
    waiting: list[tuple[_Graph, set[int]]] = [(graph, set())]
    while waiting:
        graph, taken = waiting.pop()
        # What waits still has a cycle, so that its answer has one node more at least: it comes from a reduced graph,
        # whose nodes have two edges in and two out, and lost one node.
        # nodes have two edges in and two out, and lost one node.
        if len(taken) + 1 >= len(best):
            continue
        if not budget.spend(_PASSES * _size(graph)):
            break
        taken = taken | _reduce(graph)
        parts = _components(graph, budget)
        if not parts:
            best = min(best, taken, key=len)
            continue
        if len(taken) + sum(_disjoint_cycles(part, budget) for part in parts) >= len(best):
            continue
        whole = _joined(parts)
        # The node on which the most paths of two edges meet: both branches shrink the graph most there. The branch that
        # takes it lies on top of the stack: good answers come early, and cut more of what is left.
        node = _busiest(whole)
        without = _removed(_copy(whole), node)
        _bypass(whole, node)
        waiting += [(whole, taken), (without, taken | {node})]
    return best


def _greedy(graph: _Graph, budget: Budget) -> set[int]:
    """A set of breakers: the busiest node each time. Changes `graph`.

    What is on no cycle any more is left out after each choice, or, where the budget does not last for that, whenever
    half of the graph is gone.
    """
    taken = _reduce(graph)
    while parts := _components(graph, budget):
        graph = _joined(parts)
        before = _predecessors(graph)
        # A heap with stale entries: what became less busy goes back with its new weight when it comes up; what became
        # busier, by a bypass, is found a little late. So no choice looks at all nodes.
        queue = [(-len(before[node]) * len(after), node) for node, after in graph.items()]
        heapq.heapify(queue)
        enough = len(graph) - 1 if budget.spend(_size(graph)) else len(graph) // 2
        while queue and len(graph) > enough:
            weight, node = heapq.heappop(queue)
            if node not in graph:
                continue
            now = -len(before[node]) * len(graph[node])
            if now > weight:  # less than it was: it waits for its new place
                heapq.heappush(queue, (now, node))
                continue
            taken.add(node)
            touched = before[node] | graph[node]
            _cut_out(graph, before, node)
            taken |= _reduced(graph, before, sorted(touched & graph.keys()))
    return taken


def _without_needless(graph: _Graph, taken: set[int], budget: Budget) -> set[int]:
    """`taken`, which breaks all cycles of `graph`, without the nodes that can be left out one after the other."""
    needed = set(taken)
    for node in sorted(taken):
        needed.discard(node)
        if _is_on_cycle(graph, node, needed, budget):
            needed.add(node)
    return needed


def _is_on_cycle(graph: _Graph, start: int, without: set[int], budget: Budget) -> bool:
    """Whether a cycle through `start` is left `without` some nodes; also where the budget does not last to see."""
    seen = set(without)
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if start in graph[node] or not budget.spend(1 + len(graph[node])):
            return True
        new = graph[node] - seen
        seen |= new
        waiting += new
    return False


def _reduce(graph: _Graph) -> set[int]:
    """Shrink `graph` in place without losing a smallest answer, and return the nodes that every answer has."""
    return _reduced(graph, _predecessors(graph), sorted(graph))


def _reduced(graph: _Graph, before: _Graph, waiting: list[int]) -> set[int]:
    """`_reduce` where only the nodes `waiting` have changed; `before` are the predecessors, kept up to date.

    The rules are those of Levy and Low (1988), by their names:

    * LOOP: a node with an edge to itself is in every answer.
    * IN0, OUT0: a node without predecessors, or without successors, is on no cycle.
    * IN1, OUT1: every cycle through a node with one predecessor also goes through that one (with one successor:
      through that), which can stand in for it in any answer. The node is merged with it.

    A rule may make another one fit at a neighbour, and nowhere else: only those are looked at again.
    """
    taken: set[int] = set()
    while waiting:
        node = waiting.pop()
        if node not in graph:
            continue
        into, out = before[node], graph[node]
        if node in out:  # LOOP
            taken.add(node)
            into, out = into - {node}, out - {node}
            joined: set[int] = set()
        elif not into or not out:  # IN0, OUT0
            joined = set()
        elif len(into) == 1 or len(out) == 1:  # IN1, OUT1: merging with the only neighbour is a bypass
            joined = out
        else:
            continue
        touched = into | out
        del graph[node], before[node]
        for one in into:
            graph[one].discard(node)
            graph[one] |= joined
        for one in out:
            before[one].discard(node)
            if joined:
                before[one] |= into
        waiting.extend(sorted(touched))
    return taken


def _disjoint_cycles(graph: _Graph, budget: Budget) -> int:
    """A count of cycles without a common node: no answer has fewer nodes. Less where the budget does not last."""
    rest = _copy(graph)
    before = _predecessors(rest)
    count = 0
    # A packing that no more cycle fits into, not the largest one, which is as hard to find as the answer itself. Short
    # cycles first, since each takes its nodes from others.
    for longest in (*_SHORT, len(graph)):
        for start in sorted(rest):
            if start not in rest:
                continue
            cycle = _cycle_through(rest, start, longest, budget)
            if cycle is None:
                return count
            if cycle:
                count += 1
                for node in cycle:
                    _cut_out(rest, before, node)
    return count


def _cycle_through(graph: _Graph, start: int, longest: int, budget: Budget) -> list[int] | None:
    """A shortest cycle through `start` of at most `longest` nodes; [] where there is none, None where it was cut."""
    # Breadth first: the first edge that leads to `start` closes a shortest cycle.
    origin = {start: start}
    level, depth = [start], 1
    while level and depth <= longest:
        following = []
        for node in level:
            if not budget.spend(1 + len(graph[node])):
                return None
            if start in graph[node]:
                return _walk_back(origin, node, start)
            for after in sorted(graph[node]):
                if after not in origin:
                    origin[after] = node
                    following.append(after)
        level, depth = following, depth + 1
    return []


def _walk_back(origin: dict[int, int], node: int, start: int) -> list[int]:
    path = [node]
    while node != start:
        node = origin[node]
        path.append(node)
    return path


def _busiest(graph: _Graph) -> int:
    before = _predecessors(graph)
    return max(sorted(graph), key=lambda node: (len(before[node]) * len(graph[node]), -node))


def _size(graph: _Graph) -> int:
    return len(graph) + sum(map(len, graph.values()))


def _joined(parts: Iterable[_Graph]) -> _Graph:
    whole: _Graph = {}
    for part in parts:
        whole |= part
    return whole


def _cut_out(graph: _Graph, before: _Graph, node: int) -> None:
    # In this order a node with an edge to itself needs no case of its own.
    for one in graph.pop(node):
        before[one].discard(node)
    for one in before.pop(node):
        graph[one].discard(node)


def _bypass(graph: _Graph, node: int) -> None:
    after = graph.pop(node)
    for successors in graph.values():
        if node in successors:
            successors.discard(node)
            successors.update(after)


def _removed(graph: _Graph, node: int) -> _Graph:
    del graph[node]
    for successors in graph.values():
        successors.discard(node)
    return graph


def _predecessors(graph: _Graph) -> _Graph:
    before: _Graph = {node: set() for node in graph}
    for node, successors in graph.items():
        for after in successors:
            before[after].add(node)
    return before


def _copy(graph: _Graph) -> _Graph:
    return {node: set(after) for node, after in graph.items()}


def _components(graph: _Graph, budget: Budget) -> list[_Graph]:
    """The strongly connected parts that have a cycle, each as a graph of its own (Tarjan, without recursion)."""
    # "Depth-first search and linear graph algorithms", SIAM Journal on Computing 1 (1972). `low` is the smallest index
    # that a node reaches; where that is its own, the nodes above it on the stack are its component. Iterators on a
    # stack stand in for the recursion, whose depth the manifests would decide.
    # stand in for the recursion, whose depth the manifests would decide.
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    parts: list[_Graph] = []
    for root in sorted(graph):
        if root in index:
            continue
        budget.work(1)
        work = [(root, iter(sorted(graph[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for after in successors:
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(sorted(graph[after]))))
                    break
                if after in on_stack:
                    low[node] = min(low[node], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                budget.work(1 + len(graph[node]))
                if low[node] == index[node]:
                    members = set()
                    while node not in members:
                        members.add(stack.pop())
                    on_stack -= members
                    if len(members) > 1 or node in graph[node]:
                        parts.append({one: graph[one] & members for one in sorted(members)})
    return parts
