"""Moments that have passed, as people write them after an option: a word, how long ago, or a date."""

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import click

from reconciler.cli.options import LONGEST_DAYS, seconds_in
from reconciler.model.similar import did_you_mean
from reconciler.render.history_list import local_time
from reconciler.render.text import local

WORDS: Final = ("today", "yesterday")
"""Each is the beginning of that day, in local time."""

_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def moment_of(text: str, now: float, zone: tzinfo | None = None) -> float:
    """The moment that `text` names, in seconds since 1970.

    Args:
        text: today, yesterday, how long ago (``2h``), or a date with or without a time of day, in ISO 8601.
        now: in seconds since 1970.
        zone: of what has no offset; None: the one of this process.

    Raises:
        ValueError: it is none of these, or is still to come; the message says what can be written.
    """
    if text.lower() in WORDS:
        return _midnight(local(now, zone).date().toordinal() - WORDS.index(text.lower()), zone)
    if seconds := seconds_in(text):
        if seconds > LONGEST_DAYS * 86400:
            raise ValueError(f"{text!r} is too long; write at most {LONGEST_DAYS}d")
        return now - seconds
    found = _iso_moment(text, zone)
    if found is None:
        raise ValueError(f"{text!r} is no such time. {did_you_mean(text, WORDS)}{_forms(now, zone)}")
    if found > now:
        raise ValueError(f"{text!r} is still to come: it is {local_time(now, zone)}")
    return found


def _midnight(day: int, zone: tzinfo | None) -> float:
    return _seconds(datetime.fromordinal(day), zone)


def _iso_moment(text: str, zone: tzinfo | None) -> float | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        return None
    return max(0.0, _seconds(found, zone))


def _seconds(moment: datetime, zone: tzinfo | None) -> float:
    """`moment` in seconds since 1970; one without an offset is in the `zone`, by the same rules as `local`."""
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    try:
        moment = moment.astimezone()
    except (ValueError, OverflowError):
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _forms(now: float, zone: tzinfo | None) -> str:
    evening = local(now - timedelta(days=1).total_seconds(), zone)
    return (
        "Write today, yesterday, how long ago, such as 2h or 3d, or a date with or without a time of day, for example "
        f"{evening:%Y-%m-%d}T22:00, which is local time unless an offset such as +01:00 follows"
    )


class Moment(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """A moment that has passed; the command gets it as it was written, for `moment_of`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        try:
            moment_of(str(value), time.time())
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)
