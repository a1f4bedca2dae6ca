"""Pictures of a host, made of the grid of a plan or a status; `reconciler.picture` draws them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from reconciler.model.matrix import Matrix, Queue
from reconciler.model.observed import CardMode, Observed, ObservedCard
from reconciler.picture.cells import (
    NO_CARD,
    SUSPENDED,
    UNKNOWN_CARD,
    Band,
    Card,
    Holder,
    Picture,
    Row,
    Shown,
    Side,
    State,
    initials_of,
    runs_of,
)
from reconciler.planning import grid as grids
from reconciler.planning.grid import Cell, CellState, Grid
from reconciler.planning.plan import Plan
from reconciler.planning.status import Status
from reconciler.render.status_text import card_type, compared_text

_NOTHING: Final[Mapping[int, int]] = {}


def picture_of(status: Status, grid: Grid, shown: Grid | None = None) -> Picture:
    """The picture of a host as it is, with what the next apply changes.

    Args:
        status: of the host: its name and its cards, and what it is compared with.
        grid: of the whole host: its initials, tints and counts.
        shown: what is drawn; None: all of it.
    """
    changes = grids.changes_of(status.plan) if status.plan else _NOTHING
    about = f"compared with {compared_text(status)}"
    made = _pictures([(Side.NOW, grid, shown or grid)], status.observed, status.host, about, changes)[0]
    suspended = status.suspended_uuids
    if not suspended:
        return made
    holders = (one._replace(kind=f"{one.kind}{SUSPENDED}") if one.uuid in suspended else one for one in made.holders)
    return made._replace(holders=tuple(holders))


def pictures_of(plan: Plan, only: Iterable[str] | None = None) -> tuple[Picture, Picture]:
    """The pictures of the host before `plan` and after it, with the same rows and columns.

    Args:
        plan: of which.
        only: the uuids of the holders that are drawn; None: all of them.
    """
    before, after = grids.grids_of(plan)
    chosen = None if only is None else list(only)
    sides = [
        (side, grid, grid if chosen is None else grid.only(chosen))
        for side, grid in ((Side.BEFORE, before), (Side.AFTER, after))
    ]
    about = "this plan" if plan.is_valid else "this plan has errors and cannot be applied"
    first, second = _pictures(sides, plan.observed, plan.desired.host.name, about, grids.changes_of(plan))
    return first, second


def pictures_between(
    host: str,
    pools: tuple[Matrix, Matrix],
    holders: Sequence[grids.Holder],
    queues: Sequence[Queue],
    only: Iterable[str] | None = None,
) -> tuple[Picture, Picture]:
    """The same of what a record says.

    Args:
        host: its name.
        pools: the host pool before and after.
        holders: what each of them holds, keeps and claims.
        queues: those that were there.
        only: the uuids of the holders that are drawn; None: all of them.
    """
    before, after = grids.grids_between(queues, pools, holders)
    chosen = None if only is None else list(only)
    sides = [
        (side, grid, grid if chosen is None else grid.only(chosen))
        for side, grid in ((Side.BEFORE, before), (Side.AFTER, after))
    ]
    first, second = _pictures(sides, None, host, "", grids.changes_between(pools, holders))
    return first, second


def _pictures(
    sides: Sequence[tuple[Side, Grid, Grid]],
    observed: Observed | None,
    host: str,
    about: str,
    changes: Mapping[int, int],
) -> list[Picture]:
    found = {one.adapter: _card(one, observed.mode_of(one.adapter)) for one in observed.cards} if observed else {}
    absent = NO_CARD if observed else UNKNOWN_CARD
    holders = _holders([grid for _, grid, _ in sides])
    if any(shown is not grid for _, grid, shown in sides):  # initials stay those of the whole host
        drawn = _drawn(shown for _, _, shown in sides)
        holders = {uuid: one for uuid, one in holders.items() if uuid in drawn}
    looks = _Looks({uuid: place for place, uuid in enumerate(holders)})
    lines = [
        {
            adapter: {
                domain: looks.of(cell, changes=bool(changes.get(adapter, 0) >> domain & 1))
                for domain, cell in row.items()
            }
            for adapter, row in shown.rows.items()
        }
        for _, _, shown in sides
    ]
    rows, columns = _bands(lines, found)
    return [
        Picture(
            host=host,
            side=side,
            about=about,
            holders=tuple(holders.values()),
            columns=tuple(columns),
            rows=tuple(
                Row(
                    band,
                    found.get(band.first, absent),
                    runs_of(shown.get(band.first, {}).get(column.first) for column in columns),
                )
                for band in rows
            ),
            counts={state.value: count for state, count in grid.counts.items()},
            present=grid.present,
        )
        for (side, grid, _), shown in zip(sides, lines, strict=True)
    ]


def _drawn(every: Iterable[Grid]) -> set[str]:
    """The uuids of those who stand in a cell of any of the grids."""
    cells = (cell for grid in every for cell in grid.cells if cell.holder)
    return {one.uuid for cell in cells for one in (cell.holder, *cell.others) if one}


def _holders(every: Sequence[Grid]) -> dict[str, Holder]:
    """Who has or claims anything in any of the grids, by uuid, in the order of their names."""
    found = {one.uuid: one for grid in every for one in grid.holders if not (one.held.is_empty and one.claims.is_empty)}
    ordered = sorted(found.values(), key=lambda one: (one.name, one.uuid))
    return {
        one.uuid: Holder(one.name, one.uuid, initials, one.guest.activation.value if one.guest else _NOT_NAMED)
        for one, initials in zip(ordered, initials_of(one.name for one in ordered), strict=True)
    }


_NOT_NAMED: Final = "no manifest names it"


class _Looks:
    """What cells show: one value for all that are alike, since there are thousands of them."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._known: dict[object, Shown] = {}

    def of(self, cell: Cell, *, changes: bool) -> Shown:
        """What `cell` shows, which the plan `changes`."""
        holders = (cell.holder, *cell.others) if cell.holder else ()
        of_host = cell.state is CellState.CONFLICT and "the host" in cell.contenders
        is_there = cell.is_there or not holders
        key = (cell.state, changes, is_there, of_host, *(one.uuid for one in holders))
        if key not in self._known:
            places = [self._places[one.uuid] for one in holders]
            first = places[0] if places else None
            self._known[key] = Shown(State(cell.state.value), first, tuple(places[1:]), of_host, is_there, changes)
        return self._known[key]


_Lines = Mapping[int, Mapping[int, Shown]]


def _bands(sides: Sequence[_Lines], cards: Mapping[int, Card]) -> tuple[list[Band], list[Band]]:
    """Rows and columns, where those that have no holder on any side and look alike are folded."""
    adapters = sorted({adapter for side in sides for adapter in side})
    domains = sorted({domain for side in sides for row in side.values() for domain in row})
    turned = [
        {domain: {adapter: row[domain] for adapter, row in side.items() if domain in row} for domain in domains}
        for side in sides
    ]
    return _folded(adapters, sides, cards), _folded(domains, turned, {})


def _folded(numbers: Sequence[int], sides: Sequence[_Lines], cards: Mapping[int, Card]) -> list[Band]:
    def look(place: int) -> object:
        number = numbers[place]
        lines = [side.get(number, {}) for side in sides]
        if any(one.holder is not None for line in lines for one in line.values()):
            return number
        cells = [sorted((other, one.state, one.changes) for other, one in line.items()) for line in lines]
        # Consecutive ids only: a band must not seem to have ids that are not there.
        return number - place, cards.get(number), cells

    runs = (list(run) for _, run in groupby(range(len(numbers)), look))
    return [Band(numbers[run[0]], numbers[run[-1]]) for run in runs]


_SHORT: Final = {CardMode.ACCELERATOR: "accel."}


def _card(card: ObservedCard, mode: CardMode | None) -> Card:
    state = "online" if card.online else "offline"
    if card.checkstopped:
        state = "check-stopped"
    elif not card.configured:
        state = "standby"
    return Card(card_type(card), _SHORT.get(mode, mode.value) if mode else "", state)
