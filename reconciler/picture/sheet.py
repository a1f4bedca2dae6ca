"""A picture that stands alone: an SVG document with what its signs mean; and these by themselves, for a page."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.picture.cells import Band, Picture, Shown, Side, State
from reconciler.picture.markup import Markup, cut, element, joined
from reconciler.picture.svg import CELL, ROW, STYLE, Drawing, Mark, at, marks_of, svg, text
from reconciler.picture.words import LONGEST_NAME, density_of, description_of, moment_text, title_of

_MARGIN: Final = 20
_BETWEEN: Final = 36
_TITLE: Final = 58
_LONGEST_ABOUT: Final = 100
_LONGEST_NOTE: Final = 200
_CHARACTER: Final = 7
"""How many characters are shown of a line of text, and how many pixels one needs at most."""


def standalone(pictures: Sequence[Picture], notes: Sequence[str] = ()) -> str:
    """An SVG document that shows `pictures` of one host side by side, with what its signs mean.

    Below them stand the `notes`, a line each, for example when they were made.
    """
    return stacked([Sheet(pictures, notes)])


class Sheet(NamedTuple):
    """Pictures of one host or machine, and the lines below them."""

    pictures: Sequence[Picture]
    notes: Sequence[str] = ()


def stacked(sheets: Sequence[Sheet]) -> str:
    """An SVG document that shows `sheets`, at least one, below each other."""
    blocks: list[_Block] = []
    number = 1
    for sheet in sheets:
        blocks.append(_block(sheet, number, "sign" if number == 1 else f"sign{number}-"))
        number += len(sheet.pictures)
    width = max(one.width for one in blocks)
    shown, top = [], 0
    for one in blocks:
        shown.append(at(0, top, *one.content) if top else joined(*one.content))
        top += one.height
    every = [one for sheet in sheets for one in sheet.pictures]
    return joined(
        Markup('<?xml version="1.0" encoding="UTF-8"?>\n'),
        svg(
            width,
            top,
            element("title", ". ".join(title_of(sheet.pictures) for sheet in sheets), id="picture1-title"),
            element("desc", description_of(every), id="picture1-desc"),
            element("style", Markup(STYLE)),
            element("rect", class_="page", width="100%", height="100%"),
            *shown,
            viewBox=f"0 0 {width} {top}",
            role="img",
            aria_labelledby="picture1-title picture1-desc",
            xmlns="http://www.w3.org/2000/svg",
        ),
        Markup("\n"),
    )


class _Block(NamedTuple):
    """What is drawn of a sheet, and its size in pixels."""

    content: tuple[Markup, ...]
    width: int
    height: int


def _block(sheet: Sheet, number: int, signs: str) -> _Block:
    """`sheet`, whose pictures are numbered from `number` on, and whose legend has ids that begin with `signs`."""
    pictures = sheet.pictures
    density = density_of(pictures)
    drawings = [Drawing(one, f"picture{place}", density) for place, one in enumerate(pictures, number)]
    shown, left = [], _MARGIN
    for drawing in drawings:
        shown.append(at(left, _TITLE, drawing.whole(), drawing.repeated()))
        shown.append(_caption(drawing.picture, left))
        left += drawing.full_width + _BETWEEN
    lines = [cut(one, _LONGEST_NOTE) for one in sheet.notes]
    longest = max(map(len, [cut(pictures[-1].about, _LONGEST_ABOUT), *lines]))
    width = max(left - _BETWEEN + _MARGIN, 2 * _MARGIN + _CHARACTER * longest, 560)
    below = _TITLE + max(one.full_height for one in drawings) + 28
    legend, height = _legend(pictures, width - 2 * _MARGIN, signs)
    for line in lines:
        height += 16
        legend = joined(legend, text(0, height, line, "faint"))
    return _Block((*shown, at(_MARGIN, below, legend)), width, below + height + _MARGIN)


def _caption(picture: Picture, x: int) -> Markup:
    return joined(
        text(
            x,
            28,
            f"{cut(picture.host, LONGEST_NAME)}: {moment_text(picture)}",
            font_size=16,
            font_weight="bold",
        ),
        text(x, 46, cut(picture.about, _LONGEST_ABOUT), "faint"),
    )


class Key(NamedTuple):
    """One entry of a legend: a cell as an SVG of its own, to be embedded, and what it means."""

    swatch: Markup
    words: str


_KEY_WIDTH: Final = CELL + 1
_KEY_HEIGHT: Final = ROW + 1

_MEANINGS: Final = {
    State.HELD: "held by the guest with these initials",
    State.HOST: "of the host's own drivers",
    State.FREE: "free: neither a guest nor the host has it",
    State.ON_DEMAND: "on-demand: claimed while the guest's VM runs",
    State.CONFLICT: "conflict: only one of several can have it",
}
_MACHINE_MEANINGS: Final = (
    (Shown(State.HELD, 0), "of the active LPAR with these initials"),
    (Shown(State.HELD, 0, (1,)), "the same, and also defined for an LPAR that is not active, such as a standby"),
    (Shown(State.STANDBY, 0), "of an LPAR that is not active, and of no active one"),
    (Shown(State.FREE), "free: no LPAR that is listed has it"),
    (Shown(State.CONFLICT, 0), "conflict: several active LPARs have it"),
)


def key_of_signs(pictures: Sequence[Picture], name: str = "sign") -> list[Key]:
    """What the signs of `pictures` mean, as far as there are any; `name` is the beginning of the ids."""
    every = {(run.shown, one.side) for one in pictures for row in one.rows for run in row.runs}
    if pictures[0].side is Side.MACHINE:
        return _machine_signs({(shown.state, bool(shown.others)) for shown, _ in every}, name)
    states = {shown.state for shown, _ in every}
    marks = {mark for shown, side in every for mark in marks_of(shown, side)}
    is_plan = any(one.side is not Side.NOW for one in pictures)
    found = [(Shown(state), meaning) for state, meaning in _MEANINGS.items() if state in states]
    held = Shown(State.HELD, 0)
    if Mark.HATCH in marks or Mark.CLASH_HATCH in marks:
        found.append((held._replace(is_there=False), "pending: the hardware is not there yet"))
    if Mark.COMES in marks or Mark.CLASH_COMES in marks:
        words = "changed by this plan" if is_plan else "planned: the next apply gives it"
        found.append((held._replace(state=State.PLANNED, changes=True), words))
    if Mark.GOES in marks:
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


def _machine_signs(found: set[tuple[State, bool]], name: str) -> list[Key]:
    """The same for a machine: `found` has the states, each with whether others have or are to have the queue, too."""
    return [
        Key(_swatch(shown, "ab", f"{name}{number}", Side.MACHINE), words)
        for number, (shown, words) in enumerate(_MACHINE_MEANINGS, 1)
        if (shown.state, bool(shown.others)) in found
        or (shown.state in (State.CONFLICT, State.STANDBY) and (shown.state, True) in found)
    ]


def key_of_holders(picture: Picture) -> list[Key]:
    """Whose initials are which, in the order of their names."""
    return [
        Key(
            _swatch(Shown(State.HELD, number), one.initials),
            f"{cut(one.name, LONGEST_NAME)}{'' if one.kind == 'active' else f' ({one.kind})'}",
        )
        for number, one in enumerate(picture.holders)
    ]


def _swatch(shown: Shown, initials: str, name: str = "", side: Side = Side.NOW) -> Markup:
    drawing = Drawing(Picture("", side, "", (), (Band(0, 0),), (), {}, 0), name)
    return svg(_KEY_WIDTH, _KEY_HEIGHT, drawing.swatch(shown, initials), aria_hidden="true")


def _legend(pictures: Sequence[Picture], width: int, signs: str) -> tuple[Markup, int]:
    """The legend of `pictures` in so many pixels across, with ids that begin with `signs`, and its height."""
    shown, y = [], 0
    for keys in (key_of_holders(pictures[0]), key_of_signs(pictures, signs)):
        longest = max((len(one.words) for one in keys), default=0)
        each = _KEY_WIDTH + 28 + 7 * longest
        across = max(1, (width + 12) // each)
        for number, one in enumerate(keys):
            x, line = number % across * each, y + number // across * (_KEY_HEIGHT + 5)
            shown.append(at(x, line, one.swatch, text(_KEY_WIDTH + 8, 16, one.words)))
        y += -(-len(keys) // across) * (_KEY_HEIGHT + 5) + 10
    return joined(*shown), y
