"""Durations as people write them."""

import pytest

from reconciler.model.durations import duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 seconds"),
        (0, "0 seconds"),
        (0.25, "less than a second"),
        (0.9999, "less than a second"),
        (0.0015, "less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3601, "1 hour"),
        (86_399, "23 hours 59 minutes"),
        (86_400 * 3 + 3600 * 4 + 59, "3 days 4 hours"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """At most two units."""
    assert duration_text(seconds) == text
