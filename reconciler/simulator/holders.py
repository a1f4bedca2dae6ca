"""Which mediated device holds which queues, kept so that a question costs no walk over all devices."""

from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, Matrix, Queue


class Holders:
    """An index over the matrices of all mediated devices, which never overlap.

    For every adapter it has the bits of the domains that are taken with it, and who took them. It is as mutable as
    the host that it belongs to, which calls `change` whenever a matrix changes.
    """

    __slots__ = ("_by_adapter", "_taken")

    def __init__(self) -> None:
        self._taken = [0] * ID_COUNT
        self._by_adapter: list[dict[str, int]] = [{} for _ in range(ID_COUNT)]

    def change(self, uuid: str, old: Matrix, new: Matrix) -> None:
        """Device `uuid` held `old` and now holds `new`."""
        if old.domains.bits != new.domains.bits:
            self._drop(uuid, old.adapters, old.domains.bits)
            self._add(uuid, new.adapters, new.domains.bits)
        else:
            self._drop(uuid, old.adapters - new.adapters, old.domains.bits)
            self._add(uuid, new.adapters - old.adapters, new.domains.bits)

    def conflict(self, own: Matrix, wanted: Matrix) -> bool:
        """Whether a device that holds `own` and asks for `wanted` would take a queue of another device."""
        domains = wanted.domains.bits
        if not domains:
            return False
        # A device's own queues are no conflict: they are in the index wherever it has the adapter already.
        others_only = domains & ~own.domains.bits
        return any(
            self._taken[adapter] & (others_only if adapter in own.adapters else domains) for adapter in wanted.adapters
        )

    def any_in(self, matrix: Matrix) -> bool:
        """Whether some device holds a queue of `matrix`."""
        return self.conflict(EMPTY_MATRIX, matrix)

    def of(self, queue: Queue) -> str | None:
        """The device that holds `queue`."""
        if not self._taken[queue.adapter] >> queue.domain & 1:
            return None
        takers = self._by_adapter[queue.adapter]
        return next(uuid for uuid, domains in takers.items() if domains >> queue.domain & 1)

    def _add(self, uuid: str, adapters: IdSet, domains: int) -> None:
        if domains:
            for adapter in adapters:
                self._taken[adapter] |= domains
                self._by_adapter[adapter][uuid] = domains

    def _drop(self, uuid: str, adapters: IdSet, domains: int) -> None:
        if domains:
            for adapter in adapters:
                self._taken[adapter] &= ~domains
                del self._by_adapter[adapter][uuid]
