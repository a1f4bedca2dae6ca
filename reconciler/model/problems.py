"""What is wrong, where, and what to do about it.

A problem is a value: the checks make them, `reconciler.render` shows them. Ids are stable, so that people can look
them up in docs/problems.md and programs can match them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Self, TypeVar

from reconciler.model.commands import Command, Here
from reconciler.model.errors import InputError

MOST_NAMES: Final = 10
"""How many names a message lists."""

MOST_SHOWN: Final = 200
"""How many errors, and how many warnings, one run shows one by one; the rest is counted."""

_Found = TypeVar("_Found")

MORE: Final = "more-problems"
"""The id of a problem that stands for others which are not shown."""

TOO_MUCH: Final = "too-much"
NO_MANIFESTS: Final = "no-manifests"
FOREIGN_FILES: Final = "foreign-files"
PATH_MISSING: Final = "path-missing"

WRONG_DIRECTORY: Final = frozenset((NO_MANIFESTS, FOREIGN_FILES))
"""The ids of problems that say that another directory was probably meant: their place, if any, is that directory."""

NO_HOST: Final = "no-host"
UNKNOWN_HOST: Final = "unknown-host"
MISSING_HOST: Final = frozenset((NO_HOST, UNKNOWN_HOST))
"""The ids of problems that say that no manifest describes a Host which guests belong to."""

NOT_SIMULATED: Final = "not-one-simulated-host"
"""The id of the problem with a file that does not describe one simulated host, though it was named as such."""


class Severity(StrEnum):
    """Whether a problem stops the run (``error``), is shown (``warning``), or is only counted (``note``)."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


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
        is_whole: whether it is a file or directory as a whole, which the message names: no line of it is meant.
    """

    position: Position
    label: str = ""
    field: tuple[str | int, ...] = ()
    excerpt: str = ""
    width: int = 1
    is_whole: bool = False

    def __str__(self) -> str:
        return self.position.file if self.is_whole else str(self.position)


class Problem(NamedTuple):
    """One problem, in the words of the person who has to solve it.

    Attributes:
        id: stable name, for example ``guest-overlap``.
        severity: error or warning.
        message: one sentence, what is wrong.
        places: where, the most important one first; empty where no manifest is to blame.
        details: further lines, for example the queues concerned; each a sentence.
        help: what to do.
        stands_for: how many problems, at least 1; more only where some are counted instead of shown.
        advice: the command that shows or does it, completed by `completed`; None where there is none, or no more.
        held_by: the names of suspended guests that have what is needed; whatever the message says.
    """

    id: str
    severity: Severity
    message: str
    places: tuple[Place, ...] = ()
    details: tuple[str, ...] = ()
    help: str = ""
    stands_for: int = 1
    advice: Command | None = None
    held_by: tuple[str, ...] = ()


class InvalidManifests(InputError):
    """The manifests cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


def completed(problem: Problem, here: Here) -> Problem:
    """`problem` with the line of its command in its help."""
    if problem.advice is None:
        return problem
    line = here.line(problem.advice)
    return problem._replace(help=f"{problem.help} Run: {line}" if problem.help else f"Run: {line}", advice=None)


def in_a_line(problem: Problem) -> str:
    """What is wrong, and where: ``./guests.yaml:8:14: '05' has a leading zero``; a file is named once."""
    place = problem.places[0] if problem.places else None
    return problem.message if place is None or place.is_whole else f"{place}: {problem.message}"


def errors_of(problems: tuple[Problem, ...] | list[Problem]) -> list[Problem]:
    """The problems that stop the run."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


class ProblemList:
    """Collects the problems of a run: the first `MOST_SHOWN` errors and warnings, and how many more there are.

    So memory and output stay small, whatever the input. An error is left out only where others are shown, so that no
    decision depends on what was left out.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        """Start with `problems`."""
        self._shown: list[Problem] = []
        self._left = dict.fromkeys(Severity, MOST_SHOWN)
        self._more = dict.fromkeys(Severity, 0)
        self.extend(problems)

    def add(self, problem: Problem) -> Self:
        """Take one more; one that stands for others of the whole run only adds to their number."""
        if self._left[problem.severity] and not is_rest(problem):
            self._left[problem.severity] -= 1
            self._shown.append(problem)
        else:
            self._more[problem.severity] += problem.stands_for
        return self

    def extend(self, problems: Iterable[Problem]) -> Self:
        """Take `problems`, one after the other, in this order."""
        for problem in problems:
            self.add(problem)
        return self

    def is_full(self, severity: Severity = Severity.ERROR) -> bool:
        """Whether a further problem of `severity` would only be counted: explaining it is not worth the time."""
        return not self._left[severity]

    def count(self, severity: Severity = Severity.ERROR, problems: int = 1) -> None:
        """Count so many `problems` that are not explained."""
        self._more[severity] += problems

    @property
    def all(self) -> tuple[Problem, ...]:
        """Those that are shown, in the order in which they came, and at the end one for those that are not."""
        rest = [rest_of(severity, more) for severity, more in self._more.items() if more]
        return (*self._shown, *rest)


def explained(
    found: Iterable[_Found], explain: Callable[[_Found], Problem], severity: Severity = Severity.ERROR
) -> Iterator[Problem]:
    """The problem that `explain` makes of each of `found`; those after the first `MOST_SHOWN` are only counted.

    All have the same `severity`.
    """
    more = -MOST_SHOWN
    for one in found:
        more += 1
        if more <= 0:
            yield explain(one)
    if more > 0:
        yield rest_of(severity, more)


def is_rest(problem: Problem) -> bool:
    """Whether `problem` stands for problems of the whole run that are not shown."""
    return problem.id == MORE and not problem.places


def rest_of(severity: Severity, count: int) -> Problem:
    """What stands for `count` problems of `severity` that are not shown."""
    what = severity.value if count == 1 else f"{severity.value}s"
    message = f"{count:,} more {what} {'is' if count == 1 else 'are'} not shown"
    return Problem(MORE, severity, message, help="Fix those above, then look again.", stands_for=count)


def several(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """The first `most` of `names`, with commas between, and how many more there are: no list fills a screen."""
    listed = list(names)
    more = len(listed) - most
    return f"{', '.join(listed[:most])} and {more:,} more" if more > 0 else ", ".join(listed)
