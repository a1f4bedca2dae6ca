"""Problems as text, in the manner of a good compiler: what, where with a caret, and what to do."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from reconciler.model.printable import lines_text
from reconciler.model.problems import WRONG_DIRECTORY, Place, Problem, Severity, is_rest, rest_of
from reconciler.render.table import Page, unchanged
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
        lines += _place_lines(place, gutter, problem.severity, paint, width)
    edge = f"{' ' * gutter} ="
    for detail in problem.details:
        lines += page.wrapped(f"{edge} ", detail, 0)
    if problem.help:
        first, *rest = problem.help.split("\n")
        lines += [*page.wrapped(f"{edge} help: ", first, 0), *(f"{' ' * gutter}         {line}" for line in rest)]
    return lines_text(lines)


def _place_lines(place: Place, gutter: int, severity: Severity, paint: Paint, width: int | None) -> list[str]:
    space = " " * gutter
    arrow = f"{space}{paint('faint', '-->')} {place}"
    if not place.excerpt:
        return [f"{arrow}  {place.label}".rstrip()]
    # The caret stands below its character only where each one is shown as one, tabs included.
    room = None if width is None else max(_LEAST_EXCERPT, width - gutter - len(" | "))
    excerpt, column = _around(place, place.excerpt.replace("\t", " "), room)
    caret = paint(severity, "^" * max(1, min(place.width, len(excerpt) - column)))
    edge = paint("faint", "|")
    return [
        arrow,
        f"{space} {edge}",
        f"{place.position.line:>{gutter}} {edge} {excerpt}",
        f"{space} {edge} {' ' * column}{caret} {place.label}".rstrip(),
    ]


_LEAST_EXCERPT: Final = 20
_BEFORE_CARET: Final = 12
"""How many characters before the caret stay at least, where there are as many."""

_CUT: Final = "…"


def _around(place: Place, text: str, room: int | None) -> tuple[str, int]:
    """The part of the line `text` around the caret that has `room`, and the column of the caret in it, from 0."""
    column = min(place.position.column - 1, len(text))
    if room is None or len(text) <= room:
        return text, column
    end = column + place.width + len(f" {place.label}".rstrip())
    start = min(max(0, column - _BEFORE_CARET), max(0, end - room + len(_CUT)))
    shown = f"{_CUT}{text[start + 1 :]}" if start else text
    return (f"{shown[: room - 1]}{_CUT}" if len(shown) > room else shown), column - start


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
