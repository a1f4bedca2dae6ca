"""Moments after an option, as people write them, in the local time of whatever zone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from reconciler.cli.moments import moment_of

CET = timezone(timedelta(hours=1), "CET")
NOON = datetime(2027, 1, 15, 12, tzinfo=CET)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("today", datetime(2027, 1, 15, tzinfo=CET)),
        ("yesterday", datetime(2027, 1, 14, tzinfo=CET)),
        ("Yesterday", datetime(2027, 1, 14, tzinfo=CET)),
        ("90s", NOON - timedelta(seconds=90)),
        ("2h", NOON - timedelta(hours=2)),
        ("1h30m", NOON - timedelta(minutes=90)),
        ("3d", NOON - timedelta(days=3)),
        ("2027-01-14", datetime(2027, 1, 14, tzinfo=CET)),
        ("2027-01-14T22:00", datetime(2027, 1, 14, 22, tzinfo=CET)),
        ("2027-01-14 22:00", datetime(2027, 1, 14, 22, tzinfo=CET)),
        ("2027-01-14T22:00:30", datetime(2027, 1, 14, 22, 0, 30, tzinfo=CET)),
        ("2027-01-14T22:00:30.5", datetime(2027, 1, 14, 22, 0, 30, 500_000, tzinfo=CET)),
        ("2027-01-14T22:00Z", datetime(2027, 1, 14, 22, tzinfo=UTC)),
        ("2027-01-14T22:00:00+02:00", datetime(2027, 1, 14, 20, tzinfo=UTC)),
        ("2027-01-14T22:00-0530", datetime(2027, 1, 15, 3, 30, tzinfo=UTC)),
        ("2027-01-15T12:00", NOON),
        ("1969-07-20", datetime(1970, 1, 1, tzinfo=UTC)),
        ("0001-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_each_form_is_one_moment(text: str, moment: datetime) -> None:
    """Local time, unless it has an offset; before 1970 there is nothing."""
    assert moment_of(text, NOON.timestamp(), CET) == moment.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "", "2", "90", "last night", "monday", "22:00", "2027", "2027-01", "2027-02-30", "2027-01-14T25:00",
        "14.01.2027", "2027-01-14T22", "2027-01-14T22:00 CET", "-2h", "2 h", "２h", "２０２７-01-14", "now", "0s",
        "2027-01-14\n",
    ],
)  # fmt: skip
def test_anything_else_is_answered_with_the_forms_and_an_example(text: str) -> None:
    """Which is about last night, and can be copied."""
    with pytest.raises(ValueError, match=r"is no such time\. (Did .*\? )?Write today, yesterday") as raised:
        moment_of(text, NOON.timestamp(), CET)

    example = str(raised.value).split("for example ")[-1].split(",")[0]
    assert example == "2027-01-14T22:00"
    assert moment_of(example, NOON.timestamp(), CET)


def test_a_word_that_is_mistyped_is_corrected() -> None:
    """Before the forms are named."""
    with pytest.raises(ValueError, match="Did you mean 'yesterday'"):
        moment_of("yesteday", NOON.timestamp(), CET)


@pytest.mark.parametrize("text", ["2027-01-16", "2027-01-15T12:00:01", "9999-12-31"])
def test_what_is_still_to_come_is_refused(text: str) -> None:
    """Since nothing can have happened after it: the year or the offset is wrong."""
    with pytest.raises(ValueError, match="is still to come: it is 2027-01-15 12:00:00 CET"):
        moment_of(text, NOON.timestamp(), CET)


def test_how_long_ago_has_a_limit() -> None:
    """As everywhere."""
    with pytest.raises(ValueError, match="is too long; write at most 9999d"):
        moment_of("99999d", NOON.timestamp(), CET)


class Berlin(tzinfo):
    """A zone whose summer begins on 2027-03-28."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """An hour or two."""
        assert moment
        return timedelta(hours=2 if (moment.month, moment.day, moment.hour) >= (3, 28, 3) else 1)

    def tzname(self, moment: datetime | None) -> str:
        """The name of the zone at `moment`."""
        return "CEST" if self.utcoffset(moment) == timedelta(hours=2) else "CET"

    def dst(self, moment: datetime | None) -> timedelta:
        """What the summer adds."""
        return self.utcoffset(moment) - timedelta(hours=1)


def test_a_day_begins_at_its_own_midnight() -> None:
    """Also where it has 23 hours."""
    evening = datetime(2027, 3, 28, 20, tzinfo=Berlin())

    assert moment_of("today", evening.timestamp(), Berlin()) == evening.timestamp() - 19 * 3600
    assert moment_of("yesterday", evening.timestamp(), Berlin()) == evening.timestamp() - 43 * 3600


@pytest.fixture(params=["Europe/Berlin", "", "ABC24", "ABC-24", "<>", "nonsense/zone"])
def process_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The zone of this process, also one that Python cannot have; it is set back at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_the_zone_of_the_process_is_that_of_the_list(process_zone: str) -> None:
    """Whatever it is: UTC where Python has no such zone, as in the list itself."""
    now = NOON.timestamp()
    midnight = 1_799_967_600.0 if process_zone == "Europe/Berlin" else 1_799_971_200.0

    assert moment_of("today", now) == midnight
    assert moment_of("2027-01-15", now) == midnight
    assert moment_of("yesterday", now) == midnight - 86_400
