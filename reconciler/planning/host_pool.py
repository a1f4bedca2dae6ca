"""The host pool: what the host must give up, the ways from one pool to another, and which devices bar a mask bit.

The pool is a function of the manifests and of other tools' mediated devices alone, never of what is plugged or of the
masks as they are: a card that appears moves no mask (docs/architecture.md, "Host pool").

It is a rectangle, apmask times aqmask, but a write changes one mask only, so it passes through rectangles that no
manifest asked for. A way is allowed where every pool on it has all queues that the host has before and after (I3), and
none that it has neither before nor after (I2). From 6.19 the kernel refuses to set a mask bit while any device has a
queue with that id.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.steps import Action, Holdings


class PoolReason(StrEnum):
    """Why the pool is as it is."""

    GIVEN = "given by the manifest"
    UNUSED = "no guest needs a queue, so the host has all"
    DOMAINS = "giving up whole domains takes the fewest ids, and holds for adapters that come later"
    ADAPTERS = "giving up whole adapters takes the fewest ids, and holds for domains that come later"
    DOMAINS_ONLY = "whole domains are given up, since giving up adapters would take queues that the host keeps"
    ADAPTERS_ONLY = "whole adapters are given up, since giving up domains would take queues that the host keeps"
    MIXED = "adapters and domains are given up, as few ids as the queues that the host keeps allow"


class DerivedPool(NamedTuple):
    """The pool that leaves `needed` to guests and as much as possible to the host."""

    pool: Matrix
    reason: PoolReason


def derive_pool(needed: Iterable[Matrix], kept: Iterable[Matrix]) -> DerivedPool | None:
    """The smallest set of ids to take from the host so that it has no queue of `needed` and all of `kept`.

    Domains only or adapters only, whichever is fewer ids (domains on a tie); where the kept queues forbid both, the
    smallest mixed set.

    Args:
        needed: the matrices of guests and of other people's mediated devices.
        kept: what the host must not lose.

    Returns:
        The pool, or None where none exists: some needed queue has both its ids in kept queues.
    """
    needed = [one for one in needed if not one.is_empty]
    kept_adapters, kept_domains = _union(kept)
    adapters, domains = _union(needed)
    if not needed:
        return DerivedPool(Matrix(ALL_IDS, ALL_IDS), PoolReason.UNUSED)
    may_clear_domains = domains.isdisjoint(kept_domains)
    may_clear_adapters = adapters.isdisjoint(kept_adapters)
    if may_clear_domains and (not may_clear_adapters or len(domains) <= len(adapters)):
        reason = PoolReason.DOMAINS if may_clear_adapters else PoolReason.DOMAINS_ONLY
        return DerivedPool(Matrix(ALL_IDS, ~domains), reason)
    if may_clear_adapters:
        reason = PoolReason.ADAPTERS if may_clear_domains else PoolReason.ADAPTERS_ONLY
        return DerivedPool(Matrix(~adapters, ALL_IDS), reason)
    cleared = _smallest_mixed(_domains_by_adapter(needed), kept_adapters, kept_domains)
    return cleared and DerivedPool(Matrix(~cleared.adapters, ~cleared.domains), PoolReason.MIXED)


def _union(matrices: Iterable[Matrix]) -> Matrix:
    adapters = domains = 0
    for one in matrices:
        if not one.is_empty:
            adapters |= one.adapters.bits
            domains |= one.domains.bits
    return Matrix(IdSet.from_bits(adapters), IdSet.from_bits(domains))


def _domains_by_adapter(needed: list[Matrix]) -> dict[int, IdSet]:
    found: dict[int, int] = {}
    for one in needed:
        for adapter in one.adapters:
            found[adapter] = found.get(adapter, 0) | one.domains.bits
    return {adapter: IdSet.from_bits(found[adapter]) for adapter in sorted(found)}


def _smallest_mixed(needed: dict[int, IdSet], kept_adapters: IdSet, kept_domains: IdSet) -> Matrix | None:
    """A minimum vertex cover of the bipartite graph of needed queues that avoids the kept ids.

    Each needed queue is an edge from its adapter to its domain, and one of its two ids must be cleared: the cleared ids
    cover all edges. Where one end of an edge is kept the other is forced; the rest is König's theorem (1931): in a
    bipartite graph a minimum cover is as large as a maximum matching, and follows from it.
    """
    forced_domains = NO_IDS
    forced_adapters = NO_IDS
    for adapter, domains in needed.items():
        if adapter in kept_adapters:
            if not domains.isdisjoint(kept_domains):
                return None
            forced_domains |= domains
        elif not domains.isdisjoint(kept_domains):
            forced_adapters |= IdSet([adapter])
    free = {
        adapter: rest
        for adapter, domains in needed.items()
        if adapter not in kept_adapters | forced_adapters and (rest := domains - forced_domains)
    }
    cover = _koenig_cover(free)
    return Matrix(forced_adapters | cover.adapters, forced_domains | cover.domains)


def _koenig_cover(edges: dict[int, IdSet]) -> Matrix:
    # A maximum matching, by augmenting paths (Kuhn, 1955), of each domain with an adapter.
    partner: dict[int, int] = {}
    for adapter in edges:
        _augment(edges, adapter, partner, _Tried())
    # König's construction: from the adapters that have no partner, along edges to domains and along the matching back.
    # The domains that are reached and the adapters that are not are the cover: every edge has one of them, and each of
    # them has its own edge of the matching, so that no cover is smaller.
    matched = set(partner.values())
    seen_adapters = {adapter for adapter in edges if adapter not in matched}
    seen_domains: set[int] = set()
    waiting = sorted(seen_adapters)
    while waiting:
        for domain in edges[waiting.pop()]:
            if domain not in seen_domains:
                # Its partner, for there is no longer matching; and of no other, so it is met once.
                seen_domains.add(domain)
                seen_adapters.add(partner[domain])
                waiting.append(partner[domain])
    return Matrix(IdSet(set(edges) - seen_adapters), IdSet(seen_domains))


class _Tried:
    """The domains that one search has tried, as bits: each is looked at once, however many adapters need it."""

    def __init__(self) -> None:
        self.bits = 0


def _augment(edges: dict[int, IdSet], adapter: int, partner: dict[int, int], tried: _Tried) -> bool:
    # At most 256 adapters, so the recursion stays far from its limit.
    while left := edges[adapter].bits & ~tried.bits:
        lowest = left & -left
        tried.bits |= lowest
        domain = lowest.bit_length() - 1
        if domain not in partner or _augment(edges, partner[domain], partner, tried):
            partner[domain] = adapter
            return True
    return False


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


class Blocked(NamedTuple):
    """A mediated device that stands in the way of a mask write and must not be touched, with the ids concerned."""

    uuid: str
    adapters: IdSet
    domains: IdSet

    @property
    def ids(self) -> str:
        """The ids for people: ``adapter 0x05 (5) and domain 0x47 (71)``."""
        named = (("adapter", self.adapters), ("domain", self.domains))
        return " and ".join(f"{noun} {ids}" for noun, ids in named if ids)


def kept_of(old: ApConfig, new: ApConfig) -> ApConfig:
    """What `old` and `new` share."""
    return ApConfig(*(before & after for before, after in zip(old, new, strict=True)))


def kept_in(current: Holdings, target: Holdings, uuid: str) -> ApConfig:
    """What the device has in both states."""
    return kept_of(current.mdevs[uuid], target.mdevs.get(uuid, EMPTY_CONFIG))


def without_blocked(pool: Matrix, blocked: Iterable[Blocked]) -> Matrix:
    """`pool` without the ids that the devices of `blocked` keep from being set."""
    adapters, domains = pool
    for one in blocked:
        adapters, domains = adapters - one.adapters, domains - one.domains
    return Matrix(adapters, domains)


def devices_in_the_way(current: Holdings, target: Holdings, needed: Matrix) -> dict[str, ApConfig]:
    """The devices that keep a queue with a newly set id throughout, and what they may have meanwhile.

    From 6.19 the kernel refuses to set a mask bit while any device has a queue with that id, whatever the other mask
    says (ap_bus.c; docs/kernel-rules.md, "In-use check").
    """
    found = {}
    if needed.adapters or needed.domains:
        for uuid in current.mdevs:
            kept = kept_in(current, target, uuid)
            if is_in_the_way(kept, needed):
                found[uuid] = ApConfig(
                    kept.adapters - needed.adapters, kept.domains - needed.domains, kept.control_domains
                )
    return found


def is_in_the_way(config: ApConfig, needed: Matrix) -> bool:
    """Whether a device with `config` has a queue, and an adapter or a domain of those `needed`."""
    if config.matrix.is_empty:
        return False
    return not (config.adapters.isdisjoint(needed.adapters) and config.domains.isdisjoint(needed.domains))


def blocked_by(devices: Mapping[str, ApConfig], needed: Matrix) -> tuple[Blocked, ...]:
    """Those of `devices`, which must not be touched, that are in the way of setting `needed`."""
    return tuple(
        Blocked(uuid, one.adapters & needed.adapters, one.domains & needed.domains)
        for uuid, one in devices.items()
        if is_in_the_way(one, needed)
    )
