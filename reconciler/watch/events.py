"""What has happened between two reports: what logs and notifications report, and the same for both.

Only changes are reported, so that a year of quiet is quiet; and what concerns many guests is one event, so that ten
thousand guests that drift at once do not become ten thousand messages.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.durations import duration_text
from reconciler.model.outcome import Result
from reconciler.render.text import counted
from reconciler.watch.report import (
    FILES_NAME,
    MASKS,
    Changed,
    CommitReport,
    Condition,
    Counters,
    GuestReport,
    Obstacle,
    Report,
    SourceReport,
)

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
    FIGHT = "fight"
    FIGHT_OVER = "fight-over"
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


class Wanted(NamedTuple):
    """Which events a person wants to get.

    Attributes:
        level: how much they matter at least.
        kinds: only these; commits are left out, unless they are asked for: whoever pushed one knows, and what comes of
            it is another event.
    """

    level: Level = Level.INFO
    kinds: frozenset[Kind] = frozenset(Kind) - {Kind.COMMIT}

    def has(self, event: "Event") -> bool:
        """Whether `event` is one of them."""
        levels = list(Level)
        return event.kind in self.kinds and levels.index(event.level) >= levels.index(self.level)


class Event(NamedTuple):
    """One thing that has happened.

    Attributes:
        kind: what.
        level: how much it matters.
        text: one sentence.
        guests: whom it concerns, at most some names.
        details: more sentences.
        changes: which queues holders had before and have afterwards.
        next: the command to run next, with a remark behind ``#``; empty where nothing is to be done.
    """

    kind: Kind
    level: Level
    text: str
    guests: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    changes: tuple[Changed, ...] = ()
    next: str = ""


def commit_of(event: Event, source: SourceReport) -> CommitReport:
    """The commit that `event` is about: the one that is refused, or the one that is enforced."""
    return source.refused_commit if event.kind is Kind.REFUSED and source.refused else source.enforced


ALL: Final = Wanted()
"""All that is worth a message."""

_LEVEL_OF: Final = {
    Condition.DRIFT: Level.WARNING,
    Condition.NEEDS_PERSON: Level.WARNING,
    Condition.SUSPENDED_OUT_OF_SYNC: Level.WARNING,
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
    found += _of_applies(previous, report)
    found += _of_fights(previous, report)
    is_started = any(one.kind is Kind.STARTED for one in found)
    if previous.condition is not report.condition and not is_started and not _is_fought(previous, report):
        found.append(_condition(Kind.CONDITION, report))
    found += _of_guests(previous, report)
    if report.appeared:
        found.append(_appeared(previous, report))
    found += _of_the_host(previous, report)
    return tuple(found)


def _appeared(previous: Report, report: Report) -> Event:
    before = {one.uuid: one for one in previous.guests}
    gained = [one for one in report.guests if one.uuid in before and _has_lost(one, before[one.uuid])]
    details = _cut(report.appeared[1:], _MOST_SENTENCES)
    names = _guests(one.name for one in gained)
    return Event(Kind.APPEARED, Level.INFO, report.appeared[0], names, details, _seen_changes(before, gained))


def _nothing_before(report: Report) -> Report:
    quiet = tuple(one._replace(drifted=False, suspended=None) for one in report.guests)
    source = report.source._replace(refused=None, unreachable="", is_long_unreachable=False)
    return report._replace(
        guests=quiet, source=source, counters=Counters(), suspended=None, corrected={}, drifting=(), changed=()
    )


def _started(report: Report) -> Event:
    made = _condition(Kind.STARTED, report)
    if not report.enforces:
        return made._replace(text=f"watches, and enforces nothing yet, as {report.source.location} says; {made.text}")
    what = "enforces" if report.applies else "watches, and only reports,"
    return made._replace(text=f"{what} {report.host} as {report.source.location} says; {made.text}")


def enforced_text(report: Report) -> str:
    """What is enforced beside a configuration that is refused."""
    if report.source.refused and Obstacle.PLACE in report.source.refused.obstacles:
        return "nothing is changed here, since the manifests have this host in another LPAR"
    if not report.enforces:
        return "nothing is enforced, since no configuration was ever used here"
    return "the last good configuration is enforced" if report.applies else "the last good configuration is reported on"


def _condition(kind: Kind, report: Report) -> Event:
    level = _LEVEL_OF.get(report.condition, Level.INFO)
    text = f"{report.condition.value.replace('-', ' ')}: {report.summary}"
    names = _names(report.differing)
    details = _cut(report.differences, _MOST_SENTENCES)
    return Event(kind, level, text, names, details, report.differing[:_MOST_NAMES])


def _guests(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are guests', at most some."""
    return _cut((one for one in names if one not in (MASKS, FILES_NAME)), _MOST_NAMES)


def _names(changes: Iterable[Changed]) -> tuple[str, ...]:
    return _guests(one.name for one in changes)


def _sentences(changes: Iterable[Changed], had: str, has: str) -> tuple[str, ...]:
    """What each holder had and has, in these words."""
    absent = "no device"
    return _cut(
        (f"{one.name}: {had} {one.before or absent}; {has} {one.after or absent}" for one in changes), _MOST_SENTENCES
    )


def commit_text(commit: str, subject: str, author: str) -> str:
    """A commit with what it says of itself: ``commit 0123abc (Grant payments 05.0047, by Ann)``."""
    said = ", by ".join(filter(None, (subject, author)))
    return f"commit {commit} ({said})" if said else f"commit {commit}"


def _of_the_source(previous: Report, report: Report) -> Iterator[Event]:
    before, now = previous.source, report.source
    if now.commit != before.commit and now.commit:
        which = commit_text(now.commit, now.subject, now.author)
        yield Event(Kind.COMMIT, Level.INFO, f"the configuration is now that of {which}")
    if now.refused and (before.refused is None or now.refused[:2] != before.refused[:2]):
        refused = now.refused
        said = ", by ".join(filter(None, (now.refused_subject, now.refused_author)))
        which = f"{refused.subject} ({said})" if said else refused.subject
        text = f"{which} is refused; {enforced_text(report)}"
        planned = _sentences(refused.changes, "has", "would have")
        details = _cut((*refused.reasons, *planned), _MOST_SENTENCES)
        changes = refused.changes[:_MOST_NAMES]
        yield Event(Kind.REFUSED, Level.ERROR, text, _guests(refused.guests), details, changes)
    if before.refused and not now.refused:
        which = f", {commit_text(now.commit, now.subject, now.author)}," if now.commit else ""
        yield Event(Kind.ACCEPTED, Level.INFO, f"the newest configuration{which} can be used again")
    if now.is_long_unreachable and not before.is_long_unreachable:
        text = f"{now.location} cannot be reached; {enforced_text(report)}"
        yield Event(Kind.UNREACHABLE, Level.WARNING, text, details=(now.unreachable,))
    if before.is_long_unreachable and not now.unreachable:
        yield Event(Kind.REACHABLE, Level.INFO, f"{now.location} can be reached again")


def _of_applies(previous: Report, report: Report) -> Iterator[Event]:
    before, changed = previous.counters, report.changed

    def more(result: Result) -> int:
        return report.counters.applies.get(result.value, 0) - before.applies.get(result.value, 0)

    took = f" in {duration_text(report.apply_seconds)}" if report.apply_seconds is not None else ""
    which = commit_text(report.source.commit, report.source.subject, report.source.author)
    of = f" of {which}" if report.source.commit else ""
    # What corrects a holder is an apply, too, and is reported as a correction.
    others = tuple(
        one for one in changed if report.counters.healed == before.healed or one.name not in report.corrected
    )
    if more(Result.APPLIED) > 0 and (others or not changed):
        text = f"applied and verified generation {report.generation}{of}{took}"
        yield Event(
            Kind.APPLIED,
            Level.INFO,
            text,
            _names(others),
            _sentences(others, "had", "has"),
            others[:_MOST_NAMES],
        )
    tried = _sentences(changed, "has", "was to have")
    if more(Result.ROLLED_BACK) > 0:
        text = f"an apply failed{of}; {report.summary}"
        yield Event(Kind.ROLLED_BACK, Level.ERROR, text, _names(changed), tried, changed[:_MOST_NAMES])
    if more(Result.DEGRADED) > 0:
        text = f"an apply failed{of}, and not everything could be rolled back: {report.summary}"
        details = _cut((*report.differences, *tried), _MOST_SENTENCES)
        yield Event(Kind.DEGRADED, Level.CRITICAL, text, _names(changed), details, changed[:_MOST_NAMES])


def _of_fights(previous: Report, report: Report) -> Iterator[Event]:
    """What was corrected for the first time, and what is changed again and again: each once, however often that is."""
    if report.counters.healed > previous.counters.healed:
        known = {*previous.corrected, *previous.fights, *report.fights}
        healed = tuple(one for one in report.changed if one.name in report.corrected and one.name not in known)
        if healed or not report.changed:
            whose = f" of {named_text([one.name for one in healed])}" if healed else ""
            text = f"what another program had changed{whose} was corrected"
            details = _sentences(healed, "another program had set", "it is again")
            yield Event(Kind.HEALED, Level.WARNING, text, _names(healed), details, healed[:_MOST_NAMES])
    begun = sorted(report.fights - previous.fights)
    if begun:
        found = {one.name: one for one in (*report.changed, *report.differing)}
        changes = tuple(found[name] for name in begun if name in found)
        text = f"another program changes {named_text(begun)} again and again, and the loop corrects it"
        details = _sentences(changes, "another program set", "wanted is")
        yield Event(Kind.FIGHT, Level.WARNING, text, _guests(begun), details, changes[:_MOST_NAMES])
    over = sorted(name for name in previous.fights if name not in report.corrected)
    if over:
        last = {one.name: one for one in previous.fought}
        changes = tuple(last[name] for name in over if name in last)
        text = f"{named_text(over)}: not changed again and again any more"
        details = _sentences(changes, "another program set last", "wanted was")
        yield Event(Kind.FIGHT_OVER, Level.INFO, text, _guests(over), details, changes[:_MOST_NAMES])


def named_text(names: Sequence[str]) -> str:
    """The first of `names`, and how many more there are."""
    more = len(names) - 1
    return f"{names[0]} and {more:,} more" if more else names[0]


def _is_fought(previous: Report, report: Report) -> bool:
    """Whether the condition has changed only since holders are changed, and corrected, again and again."""
    changing = {previous.condition, report.condition} == {Condition.IN_SYNC, Condition.DRIFT}
    return changing and report.heals and {*previous.drifting, *report.drifting} <= previous.fights | report.fights


def _of_guests(previous: Report, report: Report) -> Iterator[Event]:
    if previous.guests == report.guests:
        return
    before = {one.uuid: one for one in previous.guests}
    pairs = [(before.get(one.uuid), one) for one in report.guests]
    drifted = [now for old, now in pairs if now.drifted and not (old and old.drifted) and now.name not in report.fights]
    if drifted:
        event = _together(Kind.DRIFT, Level.WARNING, drifted, "no longer as applied")
        names = {one.name for one in drifted}
        changes = tuple(one for one in report.differing if one.name in names)
        details = (*_sentences(changes, "another program set", "wanted is"), *event.details)
        yield event._replace(details=details, changes=changes[:_MOST_NAMES])
    lost = [now for old, now in pairs if old and _has_lost(old, now)]
    if lost:
        event = _together(Kind.LOST, Level.WARNING, lost, "left with fewer queues than it saw before")
        counts = (f"{_seen_text(before[one.uuid], one)}" for one in lost)
        details = (*_cut(counts, _MOST_SENTENCES), *event.details)
        yield event._replace(details=details, changes=_seen_changes(before, lost))
    suspended = [now for old, now in pairs if now.suspended and not (old and old.suspended)]
    if suspended:
        yield _together(Kind.SUSPENDED, Level.INFO, suspended, "suspended")
    resumed = [now for old, now in pairs if old and old.suspended and not now.suspended]
    if resumed:
        yield _together(Kind.RESUMED, Level.INFO, resumed, "enforced again")


def _seen_text(old: GuestReport, now: GuestReport) -> str:
    """What a guest sees, and saw; the queues by name where they are known, and how many."""
    now_named, old_named = (f" ({one.sees})" if one.sees and one.effective else "" for one in (now, old))
    counts = f"sees {now.effective} of {now.wanted} queues{now_named}, {old.effective} before{old_named}"
    return f"{now.name}: {counts}"


def _seen_changes(before: Mapping[str, GuestReport], guests: Sequence[GuestReport]) -> tuple[Changed, ...]:
    return tuple(Changed(one.name, before[one.uuid].sees, one.sees) for one in guests[:_MOST_NAMES])


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
