"""The regular look."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from reconciler.watch.schedule import JITTER, every


@given(st.floats(1, 1e6), st.integers())
def test_hosts_drift_apart_and_keep_their_pace(seconds: float, seed: int) -> None:
    """Within the jitter around what was asked for."""
    following = every(seconds, Random(seed))
    times = [following() for _ in range(10)]
    assert all(seconds * (1 - JITTER) <= time <= seconds * (1 + JITTER) for time in times)
    assert len(set(times)) > 1
