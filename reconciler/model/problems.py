"""What is wrong, where, and what to do about it.

A problem is a value: the checks make them, `reconciler.render` shows them. Ids are stable, so that people can look
them up in docs/problems.md and programs can match them.
"""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """Whether a problem stops the run (``error``) or is only told (``warning``)."""

    ERROR = "error"
    WARNING = "warning"


class Position(NamedTuple):
    """A place in a manifest: the file as it was named or found, line and column counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Place(NamedTuple):
    """A place that a problem points at, with what is to be seen there.

    Attributes:
        position: where it is, or where the document starts that `field` is to be looked up in.
        label: what this place has to do with the problem; may be empty.
        field: the path of a field within the document at `position`, for example ``("spec", "domains")``. A pure
            check knows fields only; `reconciler.manifests.pinpoint` turns them into exact positions.
        excerpt: the text of that line, without its newline; empty where the file could not be read.
        width: how many characters the caret marks, at least 1.
    """

    position: Position
    label: str = ""
    field: tuple[str | int, ...] = ()
    excerpt: str = ""
    width: int = 1


class Problem(NamedTuple):
    """One problem, in the words of the person who has to solve it.

    Attributes:
        id: stable name, for example ``guest-overlap``.
        severity: error or warning.
        message: one sentence, what is wrong.
        places: where, the most important one first; empty where no manifest is to blame.
        details: further lines, for example the queues concerned; each a sentence.
        help: what to do.
    """

    id: str
    severity: Severity
    message: str
    places: tuple[Place, ...] = ()
    details: tuple[str, ...] = ()
    help: str = ""


def errors_of(problems: tuple[Problem, ...] | list[Problem]) -> list[Problem]:
    """The problems that stop the run."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]
