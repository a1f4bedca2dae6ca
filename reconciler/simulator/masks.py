"""What the kernel accepts when a mask is written: more than it ever shows (ap_bus.c; docs/kernel-rules.md, "Masks").

`reconciler.kernel.text_forms` has the one form that the kernel shows and that we write.
"""

import re
from errno import EINVAL
from typing import Final

from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import ApConfig
from reconciler.simulator.numbers import in_64_bits, leading_number
from reconciler.simulator.refusal import refusal

_ABSOLUTE: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{0,64})\n?")
_FIELD_END: Final = re.compile(r"[,\n]")
_DIGITS: Final = 64
_AP_CONFIG_LENGTH: Final = 201
"""How much of a write to ``ap_config`` is looked at: three full masks, two commas, a newline (vfio_ap_ops.c)."""


def written_mask(text: str, current: IdSet, *, wraps: bool = False) -> IdSet:
    """What a mask is after `text` was written to it while it was `current`: absolute, or ``+``/``-`` and ids.

    `wraps` says what becomes of ids of more than 64 bits (see `in_64_bits`).

    Raises:
        OSError: EINVAL where `text` is in neither form.
    """
    return _relative(text, current, wraps=wraps) if text[:1] in ("+", "-") else absolute_mask(text)


def absolute_mask(text: str) -> IdSet:
    """The ids of up to 64 hex digits, id 0 leftmost; fewer digits leave the ids to the right out.

    Nothing at all, a lone newline and ``0x`` are the empty mask.

    Raises:
        OSError: EINVAL where `text` has another form.
    """
    found = _ABSOLUTE.fullmatch(text)
    if not found:
        raise refusal(EINVAL)
    leftmost_first = int(found[1].ljust(_DIGITS, "0"), 16)
    return IdSet.from_bits(int(f"{leftmost_first:0{ID_COUNT}b}"[::-1], 2))


def written_ap_config(text: str) -> ApConfig:
    """The configuration that `text`, written to ``ap_config``, asks for: three absolute masks.

    Commas or newlines separate; an empty field is an empty mask; whatever follows the third field is ignored.

    Raises:
        OSError: EINVAL where there are fewer than three fields or one of them is no absolute mask.
    """
    fields = _FIELD_END.split(text[:_AP_CONFIG_LENGTH])
    if len(fields) < len(ApConfig._fields):
        raise refusal(EINVAL)
    return ApConfig(*(absolute_mask(field) for field in fields[: len(ApConfig._fields)]))


def _relative(text: str, current: IdSet, *, wraps: bool) -> IdSet:
    # Every item has its own sign and they apply from left to right, so the last one wins.
    bits, place = current.bits, 0
    while place < len(text):
        if text[place] not in "+-":
            raise refusal(EINVAL)
        first, last, end = _id_range(text, place + 1, wraps=wraps)
        run = (1 << last + 1) - (1 << first)
        bits = bits | run if text[place] == "+" else bits & ~run
        place = end
        while text[place : place + 1] in (",", "\n"):
            place += 1
    return IdSet.from_bits(bits)


def _id_range(text: str, start: int, *, wraps: bool) -> tuple[int, int, int]:
    first, end = _id(text, start, wraps=wraps)
    if text[end : end + 1] != "-":
        return first, first, end
    last, end = _id(text, end + 1, wraps=wraps)
    if last < first:
        raise refusal(EINVAL)
    return first, last, end


def _id(text: str, start: int, *, wraps: bool) -> tuple[int, int]:
    found = leading_number(text, start)
    if found is None:
        raise refusal(EINVAL)
    number = in_64_bits(found[0], wraps=wraps)
    if number >= ID_COUNT:
        raise refusal(EINVAL)
    return number, found[1]
