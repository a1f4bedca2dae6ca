"""What the tests of the transaction share."""

from pathlib import Path

import pytest

from reconciler.transaction.state_directory import StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A state directory, ready for use."""
    made = StateDirectory(tmp_path / "state")
    made.prepare()
    return made
