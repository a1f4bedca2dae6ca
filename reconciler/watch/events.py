"""What has happened between two reports: what logs and notifications report, and the same for both.

Only changes are reported, so that a year of quiet is quiet; and what concerns many guests is one event, so that ten
thousand guests that drift at once do not become ten thousand messages.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.outcome import Result
from reconciler.render.text import counted, duration_text
from reconciler.watch.report import Condition, Counters, GuestReport, Report

_MOST_NAMES: Final = 16
_MOST_SENTENCES: Final = 16


class Kind(StrEnum):
    """What has happened."""

    STARTED = "started"
    CONDITION = "condition"
    COMMIT = "commit"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    UNREACHABLE = "unreachable"
    REACHABLE = "reachable"
    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    DEGRADED = "degraded"
    HEALED = "healed"
    DRIFT = "drift"
    APPEARED = "appeared"
    LOST = "lost"
    SUSPENDED = "suspended"
    RESUMED = "resumed"


class Level(StrEnum):
    """How much it matters, in the words of logging."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Event(NamedTuple):
    """One thing that has happened.

    Attributes:
        kind: what.
        level: how much it matters.
        text: one sentence.
        guests: whom it concerns, at most some names.
        details: more sentences.
    """

    kind: Kind
    level: Level
    text: str
    guests: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


_LEVEL_OF: Final = {
    Condition.DRIFT: Level.WARNING,
    Condition.NEEDS_PERSON: Level.WARNING,
    Condition.SUSPENDED_DIFFERS: Level.WARNING,
    Condition.FAILED: Level.ERROR,
    Condition.STOPPED: Level.ERROR,
    Condition.DEGRADED: Level.CRITICAL,
}


def events(previous: Report | None, report: Report) -> tuple[Event, ...]:
    """What has happened since `previous`, in the order in which people should read it.

    Args:
        previous: the report before; None if there was none. In one that an earlier run of the loop has left, the
            counters must be 0, since they begin anew with each run.
        report: the newest.
    """
    if previous is None:
        previous = _nothing_before(report)
        found: list[Event] = [_started(report)]
    else:
        found = []
    found += _of_the_source(previous, report)
    found += _of_applies(previous.counters, report)
    if previous.condition is not report.condition and not any(one.kind is Kind.STARTED for one in found):
        found.append(_condition(Kind.CONDITION, report))
    found += _of_guests(previous, report)
    if report.appeared:
        found.append(
            Event(Kind.APPEARED, Level.INFO, report.appeared[0], details=_cut(report.appeared[1:], _MOST_SENTENCES))
        )
    found += _of_the_host(previous, report)
    return tuple(found)


def _nothing_before(report: Report) -> Report:
    quiet = tuple(one._replace(drifted=False, suspended=None) for one in report.guests)
    source = report.source._replace(refused=None, unreachable="")
    return report._replace(guests=quiet, source=source, counters=Counters(), suspended=None)


def _started(report: Report) -> Event:
    made = _condition(Kind.STARTED, report)
    if not report.enforces:
        return made._replace(text=f"watches, and enforces nothing yet, as {report.source.location} says; {made.text}")
    what = "enforces" if report.applies else "watches, and only reports,"
    return made._replace(text=f"{what} {report.host} as {report.source.location} says; {made.text}")


def enforced_text(report: Report) -> str:
    """What is enforced beside a configuration that is refused."""
    if not report.enforces:
        return "nothing is enforced, since no configuration was ever used here"
    return "the last good configuration is enforced" if report.applies else "the last good configuration is reported on"


def _condition(kind: Kind, report: Report) -> Event:
    level = _LEVEL_OF.get(report.condition, Level.INFO)
    text = f"{report.condition.value.replace('-', ' ')}: {report.summary}"
    return Event(kind, level, text, details=_cut(report.differences, _MOST_SENTENCES))


def _of_the_source(previous: Report, report: Report) -> Iterator[Event]:
    before, now = previous.source, report.source
    if now.commit != before.commit and now.commit:
        yield Event(Kind.COMMIT, Level.INFO, f"the configuration is now that of commit {now.commit}")
    if now.refused and (before.refused is None or now.refused[:2] != before.refused[:2]):
        which = now.refused.subject
        text = f"{which} is refused; {enforced_text(report)}"
        yield Event(Kind.REFUSED, Level.ERROR, text, details=_cut(now.refused.reasons, _MOST_SENTENCES))
    if before.refused and not now.refused:
        yield Event(Kind.ACCEPTED, Level.INFO, "the newest configuration can be used again")
    if now.unreachable and not before.unreachable:
        text = f"{now.location} cannot be reached; {enforced_text(report)}"
        yield Event(Kind.UNREACHABLE, Level.WARNING, text, details=(now.unreachable,))
    if before.unreachable and not now.unreachable:
        yield Event(Kind.REACHABLE, Level.INFO, f"{now.location} can be reached again")


def _of_applies(before: Counters, report: Report) -> Iterator[Event]:
    def more(result: Result) -> int:
        return report.counters.applies.get(result.value, 0) - before.applies.get(result.value, 0)

    took = f" in {duration_text(report.apply_seconds)}" if report.apply_seconds is not None else ""
    if more(Result.APPLIED) > 0:
        yield Event(Kind.APPLIED, Level.INFO, f"applied and verified generation {report.generation}{took}")
    if more(Result.ROLLED_BACK) > 0:
        yield Event(Kind.ROLLED_BACK, Level.ERROR, f"an apply failed; {report.summary}")
    if more(Result.DEGRADED) > 0:
        text = f"an apply failed, and not everything could be rolled back: {report.summary}"
        yield Event(Kind.DEGRADED, Level.CRITICAL, text, details=_cut(report.differences, _MOST_SENTENCES))
    if report.counters.healed > before.healed:
        yield Event(Kind.HEALED, Level.WARNING, "what another program had changed was corrected")


def _of_guests(previous: Report, report: Report) -> Iterator[Event]:
    if previous.guests == report.guests:
        return
    before = {one.uuid: one for one in previous.guests}
    pairs = [(before.get(one.uuid), one) for one in report.guests]
    drifted = [now for old, now in pairs if now.drifted and not (old and old.drifted)]
    if drifted:
        yield _together(Kind.DRIFT, Level.WARNING, drifted, "no longer as applied")
    lost = [now for old, now in pairs if old and _has_lost(old, now)]
    if lost:
        yield _together(Kind.LOST, Level.WARNING, lost, "left with fewer queues than it saw before")
    suspended = [now for old, now in pairs if now.suspended and not (old and old.suspended)]
    if suspended:
        yield _together(Kind.SUSPENDED, Level.INFO, suspended, "suspended")
    resumed = [now for old, now in pairs if old and old.suspended and not now.suspended]
    if resumed:
        yield _together(Kind.RESUMED, Level.INFO, resumed, "enforced again")


def _has_lost(old: GuestReport, now: GuestReport) -> bool:
    """Whether hardware went away beneath a guest: it sees less of what its device holds still."""
    if old.effective is None or now.effective is None:
        return False
    return now.effective < old.effective and old.authorised == now.authorised


def _together(kind: Kind, level: Level, guests: list[GuestReport], what: str) -> Event:
    names = _cut([one.name for one in guests], _MOST_NAMES)
    subject = f"guest {names[0]} is" if len(guests) == 1 else f"{counted(len(guests), 'guest')} are"
    reasons = [f"{one.name}: {reason}" for one in guests for reason in _reasons(kind, one)]
    return Event(kind, level, f"{subject} {what}", names, _cut(reasons, _MOST_SENTENCES))


def _reasons(kind: Kind, guest: GuestReport) -> tuple[str, ...]:
    if kind is Kind.SUSPENDED and guest.suspended:
        return (f"by {guest.suspended.by}: {guest.suspended.reason}",)
    return () if kind is Kind.RESUMED else guest.why


def _of_the_host(previous: Report, report: Report) -> Iterator[Event]:
    if report.suspended and not previous.suspended:
        text = f"{report.host} is suspended by {report.suspended.by}: {report.suspended.reason}"
        yield Event(Kind.SUSPENDED, Level.INFO, text)
    if previous.suspended and not report.suspended:
        yield Event(Kind.RESUMED, Level.INFO, f"{report.host} is enforced again")


def _cut(sentences: Iterable[str], most: int) -> tuple[str, ...]:
    every = tuple(sentences)
    return every if len(every) <= most else (*every[:most], f"and {len(every) - most:,} more")
