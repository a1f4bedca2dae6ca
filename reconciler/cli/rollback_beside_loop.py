"""What a rollback needs beside a loop that applies: the loop would bring back in its next cycle what is rolled back."""

import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple

from reconciler import Terms, WantedSource, agreed_plan
from reconciler.cli.asking import terminal
from reconciler.cli.command_lines import Before, again
from reconciler.cli.meant.guests import recorded
from reconciler.cli.open_host import opened, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import note, say
from reconciler.model.commands import suspend_for_rollback
from reconciler.model.errors import StateError
from reconciler.model.problems import several
from reconciler.planning.plan import ALLOW_SUSPENDED, Plan
from reconciler.planning.scope import Scope
from reconciler.transaction.history import History
from reconciler.transaction.loop_records import NONE, Suspensions, read_suspensions

_MOST_NAMES: Final = 20
"""How many guests are suspended one by one; where a rollback concerns more, the whole host is."""

WHOLE_HOST: Final = ()
"""Stands for the whole host where guests could be named."""


class Rollback(NamedTuple):
    """A rollback that was asked for.

    Attributes:
        source: what it leads to.
        number: of the generation to roll back to, as the command was given it; None where it was given none.
        terms: its terms.
        scope: how much of the host it is about.
        yes: whether it is done without asking a person.
    """

    source: WantedSource
    number: int | None
    terms: Terms
    scope: Scope
    yes: bool


def say_who_follows(host: HostOptions, asked: Rollback, beginning: str) -> Before | None:
    """Say behind `beginning`, of a sentence, when the manifests are followed again, and what prevents that.

    Returns:
        What is run before the rollback, so that a loop does not undo it; None where nothing needs to be. Where the
        rollback is going to be refused, the refusal says it.
    """
    if not loop_applies(host):
        note(f"{beginning} the next apply follows them again", lead="")
        return None
    with opened(host) as machine:
        made = agreed_plan(asked.source.read(machine), machine, asked.terms._replace(agreed=None), asked.scope)
        now = _suspensions(host, machine.clock.time())
    names = to_suspend(made, now, {one.name for one in recorded(host)})
    if names is None and (resumed := _resumed(now, made)):
        note(f"{beginning} the loop follows them again once {resumed} resumed", lead="")
        return None
    note(f"{beginning} the loop follows them again in its next cycle", lead="")
    if names is None:
        return None
    where = host if sys.stderr.isatty() else host.findable
    before = Before(where.line(suspend_for_rollback(names)), "first: else the loop undoes it", (ALLOW_SUSPENDED,))
    is_refused = not asked.terms.consents.issuperset(made.flags) or not (asked.yes or _is_person_there())
    if not is_refused:
        then = again(*before.flags, number=asked.number)
        say(f"  next: {before.line}    # first, to prevent that", f"  next: {then}    # then")
    return before


def _is_person_there() -> bool:
    with terminal() as person:
        return person is not None


def to_suspend(made: Plan, now: Suspensions, known: Collection[str]) -> tuple[str, ...] | None:
    """The names of the guests whose suspension keeps a loop from undoing the rollback `made`.

    `WHOLE_HOST` where those are not enough, None where nothing has to be suspended.

    Args:
        made: the plan of the rollback.
        now: what is suspended already.
        known: the names that can be suspended: those of guests that are there, or that the loop enforces.
    """
    if now.host or not made.is_valid or not made.changes:
        return None
    names = tuple(dict.fromkeys(one.name for one in made.guests if one.changes))
    # The loop corrects the masks, and what the host boots into, whoever is suspended.
    of_host = made.pool_cause is not None or any(one.holder not in names for one in made.files)
    if of_host or not names or len(names) > _MOST_NAMES or not set(names) <= set(known):
        return WHOLE_HOST
    return tuple(one for one in names if one not in now.guests) or None


def loop_applies(host: HostOptions) -> bool:
    """Whether a loop runs that applies to `host` what is not suspended, as far as this user can see."""
    from reconciler.cli.loop_seen import loop_seen
    from reconciler.watch.published import NotPublished
    from reconciler.watch.report import Mode

    with suppress(StateError, OSError, NotPublished):
        found = loop_seen(host, state_of(host)[0])
        if found is None or found.report.mode is Mode.HELD:  # which enforces what is rolled back to
            return False
        return found.ended is None and found.report.applies
    return False


def brought_back(host: HostOptions, now: float) -> str:
    """Who brings back what the newest generation has rolled back, and when; `now` is in seconds since 1970."""
    if not loop_applies(host):
        return "the next apply brings it back"
    found, history = _suspensions(host, now), History(state_of(host)[0])
    if found.host:
        return "the loop brings it back once the host is resumed"
    # The loop may have recorded since that it has left what is suspended.
    newest = next((one.guests for number in reversed(history.numbers()) if (one := history.look(number)).guests), ())
    if newest and found.guests.keys() >= set(newest):
        return f"the loop brings it back once {_are_resumed(newest)} resumed"
    return "the loop brings it back in its next cycle"


def _suspensions(host: HostOptions, now: float) -> Suspensions:
    with suppress(StateError, OSError):
        return read_suspensions(state_of(host)[0]).at(now)
    return NONE


def _resumed(now: Suspensions, made: Plan) -> str:
    if now.host:
        return "the host is"
    names = [one.name for one in made.guests if one.changes and one.name in now.guests]
    return _are_resumed(names) if names else ""


def _are_resumed(names: Collection[str]) -> str:
    return f"{several(sorted(names), _MOST_NAMES)} {'is' if len(names) == 1 else 'are'}"
