"""What we tell people to run with other tools is what these tools take, and does what it is meant to do."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.integrations.persistence import (
    APPLY_MASKS,
    configure_cards,
    give_up,
    move_away,
    start_by_hand,
    write_masks_anew,
)
from reconciler.model.ids import IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix
from testing.holdings import uuid
from testing.other_tools import FULL, Chzdev, Masks, RefusedError, chzcrypt, chzdev

MEASURED: Final[list[dict[str, Any]]] = json.loads(Path(__file__).with_name("commands_measured.json").read_text())[
    "commands"
]
PAGES: Final = [Path(__file__).parents[2] / "README.md", *sorted((Path(__file__).parents[2] / "docs").glob("*.md"))]
UNTOUCHED: Final = Chzdev(Masks(FULL, FULL), Masks(None, None))
WRITTEN: Final = Chzdev(Masks(FULL, FULL), Masks(~IdSet([5, 6]), ~IdSet([4])))
IDS: Final = st.integers(0, (1 << 256) - 1).map(IdSet.from_bits)


def given_up(masks: Masks) -> list[list[int] | None]:
    """The ids that the host gives up by `masks`."""
    return [None if mask is None else list(~mask) for mask in masks]


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row["command"])
def test_the_stand_ins_do_what_the_real_tools_did(row: dict[str, Any]) -> None:
    """So that a command which they take is one that the tools take."""
    tool, *words = row["command"].split()
    try:
        if tool == "chzcrypt":
            done: object = list(chzcrypt(words) & IdSet([5, 6, 7, 10]))
            wanted: object = row["configured"]
            refused = not chzcrypt(words) <= IdSet([5, 6, 7, 10])
        else:
            after = chzdev(words, WRITTEN if "--apply" in words else UNTOUCHED)
            done, wanted, refused = [*map(given_up, after)], [row["active"], row["persistent"]], False
    except RefusedError:
        # They know less than the tools do, and never more.
        assert row["status"] or row["command"] in ("chzdev --type ap --help-attribute", "chzdev --typ ap apmask=-5")
    else:
        assert (bool(row["status"]), wanted) == (refused, done)


@given(cards=IDS.filter(bool))
def test_the_cards_in_standby_are_configured_and_no_others(cards: IdSet) -> None:
    """Which chzcrypt takes as hex."""
    tool, *words = shlex.split(configure_cards(cards))

    assert ("chzcrypt", cards) == (tool, chzcrypt(words))


@given(matrix=st.builds(Matrix, IDS, IDS), active=st.tuples(IDS, IDS))
def test_the_host_gives_up_what_it_is_to_give_up(matrix: Matrix, active: tuple[IdSet, IdSet]) -> None:
    """Now and at boot, and by one mask only."""
    assume(not matrix.is_empty)
    tool, *words = shlex.split(give_up(matrix))

    after = chzdev(words, Chzdev(Masks(*active), Masks(None, None)))

    assert "chzdev" == tool
    assert not Matrix(after.active.apmask or IdSet(), after.active.aqmask or IdSet()).overlaps(matrix)
    kept = [FULL if mask is None else mask for mask in after.persistent]
    assert not Matrix(*kept).overlaps(matrix)
    assert 1 == sum(mask is not None for mask in after.persistent)


@given(pool=st.builds(Matrix, IDS, IDS) | st.just(FULL_MATRIX), active=st.tuples(IDS, IDS))
def test_the_rule_file_is_written_anew(pool: Matrix, active: tuple[IdSet, IdSet]) -> None:
    """The broken one goes first, since chzdev ends where it cannot read it."""
    removal, _, writing = write_masks_anew(Path("/"), pool).partition(" && ")

    assert "rm /etc/udev/rules.d/41-ap.rules" == removal
    if pool == FULL_MATRIX:
        assert "" == writing
    else:
        after = chzdev(shlex.split(writing)[1:], Chzdev(Masks(*pool), Masks(None, None)))
        assert Masks(*pool) == after.persistent


def test_masks_of_the_rule_file_are_put_in_force() -> None:
    """Not by --active, which sets what is given with it."""
    assert WRITTEN.persistent == chzdev(APPLY_MASKS.split()[1:], WRITTEN).active


def test_a_definition_gets_the_name_that_mdevctl_writes() -> None:
    """Before it is changed, since mdevctl would write a second file."""
    assert f"mdevctl modify -u {uuid(10)} --manual" == start_by_hand(Path("/"), uuid(10), uuid(10))
    assert (
        f"mv -n '/etc/mdevctl.d/matrix/{{{uuid(10)}}}' /etc/mdevctl.d/matrix/{uuid(10)} && "
        f"mdevctl modify -u {uuid(10)} --manual"
    ) == start_by_hand(Path("/"), f"{{{uuid(10)}}}", uuid(10))
    assert "mv -n '/etc/mdevctl.d/matrix/a b' '/root/a b.broken'" == move_away("/etc/mdevctl.d/matrix/a b")


def commands_of(page: Path, tool: str) -> list[list[str]]:
    """The commands of `tool` on `page`, as words."""
    found = re.findall(rf"`({tool} [^`\n]+)`|^ {{4}}({tool} .*)$", page.read_text(), re.MULTILINE)
    return [shlex.split(one or other, comments=True) for one, other in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_is_one_that_the_tool_takes(page: Path) -> None:
    """With its arguments."""
    for _, *words in commands_of(page, "chzcrypt"):
        assert chzcrypt(words)
    for _, *words in commands_of(page, "chzdev"):
        assert chzdev(words, WRITTEN)
