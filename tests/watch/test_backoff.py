"""When the repository is asked again."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.watch.schedule import JITTER, spread_wait


def test_failures_double_the_wait_up_to_the_longest() -> None:
    """Success starts anew."""
    assert [spread_wait(60, failures, 900, 0.5) for failures in (0, 1, 2, 3, 4, 5, 10_000)] == [
        60,
        120,
        240,
        480,
        900,
        900,
        900,
    ]


def test_an_interval_above_the_longest_stays() -> None:
    """It is what the administrator wants."""
    assert [spread_wait(3600, failures, 900, 0.5) for failures in (0, 1, 9)] == [3600, 3600, 3600]


@given(st.floats(1, 1e6), st.integers(0, 1000), st.floats(1, 1e6), st.floats(0, 1))
def test_chance_moves_it_a_little(interval: float, failures: int, longest: float, chance: float) -> None:
    """Both ways, by a tenth at most, and never to nothing."""
    middle = spread_wait(interval, failures, longest, 0.5)
    assert (
        middle * (1 - JITTER) * 0.999
        <= spread_wait(interval, failures, longest, chance)
        <= middle * (1 + JITTER) * 1.001
    )
    assert interval <= middle <= max(interval, longest)
