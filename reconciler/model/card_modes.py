"""What a crypto card has been configured to be: a CCA or an EP11 coprocessor, or an accelerator."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class CardMode(StrEnum):
    """What a card has been configured to be."""

    CCA = "CCA"
    ACCELERATOR = "accelerator"
    EP11 = "EP11"


MODE_BITS: Final[Mapping[int, CardMode]] = {
    1 << 28: CardMode.CCA,
    1 << 27: CardMode.ACCELERATOR,
    1 << 26: CardMode.EP11,
}
"""The bits of ``ap_functions`` that say it."""

_LETTERS: Final[Mapping[str, CardMode]] = {"A": CardMode.ACCELERATOR, "C": CardMode.CCA, "P": CardMode.EP11}


def mode_of(functions: int) -> CardMode | None:
    """What a card with these ``ap_functions`` is; None where they do not say."""
    return next((mode for bit, mode in MODE_BITS.items() if functions & bit), None)


def mode_of_type(name: str) -> CardMode | None:
    """What a card is that the kernel calls `name`, such as ``CEX7C``; None where that does not say."""
    return _LETTERS.get(name[-1:]) if name[:-1].startswith("CEX") else None
