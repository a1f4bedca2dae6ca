"""A picture as SVG: one that stands alone, one to be embedded, or its parts, so that its heads stay where it scrolls.

Embedded SVG has classes and presentation attributes only, and needs the rules of `STYLE` in the page's style sheet; one
that stands alone has them in it. Neither has a script, or anything from elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.picture.cells import NO_CARD, Band, Card, Picture, Row, Run, Shown, Side, State
from reconciler.picture.colours import DARK, LIGHT, style_of, tint_of
from reconciler.picture.markup import Markup, cut, element, joined
from reconciler.picture.words import (
    Density,
    decimal_text,
    hex_text,
    ids_text,
    queues_text,
    short,
    summary,
    title_of,
    why,
)

WIDE: Final = 64
"""Up to so many columns each cell has place for initials; with more of them only runs that are long enough have."""

LEAST_FOR_INITIALS: Final = 18
"""How wide a run is that has its initials in it, in pixels."""

CELL: Final = 26
"""The width of a column in pixels, and below it the height of a row."""
_NARROW_CELL: Final = 12
ROW: Final = 22
_ROW_HEAD: Final = 236
_COLUMN_HEAD: Final = 36

_FONT: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_SHAPE: Final = (
    f".crypto-matrix{{font-family:{_FONT}}}"
    ".crypto-matrix text{stroke:none}"
    f".crypto-matrix .dense rect{{height:{ROW}px}}"
    f".crypto-matrix .one{_NARROW_CELL} rect{{width:{_NARROW_CELL}px}}"
    f".crypto-matrix .one{CELL} rect{{width:{CELL}px}}"
)
STYLE: Final = f"{_SHAPE}{style_of(LIGHT)}@media (prefers-color-scheme:dark){{{style_of(DARK)}}}"
"""The rules of pictures, light and dark, for the style sheet of a page or of a picture that stands alone."""


class Mark(StrEnum):
    """What is drawn upon a cell besides its tint, so that no state is told by colour alone."""

    TICK = "tick"  # a faint line between two columns of a run, so that its queues can be counted
    HATCH = "hatch"  # not there yet; of an LPAR that is not active
    CLASH_HATCH = "clash-hatch"
    DOT = "dot"  # the host's own drivers
    DASH = "dash"  # free
    RINGS = "rings"  # on-demand; also defined for an LPAR that is not active
    COMES = "comes"  # the plan gives it to its holder
    GOES = "goes"  # the plan takes it from its holder
    CLASH_COMES = "clash-comes"


_FILLED: Final = (Mark.TICK, Mark.DOT, Mark.DASH, Mark.RINGS, Mark.HATCH, Mark.CLASH_HATCH)
_HATCHES: Final = (Mark.HATCH, Mark.CLASH_HATCH)
_OUTLINED: Final = (Mark.COMES, Mark.GOES, Mark.CLASH_COMES)


_Place = tuple[int, int, int]
"""Where a mark is drawn: x, y and width of its run."""

_Marks = dict[Mark, list[_Place]]


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


def parts(picture: Picture, name: str = "picture", density: Density = Density.USUAL) -> Parts:
    """`picture` in four, to be embedded.

    Args:
        picture: what is drawn.
        name: the beginning of its ids, which are unique in a page.
        density: how small it has to be.
    """
    drawing = Drawing(picture, name, density)
    width, height = drawing.width, drawing.height
    return Parts(
        svg(_ROW_HEAD, _COLUMN_HEAD, drawing.corner(), aria_hidden="true"),
        svg(width, _COLUMN_HEAD, drawing.column_heads(), aria_hidden="true"),
        svg(_ROW_HEAD, height, drawing.row_heads(), aria_hidden="true"),
        svg(width, height, drawing.words(), drawing.cells(), role="img", aria_labelledby=drawing.labels),
    )


def embedded(picture: Picture, name: str = "picture") -> Markup:
    """`picture` as one SVG to be embedded; `name` is the beginning of its ids, which are unique in a page."""
    drawing = Drawing(picture, name)
    return svg(
        _ROW_HEAD + drawing.width,
        _COLUMN_HEAD + drawing.height,
        drawing.words(),
        drawing.whole(),
        role="img",
        aria_labelledby=drawing.labels,
    )


def svg(width: int, height: int, *content: str, **attributes: object) -> Markup:
    """An SVG of so many pixels, which is never shown in another size unless its `attributes` have a view box."""
    return element(
        "svg",
        *content,
        class_="crypto-matrix",
        width=width,
        height=height,
        font_size=11,
        **attributes,
    )


def at(x: float, y: float, *content: str) -> Markup:
    """`content`, which begins there."""
    return element("g", *content, transform=f"translate({x} {y})")


def text(x: float, y: float, words: str, class_: str | None = "ink", **attributes: object) -> Markup:
    """`words`, which begin there, in the colour of `class_`."""
    return element("text", words, x=x, y=y, class_=class_, **attributes)


class Drawing:
    """One picture, in pixels."""

    def __init__(self, picture: Picture, name: str, density: Density = Density.USUAL) -> None:
        self.picture = picture
        self._density = density
        self.name = name
        self._is_wide = len(picture.columns) > WIDE
        self._cell = _NARROW_CELL if self._is_wide else CELL
        self.width = self._cell * max(1, len(picture.columns)) + 1
        self.height = ROW * max(1, len(picture.rows)) + 1

    @property
    def labels(self) -> str:
        """The ids of title and description."""
        return f"{self.name}-title {self.name}-desc"

    def words(self) -> Markup:
        """Title and description, which a screen reader says."""
        return joined(
            element("title", title_of([self.picture]), id=f"{self.name}-title"),
            element("desc", summary(self.picture), id=f"{self.name}-desc"),
        )

    def whole(self) -> Markup:
        """The cells with their heads."""
        return joined(
            self.corner(),
            at(_ROW_HEAD, 0, self.column_heads()),
            at(0, _COLUMN_HEAD, self.row_heads()),
            at(_ROW_HEAD, _COLUMN_HEAD, self.cells()),
        )

    # A picture that stands alone cannot keep its heads where it is scrolled, so it has them at both ends.

    @property
    def full_width(self) -> int:
        """The width with the heads that are repeated, where they are."""
        return _ROW_HEAD + self.width + (CELL * 2 if self._is_wide else 0)

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
            shown.append(at(_ROW_HEAD + self.width, _COLUMN_HEAD, *ends))
        if self._is_tall:
            shown.append(at(_ROW_HEAD, _COLUMN_HEAD + self.height, self.column_heads()))
        return joined(*shown)

    def _row_end(self, place: int, band: Band) -> Markup:
        return text(8, place * ROW + 15, hex_text(band), font_weight="bold")

    # Heads -----------------------------------------------------------------------------------------------------------

    def corner(self) -> Markup:
        """What rows and columns are."""
        return joined(
            text(8, _COLUMN_HEAD - 9, "adapter", "faint"),
            text(_ROW_HEAD - 10, 14, "domain", "faint", text_anchor="end"),
        )

    def row_heads(self) -> Markup:
        """Beside each row: its adapter in hex and decimal, type and mode of the card, and its state."""
        rows = [(place * ROW + 15, row) for place, row in enumerate(self.picture.rows)]
        numbers = (text(48, y, decimal_text(row.band), None) for y, row in rows if not row.band.is_folded)
        kinds = (text(86, y, cut(f"{row.card.type} {row.card.mode}".strip(), 12), None) for y, row in rows)
        return joined(
            element("g", *(text(8, y, hex_text(row.band), None) for y, row in rows), class_="ink", font_weight="bold"),
            element("g", *numbers, class_="faint"),
            element("g", *kinds, class_="ink"),
            element("g", *(_card_state(y, row.card) for y, row in rows), class_="faint", text_anchor="end"),
        )

    def column_heads(self) -> Markup:
        """Above each column its domain, in hex and decimal; of many columns the digits below each other."""
        if self._is_wide:
            digits = map(self._low_digit, range(len(self.picture.columns)))
            return joined(*self._groups(), element("g", *digits, class_="ink", text_anchor="middle"))
        return joined(*(self._column_head(place, band) for place, band in enumerate(self.picture.columns)))

    def _column_head(self, place: int, band: Band) -> Markup:
        middle = place * self._cell + self._cell / 2
        upper, lower = (
            (f"{band.first:02x}–", f"{band.last:02x}") if band.is_folded else (f"{band.first:02x}", f"{band.first}")
        )
        return element(
            "g",
            element("title", f"{'domains' if band.is_folded else 'domain'} {ids_text(band)}"),
            text(middle, 15, upper, font_weight="bold"),
            text(
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
                yield text(
                    x + 1,
                    14,
                    f"0x{band.first >> 4:x}…" if size - place > 3 else f"{band.first >> 4:x}",
                    font_weight="bold",
                )

    def _low_digit(self, place: int) -> Markup:
        band = self.picture.columns[place]
        return element(
            "g",
            element("title", f"{'domains' if band.is_folded else 'domain'} {ids_text(band)}"),
            text(place * self._cell + self._cell / 2, 31, "–" if band.is_folded else f"{band.first & 15:x}", None),
        )

    # Cells -----------------------------------------------------------------------------------------------------------

    def cells(self) -> Markup:
        """All runs: their tints, then what is drawn upon them."""
        marks: _Marks = {}
        initials: list[Markup] = []
        rects: list[Markup] = []
        for place, row in enumerate(self.picture.rows):
            y = place * ROW
            rects += self._dense_rects(row, y) if self._density else (self._rect(one, row, y) for one in row.runs)
            for run in row.runs:
                self._add_marks(marks, run, y)
                initials += self._initials(run, y)
        return self._layers(rects, marks, initials)

    def _dense_rects(self, row: Row, y: int) -> Iterator[Markup]:
        """The rectangles of `row`, where what they have in common is said once."""
        shown: list[Markup] = []
        alike: dict[str, list[Markup]] = {}
        for run in row.runs:
            x, width = self._edges(run)
            title, fill = element("title", self._why(run, row)), _fill(run.shown)
            if run.first < run.last:
                shown.append(element("rect", title, x=x, width=width, class_=fill))
            else:
                alike.setdefault(fill, []).append(element("rect", title, x=x))
        singles = (element("g", *rects, class_=fill) for fill, rects in alike.items())
        if alike:
            shown.append(element("g", *singles, class_=f"one{self._cell}"))
        if shown:
            yield element("g", *shown, class_="dense", transform=f"translate(0 {y})")

    def swatch(self, shown: Shown, initials: str) -> Markup:
        """One cell for a legend."""
        run = Run(0, 0, shown)
        marks: _Marks = {}
        self._add_marks(marks, run, 0)
        words = list(_initials(shown, initials, self._cell / 2, 15))
        if marks or shown.state is State.CONFLICT:
            return self._layers([element("rect", width=CELL, height=ROW, class_=_fill(shown))], marks, words)
        rect = element("rect", x=0.5, y=0.5, width=CELL, height=ROW, class_=f"line {_fill(shown)}")
        middle = CELL / 2 + 0.5
        return joined(rect, text(middle, 15.5, initials, text_anchor="middle", font_weight="bold") if words else "")

    def _layers(self, rects: Iterable[Markup], marks: _Marks, initials: Iterable[Markup]) -> Markup:
        patterns = list(self._patterns(marks))
        return at(
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

    def _rect(self, run: Run, row: Row, y: int) -> Markup:
        x, width = self._edges(run)
        return element(
            "rect", element("title", self._why(run, row)), x=x, y=y, width=width, height=ROW, class_=_fill(run.shown)
        )

    def _why(self, run: Run, row: Row) -> str:
        """What is shown where the pointer rests: which queues, in hex and decimal, whose they are, and why."""
        said = short if self._density is Density.SHORT else why
        return f"{queues_text(row.band, self.picture.domains_of(run))} {said(self.picture, row, run.shown)}"

    def _initials(self, run: Run, y: int) -> Iterable[Markup]:
        x, width = self._edges(run)
        if width < LEAST_FOR_INITIALS or run.shown.holder is None:
            return ()
        return _initials(run.shown, self.picture.holders[run.shown.holder].initials, x + width / 2, y + 15)

    def _add_marks(self, marks: _Marks, run: Run, y: int) -> None:
        x, width = self._edges(run)
        if run.first < run.last:
            marks.setdefault(Mark.TICK, []).append((x, y, width))
        for mark in marks_of(run.shown, self.picture.side):
            places = marks.setdefault(mark, [])
            before = places[-1] if places else (0, -1, 0)
            if self._density and (before[0] + before[2], before[1]) == (x, y):
                places[-1] = (before[0], y, before[2] + width)
            else:
                places.append((x, y, width))

    def _filled(self, mark: Mark, places: Iterable[_Place]) -> Markup:
        rule = "evenodd" if mark in _HATCHES else None
        return element("path", d=_path(mark, places), fill=f"url(#{self.name}-{mark})", fill_rule=rule)

    def _patterns(self, marks: Iterable[Mark]) -> Iterator[Markup]:
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

    def _pattern(self, mark: Mark) -> tuple[int, int, Markup]:
        middle, centre = self._cell / 2, ROW / 2
        match mark:
            case Mark.TICK:
                return self._cell, ROW, element("rect", width=0.5, height=ROW, class_="tick")
            case Mark.DOT:
                return self._cell, ROW, element("circle", cx=middle, cy=centre, r=1.4, class_="ink")
            case Mark.DASH:
                return (
                    self._cell,
                    ROW,
                    element("rect", x=middle - 3, y=centre - 0.75, width=6, height=1.5, class_="faint"),
                )
            case Mark.RINGS:
                return 6, 11, element("circle", cx=3, cy=3, r=1.1, class_="ink")
        return 6, 6, element("rect", width=1.4, height=6, class_="inverse" if mark is Mark.CLASH_HATCH else "ink")


def _card_state(y: int, card: Card) -> Markup:
    if card.state == "online":
        return text(_ROW_HEAD - 8, y, card.state, None)
    style = {"font_style": "italic"} if card == NO_CARD else {"font_weight": "bold"}
    return text(_ROW_HEAD - 8, y, cut(card.state, 14), **style)


def _initials(shown: Shown, words: str, x: float, y: float) -> Iterator[Markup]:
    if shown.holder is not None:
        is_clash = shown.state is State.CONFLICT
        yield text(x, y, f"{words}!" if is_clash else words, "inverse" if is_clash else None)


_INSETS: Final[Mapping[Mark, tuple[int, int]]] = {**dict.fromkeys(_OUTLINED, (2, 2)), Mark.TICK: (1, 3)}
"""How far within a run a mark begins, across and down."""


def _path(mark: Mark, places: Iterable[_Place]) -> str:
    across, down = _INSETS.get(mark, (0, 0))
    shown = []
    for x, y, width in places:
        w, h = width - 2 * across, ROW - 2 * down
        shown.append(f"M{x + across} {y + down}h{w}v{h}h-{w}z")
        if mark in _HATCHES and width >= CELL:  # the middle stays free, so that the initials can be read
            shown.append(f"M{x + width // 2 - 8} {y + 5}h16v12h-16z")
    return "".join(shown)


def _outlined(mark: Mark, places: Iterable[_Place]) -> Markup:
    return element(
        "path",
        d=_path(mark, places),
        class_="inverted" if mark is Mark.CLASH_COMES else "edge",
        fill="none",
        stroke_width=2,
        stroke_dasharray="4 2.5" if mark is Mark.GOES else None,
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


def marks_of(shown: Shown, side: Side) -> Iterator[Mark]:
    """What is drawn upon cells that are as `shown`, in a picture of `side`."""
    is_clash = shown.state is State.CONFLICT
    match shown.state:
        case State.HOST:
            yield Mark.DOT
        case State.FREE:
            yield Mark.DASH
        case State.ON_DEMAND:
            yield Mark.RINGS
        case State.STANDBY:
            yield Mark.HATCH
        case State.HELD if side is Side.MACHINE and shown.others:
            yield Mark.RINGS
    if shown.holder is not None and (not shown.is_there or shown.state is State.PENDING):
        yield Mark.CLASH_HATCH if is_clash else Mark.HATCH
    if shown.changes:
        if is_clash:
            yield Mark.CLASH_COMES
        else:
            yield Mark.GOES if _goes(shown, side) else Mark.COMES


def _goes(shown: Shown, side: Side) -> bool:
    return side is Side.BEFORE or (side is Side.NOW and shown.state in (State.LEAVING, State.HOST))
