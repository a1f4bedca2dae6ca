"""Predicts what guests will see, by the kernel's own filter (vfio_ap_ops.c; docs/kernel-rules.md, "guest_matrix").

Of what a guest is authorised for it sees the domains that the LPAR has, and the adapters that the LPAR has and whose
queues, for all those domains, are bound to vfio_ap. One missing queue hides the whole adapter.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_MATRIX, Matrix, Queue
from reconciler.model.observed import Lpar, Observed

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

    `vfio` and `present` map an adapter (0 to 255) to its domains, as bits.
    """

    lpar: Lpar
    vfio: Mapping[int, int]
    present: Mapping[int, int]


def bindings_now(observed: Observed) -> Bindings:
    """The bindings as they are."""
    return _bindings(observed, {one.queue: one.driver for one in observed.queues})


def bindings_after(observed: Observed, pool: Matrix) -> Bindings:
    """The bindings once the host pool is `pool`: a mask write re-binds each queue that changes its owner.

    Whether a queue that has no driver gets one then depends on the kernel and on the way, so none is promised
    (docs/kernel-rules.md, "Masks").
    """
    drivers = {}
    for one in observed.queues:
        moves = pool.has(one.queue) != observed.pool.has(one.queue)
        rebound = None if pool.has(one.queue) else VFIO_AP
        drivers[one.queue] = rebound if moves and one.driver else one.driver
    return _bindings(observed, drivers)


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
        if not domains & ~bindings.vfio.get(adapter, 0):
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


def hidden_because(authorised: Matrix, bindings: Bindings) -> list[str]:
    """Why a guest with `authorised` does not see all of it, a sentence for each reason."""
    reasons = []
    lpar = bindings.lpar
    absent_adapters = authorised.adapters.bits & ~lpar.adapters.bits
    absent_domains = authorised.domains.bits & ~lpar.domains.bits
    if absent_adapters:
        reasons.append(_pending("adapter", absent_adapters, "there"))
    if absent_domains:
        reasons.append(_pending("domain", absent_domains, "in the LPAR"))
    if absent_adapters != authorised.adapters.bits:
        domains = authorised.domains & lpar.domains
        for adapter in authorised.adapters & lpar.adapters:
            missing = domains - IdSet.from_bits(bindings.vfio.get(adapter, 0))
            if missing:
                reasons.append(_hidden_reason(adapter, missing, bindings))
    return reasons


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
