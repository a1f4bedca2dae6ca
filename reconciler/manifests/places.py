"""Places in the text of a file, with the line that is to be shown."""

from bisect import bisect_right
from functools import cached_property
from typing import Final

from reconciler.model.problems import Place, Position, Problem, Severity

LONGEST_EXCERPT: Final = 400
"""How much of a line is shown, in characters; of what stands further right nothing is."""

MOST_PROBLEMS: Final = 100
"""How many problems are told of one document."""


class Source:
    """The text of one file, by the name that people know it by."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text

    def place(self, offset: int, width: int = 1, label: str = "") -> Place:
        """The place of character `offset` (from 0); of `width` characters, what runs past its line is cut."""
        line = bisect_right(self._line_starts, offset)
        return self._place_on_line(line, offset - self._line_starts[line - 1], width, label)

    def place_of(self, start: int, end: int, label: str = "") -> Place:
        """The place of ``text[start:end]``."""
        return self.place(start, end - start, label)

    def offset(self, position: Position) -> int:
        """Which character stands at `position`, from 0; the last one where the text is shorter."""
        line = min(position.line, len(self._line_starts))
        return max(0, min(self._line_starts[line - 1] + position.column - 1, len(self.text) - 1))

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def _place_on_line(self, line: int, column: int, width: int, label: str) -> Place:
        start = self._line_starts[line - 1]
        end = self.text.find("\n", start)
        length = min((end if end >= 0 else len(self.text)) - start, LONGEST_EXCERPT)
        excerpt = printable(self.text[start : start + length].removesuffix("\r")) if column <= length else ""
        width = max(1, min(width, len(excerpt) - column))
        return Place(Position(self.file, line, column + 1), label=label, excerpt=excerpt, width=width)


def printable(text: str) -> str:
    """`text` with each character that a terminal could act on replaced, so that it keeps its length."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\t" else "\ufffd" for one in text)


def error(id: str, message: str, places: tuple[Place, ...], help: str) -> Problem:
    """A problem that stops the run."""
    return Problem(id, Severity.ERROR, message, places, help=help)


def limited(problems: list[Problem]) -> list[Problem]:
    """The first `MOST_PROBLEMS` of the problems of one document, and a last one that says so where there are more."""
    if len(problems) <= MOST_PROBLEMS:
        return problems
    message = f"this document has more than {MOST_PROBLEMS} problems"
    advice = "Mend those above, then look again."
    return [*problems[:MOST_PROBLEMS], error("more-problems", message, problems[MOST_PROBLEMS].places, advice)]
