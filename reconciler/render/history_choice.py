"""Which generations, and which suspensions between them, a list of the history has, and in which order."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any, Final, Generic, NamedTuple, TypeVar

from reconciler.model.desired import Selector
from reconciler.model.suspending import SuspensionChange, since
from reconciler.render.history_list import Listed, local_time
from reconciler.render.table import Page
from reconciler.render.text import counted

_One = TypeVar("_One")

NEWEST: Final = 20
"""How many generations are listed where nothing else is asked for."""


def begun_since(ones: Sequence[_One], moment: float | None, started: Callable[[_One], float]) -> list[_One]:
    """Those of `ones` that began at `moment` or later; None: all of them.

    One that is damaged, of which the time is not known, is among them unless a later one began earlier.

    Args:
        ones: ascending.
        moment: in seconds since 1970.
        started: when one of them began, in seconds since 1970; 0 where that is not known.
    """
    if moment is None:
        return list(ones)
    oldest = max((at for at, one in enumerate(ones) if 0 < started(one) < moment), default=-1)
    return [one for at, one in enumerate(ones) if started(one) >= moment or (not started(one) and at > oldest)]


class ListAsked(NamedTuple):
    """Which generations are asked for.

    Attributes:
        newest: how many of the newest; None where nothing was said, 0 for all.
        since: those that began then or later, as it was written; None where nothing was said.
        selector: those that changed a guest with these labels; it may be empty.
    """

    newest: int | None
    since: str | None
    selector: Selector

    def most(self, *, is_all: bool) -> int | None:
        """How many are listed at most; None: all, which is so where nothing was said and `is_all`."""
        if self.newest is None:
            return None if is_all or self.since is not None else NEWEST
        return self.newest or None

    @property
    def limits(self) -> tuple[str, ...]:
        """The options that leave earlier ones out, as they were given."""
        newest = () if self.newest is None else ("-n", str(self.newest))
        return newest if self.since is None else (*newest, "--since", self.since)

    @property
    def labels(self) -> tuple[str, ...]:
        """The option that names the labels, if any."""
        return ("-l", str(self.selector)) if self.selector.pairs else ()


class Choice(NamedTuple, Generic[_One]):
    """What a list has.

    Attributes:
        generations: ascending.
        earlier: how many generations there are before these.
        suspensions: what happened to suspensions, in the order of time.
        earlier_suspensions: how many such changes there are before these.
        since: before which moment all earlier ones were, in seconds since 1970; None where that is not why they are
            left out.
    """

    generations: list[_One]
    earlier: int
    suspensions: list[SuspensionChange]
    earlier_suspensions: int
    since: float | None


def choice(
    known: Sequence[_One],
    started: Callable[[_One], float],
    changes: Sequence[SuspensionChange],
    *,
    most: int | None,
    moment: float | None,
    total: int,
) -> Choice[_One]:
    """What a list has of generations, and of the changes of suspensions since the first of them.

    Args:
        known: the generations, ascending; earlier ones than could be listed may be missing.
        started: when one of them began, in seconds since 1970; 0 where that is not known.
        changes: of suspensions, in the order of time.
        most: how many generations are listed at most; None: all.
        moment: since when, in seconds since 1970; None where that was not asked for.
        total: how many generations there are.
    """
    later = begun_since(known, moment, started)
    chosen = later[-most if most else 0 :]
    is_all = len(chosen) == (total if moment is None else len(later))
    first = next(filter(None, map(started, chosen)), math.inf)
    belonging = since(changes, (moment or 0.0) if is_all else first)
    shown = belonging if most is None else belonging[-max(most, NEWEST) :]
    is_cut_by_time = is_all and len(shown) == len(belonging)
    return Choice(chosen, total - len(chosen), shown, len(changes) - len(shown), moment if is_cut_by_time else None)


def earlier_lines(chosen: Choice[Any], page: Page, zone: tzinfo | None = None) -> list[str]:
    """How many lines are left out since they are earlier, and that nothing is left where that is so."""
    when = "" if chosen.since is None else _minute(chosen.since, zone)
    is_empty = not chosen.generations and not chosen.suspensions
    kind = "" if when and not is_empty else "earlier "
    counts = [
        *([counted(chosen.earlier, f"{kind}generation")] if chosen.earlier else []),
        *(
            [f"{counted(chosen.earlier_suspensions, f'{kind}line')} about suspensions"]
            if chosen.earlier_suspensions
            else []
        ),
    ]
    nothing = page.wrapped("", f"Nothing has changed since {when}.", 0) if is_empty and when else []
    text = f"{' and '.join(counts)}{f' before {when}' if when and not is_empty else ''}"
    return [*nothing, *(page.wrapped(f"{page.ellipsis} and ", text, 0) if counts else [])]


def _minute(seconds: float, zone: tzinfo | None) -> str:
    """`seconds` since 1970 as a date and a time of day, without seconds where these are none."""
    shown = local_time(seconds, zone)
    return f"{shown[:16]}{shown[19:]}" if shown[16:19] == ":00" else shown


def in_time(generations: Sequence[Listed], suspensions: Iterable[Listed]) -> list[Listed]:
    """The lines of both, the newest first: `generations` in their order, `suspensions` where they belong in time.

    A suspension of which the time is not known goes on, and comes first.
    """
    rows = list(generations)
    for one in sorted(suspensions, key=lambda one: one.started or math.inf):
        earlier = (at for at, row in enumerate(rows) if row.started and row.started <= (one.started or math.inf))
        rows.insert(0 if not one.started else next(earlier, len(rows)), one)
    return rows
