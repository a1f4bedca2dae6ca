"""How many writes a plan makes, against the fewest that can do.

Random changes of 50 guests on a host with 16 cards of 85 domains, kernel 6.12. The bound is computed apart from the
planner: who waits for whom is taken from the queues themselves, and the smallest set of guests that breaks all cycles
is found by hitting cycles (an exact search of another kind than the planner's).
"""

import random
from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Abilities
from reconciler.model.steps import Holdings
from reconciler.planning.order import order_steps

GUESTS: Final = 50
CHANGES: Final = 40
ADAPTERS: Final = 16
DOMAINS: Final = 85
_6_12: Final = Abilities(ap_config=True, over_provision=True, strict_in_use=False)


class Bound(NamedTuple):
    """What has to be written at least, on a kernel with ``ap_config``.

    Attributes:
        removed: devices that go: 1 write each.
        new: devices that come: 2 writes each, create and configure.
        changed: devices that change: 1 write each.
        waiting: of these and the host, the fewest that have to let go first: 1 write more each (for the host, a mask
            that is split).
        masks: masks that change: 1 write each.
    """

    removed: int
    new: int
    changed: int
    waiting: int
    masks: int

    @property
    def writes(self) -> int:
        """The sum."""
        return self.removed + 2 * self.new + self.changed + self.waiting + self.masks


def report() -> None:
    """Print planned writes beside the lower bound, for each random change."""
    print(f"writes: {CHANGES} random changes of {GUESTS} guests, kernel 6.12")
    print(
        f"  {'seed':>4} {'removed':>7} {'new':>4} {'changed':>7} {'waiting':>7} {'masks':>5} {'bound':>6} {'plan':>5}"
    )
    above = 0
    for seed in range(CHANGES):
        start, target = random_change(random.Random(seed))  # noqa: S311 - a fixed seed, so that every run is the same
        bound = lower_bound(start, target)
        planned = len(order_steps(start, target, _6_12, frozenset()).steps)
        above += planned - bound.writes
        print(
            f"  {seed:>4} {bound.removed:>7} {bound.new:>4} {bound.changed:>7} {bound.waiting:>7} {bound.masks:>5} "
            f"{bound.writes:>6} {planned:>5}"
        )
    print(f"  writes above the bound, all changes together: {above}")


def random_change(chance: random.Random) -> tuple[Holdings, Holdings]:
    """Two states of about 50 guests: some leave, come, stay, grow or shrink, and some exchange what they have."""
    blocks = _blocks(chance)
    before = dict(zip(_uuids(), blocks[:GUESTS], strict=False))
    after = dict(before)
    exchanging = chance.sample(sorted(before), chance.randint(2, 24))
    for one, other in zip(exchanging, [*exchanging[1:], exchanging[0]], strict=True):
        after[one] = before[other]
    free = blocks[GUESTS:]
    for one in sorted(before):
        match chance.randrange(8):
            case 0:
                del after[one]
            case 1 if free:
                after[one] = free.pop()
            case 2:
                after[one] = _part(after[one], chance)
    pairs = list(combinations(chance.sample(sorted(after), min(12, len(after))), 2))
    for one, other in chance.sample(pairs, min(4, len(pairs))):
        _pass_on(after, one, other)
    mdevs = [{uuid: ApConfig(*what, what.domains) for uuid, what in state.items()} for state in (before, after)]
    pools = [Matrix(ALL_IDS, ALL_IDS - _domains(state)) for state in mdevs]
    return Holdings(pools[0], mdevs[0]), Holdings(pools[1], mdevs[1])


def _uuids() -> Iterator[str]:
    return (f"00000000-0000-4000-8000-{number:012x}" for number in range(GUESTS))


def _blocks(chance: random.Random) -> list[Matrix]:
    """Rectangles of 2 adapters and 1 to 4 domains without a common queue, in random order."""
    found = []
    for adapter in range(0, ADAPTERS, 2):
        domain = 4
        while domain < DOMAINS - 4:
            width = chance.randint(1, 4)
            found.append(Matrix(IdSet([adapter, adapter + 1]), IdSet(range(domain, domain + width))))
            domain += width
    chance.shuffle(found)
    return found[: GUESTS + 6]


def _part(what: Matrix, chance: random.Random) -> Matrix:
    return Matrix(IdSet([chance.choice(list(what.adapters))]), what.domains)


def _pass_on(state: dict[str, Matrix], one: str, other: str) -> None:
    """Let `one` give an adapter to `other` where both have the same domains afterwards."""
    adapters = list(state[one].adapters)
    if len(adapters) == 2:
        given = Matrix(IdSet(adapters[1:]), state[one].domains)
        state[one] = Matrix(IdSet(adapters[:1]), state[one].domains)
        state[other] = given


def _domains(mdevs: dict[str, ApConfig]) -> IdSet:
    return IdSet({domain for what in mdevs.values() for domain in what.domains})


def lower_bound(start: Holdings, target: Holdings) -> Bound:
    """The bound for a change of at most one mask: the host is one more holder that may have to let go first."""
    changed = [one for one in start.mdevs if one in target.mdevs and start.mdevs[one] != target.mdevs[one]]
    return Bound(
        removed=len(start.mdevs.keys() - target.mdevs.keys()),
        new=len(target.mdevs.keys() - start.mdevs.keys()),
        changed=len(changed),
        waiting=_fewest_hits(_waits(start, target, changed)),
        masks=sum(old != new for old, new in zip(start.pool, target.pool, strict=True)),
    )


def _waits(start: Holdings, target: Holdings, changed: list[str]) -> dict[str, set[str]]:
    """Who waits for whom: a guest waits for each other one that has a queue now which it is to get."""
    had = {one: set(start.mdevs[one].matrix.queues()) for one in changed}
    gets = {one: set(target.mdevs[one].matrix.queues()) - had[one] for one in changed}
    machine = Matrix(IdSet(range(ADAPTERS)), IdSet(range(DOMAINS)))
    had["host"] = set(start.pool.meet(machine).queues())
    gets["host"] = set(target.pool.meet(machine).queues()) - had["host"]
    return {one: {other for other in had if other != one and gets[one] & had[other]} for one in had}


def _fewest_hits(waits: dict[str, set[str]]) -> int:
    cycles: list[frozenset[str]] = []
    while True:
        size = 0
        while (hits := _hitting(cycles, size)) is None:
            size += 1
        cycle = _cycle({one: others - hits for one, others in waits.items() if one not in hits})
        if cycle is None:
            return size
        cycles.append(cycle)


def _hitting(cycles: list[frozenset[str]], size: int) -> frozenset[str] | None:
    """A set of at most `size` that meets all `cycles`."""
    if not cycles:
        return frozenset()
    if size == 0:
        return None
    smallest = min(len(cycle) for cycle in cycles)
    for one in sorted(next(cycle for cycle in cycles if len(cycle) == smallest)):
        rest = _hitting([cycle for cycle in cycles if one not in cycle], size - 1)
        if rest is not None:
            return rest | {one}
    return None


def _cycle(waits: dict[str, set[str]]) -> frozenset[str] | None:
    """A shortest cycle, or None."""
    best: list[str] | None = None
    for start in sorted(waits):
        paths = [[start]]
        seen = {start}
        while paths and (best is None or len(paths[0]) < len(best)):
            path = paths.pop(0)
            if start in waits[path[-1]]:
                best = path
                break
            for other in sorted(waits[path[-1]] - seen):
                seen.add(other)
                paths.append([*path, other])
    return frozenset(best) if best else None
