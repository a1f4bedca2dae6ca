"""Queues, and the rectangles of queues that a holder can have.

Neither the hardware nor KVM knows lists of queues: what a host or a guest has is always a product, adapters times
usage domains (Documentation/arch/s390/vfio-ap.rst; docs/kernel-rules.md).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet

_MOST_QUEUES: Final = 8
"""How many queues of a rectangle are named."""


class Queue(NamedTuple):
    """One AP queue (APQN): an adapter 0 to 255 and a usage domain 0 to 255."""

    adapter: int
    domain: int

    def __str__(self) -> str:
        """As every tool writes it, in hex: ``05.0047``."""
        return f"{self.adapter:02x}.{self.domain:04x}"


class Matrix(NamedTuple):
    """The rectangle of all queues with one of `adapters` and one of `domains`."""

    adapters: IdSet
    domains: IdSet

    @property
    def size(self) -> int:
        """How many queues it has; 0 where either axis is empty."""
        return len(self.adapters) * len(self.domains)

    @property
    def is_empty(self) -> bool:
        """Whether it has no queue: an adapter without domains gives none, nor a domain without adapters."""
        return not (self.adapters.bits and self.domains.bits)

    def has(self, queue: Queue) -> bool:
        """Whether `queue` is one of its queues."""
        return queue.adapter in self.adapters and queue.domain in self.domains

    def meet(self, other: "Matrix") -> "Matrix":
        """The queues in both: again a rectangle."""
        return Matrix(self.adapters & other.adapters, self.domains & other.domains)

    def overlaps(self, other: "Matrix") -> bool:
        """Whether some queue is in both."""
        return bool(self.adapters.bits & other.adapters.bits) and bool(self.domains.bits & other.domains.bits)

    def covers(self, other: "Matrix") -> bool:
        """Whether every queue of `other` is in this one."""
        return other.is_empty or (other.adapters <= self.adapters and other.domains <= self.domains)

    def minus(self, other: "Matrix") -> list["Matrix"]:
        """The queues that are here and not in `other`, as at most two rectangles without a common queue."""
        common = self.meet(other)
        if common.is_empty:
            return [] if self.is_empty else [self]
        rest = (
            Matrix(self.adapters - other.adapters, self.domains),
            Matrix(common.adapters, self.domains - other.domains),
        )
        return [part for part in rest if not part.is_empty]

    def queues(self) -> Iterator[Queue]:
        """Its queues, ascending."""
        return (Queue(adapter, domain) for adapter in self.adapters for domain in self.domains)

    @property
    def text(self) -> str:
        """Its queues for people: the first few by name, then adapters and domains in hex and decimal."""
        names = [str(queue) for queue, _ in zip(self.queues(), range(_MOST_QUEUES), strict=False)]
        more = self.size - len(names)
        listed = ", ".join(names) + (f" and {more:,} more" if more > 0 else "")
        return f"{listed} (adapter {self.adapters} × domain {self.domains})"


class ApConfig(NamedTuple):
    """What one mediated device is authorised for: its matrix and its control domains, ids 0 to 255 each."""

    adapters: IdSet
    domains: IdSet
    control_domains: IdSet

    @property
    def matrix(self) -> Matrix:
        """The queues, without the control domains."""
        return Matrix(self.adapters, self.domains)

    def without(self, other: "ApConfig") -> "ApConfig":
        """The ids that are here and not in `other`; a control domain that is used, and lacking as such, counts once."""
        domains = self.domains - other.domains
        control = self.control_domains - other.control_domains - domains
        return ApConfig(self.adapters - other.adapters, domains, control)

    @property
    def text(self) -> str:
        """Its ids for a sentence: ``adapter 0x05 (5) and control domain 0x04 (4)``; empty where there is none."""
        named = ((self.adapters, "adapter"), (self.domains, "usage domain"), (self.control_domains, "control domain"))
        *first, last = [ids.text(noun) for ids, noun in named if ids] or [""]
        return f"{', '.join(first)} and {last}" if first else last


EMPTY_MATRIX: Final = Matrix(NO_IDS, NO_IDS)
FULL_MATRIX: Final = Matrix(ALL_IDS, ALL_IDS)
EMPTY_CONFIG: Final = ApConfig(NO_IDS, NO_IDS, NO_IDS)
"""What a mediated device holds when it has just been created."""
