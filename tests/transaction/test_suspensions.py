"""What is left alone for a while, in a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.codec import BadRecord
from reconciler.transaction.loop_records import NONE, SUSPENDED, Suspension, Suspensions, read_suspensions
from reconciler.transaction.loop_records import write_suspensions as write
from reconciler.transaction.state_directory import StateDirectory

ONE = Suspension("maintenance", "root", 100.0)
FOR_GOOD = Suspension("broken", "admin", None)


@pytest.mark.parametrize("suspensions", [NONE, Suspensions(ONE, {}), Suspensions(None, {"a": FOR_GOOD, "b": ONE})])
def test_what_was_written_is_read(suspensions: Suspensions, tmp_path: Path) -> None:
    """And where nothing is suspended there is no file."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    write(state, Suspensions(FOR_GOOD, {}))

    write(state, suspensions)

    assert read_suspensions(state) == suspensions
    assert (state.path / SUSPENDED).exists() is (suspensions != NONE)


@given(until=st.floats(0, 1000), now=st.floats(0, 1000))
def test_a_time_that_has_come_is_over(until: float, now: float) -> None:
    """Exactly then; and the next end that is still ahead is known."""
    one = Suspension("maintenance", "root", until)

    left = Suspensions(one, {"a": one, "b": FOR_GOOD}).at(now)

    assert (left.host is None) == (until <= now)
    assert set(left.guests) == ({"b"} if until <= now else {"a", "b"})
    assert all(end > now for end in left.ends)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"formatVersion": 2}', '{"formatVersion": 1, "host": 1}'])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    """Nothing is guessed."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    state.replace(SUSPENDED, content.encode())

    with pytest.raises(BadRecord, match=SUSPENDED):
        read_suspensions(state)
