"""What rolling a plan back would do to guests, wherever in the plan that begins.

Each step may be the one that fails, with or without effect, and an apply that is not confirmed is rolled back as a
whole. So every prefix of the steps counts. Rolling back is planned by `order_steps`, which keeps I3 but for one rule:
from 6.19 the kernel refuses to set a mask bit while any device has a queue with that id. So a device that keeps such a
queue has to let go of it for a while, and one that the plan does not touch bars the mask.
"""

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model.ids import NO_IDS
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.steps import MASK_ACTIONS, Holdings, Step, holdings_after
from reconciler.planning.host_pool import Blocked, kept_of, without_blocked


class RollbackEffects(NamedTuple):
    """What rolling back would do.

    Attributes:
        taken: the queues that a device would lose for a while although it has them before and after, by uuid.
        barring: untouched devices because of which the host would not get back everything.
    """

    taken: Mapping[str, tuple[Matrix, ...]]
    barring: tuple[Blocked, ...]


NO_EFFECTS = RollbackEffects({}, ())


def rollback_effects(start: Holdings, steps: tuple[Step, ...]) -> RollbackEffects:
    """What rolling back would do after any number of `steps` from `start`; only for kernels with the 6.19 rule.

    It gives what `order_steps` would for each prefix, without asking it. Which devices are in the way of a mask hangs
    only on the bits to be set again, which change with the at most four mask writes, and on what the device has itself,
    which changes with its own steps: so each step is looked at once, and each device once for each mask write.
    """
    end = holdings_after(start, (step for step in steps if step.action in MASK_ACTIONS)).pool
    needed = _to_be_set(start.pool, end)
    if not (needed.adapters or needed.domains):
        # A mask is only ever at its old or new value or at what both share, so that none has bits to be set again.
        return NO_EFFECTS
    touched = {step.uuid for step in steps}
    concerned = {uuid: one for uuid, one in start.mdevs.items() if _is_in_the_way(one, needed)}
    fixed = {uuid: one for uuid, one in concerned.items() if uuid not in touched}
    prefixes = _Prefixes(start, fixed, {uuid: one for uuid, one in concerned.items() if uuid in touched})
    for step in steps:
        prefixes.add(step)
    return RollbackEffects(
        {uuid: tuple(dict.fromkeys(parts)) for uuid, parts in prefixes.taken.items()}, _blocked(fixed, needed)
    )


class _Prefixes:
    """Walks through the prefixes of a plan and collects what rolling back from each would take."""

    def __init__(self, start: Holdings, fixed: Mapping[str, ApConfig], concerned: dict[str, ApConfig]) -> None:
        self._start = start
        self._fixed = fixed
        self._now: dict[str, ApConfig] = concerned
        self._pool = start.pool
        self._needed = Matrix(NO_IDS, NO_IDS)
        self.taken: dict[str, list[Matrix]] = {}

    def add(self, step: Step) -> None:
        """Go on to the prefix that ends with `step`."""
        if step.action in MASK_ACTIONS:
            self._pool = holdings_after(Holdings(self._pool, {}), [step]).pool
            needed = _to_be_set(self._start.pool, self._pool)
            # Rolling back sets what can be set: bits that untouched devices bar stay cleared, and take nothing.
            reachable = without_blocked(self._start.pool, _blocked(self._fixed, needed))
            self._needed = _to_be_set(reachable, self._pool)
            # The bits to be set again have changed for all of them; a device's own step changes them for it alone.
            for uuid in self._now:
                self._look(uuid)
        elif step.uuid in self._now:
            self._now[step.uuid] = step.after if isinstance(step.after, ApConfig) else EMPTY_CONFIG
            self._look(step.uuid)

    def _look(self, uuid: str) -> None:
        # Rolling back leads from here to the start, so that I3 is about what the device has in both.
        kept = kept_of(self._start.mdevs[uuid], self._now[uuid])
        if _is_in_the_way(kept, self._needed):
            low = Matrix(kept.adapters - self._needed.adapters, kept.domains - self._needed.domains)
            self.taken.setdefault(uuid, []).extend(kept.matrix.minus(low))


def _to_be_set(wanted: Matrix, now: Matrix) -> Matrix:
    return Matrix(wanted.adapters - now.adapters, wanted.domains - now.domains)


def _is_in_the_way(config: ApConfig, needed: Matrix) -> bool:
    if config.matrix.is_empty:
        return False
    return not (config.adapters.isdisjoint(needed.adapters) and config.domains.isdisjoint(needed.domains))


def _blocked(fixed: Mapping[str, ApConfig], needed: Matrix) -> tuple[Blocked, ...]:
    return tuple(
        Blocked(uuid, one.adapters & needed.adapters, one.domains & needed.domains)
        for uuid, one in fixed.items()
        if _is_in_the_way(one, needed)
    )
