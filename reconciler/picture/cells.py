"""What a picture of a host shows: adapters down, domains across, and in each row runs of cells that are alike.

It is a value of its own, made of the grid of a plan or a status (`reconciler.render.pictures`) and drawn by
`reconciler.picture.svg`. As JSON (`PICTURES`) it is small, so that the loop can publish it for readers that have no
rights on the host; read again it is checked as anything from outside.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise, product
from string import ascii_lowercase, digits
from typing import Any, Final, NamedTuple

from reconciler.model.codec import BadRecord, Codec, Form
from reconciler.model.ids import ID_COUNT, IdSet


class State(StrEnum):
    """How a queue stands; the words are those of `reconciler.planning.grid.CellState`, and one more for machines."""

    CONFLICT = "conflict"
    PENDING = "pending"
    PLANNED = "planned"
    LEAVING = "leaving"
    ON_DEMAND = "on-demand"
    HELD = "held"
    HOST = "host"
    FREE = "free"
    STANDBY = "standby"  # no active LPAR has it, and an inactive one is to have it


class Side(StrEnum):
    """What a picture is of: a moment of a host, or a machine."""

    NOW = "now"  # the host as it is, with what the next apply changes
    BEFORE = "before"  # the host before a plan
    AFTER = "after"  # the host when the plan is done
    MACHINE = "machine"  # the LPARs of a machine, as they are described


class Band(NamedTuple):
    """The ids of a row or a column, 0 to 255: one, or several without a holder that look alike and are folded."""

    first: int
    last: int

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several ids."""
        return self.first != self.last


class Card(NamedTuple):
    """The card of a row, in words for people.

    Attributes:
        type: such as ``CEX7``; empty where no card is there.
        mode: ``CCA``, ``EP11`` or ``accel.``; empty where that is not known.
        state: ``online``, ``offline``, ``standby``, ``check-stopped`` or ``not there``; empty where it
            is not known.
    """

    type: str
    mode: str
    state: str


NO_CARD: Final = Card("", "", "not there")
UNKNOWN_CARD: Final = Card("", "", "")
"""It is not known whether a card is there."""


class Shown(NamedTuple):
    """What all cells of a run have in common.

    Attributes:
        state: how they stand.
        holder: the index of their holder; None for the host, and where no holder has or claims them.
        others: the indexes of those who have or claim them besides.
        of_host: whether the host's drivers have them besides, or are to keep them.
        is_there: whether the hardware is there.
        changes: whether the plan changes who has them.
    """

    state: State
    holder: int | None = None
    others: tuple[int, ...] = ()
    of_host: bool = False
    is_there: bool = True
    changes: bool = False


class Run(NamedTuple):
    """Neighbouring cells of a row that are alike: the indexes of its first and last column, and what they show."""

    first: int
    last: int
    shown: Shown


class Row(NamedTuple):
    """An adapter, or several that are folded, with its card and its runs from left to right."""

    band: Band
    card: Card
    runs: tuple[Run, ...]


SUSPENDED: Final = ", suspended"
"""The end of what a suspended guest is called."""


class Holder(NamedTuple):
    """A guest, a device that no manifest names, or an LPAR.

    Attributes:
        name: of the guest or LPAR, or the uuid of the device.
        uuid: of the device; empty for an LPAR.
        initials: what stands for it in the picture: one to three characters, unique in it.
        kind: what it is, in words: ``active``, ``on-demand``, ``inactive``, which LPAR it is a standby of, or that no
            manifest names it; `SUSPENDED` follows where it is.
    """

    name: str
    uuid: str
    initials: str
    kind: str

    @property
    def is_suspended(self) -> bool:
        """Whether the next apply leaves it as it is."""
        return self.kind.endswith(SUSPENDED)


class Picture(NamedTuple):
    """All of it.

    Attributes:
        host: the name of the host or machine.
        side: which moment it is of, or that it is of a machine.
        about: what the host is compared with, or which plan this is, for people.
        holders: ascending by name; those that have or claim nothing are left out.
        columns: domains, ascending.
        rows: adapters, ascending.
        counts: how many queues there are in each state, on the whole host.
        present: how many queues are there, on the whole host.
    """

    host: str
    side: Side
    about: str
    holders: tuple[Holder, ...]
    columns: tuple[Band, ...]
    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    present: int

    def domains_of(self, run: Run) -> IdSet:
        """The domains of `run`."""
        bands = self.columns[run.first : run.last + 1]
        return IdSet(one for band in bands for one in range(band.first, band.last + 1))


def runs_of(cells: Iterable[Shown | None]) -> tuple[Run, ...]:
    """The runs of a row that has these cells, from the first column to the last; None where a cell is empty."""
    runs: list[Run] = []
    start, current, place = 0, None, -1
    for place, cell in enumerate(cells):
        if cell is not current and cell != current:
            if current is not None:
                runs.append(Run(start, place - 1, current))
            start, current = place, cell
    if current is not None:
        runs.append(Run(start, place, current))
    return tuple(runs)


# Initials ------------------------------------------------------------------------------------------------------------

_LONGEST: Final = 3
_WORDS: Final = re.compile("[a-z]+|[0-9]+")


def initials_of(names: Iterable[str]) -> list[str]:
    """What stands for each of `names`, in their order: one to three letters and digits, no two alike.

    ``guest1`` is ``g1``, ``payments-db`` is ``pd``. Where such initials are taken, others of the same name are, and in
    the end a number; of more than 46,656 names these have four characters.
    """
    taken: set[str] = set()
    numbers = _numbers()
    found = []
    for name in names:
        one = next((one for one in _candidates(name.lower()) if one and one not in taken), "")
        while not one or one in taken:
            one = next(numbers)
        taken.add(one)
        found.append(one)
    return found


def _candidates(name: str) -> Iterator[str]:
    words: Sequence[str] = _WORDS.findall(name)
    letters = "".join(words)
    first = "".join(one.lstrip("0") or "0" if one.isdigit() else one[0] for one in words)
    if len(words) > 1 and len(first) <= _LONGEST:
        yield first
    if len(words) == 1:
        yield letters[:2]
    if words:
        yield (words[0][0] + (words[-1].lstrip("0") if words[-1].isdigit() else words[-1]))[:_LONGEST]
        yield "".join(one[0] for one in words)[:_LONGEST]
    yield letters[:_LONGEST]
    yield letters[-_LONGEST:]
    yield letters[:1] + letters[-2:]


def _numbers() -> Iterator[str]:
    for length in range(2, 99):
        yield from map("".join, product(digits + ascii_lowercase, repeat=length))


# As JSON -------------------------------------------------------------------------------------------------------------

_RUN: Final = re.compile(r"(\d{1,3})-(\d{1,3}) ([a-z-]+)(?: (\d{1,6}(?:,\d{1,6})*))?(?: (h?x?c?))?", re.ASCII)


def _run_text(run: Run) -> str:
    """A run in few characters, since there may be thousands of them: ``3-7 held 12,4 xc``."""
    shown = run.shown
    holders = () if shown.holder is None else (shown.holder, *shown.others)
    flags = "h" * shown.of_host + "x" * (not shown.is_there) + "c" * shown.changes
    words = (f"{run.first}-{run.last}", shown.state.value, ",".join(map(str, holders)), flags)
    return " ".join(word for word in words if word)


def _run_of(text: str) -> Run:
    found = _RUN.fullmatch(text)
    if not found:
        raise ValueError("it is no run of cells")
    first, last, state, holders, flags = found.groups("")
    indexes = [int(one) for one in holders.split(",")] if holders else []
    shown = Shown(
        State(state),
        indexes[0] if indexes else None,
        tuple(indexes[1:]),
        of_host="h" in flags,
        is_there="x" not in flags,
        changes="c" in flags,
    )
    return Run(int(first), int(last), shown)


def _check_band(band: Band) -> None:
    if not band.first <= band.last < ID_COUNT:
        raise BadRecord("it is no range of ids")


def _check_picture(picture: Picture) -> None:
    """Refuse a picture that cannot be drawn: each run has its columns and holders, and no two lie upon each other."""
    for bands, name in ((picture.columns, "columns"), ([one.band for one in picture.rows], "rows")):
        if any(one.last >= other.first for one, other in pairwise(bands)):
            raise BadRecord("ids are not ascending", name)
    for number, row in enumerate(picture.rows):
        edge = -1
        for run in row.runs:
            holders = (run.shown.holder or 0, *run.shown.others)
            if not edge < run.first <= run.last < len(picture.columns):
                raise BadRecord("a run has no place in it").within(number).within("rows")
            if run.shown.holder is not None and max(holders) >= len(picture.holders):
                raise BadRecord("a run has a holder that is not there").within(number).within("rows")
            edge = run.last


TEXTS: Final[Mapping[Any, Form]] = {Run: Form(_run_text, _run_of)}
CHECKS: Final[Mapping[Any, Callable[[Any], Any]]] = {Band: _check_band, Picture: _check_picture}
"""What a codec needs to read and write values that have pictures in them."""

PICTURES: Final = Codec(TEXTS, checks=CHECKS)
"""Reads and writes pictures: a picture that is read can be drawn."""
