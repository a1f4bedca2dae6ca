"""Until when something is suspended, and how long that is from now, as a person reads it."""

from datetime import UTC, datetime

import pytest

from reconciler.model.suspending import SuspendedNow, left_text, until_text

NOW = datetime(2026, 11, 29, 20, 38, 24, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2 * HOUR, " (2h left)"),
        (2 * HOUR - 0.1, " (2h left)"),
        (2 * HOUR - 2, " (1h59m left)"),
        (5 * MINUTE, " (5m left)"),
        (59, " (less than 1m left)"),
        (DAY + 5 * HOUR + 20 * MINUTE, " (1d5h left)"),
        (3 * DAY, " (3d left)"),
        (0, ""),
        (-10, ""),
    ],
)
def test_the_time_left_is_said_in_the_largest_units(seconds: float, text: str) -> None:
    """Without seconds; nothing where it is over."""
    assert left_text(NOW + seconds, NOW) == text


def test_what_ends_when_it_is_resumed_has_no_time_left() -> None:
    """And says so."""
    one = SuspendedNow("root", None, "key ceremony", NOW)

    assert (until_text(None), left_text(None, NOW)) == ("until it is resumed", "")
    assert one.with_left == one.text == "suspended by root until it is resumed: key ceremony"
    assert one.brief == "suspended by root: key ceremony"


@pytest.mark.parametrize(
    ("seconds", "brief"),
    [
        (2 * HOUR, "suspended until 22:38 UTC by root: key ceremony"),
        (4 * HOUR, "suspended until 11-30 00:38 UTC by root: key ceremony"),
        (40 * DAY, "suspended until 2027-01-08 20:38 UTC by root: key ceremony"),
    ],
)
def test_a_narrow_column_begins_with_the_end(seconds: float, brief: str) -> None:
    """Without the date where it is today's, and without the year where it is this one."""
    assert SuspendedNow("root", NOW + seconds, "key ceremony", NOW).brief == brief


def test_what_programs_read_is_the_same_at_all_times() -> None:
    """A saved plan has it, which is compared with a plan that is made later."""
    texts = {SuspendedNow("root", NOW + DAY, "key ceremony", NOW + later).text for later in (0, HOUR, DAY - 1)}

    assert texts == {"suspended by root until 2026-11-30 20:38 UTC: key ceremony"}
