"""A picture as SVG: one that stands alone, one to be embedded, or its parts, so that its heads stay where it scrolls.

Embedded SVG has classes and presentation attributes only, and needs the rules of `STYLE` in the page's style sheet; one
that stands alone has them in it. Neither has a script, or anything from elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.ids import IdSet
from reconciler.picture.cells import NO_CARD, UNKNOWN_CARD, Band, Picture, Row, Run, Shown, Side, State
from reconciler.picture.colours import DARK, LIGHT, style_of, tint_of
from reconciler.picture.markup import Markup, cut, element, joined

WIDE: Final = 64
"""Up to so many columns each cell has place for initials; with more of them only runs that are long enough have."""

LEAST_FOR_INITIALS: Final = 18
"""How wide a run is that has its initials in it, in pixels."""

_CELL: Final = 26
_NARROW_CELL: Final = 12
_ROW: Final = 22
LONGEST_NAME: Final = 64
_ROW_HEAD: Final = 236
_COLUMN_HEAD: Final = 36

_FONT: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_SHAPE: Final = (
    f".crypto-matrix{{font-family:{_FONT}}}"
    ".crypto-matrix text{stroke:none}"
    ".crypto-matrix .hatch{fill:none;stroke-width:1.6}"
)
STYLE: Final = f"{_SHAPE}{style_of(LIGHT)}@media (prefers-color-scheme:dark){{{style_of(DARK)}}}"
"""The rules of pictures, light and dark, for the style sheet of a page or of a picture that stands alone."""


class _Mark(StrEnum):
    """What is drawn upon a cell besides its tint, so that no state is told by colour alone."""

    TICK = "tick"  # a faint line between two columns of a run, so that its queues can be counted
    HATCH = "hatch"  # not there yet
    CLASH_HATCH = "clash-hatch"
    DOT = "dot"  # the host's own drivers
    DASH = "dash"  # free
    RINGS = "rings"  # on-demand
    COMES = "comes"  # the plan gives it to its holder
    GOES = "goes"  # the plan takes it from its holder
    CLASH_COMES = "clash-comes"


_FILLED: Final = (_Mark.TICK, _Mark.DOT, _Mark.DASH, _Mark.RINGS, _Mark.HATCH, _Mark.CLASH_HATCH)
_HATCHES: Final = (_Mark.HATCH, _Mark.CLASH_HATCH)
_OUTLINED: Final = (_Mark.COMES, _Mark.GOES, _Mark.CLASH_COMES)


class Parts(NamedTuple):
    """A picture in four, each an SVG of its own: for a page in which the heads stay and the cells scroll.

    Attributes:
        corner: above the heads of the rows.
        columns: the heads of the columns.
        rows: the heads of the rows.
        cells: the picture itself, with its title and its description.
    """

    corner: Markup
    columns: Markup
    rows: Markup
    cells: Markup


def parts(picture: Picture, name: str = "picture") -> Parts:
    """`picture` in four, to be embedded; `name` is the beginning of its ids, which are unique in a page."""
    drawing = _Drawing(picture, name)
    width, height = drawing.width, drawing.height
    return Parts(
        _svg(_ROW_HEAD, _COLUMN_HEAD, drawing.corner(), aria_hidden="true"),
        _svg(width, _COLUMN_HEAD, drawing.column_heads(), aria_hidden="true"),
        _svg(_ROW_HEAD, height, drawing.row_heads(), aria_hidden="true"),
        _svg(width, height, drawing.words(), drawing.cells(), role="img", aria_labelledby=drawing.labels),
    )


def embedded(picture: Picture, name: str = "picture") -> Markup:
    """`picture` as one SVG to be embedded; `name` is the beginning of its ids, which are unique in a page."""
    drawing = _Drawing(picture, name)
    return _svg(
        _ROW_HEAD + drawing.width,
        _COLUMN_HEAD + drawing.height,
        drawing.words(),
        drawing.whole(),
        role="img",
        aria_labelledby=drawing.labels,
    )


_MARGIN: Final = 20
_BETWEEN: Final = 36
_TITLE: Final = 58
_ENTRY: Final = 24


def standalone(pictures: Sequence[Picture]) -> str:
    """An SVG document that shows `pictures` of one host side by side, with what its signs mean."""
    drawings = [_Drawing(one, f"picture{number}") for number, one in enumerate(pictures, 1)]
    shown, left = [], _MARGIN
    for drawing in drawings:
        shown.append(_at(left, _TITLE, drawing.whole(), drawing.repeated()))
        shown.append(_caption(drawing.picture, left))
        left += drawing.full_width + _BETWEEN
    width = max(left - _BETWEEN + _MARGIN, 560)
    below = _TITLE + max(one.full_height for one in drawings) + 28
    legend, height = _legend(pictures, width - 2 * _MARGIN)
    first = drawings[0]
    return joined(
        Markup('<?xml version="1.0" encoding="UTF-8"?>\n'),
        _svg(
            width,
            below + height + _MARGIN,
            element("title", _title(pictures), id=f"{first.name}-title"),
            element("desc", _description(pictures), id=f"{first.name}-desc"),
            element("style", Markup(STYLE)),
            element("rect", class_="page", width="100%", height="100%"),
            *shown,
            _at(_MARGIN, below, legend),
            role="img",
            aria_labelledby=first.labels,
            xmlns="http://www.w3.org/2000/svg",
        ),
        Markup("\n"),
    )


def _svg(width: int, height: int, *content: str, **attributes: object) -> Markup:
    return element(
        "svg",
        *content,
        class_="crypto-matrix",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        font_size=11,
        **attributes,
    )


def _at(x: float, y: float, *content: str) -> Markup:
    return element("g", *content, transform=f"translate({x} {y})")


def _text(x: float, y: float, words: str, class_: str | None = "ink", **attributes: object) -> Markup:
    return element("text", words, x=x, y=y, class_=class_, **attributes)


SIDES: Final = {Side.NOW: "Now", Side.BEFORE: "Before", Side.AFTER: "After"}


def _caption(picture: Picture, x: int) -> Markup:
    return joined(
        _text(
            x,
            28,
            f"{cut(picture.host, LONGEST_NAME)}: {SIDES[picture.side].lower()}",
            font_size=16,
            font_weight="bold",
        ),
        _text(x, 46, cut(picture.about, 100), "faint"),
    )


def _title(pictures: Sequence[Picture]) -> str:
    sides = " and ".join(SIDES[one.side].lower() for one in pictures)
    return f"Crypto queues of host {cut(pictures[0].host, LONGEST_NAME)}, {sides}"


def _description(pictures: Sequence[Picture]) -> str:
    return " ".join(f"{SIDES[one.side]}: {summary(one)}" for one in pictures)


WORDS: Final = {
    State.HELD: "held",
    State.HOST: "of the host",
    State.FREE: "free",
    State.PENDING: "pending",
    State.PLANNED: "planned",
    State.LEAVING: "leaving",
    State.ON_DEMAND: "on demand",
    State.CONFLICT: "in conflict",
}


def summary(picture: Picture) -> str:
    """How many queues there are of each state, in one sentence."""
    parts = [f"{count:,} {words}" for state, words in WORDS.items() if (count := picture.counts.get(state, 0))]
    queues = "queue is" if picture.present == 1 else "queues are"
    return f"{picture.present:,} {queues} present; {', '.join(parts) or 'none is held or claimed'}."


class _Drawing:
    """One picture, in pixels."""

    def __init__(self, picture: Picture, name: str) -> None:
        self.picture = picture
        self.name = name
        self._is_wide = len(picture.columns) > WIDE
        self._cell = _NARROW_CELL if self._is_wide else _CELL
        self.width = self._cell * max(1, len(picture.columns)) + 1
        self.height = _ROW * max(1, len(picture.rows)) + 1

    @property
    def labels(self) -> str:
        """The ids of title and description."""
        return f"{self.name}-title {self.name}-desc"

    def words(self) -> Markup:
        """Title and description, which a screen reader says."""
        return joined(
            element("title", _title([self.picture]), id=f"{self.name}-title"),
            element("desc", summary(self.picture), id=f"{self.name}-desc"),
        )

    def whole(self) -> Markup:
        """The cells with their heads."""
        return joined(
            self.corner(),
            _at(_ROW_HEAD, 0, self.column_heads()),
            _at(0, _COLUMN_HEAD, self.row_heads()),
            _at(_ROW_HEAD, _COLUMN_HEAD, self.cells()),
        )

    # A picture that stands alone cannot keep its heads where it is scrolled, so it has them at both ends.

    @property
    def full_width(self) -> int:
        """The width with the heads that are repeated, where they are."""
        return _ROW_HEAD + self.width + (_CELL * 2 if self._is_wide else 0)

    @property
    def full_height(self) -> int:
        """The height likewise."""
        return _COLUMN_HEAD + self.height + (_COLUMN_HEAD if self._is_tall else 0)

    @property
    def _is_tall(self) -> bool:
        return len(self.picture.rows) > WIDE // 2

    def repeated(self) -> Markup:
        """The heads at the other end."""
        shown = []
        if self._is_wide:
            ends = (self._row_end(place, row.band) for place, row in enumerate(self.picture.rows))
            shown.append(_at(_ROW_HEAD + self.width, _COLUMN_HEAD, *ends))
        if self._is_tall:
            shown.append(_at(_ROW_HEAD, _COLUMN_HEAD + self.height, self.column_heads()))
        return joined(*shown)

    def _row_end(self, place: int, band: Band) -> Markup:
        return _text(8, place * _ROW + 15, _hex(band), font_weight="bold")

    # Heads -----------------------------------------------------------------------------------------------------------

    def corner(self) -> Markup:
        """What rows and columns are."""
        return joined(
            _text(8, _COLUMN_HEAD - 9, "adapter", "faint"),
            _text(_ROW_HEAD - 10, 14, "domain", "faint", text_anchor="end"),
        )

    def row_heads(self) -> Markup:
        """Beside each row: its adapter in hex and decimal, type and mode of the card, and its state."""
        return joined(*(self._row_head(place * _ROW + 15, row) for place, row in enumerate(self.picture.rows)))

    def _row_head(self, y: int, row: Row) -> Markup:
        card = row.card
        is_usual = card.state == "online"
        kind = " ".join(one for one in (card.type, card.mode) if one)
        return joined(
            _text(8, y, _hex(row.band), font_weight="bold"),
            _text(48, y, _decimal(row.band), "faint") if not row.band.is_folded else Markup(),
            _text(86, y, cut(kind, 12)),
            _text(
                _ROW_HEAD - 8,
                y,
                cut(card.state, 14),
                "faint" if is_usual else "ink",
                text_anchor="end",
                font_style="italic" if card == NO_CARD else None,
                font_weight=None if is_usual or card == NO_CARD else "bold",
            ),
        )

    def column_heads(self) -> Markup:
        """Above each column its domain, in hex and decimal; of many columns the digits below each other."""
        if self._is_wide:
            return joined(*self._groups(), *map(self._low_digit, range(len(self.picture.columns))))
        return joined(*(self._column_head(place, band) for place, band in enumerate(self.picture.columns)))

    def _column_head(self, place: int, band: Band) -> Markup:
        middle = place * self._cell + self._cell / 2
        upper, lower = (
            (f"{band.first:02x}–", f"{band.last:02x}") if band.is_folded else (f"{band.first:02x}", f"{band.first}")
        )
        return element(
            "g",
            element("title", f"{'domains' if band.is_folded else 'domain'} {_ids(band)}"),
            _text(middle, 15, upper, font_weight="bold"),
            _text(
                middle,
                29,
                lower,
                "ink" if band.is_folded else "faint",
                font_size=9.5,
                font_weight="bold" if band.is_folded else None,
            ),
            text_anchor="middle",
        )

    def _groups(self) -> Iterator[Markup]:
        """The upper digit, once for the columns beside each other that have it."""
        columns = self.picture.columns
        for place, band in enumerate(columns):
            if not place or columns[place - 1].first >> 4 != band.first >> 4:
                size = next(
                    (end for end in range(place, len(columns)) if columns[end].first >> 4 != band.first >> 4),
                    len(columns),
                )
                x, wide = place * self._cell + 1, (size - place) * self._cell - 1
                yield element("rect", class_="faint", x=x, y=19, width=wide, height=1)
                yield _text(
                    x + 1,
                    14,
                    f"0x{band.first >> 4:x}…" if size - place > 3 else f"{band.first >> 4:x}",
                    font_weight="bold",
                )

    def _low_digit(self, place: int) -> Markup:
        band = self.picture.columns[place]
        return element(
            "g",
            element("title", f"{'domains' if band.is_folded else 'domain'} {_ids(band)}"),
            _text(
                place * self._cell + self._cell / 2,
                31,
                "–" if band.is_folded else f"{band.first & 15:x}",
                text_anchor="middle",
            ),
        )

    # Cells -----------------------------------------------------------------------------------------------------------

    def cells(self) -> Markup:
        """All runs: their tints, then what is drawn upon them."""
        marks: dict[_Mark, list[str]] = {}
        initials: list[Markup] = []
        rects: list[Markup] = []
        for place, row in enumerate(self.picture.rows):
            y = place * _ROW
            for run in row.runs:
                rects.append(self._rect(run, y, element("title", self._why(run, row))))
                self._add_marks(marks, run, y)
                initials += self._initials(run, y)
        return self._layers(rects, marks, initials)

    def swatch(self, shown: Shown, initials: str) -> Markup:
        """One cell for a legend."""
        run = Run(0, 0, shown)
        marks: dict[_Mark, list[str]] = {}
        self._add_marks(marks, run, 0)
        return self._layers([self._rect(run, 0)], marks, _initials(shown, initials, self._cell / 2, 15))

    def _layers(self, rects: Iterable[Markup], marks: dict[_Mark, list[str]], initials: Iterable[Markup]) -> Markup:
        patterns = list(self._patterns(marks))
        return _at(
            0.5,
            0.5,
            *([element("defs", *patterns)] if patterns else []),
            element("g", *rects, class_="line", shape_rendering="crispEdges"),
            element(
                "g",
                *(self._filled(mark, marks[mark]) for mark in _FILLED if mark in marks),
                *(_outlined(mark, marks[mark]) for mark in _OUTLINED if mark in marks),
                element(
                    "g",
                    *initials,
                    class_="ink",
                    text_anchor="middle",
                    font_weight="bold",
                    font_size=9 if self._is_wide else 11,
                ),
                pointer_events="none",
            ),
        )

    def _edges(self, run: Run) -> tuple[int, int]:
        """Where `run` begins, and how wide it is."""
        return run.first * self._cell, (run.last - run.first + 1) * self._cell

    def _rect(self, run: Run, y: int, *content: Markup) -> Markup:
        x, width = self._edges(run)
        return element("rect", *content, x=x, y=y, width=width, height=_ROW, class_=_fill(run.shown))

    def _why(self, run: Run, row: Row) -> str:
        """What is shown where the pointer rests: which queues, in hex and decimal, whose they are, and why."""
        domains = self.picture.domains_of(run)
        return f"{_queues(row.band, domains)} {why(self.picture, row, run.shown)}"

    def _initials(self, run: Run, y: int) -> Iterable[Markup]:
        x, width = self._edges(run)
        if width < LEAST_FOR_INITIALS or run.shown.holder is None:
            return ()
        return _initials(run.shown, self.picture.holders[run.shown.holder].initials, x + width / 2, y + 15)

    def _add_marks(self, marks: dict[_Mark, list[str]], run: Run, y: int) -> None:
        x, width = self._edges(run)
        if run.first < run.last:
            marks.setdefault(_Mark.TICK, []).append(f"M{x + 1} {y + 3}h{width - 2}v{_ROW - 6}h{2 - width}z")
        for mark in _marks(run.shown, self.picture.side):
            inset = 2 if mark in _OUTLINED else 0
            w, h = width - 2 * inset, _ROW - 2 * inset
            # The hatch leaves the middle free, so that the initials can be read.
            hole = f"M{x + width // 2 - 8} {y + 5}h16v12h-16z" if mark in _HATCHES and width >= _CELL else ""
            marks.setdefault(mark, []).append(f"M{x + inset} {y + inset}h{w}v{h}h-{w}z{hole}")

    def _filled(self, mark: _Mark, places: Iterable[str]) -> Markup:
        rule = "evenodd" if mark in _HATCHES else None
        return element("path", d="".join(places), fill=f"url(#{self.name}-{mark})", fill_rule=rule)

    def _patterns(self, marks: Iterable[_Mark]) -> Iterator[Markup]:
        for mark in (one for one in _FILLED if one in marks):
            width, height, drawn = self._pattern(mark)
            yield element(
                "pattern",
                drawn,
                id=f"{self.name}-{mark}",
                width=width,
                height=height,
                patternUnits="userSpaceOnUse",
                patternTransform="rotate(45)" if mark in _HATCHES else None,
            )

    def _pattern(self, mark: _Mark) -> tuple[int, int, Markup]:
        middle, centre = self._cell / 2, _ROW / 2
        match mark:
            case _Mark.TICK:
                return self._cell, _ROW, element("rect", width=0.5, height=_ROW, class_="tick")
            case _Mark.DOT:
                return self._cell, _ROW, element("circle", cx=middle, cy=centre, r=1.4, class_="ink")
            case _Mark.DASH:
                return (
                    self._cell,
                    _ROW,
                    element("rect", x=middle - 3, y=centre - 0.75, width=6, height=1.5, class_="faint"),
                )
            case _Mark.RINGS:
                return 6, 11, element("circle", cx=3, cy=3, r=1.1, class_="ink")
        return 6, 6, element("rect", width=1.4, height=6, class_="inverse" if mark is _Mark.CLASH_HATCH else "ink")


def _initials(shown: Shown, words: str, x: float, y: float) -> Iterator[Markup]:
    if shown.holder is not None:
        is_clash = shown.state is State.CONFLICT
        yield _text(x, y, f"{words}!" if is_clash else words, "inverse" if is_clash else None)


def _outlined(mark: _Mark, places: Iterable[str]) -> Markup:
    return element(
        "path",
        d="".join(places),
        class_="inverted" if mark is _Mark.CLASH_COMES else "edge",
        fill="none",
        stroke_width=2,
        stroke_dasharray="4 2.5" if mark is _Mark.GOES else None,
    )


def _fill(shown: Shown) -> str:
    match shown.state:
        case State.CONFLICT:
            return "clash"
        case State.HOST:
            return "host"
        case State.FREE:
            return "page"
    return "page" if shown.holder is None else f"t{tint_of(shown.holder)}"


def _marks(shown: Shown, side: Side) -> Iterator[_Mark]:
    is_clash = shown.state is State.CONFLICT
    match shown.state:
        case State.HOST:
            yield _Mark.DOT
        case State.FREE:
            yield _Mark.DASH
        case State.ON_DEMAND:
            yield _Mark.RINGS
    if shown.holder is not None and (not shown.is_there or shown.state is State.PENDING):
        yield _Mark.CLASH_HATCH if is_clash else _Mark.HATCH
    if shown.changes:
        if is_clash:
            yield _Mark.CLASH_COMES
        else:
            yield _Mark.GOES if _goes(shown, side) else _Mark.COMES


def _goes(shown: Shown, side: Side) -> bool:
    return side is Side.BEFORE or (side is Side.NOW and shown.state in (State.LEAVING, State.HOST))


# Words ---------------------------------------------------------------------------------------------------------------


def _hex(band: Band) -> str:
    return f"{band.first:02x}–{band.last:02x}" if band.is_folded else f"0x{band.first:02x}"


def _decimal(band: Band) -> str:
    return f"({band.first})"


def _ids(band: Band) -> str:
    return str(IdSet(range(band.first, band.last + 1)))


def _queues(band: Band, domains: IdSet) -> str:
    """Queues in hex and decimal: ``05.0047 (5.71)``, ``05.0004-0006 (5.4-6)``."""
    adapters = f"{band.first:02x}-{band.last:02x}" if band.is_folded else f"{band.first:02x}"
    numbers = f"{band.first}-{band.last}" if band.is_folded else f"{band.first}"
    ranges = domains.ranges()
    in_hex = ",".join(f"{one:04x}" if one == last else f"{one:04x}-{last:04x}" for one, last in ranges)
    decimal = ",".join(f"{one}" if one == last else f"{one}-{last}" for one, last in ranges)
    return f"{adapters}.{in_hex} ({numbers}.{decimal})"


def why(picture: Picture, row: Row, shown: Shown) -> str:
    """Whose cells of `row` are that are as `shown`, and why: a phrase for people."""
    names = [cut(picture.holders[one].name, LONGEST_NAME) for one in (*_holder(shown), *shown.others)]
    also = f"; also claimed by {' and '.join(names[1:])}" if names[1:] else ""
    match shown.state:
        case State.CONFLICT:
            return f"conflict: {' and '.join([*names, *(['the host'] if shown.of_host else [])])}"
        case State.HOST:
            return f"of the host's own drivers{_changing(picture.side, 'takes it from them') if shown.changes else ''}"
        case State.FREE:
            return f"free{_changing(picture.side, 'gives it to the host') if shown.changes else ''}"
        case State.ON_DEMAND:
            return f"{names[0]}: on-demand, claimed while its VM runs{also}"
        case State.PLANNED:
            return f"{names[0]}: planned, the next apply gives it{_absent(row, shown)}{also}"
        case State.LEAVING:
            return f"{names[0]}: leaving, the next apply takes it away{_absent(row, shown)}{also}"
    if shown.state is State.PENDING or not shown.is_there:
        return f"{names[0]}: pending{_absent(row, shown)}{_sided(picture, shown)}{also}"
    return f"{names[0]}: held{_sided(picture, shown)}{also}"


def _holder(shown: Shown) -> Sequence[int]:
    return () if shown.holder is None else (shown.holder,)


def _changing(side: Side, what: str) -> str:
    return f"; the next apply {what}" if side is Side.NOW else "; this plan changes it"


def _sided(picture: Picture, shown: Shown) -> str:
    if not shown.changes:
        return ""
    return {Side.BEFORE: ", until the plan takes it", Side.AFTER: ", given by this plan"}.get(picture.side, "")


def _absent(row: Row, shown: Shown) -> str:
    if shown.is_there:
        return ""
    if row.card == UNKNOWN_CARD:
        return ", the hardware is not there yet"
    return ", the card is not there yet" if row.card == NO_CARD else ", the domain is not there yet"


# What the signs mean -------------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """One entry of a legend: a cell as an SVG of its own, to be embedded, and what it means."""

    swatch: Markup
    words: str


_KEY_WIDTH: Final = _CELL + 1
_KEY_HEIGHT: Final = _ROW + 1

_MEANINGS: Final = {
    State.HELD: "held by the guest with these initials",
    State.HOST: "of the host's own drivers",
    State.FREE: "free: no guest and no driver of the host can use it",
    State.ON_DEMAND: "on-demand: claimed while the guest's VM runs",
    State.CONFLICT: "conflict: only one of several can have it",
}


def key_of_signs(pictures: Sequence[Picture], name: str = "sign") -> list[Key]:
    """What the signs of `pictures` mean, as far as there are any; `name` is the beginning of the ids."""
    every = {(run.shown, one.side) for one in pictures for row in one.rows for run in row.runs}
    states = {shown.state for shown, _ in every}
    marks = {mark for shown, side in every for mark in _marks(shown, side)}
    is_plan = any(one.side is not Side.NOW for one in pictures)
    found = [(Shown(state), meaning) for state, meaning in _MEANINGS.items() if state in states]
    held = Shown(State.HELD, 0)
    if _Mark.HATCH in marks or _Mark.CLASH_HATCH in marks:
        found.append((held._replace(is_there=False), "pending: the hardware is not there yet"))
    if _Mark.COMES in marks or _Mark.CLASH_COMES in marks:
        words = "changed by this plan" if is_plan else "planned: the next apply gives it"
        found.append((held._replace(state=State.PLANNED, changes=True), words))
    if _Mark.GOES in marks:
        words = "until this plan changes it" if is_plan else "leaving: the next apply takes it away"
        found.append((held._replace(state=State.LEAVING, changes=True), words))
    return [
        Key(
            _swatch(shown if shown.state in _WITHOUT_HOLDER else shown._replace(holder=0), "ab", f"{name}{number}"),
            words,
        )
        for number, (shown, words) in enumerate(found, 1)
    ]


_WITHOUT_HOLDER: Final = (State.HOST, State.FREE)


def key_of_holders(picture: Picture) -> list[Key]:
    """Whose initials are which, in the order of their names."""
    return [
        Key(
            _swatch(Shown(State.HELD, number), one.initials),
            f"{cut(one.name, LONGEST_NAME)}{'' if one.kind == 'active' else f' ({one.kind})'}",
        )
        for number, one in enumerate(picture.holders)
    ]


def _swatch(shown: Shown, initials: str, name: str = "") -> Markup:
    drawing = _Drawing(Picture("", Side.NOW, "", (), (Band(0, 0),), (), {}, 0), name)
    return _svg(_KEY_WIDTH, _KEY_HEIGHT, drawing.swatch(shown, initials), aria_hidden="true")


def _legend(pictures: Sequence[Picture], width: int) -> tuple[Markup, int]:
    """The legend of `pictures` in so many pixels across, and its height."""
    shown, y = [], 0
    for keys in (key_of_holders(pictures[0]), key_of_signs(pictures)):
        longest = max((len(one.words) for one in keys), default=0)
        each = _KEY_WIDTH + 28 + 7 * longest
        across = max(1, (width + 12) // each)
        for number, one in enumerate(keys):
            x, line = number % across * each, y + number // across * (_KEY_HEIGHT + 5)
            shown.append(_at(x, line, one.swatch, _text(_KEY_WIDTH + 8, 16, one.words)))
        y += -(-len(keys) // across) * (_KEY_HEIGHT + 5) + 10
    return joined(*shown), y
