"""Problems as text, in the manner of a good compiler: what, where with a caret, and what to do."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from reconciler.model.printable import lines_text
from reconciler.model.problems import WRONG_DIRECTORY, Place, Problem, Severity, is_rest, rest_of
from reconciler.render.table import Page, columns_of, first_columns, unchanged
from reconciler.render.text import Paint, counted, plain

MOST_IN_TEXT: Final = 20
"""How many errors, warnings and notes a text shows one by one, each."""

_MOST_OF_OTHERS: Final = 3
"""The same where they are about files of other programs."""


def few_of(problems: Sequence[Problem]) -> list[Problem]:
    """The first of `problems`, and one that counts the rest of each severity: no text is longer than people read.

    That another directory was meant is shown in any case, and first.
    """
    about = [one for one in problems if one.id in WRONG_DIRECTORY]
    most = _MOST_OF_OTHERS if about else MOST_IN_TEXT
    shown, rest = [], []
    for severity in Severity:
        found = [one for one in problems if one.severity is severity and one.id not in WRONG_DIRECTORY]
        # Who is the only one left is shown: it takes no more place than its count.
        cut = most if len(found) > most + 1 or any(map(is_rest, found[most:])) else len(found)
        shown += [one for one in found[:cut] if not is_rest(one)]
        left = sum(one.stands_for for one in found[cut:]) + sum(one.stands_for for one in found[:cut] if is_rest(one))
        rest += [rest_of(severity, left)] if left else []
    if about:  # there is nothing to fix in files of other programs
        rest = [one._replace(help="") for one in rest]
    kept = {id(one) for one in shown}
    few = [one for one in problems if id(one) in kept]
    for one in rest:  # behind the last of its severity: it says that those above are to be fixed
        at = max((at for at, other in enumerate(few, 1) if other.severity is one.severity), default=len(few))
        few.insert(at, one)
    return [*about, *few]


def problems_text(
    problems: Sequence[Problem],
    paint: Paint = plain,
    width: int | None = None,
    shown: Callable[[str], str] = unchanged,
) -> str:
    """The first of `problems`, an empty line between two, and a last line that counts all; empty where there are none.

    Sentences are divided where they are longer than `width`, in columns, as they are `shown`, for example with escapes
    for what the encoding lacks; lines of files are cut, and places are left as they are.
    """
    if not problems:
        return ""
    return "\n".join(
        [
            *(problem_text(one, paint, width, shown) for one in few_of(problems)),
            lines_text([count_text(problems)]),
        ]
    )


def problem_text(
    problem: Problem, paint: Paint = plain, width: int | None = None, shown: Callable[[str], str] = unchanged
) -> str:
    """One problem, several lines, each ended by a newline."""
    gutter = max((len(str(place.position.line)) for place in problem.places if place.excerpt), default=1)
    page, head = Page(width, shown=shown), f"{problem.severity}[{problem.id}]"
    first, *rest = page.wrapped("", f"{head}: {problem.message}")
    lines = [f"{paint(problem.severity, head)}{paint('bold', first.removeprefix(head))}"]
    lines += [f"  {paint('bold', one[2:])}" for one in rest]
    for place in problem.places:
        lines += _place_lines(place, gutter, problem.severity, paint, page)
    edge = f"{' ' * gutter} ="
    for detail in problem.details:
        lines += page.wrapped(f"{edge} ", detail, 0)
    if problem.help:
        first, *rest = problem.help.split("\n")
        lines += [*page.wrapped(f"{edge} help: ", first, 0), *(f"{' ' * gutter}         {line}" for line in rest)]
    return lines_text(lines)


def _place_lines(place: Place, gutter: int, severity: Severity, paint: Paint, page: Page) -> list[str]:
    space = " " * gutter
    arrow = f"{space}{paint('faint', '-->')} {place}"
    if not place.excerpt:
        return [f"{arrow}  {place.label}".rstrip()]
    room = None if page.width is None else max(_LEAST_EXCERPT, page.width - gutter - len(" | "))
    excerpt = _around(place, page, room)
    edge = paint("faint", "|")
    carets = f"{' ' * excerpt.column}{paint(severity, '^' * excerpt.marked)}"
    label = columns_of(page.shown(place.label))
    is_beside = room is None or excerpt.column + excerpt.marked + 1 + label <= room
    indent = " " * excerpt.column if room is not None and excerpt.column + label <= room else ""
    below = [] if is_beside else page._replace(width=room).wrapped(indent, place.label, 0)
    return [
        arrow,
        f"{space} {edge}",
        f"{place.position.line:>{gutter}} {edge} {excerpt.text}",
        f"{space} {edge} {carets}{f' {place.label}' if is_beside else ''}".rstrip(),
        *(f"{space} {edge} {line}" for line in below),
    ]


_LEAST_EXCERPT: Final = 20
_BEFORE_CARET: Final = 12
"""How many columns before the caret stay at least, where there are as many."""


class _Excerpt(NamedTuple):
    """A part of a line as it is shown, the column of its first caret, from 0, and how many carets there are."""

    text: str
    column: int
    marked: int


def _around(place: Place, page: Page, room: int | None) -> _Excerpt:
    """The part of the line around the carets that has `room`, which stand below what they mark.

    Columns are counted as the page shows the line: with escapes and double-width characters, a tab as one space.
    """
    cells = [page.shown(one) for one in place.excerpt.replace("\t", " ")]
    at = [0, *accumulate(map(columns_of, cells))]
    first = min(place.position.column - 1, len(cells))
    column, marked = at[first], at[min(first + place.width, len(cells))]
    cut, start = page.shown(_CUT), 0
    if room is not None and at[-1] > room:
        end = marked + columns_of(f" {page.shown(place.label)}".rstrip())
        start = bisect_left(at, min(max(0, column - _BEFORE_CARET), max(0, end - room + len(cut))))
    if start:
        kept = bisect_left(at, at[start] + len(cut))
        cells = [cut.ljust(at[kept] - at[start]), *cells[kept:]]
    text = "".join(cells)
    if room is not None and columns_of(text) > room:
        text = first_columns(text, room - len(cut)) + cut
    column, marked = column - at[start], marked - at[start]
    return _Excerpt(text, column, max(1, min(marked, columns_of(text)) - column))


_CUT: Final = "…"


def count_text(problems: Sequence[Problem]) -> str:
    """How many there are of each severity: ``2 errors, 1 warning``."""
    return ", ".join(counted(count, one.value) for one, count in counts_of(problems).items() if count)


def counts_of(problems: Sequence[Problem]) -> dict[Severity, int]:
    """How many there are of each severity, those included that others stand for."""
    return {one: sum(problem.stands_for for problem in problems if problem.severity is one) for one in Severity}


def problem_record(problem: Problem) -> dict[str, Any]:
    """One problem as plain values for JSON."""
    return {
        "id": problem.id,
        "severity": problem.severity.value,
        "message": problem.message,
        "places": [_place_record(place) for place in problem.places],
        "details": list(problem.details),
        "help": problem.help,
        "standsFor": problem.stands_for,
    }


def _place_record(place: Place) -> dict[str, Any]:
    return {
        "file": place.position.file,
        "line": place.position.line,
        "column": place.position.column,
        "label": place.label,
        "excerpt": place.excerpt,
    }
