"""What a guest effectively gets of its matrix: the filter behind ``guest_matrix`` (vfio_ap_ops.c).

The kernel keeps the outcome and changes it at certain moments only (docs/kernel-rules.md, "guest_matrix"): it is
state of a mediated device, not a function of the rest.
"""

from collections.abc import Sequence

from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix


def filtered(assigned: Matrix, lpar: Matrix, passable: Sequence[int]) -> Matrix:
    """What the guest gets of `assigned` where the LPAR has `lpar`.

    `passable` has for every adapter the bits of the domains whose queues are bound to vfio_ap and, where the kernel
    looks at that, were reset well. Domains that the LPAR lacks are left out; then an adapter is left out as a whole if
    a single one of its queues is not among these.
    """
    domains = assigned.domains & lpar.domains
    wanted = domains.bits
    adapters = 0
    for adapter in assigned.adapters & lpar.adapters:
        if not wanted & ~passable[adapter]:
            adapters |= 1 << adapter
    return Matrix(IdSet.from_bits(adapters), domains)


def without(guest: Matrix, adapters: IdSet, domains: IdSet) -> Matrix:
    """`guest` after `adapters` and `domains` were taken from it; nothing comes back by that."""
    return Matrix(guest.adapters - adapters, guest.domains - domains)
