"""Breaks the cycles of a "waits for" graph at the fewest places (a minimum feedback vertex set).

Guests that swap queues wait for each other; each guest chosen here is written twice so that nobody waits for ever.
The search is exact (reductions of Levy and Low, 1988, then branch and bound) up to a budget that is counted in
branches, never in seconds, so that the same input gives the same answer on every machine.
"""

from collections.abc import Iterable, Mapping
from typing import Final

BRANCHES: Final = 3_000
"""How many branches are tried before the best answer so far is taken."""

_Graph = dict[int, set[int]]


def fewest_breakers(edges: Mapping[int, Iterable[int]], unbreakable: frozenset[int]) -> frozenset[int]:
    """The smallest set of nodes whose removal leaves no cycle.

    Args:
        edges: for each node its successors; nodes are small integers.
        unbreakable: nodes that must not be chosen; they have no cycle of their own.
    """
    chosen: set[int] = set()
    for graph in _components({node: set(after) for node, after in edges.items()}):
        for node in sorted(unbreakable & graph.keys()):
            _bypass(graph, node)
        chosen |= _Search(graph).best
    return frozenset(chosen)


class _Search:
    """One branch-and-bound run over a strongly connected graph."""

    def __init__(self, graph: _Graph) -> None:
        self._left = BRANCHES
        self.best: set[int] = _greedy(_copy(graph))
        self._branch(graph, set())

    def _branch(self, graph: _Graph, taken: set[int]) -> None:
        taken = taken | _reduce(graph)
        parts = _components(graph)
        if not parts:
            if len(taken) < len(self.best):
                self.best = taken
            return
        if not self._left or len(taken) + sum(map(_disjoint_cycles, parts)) >= len(self.best):
            return
        self._left -= 1
        whole: _Graph = {}
        for part in parts:
            whole |= part
        node = _busiest(whole)
        self._branch(_removed(_copy(whole), node), taken | {node})
        _bypass(whole, node)
        self._branch(whole, taken)


def _greedy(graph: _Graph) -> set[int]:
    taken = _reduce(graph)
    while parts := _components(graph):
        graph = {}
        for part in parts:
            graph |= part
        node = _busiest(graph)
        taken.add(node)
        _removed(graph, node)
        taken |= _reduce(graph)
    return taken


def _reduce(graph: _Graph) -> set[int]:
    """Shrink `graph` in place without losing a smallest answer, and return the nodes that every answer has."""
    taken: set[int] = set()
    before = _predecessors(graph)
    waiting = sorted(graph)
    while waiting:
        node = waiting.pop()
        if node not in graph:
            continue
        into, out = before[node], graph[node]
        if node in out:
            taken.add(node)
            into, out = into - {node}, out - {node}
            joined: set[int] = set()
        elif not into or not out:
            joined = set()
        elif len(into) == 1 or len(out) == 1:
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


def _disjoint_cycles(graph: _Graph) -> int:
    """A count of cycles without a common node: no answer has fewer nodes."""
    rest = _copy(graph)
    count = 0
    while cycle := _short_cycle(rest):
        count += 1
        for node in cycle:
            _removed(rest, node)
        _reduce_ends(rest)
    return count


def _reduce_ends(graph: _Graph) -> None:
    for part in [node for node, after in graph.items() if not after]:
        _removed(graph, part)


def _short_cycle(graph: _Graph) -> list[int]:
    shortest: list[int] = []
    for start in sorted(graph):
        found = _cycle_through(graph, start, len(shortest))
        if found:
            shortest = found
            if len(found) <= 2:
                break
    return shortest


def _cycle_through(graph: _Graph, start: int, shorter_than: int) -> list[int]:
    origin = {start: start}
    level, depth = [start], 1
    while level and (not shorter_than or depth < shorter_than):
        following = []
        for node in level:
            for after in sorted(graph[node]):
                if after == start:
                    return _walk_back(origin, node, start)
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


def _components(graph: _Graph) -> list[_Graph]:
    """The strongly connected parts that have a cycle, each as a graph of its own (Tarjan, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    parts: list[_Graph] = []
    for root in sorted(graph):
        if root in index:
            continue
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
                if low[node] == index[node]:
                    members = set()
                    while node not in members:
                        members.add(stack.pop())
                    on_stack -= members
                    if len(members) > 1 or node in graph[node]:
                        parts.append({one: graph[one] & members for one in sorted(members)})
    return parts
