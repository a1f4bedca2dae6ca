"""The page of a report: how large it gets at most, and that nothing from outside becomes markup."""

from typing import Final

import pytest

from reconciler.picture.cells import Band, Card, Holder, Picture, Row, Run, Shown, Side, State
from reconciler.picture.sheet import standalone
from reconciler.render.report_html import ascii_text, report_html
from reconciler.render.reports import Listing, Report, Table
from testing.hostile_text import CHARACTERS, unsafe_characters
from testing.pictures import tooltips

ADAPTERS: Final = 64
DOMAINS: Final = 85
GUESTS: Final = 100


def picture(side: Side, name: str, width: int, shift: int = 0) -> Picture:
    """A full machine, all queues of which change hands; each guest has so many domains beside each other."""

    def run(adapter: int, place: int) -> Run:
        blocks = GUESTS // -(-DOMAINS // width)
        holder = (adapter * blocks // ADAPTERS * -(-DOMAINS // width) + place + shift) % GUESTS
        first = place * width
        return Run(first, min(first + width, DOMAINS) - 1, Shown(State.HELD, holder, changes=True))

    return Picture(
        host="lpar7",
        side=side,
        about="before and after this plan",
        holders=tuple(Holder(name.format(one), "", f"g{one}", "active") for one in range(GUESTS)),
        columns=tuple(Band(one, one) for one in range(DOMAINS)),
        rows=tuple(
            Row(
                Band(one, one),
                Card("CEX8", "CCA", "online"),
                tuple(run(one, place) for place in range(-(-DOMAINS // width))),
            )
            for one in range(ADAPTERS)
        ),
        counts={"held": ADAPTERS * DOMAINS},
        present=ADAPTERS * DOMAINS,
    )


def _still(row: Row) -> Row:
    return row._replace(runs=tuple(one._replace(shown=one.shown._replace(changes=False)) for one in row.runs))


def report(*pictures: Picture, changed: int = GUESTS) -> Report:
    """A report of these, with a step for each guest that is `changed`."""
    steps = tuple(
        f"{one}. guest-{one:03}: adapters 0x00-0x3f (0-63), domains 0x00-0x08 (0-8)" for one in range(changed)
    )
    return Report("lpar7", "about", (("Kernel", "6.12"),), pictures, (Listing("Steps", steps),))


SHORT: Final = "guest-{:03}"
LONG: Final = "a-name-that-is-as-long-as-the-name-of-a-guest-can-be-at-all-{:03}"


@pytest.mark.parametrize(("name", "width", "most"), [(SHORT, 9, 300_000), (SHORT, 1, 1_000_000), (LONG, 1, 1_000_000)])
def test_a_report_on_a_full_machine_stays_small(name: str, width: int, most: int) -> None:
    """With 100 guests on domains beside each other, and where no two neighbours are alike, also on both sides."""
    before, after = picture(Side.BEFORE, name, width), picture(Side.AFTER, name, width, shift=1)
    now = picture(Side.NOW, name, width)

    # Where not all changes, as mostly.
    still = [one._replace(rows=tuple(_still(row) for row in one.rows)) for one in (before, after)]
    for pictures in ((now,), still if width > 1 else (before, after)):
        made = report(*pictures, changed=GUESTS if width == 1 else 10)
        sizes = [len(report_html(made, "1")), len(ascii_text(standalone(pictures)))]
        assert max(sizes) <= most, sizes
        assert len(tooltips(standalone(pictures))) == len(pictures) * ADAPTERS * -(-DOMAINS // width)


def test_a_cell_says_what_it_is() -> None:
    """In hex and decimal, with its holder and its state; with initials, as in the legend, where there are very many."""
    before, after = picture(Side.BEFORE, SHORT, 1), picture(Side.AFTER, SHORT, 1)

    assert tooltips(standalone([before]))[0] == "00.0000 (0.0) guest-000: held, until the plan takes it"
    assert tooltips(standalone([before, after]))[0] == "00.0000 (0.0) g0 held"


@pytest.mark.parametrize("word", [*CHARACTERS, "<script>alert(1)</script>", "{{7*7}}", "x" * 10_000])
def test_nothing_from_outside_becomes_markup(word: str) -> None:
    """Wherever it stands in a report: names, facts, lines, cells of tables."""

    def page(text: str) -> str:
        holder = Holder(text, text, "g", text)
        shown = picture(Side.NOW, SHORT, 9)
        shown = shown._replace(
            host=text,
            about=text,
            holders=(holder,) * GUESTS,
            rows=(shown.rows[0]._replace(card=Card(text, text, text)),),
        )
        parts = (Table(text, (text, text), ((text, text),)), Listing(text, (text,)))
        return report_html(Report(text, text, ((text, text),), (shown,), parts), "1")

    made = page(word)

    assert made.count("<") == page("plain").count("<")
    assert unsafe_characters(made) == {"\n"}
    assert made.isascii()
