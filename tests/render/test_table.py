"""Tables: a line a row, on pages of any width, for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.table import Page, Row, columns_of, table_lines
from reconciler.render.text import Painter

HEADING = ("NAME", "STATE", "WHY")
LEAST = ((2, 6), (0, 4))
ROWS = [
    Row(("a", "in-sync", "-"), {1: "good"}),
    Row(("a-guest-with-a-long-name", "pending", "adapter 0x05 (5) is not there yet"), {1: "warning"}),
]


def test_where_there_is_room_nothing_is_cut() -> None:
    """Columns are as wide as what is in them; no blank stands at the end of a line."""
    lines = [
        "NAME                      STATE    WHY",
        "a                         in-sync  -",
        "a-guest-with-a-long-name  pending  adapter 0x05 (5) is not there yet",
    ]
    assert lines == table_lines(HEADING, ROWS, Page(), LEAST) == table_lines(HEADING, ROWS, Page(68), LEAST)


def test_the_columns_that_may_be_cut_are_cut_in_their_order() -> None:
    """The reason first, then the name; each keeps its least width."""
    assert table_lines(HEADING, ROWS, Page(50), LEAST)[2] == "a-guest-with-a-long-name  pending  adapter 0x05 (…"
    assert table_lines(HEADING, ROWS, Page(30), LEAST)[2] == "a-gues…g-name  pending  adapt…"
    assert table_lines(HEADING, ROWS, Page(30, ellipsis="..."), LEAST)[2] == "a-gue...-name  pending  ada..."


def test_names_that_differ_only_at_their_ends_can_be_told_apart() -> None:
    """A name, a uuid and a host name are cut in the middle, also with an ellipsis of another width."""
    names = [f"production-payments-gateway-eu-central-1-blue-{one:02}" for one in range(8)]

    cut = [Page().cut(one, 24) for one in names]
    assert cut[0] == "production-p…l-1-blue-00"
    assert len(set(cut)) == len(names)
    assert Page(ellipsis="...").cut(names[3], 24) == "production-...-1-blue-03"
    assert Page().cut("6b1c6f0e-0000-4000-8000-000000000001", 12) == "6b1c6f…00001"
    assert Page().cut("05.0004, 05.0005, 05.0006, 05.0007", 12) == "05.0004, 05…"
    assert Page().cut("db1-and-more", 4) == "db1…"


def test_colours_take_no_room() -> None:
    """A cell is as wide with its colour as without."""
    painted = table_lines(HEADING, ROWS, Page(40, Painter()), LEAST)

    assert "\033[32min-sync\033[0m  -" in painted[1]
    bare = [line.replace("\033[0m", "") for line in painted]
    for code in ("1", "32", "1;33"):
        bare = [line.replace(f"\033[{code}m", "") for line in bare]
    assert bare == table_lines(HEADING, ROWS, Page(40), LEAST)


@given(
    st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z", "M")))] * 3), max_size=4),
    st.integers(1, 60),
    st.sampled_from(["…", "..."]),
)
def test_no_line_is_longer_than_the_page(rows: list[tuple[str, str, str]], width: int, ellipsis: str) -> None:
    """Whatever the texts are, also with characters that take two columns."""
    lines = table_lines(HEADING, [Row(one) for one in rows], Page(width, ellipsis=ellipsis), LEAST)

    assert len(lines) == len(rows) + 1
    assert all(columns_of(line) <= width for line in lines)


def test_wide_and_combining_characters_are_counted_as_they_are_drawn() -> None:
    """Two columns, and none."""
    assert columns_of("a\u0301\u6f22") == 3
    assert Page(4).cut("\u6f22\u5b57\u6f22") == "\u6f22…"
    assert Page(2, ellipsis="...").cut("abc") == "ab"


def test_a_sentence_that_ends_in_brackets_is_divided_like_any_other() -> None:
    """As many words as fit stand on each line; only a few words in brackets stay together."""
    page = Page(60)
    text = "the LPAR lacks what the host has had, and the next one has it (see what it has in the list that is below)"

    assert page.wrapped("", text, 0) == [
        "the LPAR lacks what the host has had, and the next one has",
        "it (see what it has in the list that is below)",
    ]
    numbered = f"{'a' * 47} adapters (5-6, 171)"
    assert page.wrapped("", numbered, 0) == ["a" * 47, "adapters (5-6, 171)"]


@pytest.mark.parametrize("width", [57, 80, 120, None])
def test_a_remark_stands_beside_its_command_where_both_have_room(width: int | None) -> None:
    """And nothing changes without a remark."""
    line = "  next: reconcile plan    # shows what an apply would do"

    assert Page(width).with_remark(line) == [line]
    assert Page(width).with_remark("  next: reconcile plan") == ["  next: reconcile plan"]


@pytest.mark.parametrize("label", ["  next: ", "  next:    ", "  fix:  ", "  ", ""])
def test_a_remark_that_has_no_room_stands_below_its_command(label: str) -> None:
    """Where the command begins, so that it is clear what it is about; the command can be copied as it is."""
    command = f"{label}reconcile plan -f {'d' * 80}"

    assert Page(120).with_remark(f"{command}    # shows what an apply does") == [
        command,
        f"{' ' * len(label)}# shows what an apply does",
    ]
    short = f"{label}reconcile plan    # shows what an apply does, and what it leaves as it is"
    assert Page(40).with_remark(short) == [
        f"{label}reconcile plan",
        *Page(40).wrapped(" " * len(label) + "# ", "shows what an apply does, and what it leaves as it is", 0),
    ]


@pytest.mark.parametrize("text", ["w" * 300, f"Fix {'w' * 300} at once", "漢" * 100, "x" * 81])
@pytest.mark.parametrize("width", [50, 80])
def test_a_word_that_nobody_copies_is_divided_where_it_is_wider_than_the_page(text: str, width: int) -> None:
    """Such as one of a commit's subject; nothing of it is lost."""
    lines = Page(width).wrapped("  subject:   ", text, 0)

    assert all(columns_of(line) <= width for line in lines)
    joined = "".join(line[13:] for line in lines)
    assert joined.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("word", [f"/srv/{'w' * 100}", "n" * 63, f"reconcile apply -f {'w' * 100}"])
def test_what_is_copied_is_not_divided(word: str) -> None:
    """Paths, names and commands, on any page."""
    (line,) = (one for one in Page(40).wrapped("", f"see: {word}") if word in one)

    assert line.strip().endswith(word)
