"""I7: no way with fewer writes keeps I1 to I3, found out by trying all ways in a small universe.

With ``ap_config`` a device is one write; without it, before 6.10, each id of it is one.
"""

import heapq
from collections.abc import Callable, Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kernel.writes import writes_of
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.observed import Abilities
from reconciler.model.steps import Holdings
from reconciler.planning.host_pool import mask_paths
from reconciler.planning.order import order_steps
from reconciler.simulator.kernel_profiles import Profile
from testing.holdings import EVERY_PROFILE, NEW_PROFILES, abilities_of, all_holdings, holdings
from testing.invariants import violations

STATES = all_holdings((5, 6), (4, 0x47), 2)
AP_CONFIG = [one for one in NEW_PROFILES if one.ap_config]
BY_ID = [one for one in EVERY_PROFILE if not one.ap_config]

Neighbours = Callable[[Holdings, Holdings, Holdings, Abilities], Iterator[tuple[int, Holdings]]]


@pytest.mark.parametrize("profile", AP_CONFIG, ids=lambda one: one.name)
@given(start=st.sampled_from(STATES), target=st.sampled_from(STATES))
@settings(max_examples=150)
def test_no_way_has_fewer_writes(profile: object, start: Holdings, target: Holdings) -> None:
    """The number of writes is that of the shortest way through all states between the two."""
    abilities = Abilities(True, True, profile.name == "7.2")  # type: ignore[attr-defined]
    ordered = order_steps(start, target, abilities, frozenset())
    if not ordered.outages:
        assert len(ordered.steps) == shortest(start, target, abilities, neighbours)


@pytest.mark.parametrize("profile", BY_ID, ids=lambda one: one.name)
@given(start=st.sampled_from(STATES), target=st.sampled_from(STATES))
@settings(max_examples=40)
def test_no_way_has_fewer_writes_where_each_id_is_one(profile: Profile, start: Holdings, target: Holdings) -> None:
    """Before 6.10 the number of writes is that of the shortest way, too; a device that stays is never made anew."""
    abilities = abilities_of(profile)

    assert writes(start, target, abilities) == shortest(start, target, abilities, neighbours_by_id)


@pytest.mark.parametrize("profile", BY_ID, ids=lambda one: one.name)
@given(start=holdings(guests=6), target=holdings(guests=6))
def test_each_id_that_changes_is_written_once(profile: Profile, start: Holdings, target: Holdings) -> None:
    """Before 6.10 whoever waits for whom costs nothing: each id once, and the masks as if no guest were there."""
    ids = sum(
        len(one - other) + len(other - one)
        for uuid in target.mdevs
        for one, other in zip(start.mdevs.get(uuid, EMPTY_CONFIG), target.mdevs[uuid], strict=True)
    )
    devices = len(start.mdevs.keys() ^ target.mdevs.keys())
    masks = len(mask_paths(start.pool, target.pool)[0])

    assert writes(start, target, abilities_of(profile)) == ids + devices + masks


def writes(start: Holdings, target: Holdings, abilities: Abilities) -> int:
    """How many writes the plan takes."""
    ordered = order_steps(start, target, abilities, frozenset())
    return sum(len(writes_of(step, abilities)) for step in ordered.steps)


def shortest(start: Holdings, target: Holdings, abilities: Abilities, neighbours: Neighbours) -> int:
    """The fewest writes from `start` to `target` where each state on the way keeps the invariants."""
    key = _key(start)
    costs, waiting, number = {key: 0}, [(0, 0, start)], 0
    while waiting:
        cost, _, here = heapq.heappop(waiting)
        if here == target:
            return cost
        if cost > costs[_key(here)]:
            continue
        for price, there in neighbours(here, start, target, abilities):
            if cost + price < costs.get(_key(there), 99):
                costs[_key(there)] = cost + price
                number += 1
                heapq.heappush(waiting, (cost + price, number, there))
    raise AssertionError("there is a way between any two states")


def _key(holdings: Holdings) -> tuple[object, ...]:
    return holdings.pool, tuple(sorted(holdings.mdevs.items()))


def neighbours(
    here: Holdings, start: Holdings, target: Holdings, abilities: Abilities
) -> Iterator[tuple[int, Holdings]]:
    """Every state that changing one mask or one device leads to, with the writes that takes."""
    yield from _other_masks(here, start, target, abilities)
    for one in {*start.mdevs, *target.mdevs}:
        for what in (None, *CONFIGS):
            mdevs = {**here.mdevs}
            price = 1 if one in mdevs else 2
            mdevs.pop(one, None)
            if what is not None:
                mdevs[one] = what
            yield from _allowed(price, here, here._replace(mdevs=mdevs), start, target, abilities)


def neighbours_by_id(
    here: Holdings, start: Holdings, target: Holdings, abilities: Abilities
) -> Iterator[tuple[int, Holdings]]:
    """Every state that one write leads to where each id of a device is one; who is there before and after stays."""
    yield from _other_masks(here, start, target, abilities)
    for one in {*start.mdevs, *target.mdevs}:
        others = {uuid: what for uuid, what in here.mdevs.items() if uuid != one}
        what = here.mdevs.get(one)
        if what is None:
            yield from _allowed(1, here, here._replace(mdevs={**others, one: EMPTY_CONFIG}), start, target, abilities)
            continue
        if not (one in start.mdevs and one in target.mdevs):
            yield from _allowed(1, here, here._replace(mdevs=others), start, target, abilities)
        for changed in (
            *(what._replace(adapters=_flipped(what.adapters, adapter)) for adapter in (5, 6)),
            *(what._replace(domains=_flipped(what.domains, domain)) for domain in (4, 0x47)),
        ):
            yield from _allowed(1, here, here._replace(mdevs={**others, one: changed}), start, target, abilities)


def _flipped(ids: IdSet, one: int) -> IdSet:
    return ids - IdSet([one]) if one in ids else ids | IdSet([one])


def _other_masks(
    here: Holdings, start: Holdings, target: Holdings, abilities: Abilities
) -> Iterator[tuple[int, Holdings]]:
    for ids in _subsets((5, 6)):
        mask = ALL_IDS - ids
        yield from _allowed(1, here, here._replace(pool=here.pool._replace(adapters=mask)), start, target, abilities)
    for ids in _subsets((4, 0x47)):
        mask = ALL_IDS - ids
        yield from _allowed(1, here, here._replace(pool=here.pool._replace(domains=mask)), start, target, abilities)


def _allowed(
    price: int, here: Holdings, there: Holdings, start: Holdings, target: Holdings, abilities: Abilities
) -> Iterator[tuple[int, Holdings]]:
    if there != here and not violations(there, start, target) and _kernel_agrees(here, there, abilities):
        yield price, there


def _kernel_agrees(here: Holdings, there: Holdings, abilities: Abilities) -> bool:
    if not abilities.strict_in_use:
        return True
    adapters, domains = there.pool.adapters - here.pool.adapters, there.pool.domains - here.pool.domains
    held = [one.matrix for one in here.mdevs.values() if not one.matrix.is_empty]
    return all(one.adapters.isdisjoint(adapters) and one.domains.isdisjoint(domains) for one in held)


def _subsets(ids: tuple[int, int]) -> list[IdSet]:
    return [IdSet(chosen) for chosen in ((), ids[:1], ids[1:], ids)]


CONFIGS = [
    EMPTY_CONFIG,
    *(
        ApConfig(adapters, domains, IdSet())
        for adapters, domains in product(_subsets((5, 6)), _subsets((4, 0x47)))
        if adapters and domains
    ),
]
