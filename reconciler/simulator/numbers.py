"""Numbers and masks as the kernel reads them: more than it ever shows.

C's base 0, so that a leading ``0x`` means hex and a leading ``0`` octal; masks as in ap_bus.c (docs/kernel-rules.md,
"Masks").
"""

import re
from errno import EINVAL, ERANGE
from typing import Final

from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import ApConfig
from reconciler.simulator.nodes import refusal

_DIGITS: Final = re.compile(r"0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[0-9]+)")
_BASES: Final = {"hex": 16, "octal": 8, "decimal": 10}
_ABOVE_LONG: Final = 1 << 64
_HALF_INT: Final = 1 << 31
_DECIMAL: Final = re.compile(r"[ \t-\r]*(-?[0-9]+)")
_SPACES: Final = re.compile(r"[ \t-\r]*")


def leading_number(text: str, start: int) -> tuple[int, int] | None:
    """The number that begins at `start` of `text` and the place behind it; None where there is none.

    ``08`` is the number 0 with an 8 behind it, ``0x`` the number 0 with an x behind it (lib/vsprintf.c).
    """
    found = _DIGITS.match(text, start)
    if not found:
        return None
    kind = found.lastgroup
    assert kind is not None
    return int(found[kind], _BASES[kind]), found.end()


def in_64_bits(number: int, *, wraps: bool) -> int:
    """What simple_strtoul() makes of `number`: the rest modulo 2**64, or 2**64 - 1 where it no longer wraps."""
    return number % _ABOVE_LONG if wraps else min(number, _ABOVE_LONG - 1)


def unsigned_long(text: str) -> int:
    """`text` as one unsigned number of 64 bits: an optional ``+``, digits, at most one newline (lib/kstrtox.c).

    Raises:
        OSError: EINVAL where it has another form, ERANGE where the number is 2**64 or more.
    """
    found = leading_number(text, 1 if text.startswith("+") else 0)
    if found is None:
        raise refusal(EINVAL)
    number, end = found
    if number >= _ABOVE_LONG:
        raise refusal(ERANGE)
    if text[end:] not in ("", "\n"):
        raise refusal(EINVAL)
    return number


def bounded_decimal(text: str, lowest: int, highest: int) -> int:
    """The decimal number at the start of `text`, as ``online``, ``config`` and ``config_time`` are read.

    Raises:
        OSError: EINVAL where there is none or it is not within `lowest` to `highest`.
    """
    found = _DECIMAL.match(text)
    return _bounded(int(found[1]) if found else None, lowest, highest)


def bounded_number(text: str, lowest: int, highest: int, *, wraps: bool) -> int:
    """The same in base 0, as ``ap_domain`` is read; `wraps` as for `in_64_bits`.

    Raises:
        OSError: EINVAL where there is none or it is not within `lowest` to `highest`.
    """
    start = _SPACES.match(text)
    assert start is not None
    minus = text[start.end() : start.end() + 1] == "-"
    found = leading_number(text, start.end() + minus)
    number = None if found is None else in_64_bits(found[0], wraps=wraps)
    return _bounded(-number if minus and number else number, lowest, highest)


def _bounded(number: int | None, lowest: int, highest: int) -> int:
    if number is None:
        raise refusal(EINVAL)
    # sscanf() does not complain of what is too large for an int (lib/vsprintf.c).
    kept = (number + _HALF_INT) % (2 * _HALF_INT) - _HALF_INT
    if not lowest <= kept <= highest:
        raise refusal(EINVAL)
    return kept


_ABSOLUTE: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{0,64})\n?")
_FIELD_END: Final = re.compile(r"[,\n]")
_MASK_DIGITS: Final = 64
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
    leftmost_first = int(found[1].ljust(_MASK_DIGITS, "0"), 16)
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
