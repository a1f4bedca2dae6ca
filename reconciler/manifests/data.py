"""What a YAML document says, once its scalars have been given a meaning, with the place of everything in the text."""

from bisect import bisect_left
from functools import cached_property
from itertools import accumulate
from typing import Final, TypeAlias

from reconciler.model.printable import in_place
from reconciler.model.problems import MORE, Place, Position, Problem, Severity

LONGEST_EXCERPT: Final = 400
"""How much of a line is shown, in characters; of what stands further right nothing is."""

MOST_PROBLEMS: Final = 100
"""How many problems of one document are shown."""

_BLOCK: Final = 1 << 14


class SourceText:
    """The text of one file, by the name that people know it by."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text

    def place(self, offset: int, width: int = 1, label: str = "") -> Place:
        """The place of character `offset` (from 0); of `width` characters, what runs past its line is cut."""
        start = self.text.rfind("\n", 0, offset) + 1
        return self._place_on_line(self._line(offset), start, offset - start, width, label)

    def position(self, offset: int) -> Position:
        """Where character `offset` (from 0) stands."""
        return Position(self.file, self._line(offset), offset - self.text.rfind("\n", 0, offset))

    def _line(self, offset: int) -> int:
        block = offset // _BLOCK
        return 1 + self._lines_before[block] + self.text.count("\n", block * _BLOCK, offset)

    def place_of(self, start: int, end: int, label: str = "") -> Place:
        """The place of ``text[start:end]``."""
        return self.place(start, end - start, label)

    def offset(self, position: Position) -> int:
        """Which character stands at `position`, from 0; the last one where the text is shorter."""
        start = 0
        if position.line > 1:
            block = bisect_left(self._lines_before, position.line - 1) - 1
            start = block * _BLOCK
            for _ in range(position.line - 1 - self._lines_before[block]):
                start = self.text.find("\n", start) + 1 or len(self.text)
        return max(0, min(start + position.column - 1, len(self.text) - 1))

    @cached_property
    def _lines_before(self) -> list[int]:
        """How many lines end before each block of the text; a list of all lines may be much longer than the text."""
        ends = (self.text.count("\n", at, at + _BLOCK) for at in range(0, len(self.text), _BLOCK))
        return [0, *accumulate(ends)]

    def _place_on_line(self, line: int, start: int, column: int, width: int, label: str) -> Place:
        end = self.text.find("\n", start)
        length = min((end if end >= 0 else len(self.text)) - start, LONGEST_EXCERPT)
        excerpt = in_place(self.text[start : start + length].removesuffix("\r")) if column <= length else ""
        width = max(1, min(width, len(excerpt) - column))
        return Place(Position(self.file, line, column + 1), label=label, excerpt=excerpt, width=width)


def error(id: str, message: str, places: tuple[Place, ...], help: str) -> Problem:
    """A problem that stops the run."""
    return Problem(id, Severity.ERROR, message, places, help=help)


def limited(problems: list[Problem]) -> list[Problem]:
    """The first `MOST_PROBLEMS` of the problems of one document, and a last one that says so where there are more."""
    if len(problems) <= MOST_PROBLEMS:
        return problems
    message = f"this document has more than {MOST_PROBLEMS} problems"
    advice = "Fix those above, then look again."
    return [*problems[:MOST_PROBLEMS], error(MORE, message, problems[MOST_PROBLEMS].places, advice)]


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
