"""Durations as people type them: ``90``, ``90s``, ``5m``, ``1h30m``, ``2d``."""

import re
from typing import Any, Final

import click

_PARTS: Final = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s?)?", re.ASCII)


class Duration(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """A duration; the command gets seconds, more than 0."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        if isinstance(value, float):
            return value
        found = _PARTS.fullmatch(str(value))
        seconds = 0
        if found:
            days, hours, minutes, rest = (int(part or 0) for part in found.groups())
            seconds = 86400 * days + 3600 * hours + 60 * minutes + rest
        if not seconds:
            self.fail(f"{value!r} is no duration; write for example 90s, 5m, 1h30m or 2d", param, ctx)
        return float(seconds)
