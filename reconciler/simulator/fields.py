"""Plain values (what JSON or YAML gives) taken apart field by field, with the place of whatever is wrong."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from reconciler.model.ids import IdSet
from reconciler.simulator.id_words import id_list, number_of, truth_of

Value = TypeVar("Value")


class FieldError(ValueError):
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

    def complete(self) -> "Fields":
        """These fields, none of which may be missing."""
        for key in self._known:
            self.get(key, lambda _: True)
        return self

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
