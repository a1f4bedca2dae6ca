"""What trials found is counted, told and never lost."""

import pytest

from trials.tally import End, Tally, told


def test_ends_are_counted_and_all_else_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each, one for all, and what was otherwise with its place."""
    first, second = Tally("swap on 6.12"), Tally("pool on 7.2")
    first.count("write 1: EINVAL", End.START)
    first.count("write 2: EINVAL", End.TARGET, ["the host is in between", "the journal is still there"])
    second.count("write 1: EBUSY", End.DEGRADED)

    total = told([first, second], "faults")

    assert (total.tried, len(total.otherwise)) == (3, 1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("faults, all")
    where = "swap on 6.12: write 2: EINVAL"
    assert lines[1] == f"  OTHERWISE {where}: the host is in between; the journal is still there"


def test_only_some_of_what_was_otherwise_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of the trials themselves must not fill the screen."""
    tally = Tally("all of them")
    for number in range(25):
        tally.count(number, End.START, ["wrong"])

    told([tally], "kills")

    assert capsys.readouterr().out.splitlines()[-2].strip() == "... and 15 more"
