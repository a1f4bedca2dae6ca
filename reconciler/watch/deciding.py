"""What the loop does about a plan: a pure function of the plan, of what it was told to do, and of what it has done."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from reconciler.planning.plan import Cause, Plan
from reconciler.render.diagnostics import counted
from reconciler.watch.healing import BUDGET, Healing
from reconciler.watch.report import Condition
from reconciler.watch.retry import Retry

_MOST_NAMES: Final = 3


class Policy(NamedTuple):
    """What the loop was told to do: apply what is wanted, and heal what others change."""

    applies: bool
    self_heal: bool


class Act(Enum):
    """What is done."""

    NOTHING = auto()
    APPLY = auto()
    HEAL = auto()


class Decision(NamedTuple):
    """What is done about a plan, how the host stands if nothing is, and when to look again (in seconds)."""

    act: Act
    condition: Condition
    summary: str
    wait: float | None = None


def decide(plan: Plan, policy: Policy, healing: Healing, retry: Retry, now: float, *, suspended: bool) -> Decision:
    """What to do about `plan`, that of the configuration which is guarded.

    Args:
        plan: of the host as it is.
        policy: what the loop was told to do.
        healing: how often it has healed; `Healing.asked` has been asked.
        retry: when a plan that has failed may be tried again.
        now: seconds on a clock that never goes back.
        suspended: whether the whole host is left alone.
    """
    if not plan.is_valid:
        return _nothing(Condition.NEEDS_PERSON, _problem_text(plan))
    if not plan.changes:
        # What needs no write becomes a generation nevertheless, so that history and boot know of it.
        told, records = "the host is as the manifests say", plan.is_news and policy.applies and not suspended
        if records and (wait := retry.wait(now)):
            return Decision(Act.NOTHING, Condition.IN_SYNC, told, wait)
        return Decision(Act.APPLY if records else Act.NOTHING, Condition.IN_SYNC, told)
    differs = differences_text(plan)
    if suspended:
        return _nothing(Condition.SUSPENDED, f"suspended; {differs}")
    drifted = is_drift(plan)
    if not policy.applies or (drifted and not policy.self_heal):
        if drifted:
            return _nothing(Condition.DRIFT, f"the host is no longer as it was applied: {differs}")
        return _nothing(Condition.CHANGES, f"{differs}; the loop only reports")
    if plan.consents:
        flags = " ".join(plan.flags)
        return _nothing(Condition.NEEDS_PERSON, f"{differs}, which needs consent ({flags}): {plan.consents[0].reason}")
    if wait := retry.wait(now):
        return Decision(Act.NOTHING, Condition.FAILED, f"{differs}; it failed and is tried again", wait)
    if not drifted:
        return Decision(Act.APPLY, Condition.CHANGES, differs)
    if healing.stopped:
        return _nothing(
            Condition.STOPPED,
            f"{differs}: it was put back {BUDGET} times, and somebody changes it again and again; "
            "nothing more is done until a person asks for it (reconcile trigger)",
        )
    if wait := healing.wait(now):
        return Decision(Act.NOTHING, Condition.DRIFT, f"the host is again not as it was applied: {differs}", wait)
    return Decision(Act.HEAL, Condition.DRIFT, differs)


def is_drift(plan: Plan) -> bool:
    """Whether `plan` would change what somebody else has changed, although the manifests are as they were."""
    return not plan.is_news and Cause.CORRECTIVE in plan.causes


def differences_text(plan: Plan) -> str:
    """How much is not as it should be."""
    holders = [guest.name for guest in plan.guests if guest.changes]
    holders += ["the host's masks"] if plan.pool_cause else []
    parts = [f"{named(holders)} not as wanted"] if holders else []
    parts += [f"{counted(len(plan.files), 'file')} for the next boot not as wanted"] if plan.files else []
    return ", ".join(parts) or "nothing differs"


def named(holders: Sequence[str]) -> str:
    """The names of holders, at most some."""
    more = len(holders) - _MOST_NAMES
    return ", ".join(holders[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _problem_text(plan: Plan) -> str:
    first = next(one for one in plan.problems if one.severity.value == "error")
    return first.message


def _nothing(condition: Condition, summary: str) -> Decision:
    return Decision(Act.NOTHING, condition, summary)
