"""Plain values (what JSON or YAML gives) taken apart field by field, with the place of whatever is wrong.

Ids, truth values and card types are read as people write them in descriptions and requests.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from reconciler.model.errors import InputError
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


Value = TypeVar("Value")


class FieldError(InputError, ValueError):
    """A value that cannot be right; `field` is where it is, as keys and indexes from the top."""

    def __init__(self, field: tuple[str | int, ...], message: str) -> None:
        super().__init__(f"{_dotted(field)}: {message}" if field else message)
        self.field = field
        self.message = message


class Fields:
    """The fields of one mapping.

    Every method that gets a value raises `FieldError` where the value is not of the kind asked for, or where it is
    missing and no default is given.
    """

    def __init__(self, value: object, known: tuple[str, ...], place: tuple[str | int, ...] = ()) -> None:
        """Look at `value`, whose place is `place` and whose keys must all be `known`."""
        if not isinstance(value, Mapping):
            raise FieldError(place, f"{value!r} is not a mapping")
        unknown = [key for key in value if key not in known]
        if unknown:
            raise FieldError((*place, str(unknown[0])), f"unknown field; known are: {', '.join(known)}")
        self._value: Mapping[str, object] = value
        self._known = known
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def get(self, key: str, reader: Callable[[object], Value], default: Value | None = None) -> Value:
        """What `reader` makes of field `key`; it raises ValueError where it cannot."""
        if key not in self._value:
            if default is None:
                raise FieldError(self.place, f"field {key} is missing")
            return default
        try:
            return reader(self._value[key])
        except FieldError:
            raise
        except ValueError as error:
            raise FieldError((*self.place, key), str(error)) from None

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        return self.get(key, text_of, default)

    def number(self, key: str, default: int | None = None) -> int:
        """A number of 0 or more."""
        return self.get(key, number_of, default)

    def truth(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        return self.get(key, truth_of, default)

    def ids(self, key: str, default: IdSet | None = None) -> IdSet:
        """A list of ids and ranges."""
        return self.get(key, lambda value: id_list(list_of(value)), default)

    def below(self, key: str, known: tuple[str, ...]) -> "Fields":
        """The fields of a mapping; an absent one has none."""
        return Fields(self._value.get(key, {}), known, (*self.place, key))

    def each(self, key: str, known: tuple[str, ...]) -> Iterator["Fields"]:
        """The fields of each mapping in a list; an absent list is empty."""
        nothing: list[object] = []
        for index, value in enumerate(self.get(key, list_of, nothing)):
            yield Fields(value, known, (*self.place, key, index))

    def texts(self, key: str) -> list[str]:
        """A list of texts; an absent one is empty."""
        return self.get(key, lambda value: [text_of(item) for item in list_of(value)], [])


def text_of(value: object) -> str:
    """`value`, which must be a text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")  # noqa: TRY004 - it is the user's value that is wrong
    return value


def list_of(value: object) -> list[object]:
    """`value`, which must be a list.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")  # noqa: TRY004 - it is the user's value that is wrong
    return value


def one_of(known: Mapping[str, Value]) -> Callable[[object], Value]:
    """A reader of one of the names in `known`, which gives what stands behind it."""

    def reader(value: object) -> Value:
        if isinstance(value, str) and value in known:
            return known[value]
        raise ValueError(f"{value!r} is none of: {', '.join(known)}")

    return reader


def _dotted(field: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field).removeprefix(".")
