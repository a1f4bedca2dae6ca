"""The list of generations, and of suspensions between them, as a table that fits the page.

Which columns, and what of them, a narrow one keeps.
"""

import re
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from reconciler.model.printable import lines_text
from reconciler.model.suspending import SuspensionChange, SuspensionEvent
from reconciler.render.table import Page, Row, across, table_lines
from reconciler.render.text import iso_time, local

_STYLE: Final = {
    "applied": "good",
    "nothing to do": "good",
    "rolled back": "warning",
    SuspensionEvent.SUSPENDED: "warning",
    SuspensionEvent.RESUMED: "good",
    SuspensionEvent.ENDED: "good",
}
_WORDS: Final = {"not finished": "unfinished", "nothing to do": "no change"}
_WORDS_OF_REMARKS: Final = {"waits to be confirmed": "unconfirmed", "not confirmed in time": "expired"}
_SHORT: Final = 12
_SHORTER: Final = 7

NO_COMMIT: Final = "'-' below COMMIT: "
"""What stands before the reasons why lines of the list have no commit in their column."""

CHANGED: Final = "'+' behind a commit: with uncommitted changes"
"""What the sign behind a commit of the list means."""


class Listed(NamedTuple):
    """What a line of the list says of a generation, or of what happened to a suspension.

    Attributes:
        number: of the generation; None where it is none.
        started: in seconds since 1970; 0 where that is not known.
        result: how it ended, with remarks in brackets.
        by: who applied it.
        what: what it changed.
        briefly: the same with one guest, the rest counted.
        commit: of its manifests; empty where there is none.
        subject: of the commit.
        is_whole: whether it applied its commit, and all of that.
    """

    number: int | None
    started: float
    result: str
    by: str
    what: str
    briefly: str
    commit: str
    subject: str
    is_whole: bool

    @property
    def word(self) -> str:
        """How it ended, in one or two words that fit a narrow column."""
        result, _, remark = self.result.partition(" (")
        return _WORDS_OF_REMARKS.get(remark.rstrip(")").partition(";")[0]) or _WORDS.get(result, result)

    @property
    def in_short(self) -> str:
        """Its commit and what it changed; with the subject where all of that was applied."""
        if not self.commit:
            return self.what
        about = f"{self.briefly}: {self._bare_subject}" if self.subject and self.is_whole else self.what
        return f"{self.commit[:_SHORTER]}{'+' if self.commit.endswith('+') else ''} {about}"

    @property
    def _bare_subject(self) -> str:
        """The subject of its commit, without the guests that it changed where it begins with all of them."""
        head, colon, rest = self.subject.partition(":")
        named = self.what.rpartition(": ")[2].split(", ")
        guests = {one for one in named if " " not in one}  # neither the host pool nor a number of files
        is_said = colon and guests and set(re.split(r"[,\s]+", head.strip())) == guests
        return rest.strip() or self.subject if is_said else self.subject


WHOLE_HOST: Final = "the whole host"


def suspensions_listed(
    changes: Sequence[SuspensionChange], most_names: int | None, zone: tzinfo | None = None
) -> list[Listed]:
    """The lines of what happened to suspensions, in the order of time, which stays.

    Each names at most so many guests, the rest counted (None: all), and says when it replaces one before it.
    """
    running: set[str] = set()
    lines = []
    for one in changes:
        is_again = one.what is SuspensionEvent.SUSPENDED and running.issuperset(one.holders)
        lines.append(_suspension_listed(one, most_names, zone, is_again=is_again))
        running.difference_update(one.holders)
        running.update(one.holders if one.what is SuspensionEvent.SUSPENDED else ())
    return lines


def _suspension_listed(one: SuspensionChange, most_names: int | None, zone: tzinfo | None, *, is_again: bool) -> Listed:
    names = one.guests if most_names is None or len(one.guests) <= most_names + 1 else one.guests[:most_names]
    more = len(one.guests) - len(names) + one.more
    who = ", ".join([*names, *([f"{more:,} more"] if more else [])]) or WHOLE_HOST
    again = " (again)" if is_again else ""
    is_until = one.what is SuspensionEvent.SUSPENDED and one.until is not None
    # Before the reason, which may be long: a narrow column is cut behind it.
    until = f" until {local_time(one.until or 0.0, zone)[:16]}" if is_until else ""
    what = f"{who}{again}{until}: {one.reason}"
    return Listed(None, one.at or 0.0, one.what.value, one.by, what, what, "", "", is_whole=False)


def suspension_record(one: SuspensionChange) -> dict[str, Any]:
    """What happened to a suspension, as plain values."""
    return {
        "at": None if one.at is None else iso_time(one.at),
        "what": one.what.value,
        "wholeHost": not one.guests,
        "guests": list(one.guests),
        "more": one.more,
        "by": one.by or None,
        "reason": one.reason,
        "until": None if one.until is None else iso_time(one.until),
    }


class _Layout(NamedTuple):
    """Columns of the list, and how narrow each of them may become; see `Page.widths`."""

    columns: tuple[str, ...]
    least: tuple[tuple[int, int], ...] = ()
    has_words: bool = True


_IN_SHORT: Final = "COMMIT AND WHAT"
"""The column that has `Listed.in_short`, where there is no room for both."""

_TIMES: Final = ("STARTED", "AT")
"""The columns that say when; the second one without the year where all lines have the same."""

_YEAR: Final = len("2027-")

_LAYOUTS: Final = (
    _Layout(("GEN", "STARTED", "RESULT", "BY", "WHAT", "COMMIT"), has_words=False),
    _Layout(("GEN", "STARTED", "RESULT", "BY", "WHAT", "COMMIT"), ((5, 54), (4, 30), (5, 44), (3, 8), (4, 20))),
    _Layout(("GEN", "STARTED", "RESULT", "BY", _IN_SHORT), ((4, 38), (3, 8), (4, 24), (3, 4))),
    _Layout(("GEN", "AT", "RESULT", "BY", _IN_SHORT), ((4, 30), (3, 8), (4, 20), (3, 4), (4, 14))),
    _Layout(("GEN", "RESULT", _IN_SHORT), ((2, 1),)),
)
"""The first one that fits the page is taken, else the last."""

_WITHOUT_COMMITS: Final = (
    _Layout(("GEN", "STARTED", "RESULT", "BY", "WHAT"), has_words=False),
    _Layout(("GEN", "STARTED", "RESULT", "BY", "WHAT"), ((4, 38), (3, 8), (4, 24), (3, 4))),
    _Layout(("GEN", "AT", "RESULT", "BY", "WHAT"), ((4, 30), (3, 8), (4, 20), (3, 4), (4, 14))),
    _Layout(("GEN", "RESULT", "WHAT"), ((2, 1),)),
)
"""The same for a list in which no generation has a commit."""


def listed_text(generations: Sequence[Listed], page: Page, zone: tzinfo | None = None) -> str:
    """A line for each generation in their order, below a heading, ended by a newline; see `history_text`."""
    layouts = _LAYOUTS if any(one.commit for one in generations) else _WITHOUT_COMMITS
    tables = ((layout, _table(generations, layout, zone)) for layout in layouts)
    layout, (heading, rows) = next(
        (one for one in tables if _fits(one[0], *one[1], page)), (layouts[-1], _table(generations, layouts[-1], zone))
    )
    return lines_text(table_lines(heading, rows, page, layout.least))


def _fits(layout: _Layout, heading: Sequence[str], rows: Sequence[Row], page: Page) -> bool:
    lines = [tuple(map(page.shown, cells)) for cells in (heading, *(row.cells for row in rows))]
    return page.width is None or across(page.widths(lines, layout.least)) <= page.width


def _table(generations: Sequence[Listed], layout: _Layout, zone: tzinfo | None) -> tuple[tuple[str, ...], list[Row]]:
    """The heading and the rows of `layout`."""
    # In most lists the zone is the same in each line; a year has two. So is the year.
    zones = {_zone_name(one.started, zone) for one in generations if one.started}
    years = {local(one.started, zone).year for one in generations if one.started}
    named = f" ({zones.pop()})" if len(zones) == 1 else ""
    heading = tuple(f"{one}{named}" if one in _TIMES else one for one in layout.columns)
    begin = _YEAR if len(years) < 2 else 0
    return heading, [_row(one, layout, zone, with_zone=bool(zones), begin=begin) for one in generations]


class CommitSource(NamedTuple):
    """Where a generation of the list has its commit from.

    Attributes:
        commit: of its manifests; empty where there is none.
        is_undo: whether it made the host as it was before another generation, which no manifests say.
        is_damaged: whether its record cannot be read.
    """

    commit: str
    is_undo: bool
    is_damaged: bool

    @property
    def why_none(self) -> str:
        """Why it has no commit; empty where it has one."""
        if self.commit:
            return ""
        if self.is_damaged:
            return "a record that cannot be read"
        return "an undo, which no commit describes" if self.is_undo else _NO_REPOSITORY


_NO_REPOSITORY: Final = "manifests in no git repository, or in one that git refused"


def commit_notes(listed: str, sources: Sequence[CommitSource]) -> list[str]:
    """What the signs of the list `listed` at and behind its commits mean, as far as they are shown.

    `sources` are those of its generations; only their reasons are named.
    """
    heading = listed.partition("\n")[0]
    reasons = {one.why_none for one in sources if one.why_none}
    in_order = sorted(reasons, key=lambda one: (one == _NO_REPOSITORY, one))  # the longest, with an "or", last
    lacks = "COMMIT" in heading and _IN_SHORT not in heading and in_order
    changed = "COMMIT" in heading and any(one.commit.endswith("+") for one in sources)
    return [*([f"{NO_COMMIT}{'; or '.join(in_order)}"] if lacks else []), *([CHANGED] if changed else [])]


def local_time(seconds: float, zone: tzinfo | None = None) -> str:
    """`seconds` since 1970 as a date and a time of day, with the name of the `zone`; None: the one of this process."""
    found = local(seconds, zone)
    return f"{found:%Y-%m-%d %H:%M:%S} {found.tzname() or f'{found:%z}'}"


def _zone_name(seconds: float, zone: tzinfo | None) -> str:
    return local_time(seconds, zone)[len("2027-01-15 08:00:00 ") :]


def _row(one: Listed, layout: _Layout, zone: tzinfo | None, *, with_zone: bool, begin: int) -> Row:
    named = f" {_zone_name(one.started, zone)}" if with_zone else ""
    started = f"{local_time(one.started, zone)[:16]}{named}" if one.started else "-"
    cells = {
        "GEN": "-" if one.number is None else str(one.number),
        "STARTED": started,
        "AT": started[begin:] or started,
        "RESULT": one.word if layout.has_words else one.result,
        "BY": one.by or "-",
        "WHAT": one.what,
        _IN_SHORT: one.in_short,
        "COMMIT": "" if one.number is None else commit_text(one.commit, one.subject),
    }
    style = result_style(one.result.partition(" (")[0])
    return Row(tuple(cells[name] for name in layout.columns), {layout.columns.index("RESULT"): style})


def result_style(result: str) -> str:
    """The style of how a generation ended."""
    return _STYLE.get(result, "error")


def commit_text(commit: str, subject: str) -> str:
    """The commit of manifests, short, and its subject."""
    if not commit:
        return "-"
    return f"{commit[:_SHORT]}{'+' if commit.endswith('+') else ''} {subject}".rstrip()
