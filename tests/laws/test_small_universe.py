"""Every pair of states of a small universe: two adapters, two domains, the host and two guests.

Renaming guests, adapters or domains changes nothing, so of pairs that differ only in names one is taken.
"""

from collections.abc import Iterator
from itertools import permutations, product

import pytest

from invariants import violations
from reconciler.kernel.writes import writes_of
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.order import order_steps
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.profiles import Profile
from worlds import NEW_PROFILES, abilities_of, all_holdings, hardware, held, hold_instead, uuid

ADAPTERS = (5, 6)
DOMAINS = (4, 0x47)
GUESTS = (1, 2)

Bits = tuple[int, ...]
"""A state in few bits: for the pool and each guest, which adapters and which domains (0 for none)."""


@pytest.mark.parametrize("profile", NEW_PROFILES, ids=lambda one: one.name)
def test_every_pair_of_states_is_safe_after_every_write(profile: Profile) -> None:
    """I1, I2 and I3 hold after every write on the simulated kernel, and the target is reached."""
    abilities = abilities_of(profile)
    host = SimulatedHost(hardware(ADAPTERS, DOMAINS), profile)
    count = 0
    for start, target in pairs():
        ordered = order_steps(start, target, abilities, frozenset())
        interrupted = {one.uuid for one in ordered.outages}
        hold_instead(host, start, abilities)
        for step in ordered.steps:
            for write in writes_of(step, abilities):
                host.write(write.path, write.value)
                now = Holdings(host.state.pool, {one: mdev.config for one, mdev in host.state.mdevs.items()})
                assert violations(now, start, target, interrupted) == [], (start, target, ordered.steps, now)
        assert held(host, abilities) == target
        count += 1

    assert count > 20_000


def pairs() -> Iterator[tuple[Holdings, Holdings]]:
    """One pair of states of each kind."""
    states = {bits_of(one): one for one in all_holdings(ADAPTERS, DOMAINS, len(GUESTS))}
    seen: set[tuple[Bits, Bits]] = set()
    for (first, start), (second, target) in product(states.items(), repeat=2):
        if (first, second) not in seen:
            yield start, target
            seen.update(zip(renamed(first), renamed(second), strict=True))


def bits_of(holdings: Holdings) -> Bits:
    """`holdings` in few bits."""
    matrices = [holdings.pool, *(_matrix(holdings, number) for number in GUESTS)]
    return tuple(
        sum(1 << place for place, one in enumerate(ids) if one in axis)
        for matrix in matrices
        for ids, axis in ((ADAPTERS, matrix.adapters), (DOMAINS, matrix.domains))
    )


def _matrix(holdings: Holdings, number: int) -> Matrix:
    found = holdings.mdevs.get(uuid(number))
    return found.matrix if found else Matrix(IdSet(), IdSet())


def renamed(bits: Bits) -> Iterator[Bits]:
    """`bits` under every renaming, always in the same order of renamings."""
    pool, guests = bits[:2], [bits[2 + 2 * place : 4 + 2 * place] for place in range(len(GUESTS))]
    for order in permutations(guests):
        for swap_adapters, swap_domains in product((False, True), repeat=2):
            yield tuple(
                _swapped(value, (swap_adapters, swap_domains)[place])
                for holder in (pool, *order)
                for place, value in enumerate(holder)
            )


def _swapped(bits: int, swap: bool) -> int:
    return (bits & 1) << 1 | bits >> 1 if swap else bits


def test_states_are_all_there() -> None:
    """The universe has as many states as counting by hand gives for one guest: no state is left out by accident."""
    full = ALL_IDS
    one_guest = all_holdings((5,), (4,), 1)

    assert len(one_guest) == 7
    assert Holdings(Matrix(full, full), {}) in one_guest
    assert Holdings(Matrix(full - IdSet([5]), full), {uuid(1): ApConfig(IdSet([5]), IdSet([4]), IdSet())}) in one_guest
