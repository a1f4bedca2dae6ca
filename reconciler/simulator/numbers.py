"""Numbers as the kernel reads them: C's base 0, so that a leading ``0x`` means hex and a leading ``0`` octal."""

import re
from errno import EINVAL, ERANGE
from typing import Final

from reconciler.simulator.refusal import refusal

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
