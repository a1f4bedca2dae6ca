"""What a YAML document says, once its scalars have been given a meaning.

Every scalar arrives as text, and means exactly this, whatever version of YAML other programs follow: plain ``true``
and ``false`` are booleans, a plain decimal without leading zero is a number, plain ``null``, ``~`` and nothing are
nothing, and all else is text, as is whatever stands in quotes. So ``no``, ``010``, ``1e2`` or ``5:30`` never turn
into something that nobody wrote.
"""

from typing import Final, TypeAlias

Data: TypeAlias = "dict[str, Data] | list[Data] | str | int | bool | None"
Path: TypeAlias = tuple[str | int, ...]
"""The way from the top of a document to a field: names of keys, and indexes in lists from 0."""

_LONGEST_NUMBER: Final = 18
_MOST_REMEMBERED: Final = 100_000


class PlainScalars(dict[str, "str | int | bool | None"]):
    """What each plain scalar means; filled as they are met, for the length of one read."""

    def __init__(self) -> None:
        super().__init__({"true": True, "false": False, "null": None, "Null": None, "NULL": None, "~": None, "": None})

    def __missing__(self, text: str) -> str | int:
        """The meaning of `text` when it is met for the first time."""
        is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
        meaning = int(text) if is_number and (text[0] != "0" or text == "0") else text
        if len(self) < _MOST_REMEMBERED:
            self[text] = meaning
        return meaning


def shown(value: Data) -> str:
    """`value` as a person would write it, cut at 60 characters; collections by what they are."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(shortened(value))
    return str(value)


def dotted(path: Path) -> str:
    """`path` as people write it, for example ``spec.keep[0].domains``; each key cut as a value is (`shown`)."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in path)
    return text.removeprefix(".")


def shortened(text: str) -> str:
    """`text`, cut at 60 characters."""
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


_LONGEST_SHOWN: Final = 60
