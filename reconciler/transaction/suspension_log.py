"""Which suspensions there were: ``suspension-log.json``, which every `suspend` and `resume` adds to.

It is for the history alone: what is suspended is in ``suspended.json``, and nothing is decided by this file. So a file
that is damaged, or cannot be written, keeps no command from its work.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from reconciler.model.suspending import SuspensionChange, SuspensionEvent, with_ends
from reconciler.transaction.loop_records import Suspension, Suspensions, read_suspensions
from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

LOG: Final = "suspension-log.json"

RETAINED: Final = 200
"""So many of the newest changes are kept."""

MOST_NAMES: Final = 20_000
"""How many names of guests all of them have at most; the newest change is kept whatever it has."""


class SuspensionLog(NamedTuple):
    """The changes, in the order of time."""

    changes: tuple[SuspensionChange, ...]


def changes_between(before: Suspensions, after: Suspensions, by: str, now: float) -> list[SuspensionChange]:
    """What `by` did at `now` (seconds since 1970) to get from `before` to `after`: what was resumed comes first."""
    was, becomes = _by_name(before), _by_name(after)
    resumed = {name: one for name, one in was.items() if name not in becomes}
    suspended = {name: one for name, one in becomes.items() if was.get(name) != one}
    return [
        *_changes(SuspensionEvent.RESUMED, resumed, by, now),
        *_changes(SuspensionEvent.SUSPENDED, suspended, by, now),
    ]


def log_suspensions(state: StateDirectory, changes: Sequence[SuspensionChange]) -> None:
    """Add `changes`, if any, to those that are kept; a crash leaves the old ones or the new ones.

    Raises:
        BadRecord: the file is not as we write it.
        OSError: it cannot be written.
    """
    if changes:
        write_record(state, LOG, SuspensionLog(_retained([*_read(state), *changes], RETAINED, MOST_NAMES)))


def suspension_changes(state: StateDirectory, now: float) -> tuple[SuspensionChange, ...]:
    """Who suspended and resumed what, in the order of time, but for what ends by itself; see `with_ends`.

    What is suspended at `now` and was recorded by a version without this log comes last, without a time.

    Raises:
        BadRecord: a file is not as we write it.
    """
    changes = _read(state)
    running: dict[str, SuspensionChange] = {}
    for one in with_ends(changes, now):
        running |= dict.fromkeys(one.holders, one)
    current = _by_name(read_suspensions(state).at(now))
    unknown = {
        name: one
        for name, one in current.items()
        if name not in running or running[name].what is not SuspensionEvent.SUSPENDED
    }
    by_user: dict[str, dict[str, Suspension]] = {}
    for name, suspension in unknown.items():
        by_user.setdefault(suspension.by, {})[name] = suspension
    found = [change for by, ones in by_user.items() for change in _changes(SuspensionEvent.SUSPENDED, ones, by, None)]
    return (*changes, *found)


def newest_changes(changes: Sequence[SuspensionChange], most: int, most_names: int) -> tuple[SuspensionChange, ...]:
    """The newest of `changes`, with at most `most_names` names in all: the first ones of a change that has more."""
    found = _retained(changes, most, most_names)
    return tuple(
        one._replace(guests=one.guests[:most_names], more=one.more + max(0, len(one.guests) - most_names))
        for one in found
    )


def _read(state: StateDirectory) -> tuple[SuspensionChange, ...]:
    found = read_record(state, LOG, SuspensionLog)
    return found.changes if found else ()


def _retained(changes: Sequence[SuspensionChange], most: int, most_names: int) -> tuple[SuspensionChange, ...]:
    newest = changes[-most:]
    names = accumulate(len(one.guests) for one in reversed(newest))
    kept = sum(1 for count in names if count <= most_names)
    return tuple(newest[-max(kept, 1) :])


def _by_name(suspensions: Suspensions) -> Mapping[str, Suspension]:
    """Each suspension by the name of its guest; that of the whole host by an empty one."""
    return {**({"": suspensions.host} if suspensions.host else {}), **suspensions.guests}


def _changes(
    what: SuspensionEvent, suspensions: Mapping[str, Suspension], by: str, now: float | None
) -> list[SuspensionChange]:
    """One change for each that is suspended alike, the host by itself."""
    alike: dict[tuple[bool, Suspension], list[str]] = {}
    for name, one in suspensions.items():
        alike.setdefault((bool(name), one), []).append(name)
    return [
        SuspensionChange(now, what, tuple(sorted(filter(None, names))), 0, by, one.reason, one.until)
        for (_, one), names in alike.items()
    ]
