"""The value of a picture: its runs, its initials, and what is refused where it is read."""

import re
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.codec import BadRecord
from reconciler.picture.cells import (
    NO_CARD,
    PICTURES,
    Band,
    Card,
    Holder,
    Picture,
    Row,
    Run,
    Shown,
    Side,
    State,
    initials_of,
    runs_of,
)
from reconciler.planning.grid import CellState
from testing.pictures import picture

HELD: Final = Shown(State.HELD, 0)


def test_the_states_are_those_of_the_grid() -> None:
    """Word for word, so that a cell's state becomes that of a run; only machines have one more."""
    assert [one.value for one in State if one is not State.STANDBY] == [one.value for one in CellState]


def test_neighbours_that_are_alike_are_one_run() -> None:
    """An empty cell ends a run, and so does any difference."""
    pending = HELD._replace(is_there=False)

    assert runs_of([HELD, HELD, None, HELD, pending, pending]) == (
        Run(0, 1, HELD),
        Run(3, 3, HELD),
        Run(4, 5, pending),
    )
    assert runs_of([]) == runs_of([None, None]) == ()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["guest1", "guest2", "guest10"], ["g1", "g2", "g10"]),
        (["payments-db", "payments-web"], ["pd", "pw"]),
        (["db", "web"], ["db", "we"]),
        (["guest-001", "guest-100"], ["g1", "g10"]),
        (["a.b.c.d"], ["ad"]),
        (["3783d4a7-df47-58ab-bed9-cee63c6e6f5e"], ["38"]),
    ],
)
def test_initials_are_those_that_people_would_choose(names: list[str], expected: list[str]) -> None:
    """The first letter of each word, and numbers as they are."""
    found = initials_of(names)

    assert found == expected or len(names) == 1


@given(st.lists(st.text(max_size=12) | st.from_regex(r"[a-z]{1,2}[0-9]{0,4}", fullmatch=True), max_size=60))
def test_no_two_have_the_same_initials(names: list[str]) -> None:
    """Whatever they are called; and the initials are letters and digits that every terminal and font has."""
    found = initials_of(names)

    assert len(set(found)) == len(names)
    assert all(re.fullmatch("[a-z0-9]{1,3}", one) for one in found)


shown = st.builds(
    Shown,
    st.sampled_from(State),
    st.none() | st.integers(0, 2),
    st.just(()),
    of_host=st.booleans(),
    is_there=st.booleans(),
    changes=st.booleans(),
)


@given(st.lists(st.none() | shown, min_size=3, max_size=3))
def test_a_picture_is_read_as_it_was_written(cells: list[Shown | None]) -> None:
    """As JSON, through the codec that both sides use."""
    made = picture([cells])

    assert PICTURES.read_content(Picture, PICTURES.content(made)) == made


def test_all_who_have_or_claim_it_are_kept() -> None:
    """In their order: who has it, then the others."""
    made = picture([[Shown(State.CONFLICT, 2, (0, 1), of_host=True)]])

    assert PICTURES.plain(made)["rows"][0]["runs"] == ["0-0 conflict 2,0,1 h"]
    assert PICTURES.read(Picture, PICTURES.plain(made)) == made


BAD_RUNS: Final = [
    "0-0",
    "0-0 lost",
    "0-3 held 0",
    "1-0 held 0",
    "0-0 held 3",
    "0-0 held 0,3",
    "0-0 held 0 z",
    "0-0 held 0 hh",
    " 0-0 held 0",
    "0-0 held 0\n",
    "0-0  held 0",
    "٠-٠ held 0",
    "99999999999999999999-0 held 0",
    "-1-0 held 0",
    "0-0 held -1",
    "",
    7,
    None,
]


@pytest.mark.parametrize("run", BAD_RUNS)
def test_a_run_that_cannot_be_drawn_is_refused(run: Any) -> None:
    """A reader draws what another process has published, and takes nothing for granted."""
    record = PICTURES.plain(picture([[HELD, None, None]]))
    record["rows"][0]["runs"] = [run]

    with pytest.raises(BadRecord, match="rows"):
        PICTURES.read(Picture, record)


def test_runs_and_ids_that_lie_upon_each_other_are_refused() -> None:
    """Runs of one row, rows and columns; and ids that no adapter has."""
    made = picture([[HELD, None, None]])
    twice = Row(Band(5, 5), NO_CARD, (Run(0, 1, HELD), Run(1, 2, HELD)))
    wrong = [
        made._replace(rows=(twice,)),
        made._replace(rows=(made.rows[0], made.rows[0])),
        made._replace(columns=(Band(4, 9), Band(9, 9), Band(10, 10))),
        made._replace(columns=(Band(4, 3), Band(9, 9), Band(10, 10))),
        made._replace(columns=(Band(4, 4), Band(9, 9), Band(10, 256))),
    ]

    for one in wrong:
        with pytest.raises(BadRecord):
            PICTURES.read(Picture, PICTURES.plain(one))


def test_the_domains_of_a_run_are_those_of_its_columns() -> None:
    """With all that are folded into one."""
    made = Picture("lpar7", Side.NOW, "", (Holder("a", "", "a", "active"),), (Band(4, 4), Band(7, 9)), (), {}, 0)

    assert str(made.domains_of(Run(0, 1, HELD))) == "0x04 (4), 0x07-0x09 (7-9)"
    assert Card("CEX8", "", "online") != NO_CARD
