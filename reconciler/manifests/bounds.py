"""How much one run reads: a directory with more in it is the wrong one, or was made to keep us busy.

Bounds count what is there, never seconds or memory, so that the same manifests give the same answer on every machine.
What is within them is read and planned in a few seconds and a few hundred megabytes (``./run bench hostile``).
"""

from typing import Final, NamedTuple

MOST_BYTES: Final = 32 << 20
MOST_DOCUMENTS: Final = 50_000
"""Of all kinds and hosts, also empty ones."""

MOST_VALUES: Final = 1_500_000
"""Lines, commas and colons: a document has about as many keys and values."""


class Amount(NamedTuple):
    """How much there is to read."""

    bytes: int = 0
    documents: int = 0
    values: int = 0

    def plus(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.bytes + other.bytes, self.documents + other.documents, self.values + other.values)

    @property
    def exceeded(self) -> str:
        """The bound that this is above, for people; empty where it is within all of them."""
        if self.bytes > MOST_BYTES:
            return f"{MOST_BYTES >> 20} MiB"
        if self.documents > MOST_DOCUMENTS:
            return f"{MOST_DOCUMENTS:,} documents"
        return f"{MOST_VALUES:,} lines, commas and colons" if self.values > MOST_VALUES else ""


def amount_of(content: bytes) -> Amount:
    """How much `content` is; found without parsing it, so documents may be a few less."""
    documents = 1 + content.count(b"\n---") + content.count(b"\n...")
    return Amount(len(content), documents, content.count(b"\n") + content.count(b",") + content.count(b":"))
