"""The ways from one host pool to another, one mask write at a time.

The pool is a rectangle, apmask times aqmask, but a write changes one mask only, so it passes through rectangles that
nobody asked for. A way is allowed where every pool on it has all queues that the host has before and after (I3), and
none that it has neither before nor after (I2).
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Action


class MaskWrite(NamedTuple):
    """One mask write on the way: which mask, the ids that it newly sets, and the pools around it."""

    action: Action
    newly_set: IdSet
    pool_before: Matrix
    pool_after: Matrix


def mask_paths(start: Matrix, end: Matrix) -> list[tuple[MaskWrite, ...]]:
    """The allowed ways from `start` to `end`, fewest writes first, at most two writes for each mask.

    At least one always exists: clear what goes from both masks, then set what comes in both.
    """
    paths: dict[tuple[MaskWrite, ...], None] = {}
    for adapters in _mask_values(start.adapters, end.adapters):
        for domains in _mask_values(start.domains, end.domains):
            for path in _interleavings(start, adapters, domains):
                if all(_is_allowed(step.pool_after, start, end) for step in path):
                    paths[path] = None
    return sorted(paths, key=len)


def _mask_values(start: IdSet, end: IdSet) -> list[tuple[IdSet, ...]]:
    if start == end:
        return [()]
    both = start & end
    return [(end,)] if both in (start, end) else [(end,), (both, end)]


def _interleavings(
    start: Matrix, adapters: tuple[IdSet, ...], domains: tuple[IdSet, ...]
) -> Iterator[tuple[MaskWrite, ...]]:
    count = len(adapters) + len(domains)
    for places in combinations(range(count), len(adapters)):
        pool, path = start, []
        next_adapters, next_domains = iter(adapters), iter(domains)
        for place in range(count):
            if place in places:
                after = pool._replace(adapters=next(next_adapters))
                path.append(MaskWrite(Action.APMASK, after.adapters - pool.adapters, pool, after))
            else:
                after = pool._replace(domains=next(next_domains))
                path.append(MaskWrite(Action.AQMASK, after.domains - pool.domains, pool, after))
            pool = after
        yield tuple(path)


def _is_allowed(pool: Matrix, start: Matrix, end: Matrix) -> bool:
    return pool.covers(start.meet(end)) and all(end.covers(part) for part in pool.minus(start))
