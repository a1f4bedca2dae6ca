"""A table for people: a line a row, whatever the width of the page; and what a page is."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.render.text import Paint, plain

_GAP: Final = "  "
_WIDE: Final = ("W", "F")
_LABEL: Final = re.compile(r" *(?:[a-z]+: +)?")
"""What stands before a command, such as ``  next: ``."""
_LONGEST_NAME: Final = 80
"""No word that has to be copied, but a path, is wider than so many columns."""
_LEAST_ROOM: Final = 30
"""The fewest columns that a text is divided for."""
_GAPS: Final = re.compile(r"(?<=\S)( +)(?! |\(\d)")
"""Where a text may be divided: not before a number in brackets."""

_NAME: Final = re.compile(r"[\w.:-]+", re.ASCII)
"""A name or a uuid: names that a pattern has made, as of a cluster's nodes, often differ at their ends only."""

_LEAST_OF_NAME: Final = 6
"""The fewest columns, besides the ellipsis, that show both ends of a name."""

_BRACKETS: Final = r"\([^()]{0,30}\)"
"""A few words in brackets, which are not divided either."""

_COMMANDS: Final = re.compile(r"'(?:sudo )?reconcile [^']*'|(?:^|(?<=[:?] ))(?:sudo )?reconcile .*|(?<=run: ).*")
"""A command in a text, in quotes or to its end: it is not divided either, so that it can be copied."""


def unchanged(text: str) -> str:
    """`text`."""
    return text


class Page(NamedTuple):
    """What text is written on.

    Attributes:
        width: in columns; None where there is no limit, as for a program that reads it.
        paint: its colours.
        shown: what a text becomes there: what people cannot see, and what the encoding lacks, becomes an escape.
        ellipsis: stands where something was cut; the encoding has it.
    """

    width: int | None = None
    paint: Paint = plain
    shown: Callable[[str], str] = unchanged
    ellipsis: str = "…"

    def cut(self, text: str, width: int | None = None) -> str:
        """`text` as it is shown, in at most `width` columns; left out, those of the page. No colour is in it.

        A name is cut in its middle, anything else at its end.
        """
        most = self.width if width is None else width
        shown = self.shown(text)
        if most is None or columns_of(shown) <= most:
            return shown
        room = most - len(self.ellipsis)
        if room >= _LEAST_OF_NAME and _NAME.fullmatch(shown):
            return shown[: (room + 1) // 2] + self.ellipsis + shown[-(room // 2) :]
        return first_columns(shown, room) + self.ellipsis if room > 0 else first_columns(shown, most)

    def wrapped(self, lead: str, text: str, hang: int = 2, style: str = "") -> list[str]:
        """`text` behind `lead`, in the colour of `style`, on as many lines as it needs here.

        Where the page has no width that is one line. A word that is wider than the page is divided only where it is
        no path, and wider than what has to be copied as a whole.

        Args:
            lead: stands before the text on the first line.
            text: without colour.
            hang: how many columns further right than the text the other lines begin.
            style: of the text; empty for no colour.
        """
        if self.width is None:
            pieces = [text]
        else:
            room = max(_LEAST_ROOM, self.width - columns_of(lead))
            pieces = _divided(self.shown(text), room, room - hang, max(self.width, _LONGEST_NAME))
        margin = " " * (columns_of(lead) + hang)
        painted = (self.paint(style, piece) if style else piece for piece in pieces)
        return [f"{margin if number else lead}{piece}" for number, piece in enumerate(painted)]

    def with_remark(self, line: str) -> list[str]:
        """A `line` with a command; where a remark behind it has no room, it stands below, where the command begins."""
        command, _, remark = line.rpartition("    # ")
        if self.width is None or not command or columns_of(self.shown(line)) <= self.width:
            return [line]
        label = _LABEL.match(command)
        assert label  # also of a line without one
        return [command, *self.wrapped(" " * label.end() + "# ", remark, 0)]

    def with_command(self, text: str, command: str) -> list[str]:
        """The `text` that leads to a `command`, and that behind it; where both are wider than the page, below it."""
        is_wide = self.width is not None and columns_of(text) + 1 + columns_of(command) > self.width
        return [text, f"  {command}"] if is_wide else [f"{text} {command}"]

    def widths(self, lines: Sequence[Sequence[str]], least: Sequence[tuple[int, int]]) -> list[int]:
        """How wide each column of `lines` may be, so that a line fits.

        Args:
            lines: of cells as they are shown, the heading among them.
            least: the columns that may be cut, in the order in which they are, and how wide each stays; one may be
                cut again, when others have been.
        """
        widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]
        over = 0 if self.width is None else across(widths) - self.width
        for column, kept in least:
            cut = max(0, min(over, widths[column] - kept))
            widths[column] -= cut
            over -= cut
        return widths


def across(widths: Sequence[int]) -> int:
    """How wide a line with columns of these `widths` is."""
    return sum(widths) + len(_GAP) * (len(widths) - 1)


class Row(NamedTuple):
    """The cells of a line, and the style of one of them by its column; of others none."""

    cells: tuple[str, ...]
    styles: Mapping[int, str] = {}


def table_lines(heading: Sequence[str], rows: Sequence[Row], page: Page, least: Sequence[tuple[int, int]]) -> list[str]:
    """`rows` below their `heading`, a line each that fits `page`; for `least` see `Page.widths`.

    Where a page is narrower than its columns can become, the lines end at its edge.
    """
    first = Row(tuple(heading), dict.fromkeys(range(len(heading)), "bold"))
    shown = [row._replace(cells=tuple(map(page.shown, row.cells))) for row in (first, *rows)]
    fitted = page._replace(shown=unchanged)
    widths = fitted.widths([row.cells for row in shown], least)
    return [_line(row, widths, fitted) for row in shown]


def _line(row: Row, widths: Sequence[int], page: Page) -> str:
    parts: list[str] = []
    left = page.width
    for column, (cell, width) in enumerate(zip(row.cells, widths, strict=True)):
        if column:
            parts.append(_GAP)
            left = left if left is None else left - len(_GAP)
        text = page.cut(cell, width if left is None else max(0, min(width, left)))
        style = row.styles.get(column)
        parts.append(page.paint(style, text) if style and text else text)
        if column + 1 < len(widths):
            parts.append(" " * (width - columns_of(text)))
        left = left if left is None else left - width
    return "".join(parts).rstrip()


def _divided(text: str, first: int, others: int, longest: int) -> list[str]:
    """`text` in pieces of at most `first` and `others` columns, as far as its words allow, of at most `longest`."""
    if columns_of(text) <= first:
        return [text]
    whole = [range(*one.span()) for kind in (_COMMANDS, _BRACKETS) for one in re.finditer(kind, text)]
    gaps = [one for one in _GAPS.finditer(text) if not any(one.start() in part for part in whole)]
    ends = [*(one.start() for one in gaps), len(text)]
    pieces = _pieces_of(text[: ends[0]], first, others, longest)
    for one, end in zip(gaps, ends[1:], strict=True):
        gap, word = one[1], text[one.end() : end]
        room = first if len(pieces) == 1 else others
        if columns_of(pieces[-1]) + len(gap) + columns_of(word) <= room:
            pieces[-1] += gap + word
        else:
            pieces += _pieces_of(word, others, others, longest)
    return pieces


def _pieces_of(word: str, first: int, others: int, longest: int) -> list[str]:
    if columns_of(word) <= longest or "/" in word or " " in word:  # a path, or a command
        return [word]
    pieces = [first_columns(word, first)]
    while rest := word[sum(map(len, pieces)) :]:
        pieces.append(first_columns(rest, others))
    return pieces


def columns_of(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(one) for one in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def first_columns(text: str, width: int) -> str:
    """As much of the beginning of `text` as has place in `width` columns."""
    for end, character in enumerate(text):
        width -= _columns(character)
        if width < 0:
            return text[:end]
    return text
