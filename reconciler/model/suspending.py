"""Who suspended or resumed what, when and why: what the history shows of it between its generations."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple


def until_text(until: float | None) -> str:
    """Until when something is suspended, for people: `until` is in seconds since 1970; None: until it is resumed."""
    return "until it is resumed" if until is None else f"until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"


def left_text(until: float | None, now: float) -> str:
    """How long it is from `now` until then, in whole minutes, behind a space in brackets; empty without an end."""
    if until is None or until <= now:
        return ""
    minutes = round(until - now) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    parts = [(days, "d"), (hours, "h"), (0 if days else minutes % 60, "m")]
    shown = "".join(f"{count}{unit}" for count, unit in parts if count)
    return f" ({shown} left)" if shown else " (less than 1m left)"


class SuspendedNow(NamedTuple):
    """A suspension as it is shown at a time.

    Attributes:
        by: which user made it.
        until: when it ends, in seconds since 1970; None: when it is resumed.
        reason: why.
        now: the time of showing it.
    """

    by: str
    until: float | None
    reason: str
    now: float

    @property
    def text(self) -> str:
        """What says the same whenever it is shown, for programs, too."""
        return f"suspended by {self.by} {until_text(self.until)}: {self.reason}"

    @property
    def with_left(self) -> str:
        """The same with how long it is until its end."""
        return f"suspended by {self.by} {until_text(self.until)}{left_text(self.until, self.now)}: {self.reason}"

    @property
    def brief(self) -> str:
        """For a narrow column: until when first, without the date where that is today's."""
        if self.until is None:
            return f"suspended by {self.by}: {self.reason}"
        end, now = (datetime.fromtimestamp(one, UTC) for one in (self.until, self.now))
        day = "" if end.date() == now.date() else f"{end:%m-%d} " if end.year == now.year else f"{end:%Y-%m-%d} "
        return f"suspended until {day}{end:%H:%M} UTC by {self.by}: {self.reason}"


class SuspensionEvent(StrEnum):
    """What happened to a suspension; the last one is that its time was over."""

    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ENDED = "ended"


class SuspensionChange(NamedTuple):
    """What one command, or the time, did to suspensions that have the same reason.

    Attributes:
        at: when, in seconds since 1970; None where that was not recorded.
        what: which of the three.
        guests: whose suspension it was; none where it was that of the whole host.
        more: how many guests there were besides, where not all of them are named.
        by: who did it; empty where the time was over.
        reason: why it was suspended.
        until: until when it was suspended (seconds since 1970); None: until it is resumed.
    """

    at: float | None
    what: SuspensionEvent
    guests: tuple[str, ...]
    more: int
    by: str
    reason: str
    until: float | None

    @property
    def holders(self) -> tuple[str, ...]:
        """The names of its guests, or an empty one for the whole host."""
        return self.guests or ("",)


def with_ends(changes: Sequence[SuspensionChange], now: float) -> list[SuspensionChange]:
    """`changes` and, in their place among them, the ends of those suspensions whose time was over by itself.

    Args:
        changes: in the order of time; those without a time may stand anywhere.
        now: in seconds since 1970.
    """
    found: list[SuspensionChange] = []
    running: dict[str, SuspensionChange] = {}

    def end(moment: float) -> None:
        over = {one for one in running.values() if one.until is not None and one.until <= moment}
        for one in sorted(over, key=lambda one: (one.until or 0.0, one.guests)):
            names = tuple(name for name, of in running.items() if of == one)
            found.append(
                one._replace(at=one.until, what=SuspensionEvent.ENDED, guests=tuple(filter(None, names)), by="")
            )
            for name in names:
                del running[name]

    for change in changes:
        if change.at is not None:
            end(change.at)
        found.append(change)
        for name in change.holders:
            running.pop(name, None)
            if change.what is SuspensionEvent.SUSPENDED:
                running[name] = change
    end(now)
    return found


def since(changes: Iterable[SuspensionChange], moment: float) -> list[SuspensionChange]:
    """Those of `changes` that happened at `moment` or later, or at a time that was not recorded."""
    return [one for one in changes if one.at is None or one.at >= moment]
