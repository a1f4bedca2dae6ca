"""Puts the changes from one state of holdings to another into an order that is safe at every write.

Every holder shrinks to what it has before and after, then grows to its target; the two are one write where no holder
waits for what it gives up and nothing that it gains is still held (docs/architecture.md, "Order"). Three phases:

1. who only gives up queues waits for no other: first;
2. who gives and takes, and the host's masks, in the order in which they wait for each other; only a minimum set of
   guests that breaks the cycles is written twice, its first write in phase 1, its second in phase 3;
3. who only takes: last.

Without ``ap_config`` (before 6.10) each id is a write of its own, so that changing a guest in two steps costs no write
more than changing it in one. There only the mask writes are counted.

A device that goes, and whose queues no holder waits for, goes after all that: undoing a removal takes two writes, so
that it is made when nothing else can fail any more.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciler.model.ids import ID_COUNT
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import Abilities
from reconciler.model.steps import Action, Holdings, Step
from reconciler.model.stopping import Budget
from reconciler.planning.host_pool import (
    Blocked,
    MaskWrite,
    blocked_by,
    devices_in_the_way,
    is_in_the_way,
    kept_in,
    kept_of,
    mask_paths,
)


class Outage(NamedTuple):
    """A mediated device that must lose `lost` for a while, because the kernel refuses the mask write otherwise."""

    uuid: str
    lost: tuple[Matrix, ...]


class Ordered(NamedTuple):
    """The steps in order.

    Attributes:
        steps: each from a known state to the next.
        outages: who loses queues in between that it has before and after (I3 is broken for these, with consent).
        blocked: who makes the target unreachable on a running host; where it is not empty there are no steps.
    """

    steps: tuple[Step, ...]
    outages: tuple[Outage, ...] = ()
    blocked: tuple[Blocked, ...] = ()


class _Change(NamedTuple):
    """What becomes of one mediated device; `old` or `new` is None where it does not exist."""

    uuid: str
    old: ApConfig | None
    new: ApConfig | None
    gives: list[Matrix]
    takes: list[Matrix]


class _Middle(NamedTuple):
    """Phase 2: the mask writes and the devices written once, in order, and the devices that are written twice.

    `cost` is the number of writes that depend on the choice: mask writes, and what writing a device twice adds.
    """

    sequence: list[MaskWrite | _Change]
    split: frozenset[str]
    cost: int


def order_steps(
    current: Holdings,
    target: Holdings,
    abilities: Abilities,
    fixed: frozenset[str],
    budget: Budget | None = None,
) -> Ordered:
    """The steps from `current` to `target`, as few writes as the invariants I1 to I3 allow.

    Args:
        current: who holds what; devices of one phase keep the order of `target`, then of `current`.
        target: who shall hold what; no queue may have two holders.
        abilities: of the kernel.
        fixed: uuids that must not be touched, not even for a moment.
        budget: of the plan, for finding out who is best written twice; left out, a fresh one.
    """
    # The bits that the masks set. From 6.19 no device may have a queue with one of these ids at that moment, so that a
    # device that keeps such a queue throughout has to let go of it: the one exception to I3, which needs consent.
    needed = Matrix(target.pool.adapters - current.pool.adapters, target.pool.domains - current.pool.domains)
    in_the_way = devices_in_the_way(current, target, needed) if abilities.strict_in_use else {}
    if blocked := blocked_by({one: kept_in(current, target, one) for one in in_the_way if one in fixed}, needed):
        return Ordered((), blocked=blocked)
    changes = _changes(current, target, in_the_way)
    mixed = [one for one in changes if one.gives and one.takes and one.uuid not in in_the_way]
    middle = _cheapest_middle(mixed, mask_paths(current.pool, target.pool), abilities, budget or Budget())
    # Written twice: first down to what they have before and after (I3), so that nothing waits for them any more (I1),
    # and up when everything that they gain is free. Neither write gives them anything else (I2).
    twice = middle.split | in_the_way.keys()
    once = {one.uuid for one in mixed} - twice
    changed = None
    if abilities.strict_in_use:
        # A device that is removed last must not be in the way of a mask write before that, nor of the one that takes
        # the masks back where a later step fails.
        given_up = Matrix(current.pool.adapters - target.pool.adapters, current.pool.domains - target.pool.domains)
        changed = Matrix(needed.adapters | given_up.adapters, needed.domains | given_up.domains)
    unhurried = _unhurried(changes, target.pool.minus(current.pool), changed)
    steps = [
        *_first_steps([one for one in changes if one.uuid not in unhurried], twice, in_the_way),
        *(step for one in middle.sequence for step in _middle_steps(one)),
        *_last_steps([one for one in changes if one.uuid not in once], twice, in_the_way),
        *(Step(Action.REMOVE, one.uuid, one.old, None) for one in changes if one.uuid in unhurried),
    ]
    outages = tuple(
        Outage(uuid, tuple(kept_of(current.mdevs[uuid], target.mdevs[uuid]).matrix.minus(low.matrix)))
        for uuid, low in in_the_way.items()
    )
    return Ordered(tuple(steps), outages)


def _changes(current: Holdings, target: Holdings, in_the_way: Mapping[str, ApConfig]) -> list[_Change]:
    changes = []
    for uuid, new in target.mdevs.items():
        old = current.mdevs.get(uuid)
        if old is None:
            changes.append(_Change(uuid, None, new, [], [new.matrix]))
        elif old != new or uuid in in_the_way:
            gives, takes = old.matrix.minus(new.matrix), new.matrix.minus(old.matrix)
            changes.append(_Change(uuid, old, new, gives, takes))
    changes += [
        _Change(uuid, old, None, [old.matrix], []) for uuid, old in current.mdevs.items() if uuid not in target.mdevs
    ]
    return changes


def _unhurried(changes: list[_Change], gained: Iterable[Matrix], refused: Matrix | None) -> frozenset[str]:
    """The devices that are to go, and whose queues no holder waits for.

    Args:
        changes: of all devices.
        gained: what the host gains.
        refused: ids that the masks set, or would set again when it is rolled back, which no device may have then; None
            where that is allowed.
    """
    # The domains that are waited for, by adapter, as bits: one pass instead of each device against each taker.
    waited = dict.fromkeys(range(ID_COUNT), 0)
    for part in (*gained, *(part for one in changes for part in one.takes)):
        for adapter in part.adapters:
            waited[adapter] |= part.domains.bits
    return frozenset(
        one.uuid
        for one in changes
        if one.old is not None
        and one.new is None
        and not _any_waits(one.old.matrix, waited)
        and not (refused and is_in_the_way(one.old, refused))
    )


def _any_waits(matrix: Matrix, waited: Mapping[int, int]) -> bool:
    return any(waited[adapter] & matrix.domains.bits for adapter in matrix.adapters)


def _first_steps(changes: list[_Change], twice: Iterable[str], in_the_way: Mapping[str, ApConfig]) -> list[Step]:
    steps = []
    for one in changes:
        if one.new is None:
            steps.append(Step(Action.REMOVE, one.uuid, one.old, None))
        elif one.old is None:
            continue
        elif one.uuid in twice:
            low = in_the_way.get(one.uuid) or kept_of(one.old, one.new)
            steps.append(Step(Action.CONFIGURE, one.uuid, one.old, low))
        elif one.gives and not one.takes:
            steps.append(Step(Action.CONFIGURE, one.uuid, one.old, one.new))
    return steps


def _middle_steps(one: MaskWrite | _Change) -> list[Step]:
    if isinstance(one, _Change):
        return [Step(Action.CONFIGURE, one.uuid, one.old, one.new)]
    axis = 0 if one.action is Action.APMASK else 1
    return [Step(one.action, "", one.pool_before[axis], one.pool_after[axis])]


def _last_steps(changes: list[_Change], twice: Iterable[str], in_the_way: Mapping[str, ApConfig]) -> list[Step]:
    steps = []
    for one in changes:
        uuid, old, new = one.uuid, one.old, one.new
        if new is None:
            continue
        if old is None:
            steps.append(Step(Action.CREATE, uuid, None, EMPTY_CONFIG))
            if new != EMPTY_CONFIG:
                steps.append(Step(Action.CONFIGURE, uuid, EMPTY_CONFIG, new))
        elif uuid in twice:
            steps.append(Step(Action.CONFIGURE, uuid, in_the_way.get(uuid) or kept_of(old, new), new))
        elif not one.gives:
            steps.append(Step(Action.CONFIGURE, uuid, old, new))
    return steps


def _cheapest_middle(
    mixed: list[_Change], paths: list[tuple[MaskWrite, ...]], abilities: Abilities, budget: Budget
) -> _Middle:
    exchanges = _exchanges(mixed)
    best = _middle(mixed, exchanges, paths[0], abilities, budget)
    if len(paths) == 1:
        return best
    # Fewest writes; where that is a tie, rather one more mask write than one more change of a guest. The guests'
    # cycles among themselves must be broken on every way.
    least = _middle(mixed, exchanges, (), abilities, budget)
    for path in paths[1:]:
        if (len(path) + least.cost, len(least.split)) < _preference(best):
            best = min(best, _middle(mixed, exchanges, path, abilities, budget), key=_preference)
    return best


def _preference(middle: _Middle) -> tuple[int, int]:
    return middle.cost, len(middle.split)


def _middle(
    mixed: list[_Change],
    exchanges: list[set[int]],
    path: tuple[MaskWrite, ...],
    abilities: Abilities,
    budget: Budget,
) -> _Middle:
    # A topological order of "waits for" is an order in which nothing is taken before it is given up (I1). A cycle has
    # none; its breakers leave the graph, since a device that is written twice waits for none and keeps none waiting
    # in this phase. Mask writes are no breakers: their ways with one more write are paths of their own.
    nodes: list[MaskWrite | _Change] = [*path, *mixed]
    edges = _waits(mixed, exchanges, path, abilities.strict_in_use)
    breakers: frozenset[int] = frozenset()
    if mixed:
        from reconciler.planning.cycles import fewest_breakers  # most plans have no cycle to look for

        breakers = fewest_breakers(edges, frozenset(range(len(path))), budget)
    sequence = [nodes[node] for node in _topological(edges, breakers)]
    split = frozenset(mixed[node - len(path)].uuid for node in breakers)
    return _Middle(sequence, split, len(path) + (len(split) if abilities.ap_config else 0))


def _exchanges(mixed: list[_Change]) -> list[set[int]]:
    """For each of `mixed` which others take what it gives, by index; found by queue, since each has one holder."""
    # A queue has one giver at most, since no queue has two holders before (I1). Of each giver's part the domains are
    # kept together, so that a taker meets it once for each adapter and not once for each queue.
    givers: dict[int, dict[int, tuple[int, int]]] = {}
    for node, one in enumerate(mixed):
        for part in one.gives:
            given = (part.domains.bits, node)
            for adapter in part.adapters:
                givers.setdefault(adapter, {}).update(dict.fromkeys(part.domains, given))
    takers: list[set[int]] = [set() for _ in mixed]
    for node, one in enumerate(mixed):
        for part in one.takes:
            for adapter in part.adapters:
                row = givers.get(adapter, {})
                left = part.domains.bits if row else 0
                while left:
                    lowest = left & -left
                    bits, giver = row.get(lowest.bit_length() - 1, (lowest, node))
                    if giver != node:
                        takers[giver].add(node)
                    left &= ~bits
    return takers


def _waits(
    mixed: list[_Change], exchanges: list[set[int]], path: tuple[MaskWrite, ...], strict: bool
) -> dict[int, set[int]]:
    """Who must be written before whom: node to its successors; mask writes come first in the numbering."""
    first = len(path)
    edges: dict[int, set[int]] = {node: set() for node in range(first)}
    edges.update((node, {first + taker for taker in takers}) for node, takers in enumerate(exchanges, first))
    # The mask writes of a path have a fixed order, which was chosen so that each pool on it is allowed.
    for place in range(first - 1):
        edges[place].add(place + 1)
    for node, one in enumerate(mixed, first):
        for place, write in enumerate(path):
            if _device_first(one, write, strict):
                edges[node].add(place)
            if _mask_first(one, write, strict):
                edges[place].add(node)
    return edges


def _device_first(one: _Change, write: MaskWrite, strict: bool) -> bool:
    # The host takes what the device gives up (I1); with the rule of 6.19, the kernel refuses the bit until then.
    gained = write.pool_after.minus(write.pool_before)
    return _any_overlap(one.gives, gained) or (strict and _has_newly_set(one.old, write))


def _mask_first(one: _Change, write: MaskWrite, strict: bool) -> bool:
    # The device takes what the host gives up (I1); with the rule of 6.19, a device that had the id would be in the way.
    lost = write.pool_before.minus(write.pool_after)
    return _any_overlap(one.takes, lost) or (strict and _has_newly_set(one.new, write))


def _has_newly_set(config: ApConfig | None, write: MaskWrite) -> bool:
    assert config is not None, "who gives and takes has a device before and after"
    ids = config.adapters if write.action is Action.APMASK else config.domains
    return not ids.isdisjoint(write.newly_set)


def _any_overlap(some: list[Matrix], others: list[Matrix]) -> bool:
    return any(one.overlaps(other) for one in some for other in others)


def _topological(edges: dict[int, set[int]], left_out: frozenset[int]) -> list[int]:
    # Kahn's algorithm (1962), the smallest number first: the order is a function of the input alone (I6), and mask
    # writes come as early as they can.
    waiting_for = dict.fromkeys((node for node in edges if node not in left_out), 0)
    for node in waiting_for:
        for after in edges[node] - left_out:
            waiting_for[after] += 1
    ready = [node for node, count in waiting_for.items() if not count]
    heapq.heapify(ready)
    ordered = []
    while ready:
        node = heapq.heappop(ready)
        ordered.append(node)
        for after in sorted(edges[node] - left_out):
            waiting_for[after] -= 1
            if not waiting_for[after]:
                heapq.heappush(ready, after)
    return ordered
