"""What one cycle of the loop has found and done, and how long it may read and plan.

Time only ever abandons a cycle, as a whole and before its first write; no result depends on it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.model.commands import Here, cancel_of, confirm_of
from reconciler.model.outcome import Outcome
from reconciler.model.stopping import Abandoned, Deadline
from reconciler.planning.plan import Plan
from reconciler.render.text import moment
from reconciler.transaction.confirmation import AwaitsConfirmation
from reconciler.transaction.loop_records import NONE, Suspensions
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition, RefusedConfiguration

NOTHING_OFFERED = Offer(None)


class Ending(NamedTuple):
    """How the host stands after a cycle, and one sentence about it."""

    condition: Condition
    summary: str


class CycleResult(NamedTuple):
    """The result of one cycle.

    Attributes:
        ending: how the host stands.
        plan: of the host as it was left, for what is enforced; None where none could be made.
        offer: what the source had; None where it was not asked.
        suspensions: what was suspended.
        refused: the newest configuration, where it is not used.
        outcome: of the apply; None where none was made.
        generation: what was applied last; 0 where nothing was.
        recorded: the generation that the apply has made; 0 where it made none.
        healed: whether the apply corrected what another program had changed.
        apply_seconds: how long the apply took.
        appeared: which guests have got hardware, a sentence each.
        wait: in how many seconds to look again at the latest; None where only the resync asks for it.
        stopped: the names of holders whose drift is not corrected, since their budget is used up, and until when
            (seconds since 1970).
        seconds: how long the cycle took, the apply left out.
        applied: the plan that was applied, or that the apply has tried; None where there was no apply.
        corrected: how often holders were corrected within the last hour, by name; None where that is not known.
        drifting: the names of holders that another program has changed, and that are not corrected yet.
        is_abandoned: whether it was ended before it had a result, since the loop ends.
    """

    ending: Ending
    plan: Plan | None = None
    offer: Offer | None = None
    suspensions: Suspensions = NONE
    refused: RefusedConfiguration | None = None
    outcome: Outcome | None = None
    generation: int = 0
    recorded: int = 0
    healed: bool = False
    apply_seconds: float | None = None
    appeared: tuple[str, ...] = ()
    wait: float | None = None
    seconds: float = 0.0
    stopped: Mapping[str, float] = {}
    applied: Plan | None = None
    corrected: Mapping[str, int] | None = None
    drifting: tuple[str, ...] = ()
    is_abandoned: bool = False


def awaiting(error: AwaitsConfirmation, here: Here, now: float) -> Ending:
    """How the host stands while an apply waits to be confirmed; `now` is in seconds since 1970.

    It says until when, and not for how long: it is read later than it is written.
    """
    number, undo = error.generation, here.line(cancel_of(error.generation))
    if not error.seconds_left:
        text = f"generation {number} was not confirmed in time, and is not rolled back yet; to do that now: {undo}"
        return Ending(Condition.WAITING, text)
    until, keep = moment(round(now + error.seconds_left)), here.line(confirm_of(number))
    text = f"generation {number} waits to be confirmed until {until} UTC; to undo it: {undo}; next: {keep}"
    return Ending(Condition.WAITING, text)


PLAN_SECONDS: Final = 60.0
"""How long reading and planning one configuration may take, if nothing else is said."""


class TookTooLong(Abandoned):
    """Reading or planning a configuration has used up its time."""


def plan_deadline(seconds: float, now: float) -> Deadline:
    """When reading and planning that begins `now` is abandoned: after `seconds`."""
    return Deadline(
        now + seconds,
        f"reading and planning took more than {seconds:g} s and was abandoned; make the manifests smaller, or "
        "allow more time with --plan-timeout",
        TookTooLong,
    )
