"""Whom to ask before an apply changes what is suspended."""

import time
from contextlib import suppress
from typing import Final

from reconciler.cli.open_host import state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import note, say
from reconciler.model.errors import StateError
from reconciler.model.problems import several
from reconciler.planning.plan import ALLOW_SUSPENDED, Plan
from reconciler.transaction.loop_records import read_suspensions

_MOST_SUSPENSIONS: Final = 5
"""How many suspensions, each of guests that are suspended alike, are shown; of others only that there are more."""


def show_suspended(made: Plan, host: HostOptions) -> None:
    """Say whom to ask first: who suspended what `made` changes, until when, how long that is from now, and why."""
    alike: dict[str, list[str]] = {}
    for one in made.consents:
        if one.flag == ALLOW_SUSPENDED:
            alike.setdefault(one.reason, []).append(one.holder)
    left = _with_left(host, time.time())
    for reason, names in list(alike.items())[:_MOST_SUSPENSIONS]:
        shown = next((reason.replace(text, longer) for text, longer in left.items() if text in reason), reason)
        note(f"{several(names)}: {shown}", "ask first: ")
    if len(alike) > _MOST_SUSPENSIONS:
        say(f"ask first: and {len(alike) - _MOST_SUSPENSIONS:,} more, which 'reconcile status' shows")


def _with_left(host: HostOptions, now: float) -> dict[str, str]:
    """The words of a plan for each suspension, which are the same whenever it is made, and those for a person `now`."""
    with suppress(StateError, OSError):
        found = read_suspensions(state_of(host)[0]).at(now)
        every = (*([found.host] if found.host else []), *found.guests.values())
        return {one.seen(now).text: one.seen(now).with_left for one in every}
    return {}
