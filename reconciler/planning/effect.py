"""Predicts what guests will see, and what rolling a plan back would do to them, wherever in the plan that begins.

The first is the kernel's own filter (vfio_ap_ops.c; docs/kernel-rules.md, "guest_matrix"). Of what a guest is
authorised for it sees the domains that the LPAR has, and the adapters that the LPAR has and whose queues, for all those
domains, are bound to vfio_ap. One missing queue hides the whole adapter. So does one whose last reset failed, on
kernels from 6.0 to 6.5; no file shows that, so that it is taken from what a device does not show.

Rolling back: each step may be the one that fails, with or without effect, and an apply that is not confirmed is rolled
back as a whole. So every prefix of the steps counts. It is planned by `order_steps`, which keeps I3 but for one rule:
from 6.19 the kernel refuses to set a mask bit while any device has a queue with that id. So a device that keeps such a
queue has to let go of it for a while, and one that the plan does not touch bars the mask.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, EMPTY_MATRIX, ApConfig, Matrix, Queue
from reconciler.model.observed import Lpar, Observed
from reconciler.model.steps import MASK_ACTIONS, Holdings, Step, holdings_after
from reconciler.planning.host_pool import Blocked, blocked_by, is_in_the_way, kept_of, without_blocked

VFIO_AP = "vfio_ap"


class Effect(StrEnum):
    """What a change does to the guest."""

    NONE = "none"
    GAINS = "gains queues"
    LOSES = "loses queues"
    LOSES_ADAPTER = "loses a whole adapter"
    LOSES_DEVICE = "loses its device"


HARMLESS = (Effect.NONE, Effect.GAINS)


class Bindings(NamedTuple):
    """What the filter needs to know of the hardware: the LPAR, and which queues vfio_ap has.

    `vfio` and `present` map an adapter (0 to 255) to its domains, as bits; so does `unreset`, to those of which one at
    least could not be reset.
    """

    lpar: Lpar
    vfio: Mapping[int, int]
    present: Mapping[int, int]
    unreset: Mapping[int, int] = {}


def bindings_now(observed: Observed) -> Bindings:
    """The bindings as they are."""
    now = _bindings(observed, {one.queue: one.driver for one in observed.queues})
    return now._replace(unreset=_unreset(observed, now)) if _failed_reset_hides(observed) else now


def bindings_after(observed: Observed, pool: Matrix, mdevs: Mapping[str, ApConfig] | None = None) -> Bindings:
    """The bindings once the host pool is `pool`, and the devices are `mdevs` (None: where that does not matter).

    A mask write re-binds each queue that changes its owner.

    Whether a queue that has no driver gets one then depends on the kernel and on the way, so none is promised
    (docs/kernel-rules.md, "Masks").
    """
    drivers = {}
    # A host has thousands of queues, and this is asked of each several times a plan: bits, not `Matrix.has`.
    adapters, domains = pool.adapters.bits, pool.domains.bits
    adapters_now, domains_now = observed.pool.adapters.bits, observed.pool.domains.bits
    for one in observed.queues:
        adapter, domain = one.queue
        is_hosts = adapters >> adapter & domains >> domain & 1
        moves = is_hosts != adapters_now >> adapter & domains_now >> domain & 1
        rebound = None if is_hosts else VFIO_AP
        drivers[one.queue] = rebound if moves and one.driver else one.driver
    after = _bindings(observed, drivers)
    if mdevs is None or not _failed_reset_hides(observed):
        return after
    unreset = dict(bindings_now(observed).unreset)
    for adapter, domains in _refused_resets(observed, mdevs):
        unreset[adapter] = unreset.get(adapter, 0) | domains
    # A queue that vfio_ap gets back begins anew.
    kept = {
        adapter: sum(1 << one for one in IdSet.from_bits(bits) if not observed.pool.has(Queue(adapter, one)))
        for adapter, bits in unreset.items()
    }
    return after._replace(unreset=kept)


def _failed_reset_hides(observed: Observed) -> bool:
    # Nothing distinguishes the kernels from 6.6 to 6.9 from those before: for them this is too cautious.
    return observed.abilities.over_provision and not observed.abilities.ap_config


def _unreset(observed: Observed, now: Bindings) -> dict[int, int]:
    """What devices do not show although it is bound."""
    unreset: dict[int, int] = {}
    for mdev in observed.mdevs:
        if mdev.effective is not None:
            expected = effective(mdev.config.matrix, now)
            for adapter in expected.adapters - mdev.effective.adapters:
                unreset[adapter] = unreset.get(adapter, 0) | expected.domains.bits
    return unreset


def _refused_resets(observed: Observed, mdevs: Mapping[str, ApConfig]) -> Iterator[tuple[int, int]]:
    """Adapters in standby or check-stopped, with the domains that devices lose there, as bits."""
    refusing = IdSet(one.adapter for one in observed.cards if one.checkstopped or not one.configured)
    for mdev in observed.mdevs:
        after = mdevs.get(mdev.uuid, EMPTY_CONFIG).matrix
        for adapter in mdev.config.adapters & refusing:
            lost = mdev.config.domains - after.domains if adapter in after.adapters else mdev.config.domains
            yield adapter, lost.bits


def _bindings(observed: Observed, drivers: Mapping[Queue, str | None]) -> Bindings:
    vfio: dict[int, int] = {}
    present: dict[int, int] = {}
    for queue, driver in drivers.items():
        present[queue.adapter] = present.get(queue.adapter, 0) | 1 << queue.domain
        if driver == VFIO_AP:
            vfio[queue.adapter] = vfio.get(queue.adapter, 0) | 1 << queue.domain
    return Bindings(observed.lpar, vfio, present)


def effective(authorised: Matrix, bindings: Bindings) -> Matrix:
    """What a guest with `authorised` sees: adapters that are shown in full, times the domains of the LPAR."""
    domains = authorised.domains.bits & bindings.lpar.domains.bits
    if not domains:
        return EMPTY_MATRIX
    adapters = 0
    for adapter in authorised.adapters & bindings.lpar.adapters:
        if not domains & (~bindings.vfio.get(adapter, 0) | bindings.unreset.get(adapter, 0)):
            adapters |= 1 << adapter
    return Matrix(IdSet.from_bits(adapters), IdSet.from_bits(domains)) if adapters else EMPTY_MATRIX


def assignable(wanted: Matrix, bindings: Bindings) -> Matrix:
    """The part of `wanted` that a kernel before 6.0 takes: it refuses what is not bound to vfio_ap."""
    return effective(wanted, bindings)


def effect_of(before: Matrix | None, after: Matrix | None) -> Effect:
    """The label of a change of what the guest sees; None where the device does not exist."""
    if after is None:
        return Effect.NONE if before is None else Effect.LOSES_DEVICE
    before = before or EMPTY_MATRIX
    if after.covers(before):
        return Effect.NONE if before.covers(after) else Effect.GAINS
    return Effect.LOSES_ADAPTER if before.adapters - after.adapters else Effect.LOSES


_NOT_RESET: Final = (
    "is hidden as a whole: a queue of it cannot be reset, as when its card is in standby or check-stopped; once the "
    "card is usable, bind its queues again (docs/kernel-rules.md, guest_matrix)"
)


class Hidden(NamedTuple):
    """Why a guest does not see a part of what it has: a sentence, and whether that only waits for hardware to come."""

    text: str
    is_pending: bool


def hidden_because(authorised: Matrix, bindings: Bindings) -> list[Hidden]:
    """Why a guest with `authorised` does not see all of it."""
    reasons = []
    lpar = bindings.lpar
    absent_adapters = authorised.adapters.bits & ~lpar.adapters.bits
    absent_domains = authorised.domains.bits & ~lpar.domains.bits
    if absent_adapters:
        reasons.append(Hidden(_pending("adapter", absent_adapters, "there"), is_pending=True))
    if absent_domains:
        reasons.append(Hidden(_pending("domain", absent_domains, "in the LPAR"), is_pending=True))
    if absent_adapters != authorised.adapters.bits:
        domains = authorised.domains & lpar.domains
        for adapter in authorised.adapters & lpar.adapters:
            missing = domains - IdSet.from_bits(bindings.vfio.get(adapter, 0))
            if missing:
                reasons.append(Hidden(_hidden_reason(adapter, missing, bindings), is_pending=False))
            elif domains.bits & bindings.unreset.get(adapter, 0):
                reasons.append(Hidden(f"adapter {IdSet([adapter])} {_NOT_RESET}", is_pending=False))
    return reasons


def control_lacking(authorised: ApConfig, lpar: Lpar) -> list[str]:
    """Which control domains the guest does not get although it is `authorised`, since the LPAR lacks them; in words."""
    lacking = authorised.control_domains - lpar.control_domains
    # What is missing as a usage domain as well is said already.
    lacking -= authorised.domains - lpar.domains
    return [_pending("control domain", lacking.bits, "in the LPAR")] if lacking else []


# Guests share adapters and domains, and many wait for the same ones.
@lru_cache(maxsize=1024)
def _pending(noun: str, bits: int, where: str) -> str:
    ids = IdSet.from_bits(bits)
    return (
        f"pending: {noun} {ids} is not {where} yet" if len(ids) == 1 else f"pending: {noun}s {ids} are not {where} yet"
    )


def _hidden_reason(adapter: int, missing: IdSet, bindings: Bindings) -> str:
    queues = ", ".join(str(Queue(adapter, domain)) for domain in list(missing)[:4])
    more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
    gone = missing - IdSet.from_bits(bindings.present.get(adapter, 0))
    why = "absent" if gone == missing else "not bound to vfio_ap"
    return (
        f"adapter {IdSet([adapter])} is hidden as a whole: {queues}{more} {'is' if len(missing) == 1 else 'are'} {why}"
    )


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
    concerned = {uuid: one for uuid, one in start.mdevs.items() if is_in_the_way(one, needed)}
    fixed = {uuid: one for uuid, one in concerned.items() if uuid not in touched}
    prefixes = _Prefixes(start, fixed, {uuid: one for uuid, one in concerned.items() if uuid in touched})
    for step in steps:
        prefixes.add(step)
    return RollbackEffects(
        {uuid: tuple(dict.fromkeys(parts)) for uuid, parts in prefixes.taken.items()}, blocked_by(fixed, needed)
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
            reachable = without_blocked(self._start.pool, blocked_by(self._fixed, needed))
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
        if is_in_the_way(kept, self._needed):
            low = Matrix(kept.adapters - self._needed.adapters, kept.domains - self._needed.domains)
            self.taken.setdefault(uuid, []).extend(kept.matrix.minus(low))


def _to_be_set(wanted: Matrix, now: Matrix) -> Matrix:
    return Matrix(wanted.adapters - now.adapters, wanted.domains - now.domains)
