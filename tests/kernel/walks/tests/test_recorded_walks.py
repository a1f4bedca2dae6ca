"""The simulator answers every operation of the recorded walks as the real kernel did: errno, count, state after it."""

from pathlib import Path

import pytest

from kernel.walks.corpus import kept_walks, load
from testing.recorded_walks import Walk


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name.removesuffix(".jsonl.gz")) for path in kept_walks()])
def test_every_operation_of_a_walk_gets_the_kernels_answer(path: Path) -> None:
    """Each operation gives the recorded result and leaves the recorded state."""
    recorded = load(path)
    walk = Walk(recorded)

    assert recorded.state == walk.state
    for step in recorded.steps:
        walk.check(step)
