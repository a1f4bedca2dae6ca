"""Every pair of states of a small universe: two adapters, two domains, the host and two guests.

Renaming guests, adapters or domains changes nothing, so of pairs that differ only in names one is taken.
"""

from collections.abc import Iterator
from itertools import islice, permutations, product
from typing import Final, NamedTuple

from reconciler.kernel.writes import writes_of
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.order import order_steps
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from testing.holdings import abilities_of, all_holdings, hardware, held, hold_instead, uuid
from testing.invariants import violations

ADAPTERS: Final = (5, 6)
DOMAINS: Final = (4, 0x47)
GUESTS: Final = (1, 2)

Bits = tuple[int, ...]
"""A state in few bits: for the pool and each guest, which adapters and which domains (0 for none)."""


class Walked(NamedTuple):
    """How many pairs of states were planned and written on `kernel`, and what was `wrong` with them."""

    kernel: str
    pairs: int
    wrong: list[str]

    def __str__(self) -> str:
        return f"{self.kernel}: {self.pairs} pairs of states, {len(self.wrong)} violations"


def walked(profile: Profile, first: int, every: int) -> Walked:
    """I1, I2 and I3 after every write on the simulated kernel, and the target reached, of one pair in `every`."""
    abilities = abilities_of(profile)
    host = SimulatedHost(hardware(ADAPTERS, DOMAINS), profile)
    count, wrong = 0, []
    for start, target in islice(pairs(), first, None, every):
        ordered = order_steps(start, target, abilities, frozenset())
        interrupted = {one.uuid for one in ordered.outages}
        hold_instead(host, start, abilities)
        for step in ordered.steps:
            for write in writes_of(step, abilities):
                host.write(write.path, write.value)
                now = Holdings(host.state.pool, {one: mdev.config for one, mdev in host.state.mdevs.items()})
                broken = violations(now, start, target, interrupted)
                wrong += [f"{one}: {start} to {target} by {ordered.steps}" for one in broken]
        if held(host, abilities) != target:
            wrong.append(f"not reached: {start} to {target} by {ordered.steps}")
        count += 1
    return Walked(profile.name, count, wrong)


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
