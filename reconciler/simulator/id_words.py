"""Ids, truth values and card types as people write them in descriptions and requests."""

import re
from collections.abc import Sequence
from typing import Final

from reconciler.model.ids import ID_COUNT, NO_IDS, IdSet
from reconciler.simulator.hardware import CARD_TYPES, Mode

_ID: Final = re.compile(r"0[xX][0-9a-fA-F]+|0|[1-9][0-9]*")
_TRUTH: Final = {"true": True, "false": False}


def number_of(written: object) -> int:
    """The number that is `written` as an int or as text, decimal or ``0x``; not negative.

    Raises:
        ValueError: it is written otherwise. A leading zero is refused: C, YAML and people read it differently.
    """
    if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
        return written
    if isinstance(written, str) and _ID.fullmatch(written):
        return int(written, 16 if written[:2] in ("0x", "0X") else 10)
    raise ValueError(f"{written!r} is not a number: write it decimal or as 0x..., without a leading zero")


def id_of(written: object) -> int:
    """The adapter or domain id, 0 to 255, that is `written` as in `number_of`.

    Raises:
        ValueError: it is no such id.
    """
    number = number_of(written)
    if number >= ID_COUNT:
        raise ValueError(f"{written!r} is not an id: ids are 0 to 255")
    return number


def ids_of(written: object) -> IdSet:
    """The ids that one item of a list means: an id, or a range of two of them such as ``0x10-0x12``.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(written, str) or "-" not in written:
        return IdSet((id_of(written),))
    first, last = (id_of(end) for end in written.split("-", 1))
    if last < first:
        raise ValueError(f"{written!r} is no range: it ends before it begins")
    return IdSet(range(first, last + 1))


def id_list(written: Sequence[object]) -> IdSet:
    """The ids of all items of a list, each as in `ids_of`.

    Raises:
        ValueError: an item is neither an id nor a range.
    """
    ids = NO_IDS
    for item in written:
        ids |= ids_of(item)
    return ids


def truth_of(written: object) -> bool:
    """The truth value that is `written` as a bool or as ``true`` or ``false``.

    Raises:
        ValueError: it is written otherwise.
    """
    if isinstance(written, bool):
        return written
    if isinstance(written, str) and written in _TRUTH:
        return _TRUTH[written]
    raise ValueError(f"{written!r} is neither true nor false")


def hwtype_of(written: object) -> int:
    """The hardware type, 10 to 14, of a card type such as ``CEX7``.

    Raises:
        ValueError: there is no such type.
    """
    if isinstance(written, str) and written in CARD_TYPES:
        return CARD_TYPES[written]
    raise ValueError(f"{written!r} is not a card type: {', '.join(CARD_TYPES)}")


def mode_of(written: object) -> Mode:
    """The mode of a card.

    Raises:
        ValueError: there is no such mode.
    """
    if isinstance(written, str) and written in tuple(Mode):
        return Mode(written)
    raise ValueError(f"{written!r} is not a mode: {', '.join(Mode)}")
