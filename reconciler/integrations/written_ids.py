"""Numbers and masks as administrators write them into the files of other tools, read as the kernel will read them.

Sources: vfio_ap_ops.c (``assign_*``: kstrtoul with base 0; ``ap_config``: absolute masks), ap_bus.c (masks);
docs/kernel-rules.md. What the kernel shows is narrower, and `reconciler.kernel.text_forms` reads that.
"""

import re
from typing import Final

from reconciler.model.ids import ID_COUNT, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig

_NUMBER: Final = re.compile(r"\+?(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))\n?")
_DIGITS: Final = 64
_MASK: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{0,64})")
_FIELD_END: Final = re.compile(r"[,\n]")
_AP_CONFIG_LENGTH: Final = 201
"""How much of a write to ``ap_config`` the kernel looks at: three full masks, two commas, a newline."""
_ITEM: Final = re.compile(r"([+-])([0-9a-fA-FxX]+)(?:-([0-9a-fA-FxX]+))?[,\n]*")
_MOST_SHOWN: Final = 60


class NotWrittenRight(ValueError):
    """A number or mask that the kernel would refuse; the text says why."""


def number(text: str) -> int:
    """The id that `text` stands for, 0 to 255: decimal, hex with ``0x``, or octal with a leading ``0``.

    A NUL ends it, as for the kernel.

    Raises:
        NotWrittenRight: it is none.
    """
    found = _NUMBER.fullmatch(text.partition("\0")[0])
    if not found:
        raise NotWrittenRight(f"{quoted(text)} is not a number from 0 to {ID_COUNT - 1}")
    digits, base = next((found[name], base) for name, base in _BASES if found[name])
    significant = digits.lstrip("0") or "0"
    value = int(significant, base) if len(significant) <= 3 else ID_COUNT
    if value >= ID_COUNT:
        raise NotWrittenRight(f"{quoted(text)} is above {ID_COUNT - 1}, the highest id there can be")
    return value


def absolute_mask(text: str) -> IdSet:
    """The ids of up to 64 hex digits, id 0 leftmost, ``0x`` or not; fewer digits leave out the ids to the right.

    No digit at all is the empty mask.

    Raises:
        NotWrittenRight: `text` has another form.
    """
    found = _MASK.fullmatch(text)
    if not found:
        raise NotWrittenRight(f"{quoted(text)} is not a mask of up to {_DIGITS} hex digits")
    leftmost_first = int(found[1].ljust(_DIGITS, "0"), 16)
    return IdSet.from_bits(int(f"{leftmost_first:0{ID_COUNT}b}"[::-1], 2))


def whole_config(text: str) -> ApConfig:
    """What ``ap_config`` becomes by `text`: three absolute masks with commas or newlines between them.

    An empty field is an empty mask; what follows the third one is ignored.

    Raises:
        NotWrittenRight: there are fewer, or one is no mask.
    """
    fields = _FIELD_END.split(text.partition("\0")[0][:_AP_CONFIG_LENGTH])
    if len(fields) < len(ApConfig._fields):
        raise NotWrittenRight(f"ap_config has {len(fields)} masks, not {len(ApConfig._fields)}")
    return ApConfig(*(absolute_mask(field) for field in fields[: len(ApConfig._fields)]))


def relative_mask(text: str, before: IdSet = NO_IDS) -> IdSet:
    """What becomes of the ids `before` by ``+5,-0x10-0x1f`` and the like; items apply from left to right.

    Raises:
        NotWrittenRight: `text` has another form.
    """
    ids, place = before, 0
    while place < len(text):
        found = _ITEM.match(text, place)
        if not found:
            raise NotWrittenRight(f"{quoted(text[place:])} does not begin with + or - and a number or range")
        first = number(found[2])
        last = number(found[3]) if found[3] else first
        if last < first:
            raise NotWrittenRight(f"{quoted(found[0])} runs backwards")
        run = IdSet(range(first, last + 1))
        ids = ids | run if found[1] == "+" else ids - run
        place = found.end()
    return ids


def quoted(value: object) -> str:
    """`value` of a foreign file for people: quoted, harmless on a terminal, cut at 60 characters."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


_BASES: Final = (("hex", 16), ("octal", 8), ("decimal", 10))
