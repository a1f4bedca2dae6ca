"""Who has which queue, as a grid for people: adapters down, domains across, a letter for each holder."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice, product
from string import ascii_letters, ascii_lowercase
from textwrap import wrap
from typing import Final, NamedTuple

from reconciler.model.ids import IdSet
from reconciler.model.printable import lines_text
from reconciler.planning.grid import Cell, CellState, Grid, Holder
from reconciler.planning.status import Status
from reconciler.render.changes import few_text
from reconciler.render.status_text import FREE_MEANS, compared_text
from reconciler.render.table import Page, columns_of, unchanged
from reconciler.render.text import MOST_LINES, counted

USUAL_WIDTH: Final = 80
"""In columns, where the output has no width of its own."""

_LEAST_WIDTH: Final = 15
"""In columns: on a narrower page there is no place for the number of an adapter and one cell."""


class _Sign(NamedTuple):
    """How a state is shown: the mark behind the letter of the holder, the style, and what it means."""

    mark: str
    style: str
    meaning: str


_FREE: Final = "-"
_HOST: Final = "·"
_HOST_IN_ASCII: Final = "."
_SIGNS: Final = {
    CellState.CONFLICT: _Sign("!", "error", "conflict: only one of several can have it"),
    CellState.PENDING: _Sign("?", "warning", "pending: the hardware is not there yet"),
    CellState.PLANNED: _Sign("+", "added", "planned: the next apply gives it"),
    CellState.LEAVING: _Sign(">", "removed", "leaving: the next apply takes it away"),
    CellState.ON_DEMAND: _Sign("*", "changed", "on-demand: claimed for while its VM runs"),
}
_AFTER_A_RESUME: Final = {
    CellState.PLANNED: "planned: the next apply after a resume gives it",
    CellState.LEAVING: "leaving: the next apply after a resume takes it away",
}
_WORDS: Final = {
    CellState.HELD: "held",
    CellState.HOST: "of the host",
    CellState.FREE: "free",
    CellState.PENDING: "pending",
    CellState.PLANNED: "planned",
    CellState.LEAVING: "leaving",
    CellState.ON_DEMAND: "on demand",
    CellState.CONFLICT: "in conflict",
}
_ALWAYS_COUNTED: Final = (CellState.HELD, CellState.HOST, CellState.FREE)
_MOST_CONFLICTS: Final = 6
_MOST_QUEUES: Final = 4
_MOST_FOLDED_LINES: Final = 3
_GAP: Final = 3
_FOLDED: Final = ":"
_READING: Final = "  ids are in hex, and those of domains are read downwards"
_NONE_OF_THESE: Final = "None of these guests has or claims a queue."
_NO_QUEUE: Final = "No queue is there, held or claimed."
_BELOW_SIGN: Final = " " * len("  !  ")


def letters_of(grid: Grid) -> dict[str, str]:
    """What stands for each holder, by the uuid of its device: a letter, or several where there are too few letters.

    The letters are those of the whole host, also where only a part of it is shown.
    """
    holders = [one for one in grid.holders if not (one.held.is_empty and one.claims.is_empty)]
    codes: Iterable[str] = ascii_letters
    if len(holders) > len(ascii_letters):
        length = next(size for size in range(2, 99) if len(ascii_lowercase) ** size >= len(holders))
        codes = map("".join, product(ascii_lowercase, repeat=length))
    return {one.uuid: code for one, code in zip(holders, codes, strict=False)}


def matrix_text(
    status: Status,
    grid: Grid,
    shown: Grid,
    page: Page,
    *,
    most: int | None = MOST_LINES,
    unseen: Sequence[str] = (),
    whole: str = "",
    nothing: str | None = None,
) -> str:
    """The grid as text.

    Args:
        status: of the host: its name, and what it is compared with.
        grid: of the whole host: its letters, and what is counted.
        shown: what is drawn: all of it, or some holders.
        page: what it is drawn on.
        most: how many lines there are at most; what is left out is counted. None: everything is shown.
        unseen: what could not be seen, and why, a sentence each.
        whole: the command that shows what is left out; empty where there is none.
        nothing: what is said where nothing is drawn, empty for nothing at all; None: that there is no queue.
    """
    page = page._replace(width=max(page.width or USUAL_WIDTH, _LEAST_WIDTH))
    drawing = _Drawing(grid, shown, page, nothing, status.suspended_uuids, is_host_suspended=bool(status.suspended))
    part = drawing.whole
    head = [page.paint("bold", page.cut(f"Host {status.host}"))]
    head += _divided("  compared    ", compared_text(status), page)
    if status.suspended:
        head += [page.paint("warning", line) for line in _divided("  suspended   ", status.host_suspended, page)]
    head += [page.paint("warning", line) for one in unseen for line in _divided("  not seen    ", one, page)]
    head.append("")
    summary = [page.paint("bold", line) for line in _summary(grid, shown, page.width or USUAL_WIDTH)]
    lines = [*head, *drawing.lines(part, None), *drawing.marks(part, None), *summary]
    if most is not None and len(lines) > most:
        hint = [*page.with_remark(f"  next: {whole}    # shows all of it"), ""] if whole else []
        room = most - len(head) - len(drawing.marks(part, _MOST_CONFLICTS)) - len(hint) - len(summary)
        part = drawing.fitting(room)
        lines = [*head, *drawing.lines(part, room), *drawing.marks(part, _MOST_CONFLICTS), *hint, *summary]
    return lines_text(lines)


def _divided(lead: str, text: str, page: Page) -> list[str]:
    """`text` behind `lead` on as many lines as it needs, none of them wider than the page, however narrow that is."""
    return [page._replace(shown=unchanged).cut(line) for line in page.wrapped(lead, text, 0)]


def _summary(grid: Grid, shown: Grid, width: int) -> list[str]:
    """How many queues there are of each state in `grid`, in as many lines as `width` asks for.

    Those that are present add up to all of these; the others are counted apart. Where only a part is `shown` it says
    that the numbers are not those of the part.
    """
    absent = Counter(cell.state for cell in grid.cells if not cell.is_there)
    present = {state: grid.counts[state] - absent[state] for state in _WORDS}
    parts = [f"{count:,} {_WORDS[state]}" for state, count in present.items() if count or state in _ALWAYS_COUNTED]
    others = [f"{absent[state]:,} {words}" for state, words in _WORDS.items() if absent[state]]
    rest = f" Not present: {', '.join(others)}." if others else ""
    queues = counted(grid.present, "queue")
    lead = f"{queues} present"
    if shown is not grid:
        lead = f"On the whole host {queues} {'is' if grid.present == 1 else 'are'} present"
    return wrap(f"{lead}: {', '.join(parts)}.{rest}", width)


class _Band(NamedTuple):
    """A row or a column: one id, or several that look alike and have no holder; there may be gaps between them."""

    ids: IdSet

    @property
    def first(self) -> int:
        """The lowest id."""
        return next(iter(self.ids))

    @property
    def label(self) -> str:
        """Its id in hex, or the first and the last one."""
        first, *others = self.ids
        return f"{first:02x}-{others[-1]:02x}" if others else f"{first:02x}"

    @property
    def unbroken(self) -> "list[_Band]":
        """The same in parts without a gap, of which the label names no id that is not there."""
        return [_Band(IdSet(range(first, last + 1))) for first, last in self.ids.ranges()]


class _Part(NamedTuple):
    """Rows and columns that are drawn: all of them, or the first ones."""

    rows: Sequence[_Band]
    columns: Sequence[_Band]


def _bands(lines: Mapping[int, Mapping[int, Cell]], taken: Container[int] = ()) -> list[_Band]:
    """Rows or columns in their order, where those without a holder that look alike are folded into one.

    Those that are `taken` have a holder that is not shown.
    """

    def look(item: tuple[int, Mapping[int, Cell]]) -> object:
        number, cells = item
        if number in taken or any(cell.holder for cell in cells.values()):
            return number
        return frozenset((other, cell.state) for other, cell in cells.items())

    return [_Band(IdSet(number for number, _ in run)) for _, run in groupby(lines.items(), look)]


class _Drawing:
    """The parts of the text below its heading."""

    def __init__(
        self,
        grid: Grid,
        shown: Grid,
        page: Page,
        nothing: str | None,
        suspended: Container[str] = (),
        *,
        is_host_suspended: bool = False,
    ) -> None:
        self._grid = grid
        self._shown = shown
        self._page = page
        self._across = page.width or USUAL_WIDTH
        self._host = _HOST if page.shown(_HOST) == _HOST else _HOST_IN_ASCII
        self._letters = letters_of(grid)
        self._width = max(map(len, self._letters.values()), default=1) + 1
        columns: dict[int, dict[int, Cell]] = {}
        for adapter, row in shown.rows.items():
            for domain, cell in row.items():
                columns.setdefault(domain, {})[adapter] = cell
        self._rows = [part for one in _bands(shown.rows) for part in one.unbroken]
        taken = {cell.queue.domain for cell in grid.cells if cell.holder} if shown is not grid else set()
        self._columns = _bands(dict(sorted(columns.items())), taken)
        self._edge = max([len("adapter"), *(len(row.label) + 2 for row in self._rows)]) + 2
        # Who claims the same queue is said in words.
        self._conflicts = _claimed_by_several(shown, CellState.CONFLICT)
        self._shared = _claimed_by_several(shown, CellState.ON_DEMAND)
        self._suspended = suspended
        # Where it is the whole host, one line above says so instead of a remark behind each name.
        self._marked: Container[str] = () if is_host_suspended else suspended
        self._nothing = (_NONE_OF_THESE if nothing is None else nothing) if grid.rows else _NO_QUEUE

    @property
    def whole(self) -> _Part:
        """All rows and columns."""
        return _Part(self._rows, self._columns)

    def lines(self, part: _Part, room: int | None) -> list[str]:
        """The `part` of the grid, and whom its letters stand for, in at most `room` lines; None: no limit."""
        if not self._rows:
            return [self._nothing, ""] if self._nothing else []
        blocks = self._blocks(*part)
        return [*blocks, *self._legend(None if room is None else room - len(blocks), part)]

    def fitting(self, room: int) -> _Part:
        """As many rows of as many blocks as have place in `room` lines with the names of their holders."""
        names = len(self._legend(None, self.whole))
        return self._fitting(room - min(names, room // 3)) if self._rows else self.whole

    def _fitting(self, room: int) -> _Part:
        """As many rows of as many blocks as have place in `room` lines, with the lines that count the rest."""
        frame, rest = len(["domain", "digit", "digit", ""]), len(["more rows", "more columns"])
        columns: list[_Band] = []
        rows: list[_Band] = []
        for block in self._divided_columns(self._columns):
            here = [row for row in self._rows if self._is_in(row, block)]
            room -= len(here) + frame
            if room < rest and columns:
                break
            columns += block
            if room < rest:  # not even one block has place
                return _Part(here[: max(1, len(here) + room - rest)], columns)
            rows = [row for row in self._rows if row in rows or row in here]
        return _Part(rows, columns)

    @property
    def _per_block(self) -> int:
        return max(1, (self._across - self._edge) // self._width)

    def _blocks(self, rows: Sequence[_Band], columns: Sequence[_Band]) -> list[str]:
        lines = []
        for block in self._divided_columns(columns):
            shown = [self._row(row, block) for row in rows if self._is_in(row, block)]
            lines += [*self._header(block), *shown, ""] if shown else []
        if len(rows) < len(self._rows):
            lines[-1:] = [f"  {self._page.ellipsis} and {counted(len(self._rows) - len(rows), 'more row')}", ""]
        if len(columns) < len(self._columns):
            left = counted(len(self._columns) - len(columns), "more column")
            lines[-1:] = [f"  {self._page.ellipsis} and {left}", ""]
        return lines

    def _divided_columns(self, columns: Sequence[_Band]) -> Iterator[Sequence[_Band]]:
        """`columns` in as many blocks as the page is narrow."""
        for start in range(0, len(columns), self._per_block):
            yield columns[start : start + self._per_block]

    def _is_in(self, row: _Band, block: Sequence[_Band]) -> bool:
        """Whether anything of `row` stands in `block`."""
        cells = self._shown.rows[row.first]
        return any(one.first in cells for one in block)

    def _header(self, block: Sequence[_Band]) -> Iterator[str]:
        yield f"{'':{self._edge}}domain"
        labels = [one.label if len(one.ids) == 1 else f" {_FOLDED}" for one in block]
        yield f"{'':{self._edge}}{self._digits(labels, 0)}".rstrip()
        yield f"{'adapter':{self._edge}}{self._digits(labels, 1)}".rstrip()

    def _digits(self, labels: Iterable[str], place: int) -> str:
        return "".join(label[place].ljust(self._width) for label in labels)

    def _row(self, row: _Band, block: Sequence[_Band]) -> str:
        cells = self._shown.rows[row.first]
        return f"  {row.label:{self._edge - 2}}{''.join(self._cell(cells.get(one.first)) for one in block)}".rstrip()

    def _cell(self, cell: Cell | None) -> str:
        if cell is None:
            return " " * self._width
        if cell.holder is None:
            text = self._host if cell.state is CellState.HOST else _FREE
            return self._page.paint("faint", text) + " " * (self._width - 1)
        sign = _SIGNS.get(cell.state)
        text = self._letters[cell.holder.uuid] + (sign.mark if sign else "")
        return (self._page.paint(sign.style, text) if sign else text) + " " * (self._width - len(text))

    def _legend(self, room: int | None, part: _Part) -> list[str]:
        """Who is meant by each letter in `part`, in at most `room` lines."""
        found = {cell.holder.uuid: cell.holder for cell in self._cells(part) if cell.holder}
        holders = sorted(found.values(), key=lambda one: (one.name, one.uuid))
        if not holders:
            return []
        page = self._across - len("  ")
        entries = [self._entry(one, page) for one in holders]
        width = max(map(len, entries)) + _GAP
        across = max(1, (page + _GAP) // width)
        shown = len(entries) if room is None else max(1, room - 2) * across
        more = self._left_out(entries[shown:])
        if more[1:] and room is not None:  # what counts the others takes more than one line
            shown = max(1, room - 1 - len(more)) * across
            more = self._left_out(entries[shown:])
        lines = [
            f"  {''.join(entry.ljust(width) for entry in entries[start : start + across])}".rstrip()
            for start in range(0, min(len(entries), shown), across)
        ]
        return [*lines, *more, ""]

    def _left_out(self, left: Sequence[str]) -> list[str]:
        """How many holders are `left` out, the first and the last of them; no name is cut where a line has room."""
        if not left:
            return []
        which = f"from {left[0]} to {left[-1]}" if left[1:] else left[0]
        more = f"and {counted(len(left), 'more holder')}, {which}"
        return _divided(f"  {self._page.ellipsis} ", more, self._page)

    def _entry(self, holder: Holder, width: int) -> str:
        """The letter and the name of `holder`, and whether it is suspended, in at most `width` columns."""
        lead = f"{self._letters[holder.uuid]} "
        mark = " (suspended)" if holder.uuid in self._marked else ""
        room = max(0, width - len(lead) - len(mark))
        return self._page.cut(f"{lead}{self._page.cut(holder.name, room)}{mark}", width)

    def _cells(self, part: _Part) -> Iterator[Cell]:
        """A cell for each row and column of `part`, where there is one."""
        for row in part.rows:
            cells = self._shown.rows[row.first]
            yield from (cells[column.first] for column in part.columns if column.first in cells)

    def _folded_lines(self, part: _Part, most: int | None) -> list[str]:
        """Which domains the columns of `part` without an id stand for, in at most `most` lines; None: no limit."""
        folded = IdSet(chain.from_iterable(one.ids for one in part.columns if len(one.ids) > 1))
        text = f"domains that no guest has or claims: {folded}"
        lines = _divided(f"  {_FOLDED}  ", text, self._page) if folded else []
        if most is None or len(lines) <= most:
            return lines
        return [*lines[: most - 1], self._page.cut(f"{lines[most - 1]} {lines[most]}", columns_of(lines[most - 1]))]

    def _claimed_lines(self, state: CellState, most: int | None) -> Iterator[str]:
        """Who claims the same queues in `state`, at most `most` groups, to stand below its sign."""
        if state is CellState.CONFLICT:
            for one in self._conflicts[:most]:
                yield from self._conflict_text(one)
            groups, noun = self._conflicts, "more conflict"
        elif state is CellState.ON_DEMAND:
            yield from (self._page.cut(f"{_BELOW_SIGN}{one}") for one in self._shared[:most])
            groups, noun = self._shared, "more group"
        else:
            return
        if most is not None and len(groups) > most:
            yield f"{_BELOW_SIGN}{self._page.ellipsis} and {counted(len(groups) - most, noun)}"

    def _conflict_text(self, conflict: str) -> Iterator[str]:
        """Who contends for what: names are not cut before they are very many."""
        room = self._across - len(_BELOW_SIGN)
        first, *rest = wrap(conflict, room, break_on_hyphens=False)
        yield self._page.paint("error", f"{_BELOW_SIGN}{first}")
        yield from (self._page.paint("error", f"{_BELOW_SIGN}  {line}") for line in rest[:1])
        if rest[1:]:
            yield self._page.paint("error", f"{_BELOW_SIGN}  {self._page.cut(' '.join(rest[1:]), room - 2)}")

    def marks(self, part: _Part, most: int | None) -> list[str]:
        """What each sign in `part` means, with at most `most` groups of queues that several claim; None: all.

        Conflicts are named wherever they are: they say more than what a sign means.
        """
        states = {cell.state for cell in self._cells(part)}
        states |= {CellState.CONFLICT} if self._conflicts else set()
        lines = [self._page.cut(_READING, self._across)] if self._rows else []
        lines += self._folded_lines(part, None if most is None else _MOST_FOLDED_LINES)
        if CellState.HELD in states and not states.isdisjoint(_SIGNS):
            lines.append(self._meaning(" ", "a letter alone: the guest has it"))
        for state, sign in _SIGNS.items():
            if state in states:
                meaning, waiting = self._after_a_resume(state, part)
                lines.append(self._meaning(sign.mark, meaning or sign.meaning, sign.style))
                lines += [self._page.cut(f"{_BELOW_SIGN}{waiting}", self._across)] if waiting else []
                lines += self._claimed_lines(state, most)
        if CellState.HOST in states:
            lines.append(self._meaning(self._host, "the host's own drivers"))
        if CellState.FREE in states:
            lines.append(self._meaning(_FREE, f"free: {FREE_MEANS}"))
        if self._leaves_out(part):
            lines.append(self._meaning(" ", "blank: there is no such queue, or it was not asked for"))
        return [*lines, ""] if lines else []

    def _leaves_out(self, part: _Part) -> bool:
        """Whether a place in `part` is blank because its queue was not asked for."""
        return any(
            column.first in self._grid.rows[row.first] and column.first not in self._shown.rows[row.first]
            for row, column in product(part.rows, part.columns)
        )

    def _after_a_resume(self, state: CellState, part: _Part) -> tuple[str, str]:
        """What the sign of `state` means where all guests with it in `part` are suspended, and which of them are.

        Both are empty where no one is, and the first one where not all are.
        """
        cells = (cell for cell in self._cells(part) if cell.state is state)
        holders = {cell.holder.uuid: cell.holder.name for cell in cells if cell.holder}
        waiting = sorted(name for uuid, name in holders.items() if uuid in self._suspended)
        if state not in _AFTER_A_RESUME or not waiting:
            return "", ""
        names = few_text(waiting)
        if len(waiting) == len(holders):
            return _AFTER_A_RESUME[state], f"suspended: {names}"
        return "", f"suspended, so only after a resume: {names}"

    def _meaning(self, sign: str, meaning: str, style: str = "") -> str:
        shown = self._page.paint(style, sign) if style else sign
        return f"  {shown}  {self._page.cut(meaning, self._across - len(_BELOW_SIGN))}"


def _claimed_by_several(grid: Grid, state: CellState) -> list[str]:
    """Which queues in `state` several holders claim, and who, a line for each group of them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for cell in grid.cells:
        if cell.state is state and len(cell.contenders) > 1:
            found.setdefault(cell.contenders, []).append(str(cell.queue))
    return [f"{_several(queues)}: {' and '.join(names)}" for names, queues in found.items()]


def _several(queues: Sequence[str]) -> str:
    more = len(queues) - _MOST_QUEUES
    return ", ".join(islice(queues, _MOST_QUEUES)) + (f" and {more:,} more" if more > 0 else "")
