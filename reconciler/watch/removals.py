"""Removals wait: a guest that is gone from the files is removed only once nothing writes there any more.

A copy into the directory, such as `rm -rf` and then one file after the other, is not atomic: in its midst some guests
are missing for a moment. A commit of git is atomic and waits for nothing. Pure: time is given.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from reconciler.model.commands import TRIGGER, Here
from reconciler.render.text import counted
from reconciler.watch.cycle_result import CycleResult, Ending
from reconciler.watch.decisions import named
from reconciler.watch.report import Condition
from reconciler.watch.triggers import BY_PEOPLE, Noticed, Trigger

QUIET_SECONDS: Final = 5.0
"""For how long the files must not have changed before guests that are gone from them are removed."""

LONGEST_SECONDS: Final = 60.0
"""How long a removal waits at most: files that are touched again and again do not put it off for ever."""


class Look(NamedTuple):
    """What led to a look at the manifests.

    Attributes:
        now: when it is made, in seconds on a monotonic clock.
        is_stirred: whether files have changed since the last one.
        is_asked: whether a person has asked for it, who does not wait.
    """

    now: float
    is_stirred: bool = False
    is_asked: bool = False


def look_after(triggers: Collection[Trigger], now: float) -> Look:
    """The look at `now` to which `triggers` have led."""
    sources = {trigger.source for trigger in triggers}
    return Look(now, Noticed.FILES in sources, not BY_PEOPLE.isdisjoint(sources))


class Removals(NamedTuple):
    """Guests that are enforced and gone from the files.

    Attributes:
        guests: their names.
        content: what identifies this state of the manifests.
        first: when the first of these looks was made.
        last: when the files were last seen to have changed.
        due: when the removal is judged, if nothing changes until then.
        is_over: whether nothing is waited for any more, as long as `content` stays the same.
        unusable: why the manifests cannot be used as they are, so that nothing is removed but they are refused; empty
            where they can.
    """

    guests: tuple[str, ...]
    content: str
    first: float
    last: float
    due: float
    is_over: bool
    unusable: str = ""


def removals_after(
    before: Removals | None,
    guests: tuple[str, ...],
    content: str,
    look: Look,
    *,
    quiet: float = QUIET_SECONDS,
    longest: float = LONGEST_SECONDS,
) -> Removals | None:
    """What is known of removals after `look`; None where no guest is gone.

    Args:
        before: what was known after the look before.
        guests: the names of the guests that are gone.
        content: see `Removals`.
        look: when, and what led to it.
        quiet: see `QUIET_SECONDS`.
        longest: see `LONGEST_SECONDS`.
    """
    if not guests:
        return None
    if before is None or (before.is_over and before.content != content):
        first = last = look.now
        was_over = False
    else:
        first, was_over = before.first, before.is_over
        last = look.now if look.is_stirred or before.content != content else before.last
    due = min(last + quiet, first + longest)
    return Removals(guests, content, first, last, due, was_over or look.is_asked or look.now >= due)


def reported(result: CycleResult, removals: Removals | None, now: float, here: Here) -> CycleResult:
    """`result` with the `removals` that wait at `now`; `here` completes the command that ends the wait."""
    if removals is None or removals.is_over or now >= removals.due:
        return result
    count = len(removals.guests)
    happens = f"when the files have been quiet for {QUIET_SECONDS:.0f} s, or at once by: {here.line(TRIGGER)}"
    text = (
        f"{removals.unusable}; no guest is removed, and the manifests are refused {happens}"
        if removals.unusable
        else f"{counted(count, 'guest')} {'is' if count == 1 else 'are'} gone from the manifests: "
        f"{named(removals.guests)}; removed {happens}"
    )
    condition, summary = result.ending
    ending = (
        Ending(Condition.WAITING, text) if condition is Condition.IN_SYNC else Ending(condition, f"{summary}; {text}")
    )
    left = removals.due - now
    return result._replace(ending=ending, wait=left if result.wait is None else min(left, result.wait))
