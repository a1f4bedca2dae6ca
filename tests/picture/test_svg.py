"""A picture that is drawn: one rectangle for a run, a shape for each state, and nothing that is not shown as text."""

import re
from typing import Final

import pytest

from reconciler.picture.cells import NO_CARD, Band, Card, Shown, Side, State
from reconciler.picture.sheet import key_of_signs, standalone
from reconciler.picture.svg import LEAST_FOR_INITIALS, WIDE, embedded, parts
from testing.hostile_text import CHARACTERS, unsafe_characters
from testing.pictures import SVG, parsed, picture, tooltips, words

HELD: Final = Shown(State.HELD, 0)
OTHER: Final = Shown(State.HELD, 1)


def test_neighbours_that_are_alike_are_one_rectangle_with_one_title() -> None:
    """The title has the queues in hex and in decimal, who has them, and why."""
    assert tooltips(embedded(picture([[HELD, HELD, OTHER], [None, HELD, None]]))) == [
        "05.0004-0005 (5.4-5) a: held",
        "05.0006 (5.6) b: held",
        "06.0005 (6.5) a: held",
    ]


SHAPES: Final = {
    "held": (HELD, Side.NOW),
    "host": (Shown(State.HOST), Side.NOW),
    "free": (Shown(State.FREE), Side.NOW),
    "on-demand": (Shown(State.ON_DEMAND, 0), Side.NOW),
    "pending": (Shown(State.PENDING, 0, is_there=False), Side.NOW),
    "planned": (Shown(State.PLANNED, 0, changes=True), Side.NOW),
    "planned and pending": (Shown(State.PLANNED, 0, is_there=False, changes=True), Side.NOW),
    "leaving": (Shown(State.LEAVING, 0, changes=True), Side.NOW),
    "conflict": (Shown(State.CONFLICT, 0), Side.NOW),
    "pending conflict": (Shown(State.CONFLICT, 0, is_there=False), Side.NOW),
    "host that gives up": (Shown(State.HOST, changes=True), Side.NOW),
}


MACHINE_SHAPES: Final = {
    "active": (HELD, Side.MACHINE),
    "active, and of a standby": (Shown(State.HELD, 0, (1,)), Side.MACHINE),
    "standby": (Shown(State.STANDBY, 0), Side.MACHINE),
    "free": (Shown(State.FREE), Side.MACHINE),
    "conflict": (Shown(State.CONFLICT, 0, (1,)), Side.MACHINE),
}


def shape(svg: str) -> list[tuple[str, str | None]]:
    """What is drawn upon the cells, without its colours: patterns, outlines and initials."""
    marks = parsed(svg).findall(f".//{SVG}g[@pointer-events]//*")
    return [(one.get("fill", ""), one.get("stroke-dasharray")) for one in marks if one.tag == f"{SVG}path"] + [
        (one.text or "", None) for one in marks if one.tag == f"{SVG}text"
    ]


def test_no_two_states_of_a_machine_have_the_same_shape() -> None:
    """Neither has what an active LPAR shares with a standby the shape of what it has alone; each has its key."""
    found = {name: shape(embedded(picture([[shown]], side=side))) for name, (shown, side) in MACHINE_SHAPES.items()}
    every = picture([[shown for shown, _ in MACHINE_SHAPES.values()]], side=Side.MACHINE)

    assert len({str(one) for one in found.values()}) == len(found)
    assert len(key_of_signs([every])) == len(found)
    for shown, _ in MACHINE_SHAPES.values():
        assert len(key_of_signs([picture([[shown]], side=Side.MACHINE)])) == 1


def test_no_two_states_have_the_same_shape() -> None:
    """Without any colour they are told apart."""
    found = {name: shape(embedded(picture([[shown]], side=side))) for name, (shown, side) in SHAPES.items()}

    assert len({str(one) for one in found.values()}) == len(found)
    assert found["held"] == [("a0", None)]
    assert found["pending"] == [("url(#picture-hatch)", None), ("a0", None)]
    assert found["planned"] == [("none", None), ("a0", None)]
    assert found["leaving"] == [("none", "4 2.5"), ("a0", None)]
    assert found["conflict"] == [("a0!", None)]


WHY: Final = {
    "held": "05.0004 (5.4) a: held",
    "host": "05.0004 (5.4) of the host's own drivers",
    "free": "05.0004 (5.4) free",
    "on-demand": "05.0004 (5.4) a: on-demand, claimed while its VM runs",
    "pending": "05.0004 (5.4) a: pending, the domain is not there yet",
    "planned": "05.0004 (5.4) a: planned, the next apply gives it",
    "planned and pending": "05.0004 (5.4) a: planned, the next apply gives it, the domain is not there yet",
    "leaving": "05.0004 (5.4) a: leaving, the next apply takes it away",
    "conflict": "05.0004 (5.4) conflict: a",
    "pending conflict": "05.0004 (5.4) conflict: a",
    "host that gives up": "05.0004 (5.4) of the host's own drivers; the next apply takes it from them",
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_state_says_why(name: str) -> None:
    """Where the pointer rests, and for a screen reader."""
    shown, side = SHAPES[name]

    assert tooltips(embedded(picture([[shown]], side=side))) == [WHY[name]]


def test_all_who_contend_are_named() -> None:
    """Guests and the host; and others who claim what one of them has."""
    contended = Shown(State.CONFLICT, 0, (1,), of_host=True)

    assert tooltips(embedded(picture([[contended, HELD._replace(others=(1, 2))]]))) == [
        "05.0004 (5.4) conflict: a and b and the host",
        "05.0005 (5.5) a: held; also claimed by b and c",
    ]


def test_before_and_after_say_what_the_plan_changes() -> None:
    """On both sides."""
    before = picture([[HELD._replace(changes=True), Shown(State.HOST, changes=True)]], side=Side.BEFORE)
    after = picture([[OTHER._replace(changes=True), Shown(State.FREE, changes=True)]], side=Side.AFTER)

    assert tooltips(standalone([before, after])) == [
        "05.0004 (5.4) a: held, until the plan takes it",
        "05.0005 (5.5) of the host's own drivers; this plan changes it",
        "05.0004 (5.4) b: held, given by this plan",
        "05.0005 (5.5) free; this plan changes it",
    ]


def test_the_card_is_beside_its_row() -> None:
    """Its number in hex and decimal, its type and mode, and its state; also where there is none yet."""
    made = picture([[HELD], [HELD._replace(is_there=False)]])
    first, second = made.rows
    made = made._replace(rows=(first._replace(card=Card("CEX8", "EP11", "standby")), second._replace(card=NO_CARD)))

    shown = words(parts(made).rows)

    assert shown == ["0x05", "0x06", "(5)", "(6)", "CEX8 EP11", "", "standby", "not there"]
    assert tooltips(embedded(made))[1] == "06.0004 (6.4) a: pending, the card is not there yet"


def test_folded_ids_are_shown_as_a_range() -> None:
    """In their heads and in what the pointer shows."""
    made = picture([[Shown(State.HOST), HELD]])
    folded = made._replace(columns=(Band(4, 9), Band(10, 10)), rows=(made.rows[0]._replace(band=Band(5, 7)),))

    assert "05-07.0004-0009 (5-7.4-9) of the host's own drivers" in tooltips(embedded(folded))
    assert {"04–", "09", "05–07"} <= set(words(embedded(folded)))


def test_initials_are_where_a_run_has_place_for_them() -> None:
    """Up to 64 columns in every run, above that in those of 18 pixels and more."""
    few = picture([[HELD, OTHER] * (WIDE // 2)])
    many = picture([[HELD, OTHER] * (WIDE // 2) + [HELD, HELD]])
    widths = [int(one.get("width", "")) for one in parsed(parts(many).cells).findall(f".//{SVG}rect[{SVG}title]")]

    assert words(parts(few).cells) == ["a0", "b1"] * (WIDE // 2)
    assert words(parts(many).cells) == ["a0"]
    assert [place for place, width in enumerate(widths) if width >= LEAST_FOR_INITIALS] == [WIDE]


def test_every_initial_of_many_columns_fits() -> None:
    """Three letters in a run of two columns do."""
    made = picture([[HELD, HELD] * (WIDE // 2) + [OTHER, OTHER]])
    cells = parsed(parts(made).cells)

    assert float(cells.find(f".//{SVG}g[@text-anchor]").get("font-size", "")) * 0.62 * 3 < 24  # type: ignore[union-attr]


@pytest.mark.parametrize("columns", [1, 64, 65, 256])
def test_the_heads_fit_the_cells(columns: int) -> None:
    """Heads and cells of a picture in parts have the same width and height, so that they are scrolled together."""
    made = picture([[HELD] * columns] * 3)
    if columns == 256:
        made = made._replace(columns=tuple(Band(one, one) for one in range(256)))
    shown = {name: parsed(svg) for name, svg in parts(made)._asdict().items()}

    assert shown["columns"].get("width") == shown["cells"].get("width")
    assert shown["rows"].get("height") == shown["cells"].get("height")
    assert shown["corner"].get("width") == shown["rows"].get("width")
    assert shown["corner"].get("height") == shown["columns"].get("height")


def test_an_embedded_picture_has_classes_and_presentation_attributes_only() -> None:
    """No style that a strict policy would refuse, no script, no event; ids begin with the name that is given."""
    made = embedded(picture([[shown for shown, _ in SHAPES.values()]]), "now")
    elements = list(parsed(made).iter())
    names = {name for one in elements for name in one.attrib}

    assert "<style" not in made
    assert "style" not in names
    assert not [one for one in names if one.startswith("on") or "href" in one]
    assert {one.tag.removeprefix(SVG) for one in elements} <= {
        *("svg", "title", "desc", "defs", "pattern", "g", "rect", "path", "circle", "text")
    }
    assert {one.get("id", "now-")[:4] for one in elements} == {"now-"}


def test_a_picture_that_stands_alone_is_one_document() -> None:
    """With one style, light and dark, its legend, and nothing from elsewhere."""
    made = standalone([picture([[HELD, Shown(State.HOST)]])])

    assert made.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<svg ')
    assert made.count("<style>") == 1
    assert "@media (prefers-color-scheme:dark)" in made
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|<script|<image", made)
    assert {"a", "of the host's own drivers"} <= set(words(made))


def test_a_screen_reader_has_title_and_description() -> None:
    """The picture is one image, named by its title and described by what is counted."""
    root = parsed(parts(picture([[HELD]]), "now").cells)
    labels = [root.find(f".//*[@id='{one}']") for one in root.get("aria-labelledby", "").split()]

    assert root.get("role") == "img"
    assert [one.text for one in labels if one is not None] == [
        "Crypto queues of host lpar7, now",
        "1 queue is present; 1 held.",
    ]


HOSTILE_NAMES: Final = [
    *CHARACTERS,
    "<script>alert(1)</script>",
    '"/><script>alert(1)</script>',
    "]]><!--",
    "{{7*7}}{% x %}${x}",
    "\u202etxt.exe",
    "\x00\x08\x0b\ufffe\uffff\ud800",
    "&lt;&#x41;",
    "x" * 10_000,
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_every_text_from_outside_is_shown_as_text(name: str) -> None:
    """Names, cards and what the host is compared with: the document is well-formed and has the same elements."""

    def elements(word: str) -> list[str]:
        made = picture([[HELD, Shown(State.CONFLICT, 0, (1,))]], [word, "b"])
        made = made._replace(host=word, about=word, holders=tuple(one._replace(kind=word) for one in made.holders))
        made = made._replace(rows=tuple(one._replace(card=Card(word, word, word)) for one in made.rows))
        svg = standalone([made])
        assert len(svg) < 40_000
        assert unsafe_characters(svg) == {"\n"}
        return [one.tag for one in parsed(svg).iter()]

    assert elements(name) == elements("harmless")


def test_a_picture_without_a_queue_is_drawn() -> None:
    """A host without cards has one."""
    made = picture([])

    assert tooltips(standalone([made])) == []
    assert "1 queue is present; 1 held." in embedded(made)


def test_no_line_beside_a_picture_is_cut_by_its_edge() -> None:
    """Neither what it is about, above it, nor the notes below it."""
    long, longer = "about " * 15, "note " * 30
    made = picture([[HELD]])._replace(about=long)

    alone, noted = standalone([made]), standalone([made], ["first", longer])

    for one, text in ((alone, long), (noted, longer)):
        assert int(parsed(one).get("width", "")) >= 7 * len(text)
    assert words(noted)[-2:] == ["first", longer]
    assert "first" not in words(alone)
