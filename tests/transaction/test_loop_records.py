"""What is enforced survives the loop."""

from pathlib import Path

import pytest

from reconciler.model.codec import BadRecord
from reconciler.transaction.loop_records import ENFORCED, LastGood, read_last_good, write_last_good
from reconciler.transaction.state_directory import StateDirectory
from testing.holdings import config, desired, guest


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """With its commit."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    good = LastGood(desired([guest("one", config([5], [4]), 1)]), "a" * 40)
    assert read_last_good(state) is None

    write_last_good(state, good)

    found = read_last_good(state)
    assert found
    assert (found.commit, found.desired.digest) == (good.commit, good.desired.digest)
    assert [(one.name, one.uuid, one.config) for one in found.desired.guests] == [
        (one.name, one.uuid, one.config) for one in good.desired.guests
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"formatVersion": 2}', '{"formatVersion": 1, "commit": ""}'])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    """Nothing is guessed."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    state.replace(ENFORCED, content.encode())

    with pytest.raises(BadRecord, match=ENFORCED):
        read_last_good(state)
