"""Sets of adapter, usage domain or control domain ids.

An id is a number from 0 to 255. Every set of ids on an s390x host is one 256-bit mask, so a set is kept as
one integer and its algebra costs what integer arithmetic costs.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Final, TypeAlias

ID_COUNT: Final = 256
"""How many ids there are: 0 to 255 (the AP architecture has 8 bits for an adapter and 8 for a domain)."""


class IdSet:
    """An immutable set of ids, each 0 to 255.

    ``bits`` holds id *n* as the bit of value ``1 << n``. This is the reverse of the kernel's masks, whose bit 0 is
    the leftmost; `reconciler.kernel.text_forms` converts.
    """

    __slots__ = ("_bits",)
    _bits: int

    def __init__(self, ids: Iterable[int] = ()) -> None:
        """Build the set of `ids`.

        Raises:
            ValueError: an id is not within 0 to 255.
        """
        bits = 0
        for one in ids:
            if not 0 <= one < ID_COUNT:
                raise ValueError(f"{one} is not an id: ids are 0 to 255")
            bits |= 1 << one
        self._bits = bits

    @classmethod
    def from_bits(cls, bits: int) -> "IdSet":
        """The set whose id *n* is present where ``bits`` has ``1 << n``; `bits` is 0 to 2**256 - 1."""
        made = cls.__new__(cls)
        made._bits = bits
        return made

    @classmethod
    def all(cls) -> "IdSet":
        """Every id, 0 to 255."""
        return cls.from_bits((1 << ID_COUNT) - 1)

    @property
    def bits(self) -> int:
        """The set as an integer; id *n* is ``1 << n``."""
        return self._bits

    def __and__(self, other: "IdSet") -> "IdSet":
        return IdSet.from_bits(self._bits & other._bits)

    def __or__(self, other: "IdSet") -> "IdSet":
        return IdSet.from_bits(self._bits | other._bits)

    def __sub__(self, other: "IdSet") -> "IdSet":
        return IdSet.from_bits(self._bits & ~other._bits)

    def __invert__(self) -> "IdSet":
        return IdSet.all() - self

    def __le__(self, other: "IdSet") -> bool:
        return not self._bits & ~other._bits

    def isdisjoint(self, other: "IdSet") -> bool:
        """Whether no id is in both."""
        return not self._bits & other._bits

    def __contains__(self, one: int) -> bool:
        return one >= 0 and bool(self._bits >> one & 1)

    def __iter__(self) -> Iterator[int]:
        """The ids, ascending."""
        bits = self._bits
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def __len__(self) -> int:
        return self._bits.bit_count()

    def __bool__(self) -> bool:
        return self._bits != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and self._bits == other._bits

    def __hash__(self) -> int:
        return hash(self._bits)

    def ranges(self) -> list[tuple[int, int]]:
        """The set as ascending runs ``(first, last)``, as few as possible."""
        runs = []
        bits, base = self._bits, 0
        while bits:
            skip = (bits & -bits).bit_length() - 1
            bits >>= skip
            length = (~bits & (bits + 1)).bit_length() - 1
            runs.append((base + skip, base + skip + length - 1))
            bits >>= length
            base += skip + length
        return runs

    def in_hex(self) -> list[str]:
        """As manifests have ids: hex, as few entries as possible, for example ``["0x04-0x06", "0x47"]``."""
        return [f"0x{one:02x}" if one == last else f"0x{one:02x}-0x{last:02x}" for one, last in self.ranges()]

    def text(self, noun: str) -> str:
        """With what they are, for a sentence: ``adapter 0x05 (5)``, ``domains 0x04-0x05 (4-5)``."""
        return f"{noun}{'' if len(self) == 1 else 's'} {self}"

    def __str__(self) -> str:
        """For people, in hex and decimal: ``0x04-0x06 (4-6), 0x47 (71)``; ``none`` where empty."""
        return _text(self._bits)

    def __repr__(self) -> str:
        inner = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges())
        return f"IdSet({inner})"


NO_IDS: Final = IdSet()
ALL_IDS: Final = IdSet.all()


# Guests share adapters and domains, so that a report on thousands of them says the same few sets over and over.
@lru_cache(maxsize=4096)
def _text(bits: int) -> str:
    return ", ".join(_hex_and_decimal(*run) for run in IdSet.from_bits(bits).ranges()) or "none"


def _hex_and_decimal(first: int, last: int) -> str:
    if first == last:
        return f"0x{first:02x} ({first})"
    return f"0x{first:02x}-0x{last:02x} ({first}-{last})"


_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def require_uuid(text: str) -> None:
    """Return if `text` is the uuid of a mediated device as the kernel shows it, lower case with dashes.

    Raises:
        ValueError: it is none: it must not become a part of a path.
    """
    if not re.fullmatch(_UUID, text):
        raise ValueError(f"{text[:80]!a} is no uuid")


Uuid: TypeAlias = Annotated[str, require_uuid]
"""The uuid of a mediated device, as `require_uuid` has it where it is read from a file."""
