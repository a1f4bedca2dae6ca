"""What the loop does about a plan, and how often it corrects the drift of a holder. Pure: time is given.

The loop does not fight another program. Each holder (a device, the masks, the files for the next boot) has a heal
budget of its own, so that one that is fought over costs the others nothing.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from reconciler.model.problems import Severity
from reconciler.planning.plan import ALLOW_DISRUPTION, Cause, Plan
from reconciler.planning.scope import FILES, HOST
from reconciler.render.text import counted, moment
from reconciler.watch.report import FILES_NAME, MASKS, Condition
from reconciler.watch.schedule import Backoff

_MOST_NAMES: Final = 3
_MINUTE: Final = 60.0


WINDOW_SECONDS: Final = 3600.0
BUDGET: Final = 5
"""So many times within the window; the next one would be a fight."""

_DISTANCES: Final = (0.0, 10.0, 30.0, 60.0, 120.0)
"""How long after the last time the first, second ... one within the window may be."""


class Healing(NamedTuple):
    """When one holder was corrected (on a monotonic clock), and whether that has stopped."""

    times: tuple[float, ...] = ()
    stopped: bool = False

    def wait(self, now: float) -> float:
        """How long to wait until the next time; 0 where it may be now. Only where it has not `stopped`."""
        recent = self._recent(now)
        if not recent:
            return 0.0
        return max(0.0, recent[-1] + _DISTANCES[min(len(recent), len(_DISTANCES) - 1)] - now)

    @property
    def until(self) -> float:
        """When it begins again where it has `stopped`: when the last time has left the window."""
        return self.times[-1] + WINDOW_SECONDS if self.times else 0.0

    def count(self, now: float) -> int:
        """How often it was corrected within the window; one that has `stopped` counts as long as it does."""
        return len(self.times) if self.stopped and now < self.until else len(self._recent(now))

    def asked(self, now: float) -> "Healing":
        """What becomes of this where the holder has drifted again: it stops where the budget is used up."""
        if self.stopped:
            return Healing() if now >= self.until else self
        return self if len(self._recent(now)) < BUDGET else self._replace(stopped=True)

    def healed(self, now: float) -> "Healing":
        """What becomes of this after the holder was corrected."""
        return Healing((*self._recent(now), now))

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(one for one in self.times if now - one < WINDOW_SECONDS)


class HealBudgets(NamedTuple):
    """The budget of each holder that was corrected within the window."""

    of: Mapping[str, Healing] = {}

    def asked(self, holders: Iterable[str], now: float) -> "HealBudgets":
        """What becomes of them where `holders` have drifted."""
        return self._with({one: self._budget(one).asked(now) for one in holders}, now)

    def healed(self, holders: Iterable[str], now: float) -> "HealBudgets":
        """What becomes of them after `holders` were corrected."""
        return self._with({one: self._budget(one).healed(now) for one in holders}, now)

    def wait(self, holder: str, now: float) -> float:
        """How long `holder` has to wait, also because it is stopped; 0 where it may be corrected now."""
        budget = self._budget(holder)
        return max(0.0, budget.until - now) if budget.stopped else budget.wait(now)

    def paused(self, now: float) -> frozenset[str]:
        """The holders that must not be corrected now."""
        return frozenset(one for one in self.of if self.wait(one, now))

    def stopped(self, now: float) -> Mapping[str, float]:
        """Until when (on the same clock) those are not corrected whose budget is used up."""
        return {one: budget.until for one, budget in self.of.items() if budget.stopped and budget.until > now}

    def counts(self, now: float) -> Mapping[str, int]:
        """How often each was corrected within the window, those left out that were not."""
        counts = {one: budget.count(now) for one, budget in self.of.items()}
        return {one: count for one, count in counts.items() if count}

    def _budget(self, holder: str) -> Healing:
        return self.of.get(holder, Healing())

    def _with(self, changed: Mapping[str, Healing], now: float) -> "HealBudgets":
        # Devices come and go for years: what has left the window is forgotten.
        every = {**self.of, **changed}
        return HealBudgets({holder: one for holder, one in every.items() if one.times and one.until > now})


class Policy(NamedTuple):
    """What the loop does by its options: apply what is wanted, and heal what other programs change."""

    applies: bool
    self_heal: bool


class Act(Enum):
    """What is done."""

    NOTHING = auto()
    APPLY = auto()
    HEAL = auto()


class Decision(NamedTuple):
    """What is done about a plan.

    Attributes:
        act: what is done.
        condition: how the host stands if nothing is.
        summary: one sentence about that.
        wait: when to look again, in seconds; None where only another trigger asks for it.
        spared: the holders whose drift is not corrected meanwhile: uuids, `HOST` for the masks, `FILES`.
        rest: the decision where the plan without what is `spared` cannot be applied either; None where nothing is.
    """

    act: Act
    condition: Condition
    summary: str
    wait: float | None = None
    spared: frozenset[str] = frozenset()
    rest: "Decision | None" = None


class Times(NamedTuple):
    """Now: seconds on a monotonic clock, and seconds since 1970."""

    monotonic: float
    time: float

    def next_minute(self, monotonic: float) -> float:
        """A moment of the first clock in seconds since 1970, at the next full minute.

        People are shown no other: it stays the same from cycle to cycle, and wherever it is shown.
        """
        return math.ceil((self.time + monotonic - self.monotonic) / _MINUTE) * _MINUTE


def decide(
    plan: Plan, policy: Policy, healing: HealBudgets, retry: Backoff, now: Times, *, suspended: bool
) -> Decision:
    """What to do about `plan`, that of the configuration which is enforced.

    Args:
        plan: of the host as it is.
        policy: what the loop does by its options.
        healing: how often holders were corrected; `HealBudgets.asked` has been asked.
        retry: when a plan that has failed may be tried again.
        now: the time.
        suspended: whether the whole host is suspended.
    """
    if not plan.is_valid:
        return _nothing(Condition.NEEDS_PERSON, _problem_text(plan))
    if not plan.changes:
        # What needs no write becomes a generation nevertheless, so that history and boot know of it.
        condition, summary = _standing(plan)
        records = plan.is_news and policy.applies and not suspended
        if records and (wait := retry.wait(now.monotonic)):
            return Decision(Act.NOTHING, condition, summary, wait)
        return Decision(Act.APPLY if records else Act.NOTHING, condition, summary)
    differs = differences_text(plan)
    if suspended:
        return _nothing(Condition.SUSPENDED, f"suspended; {differs}")
    drift = drifted(plan)
    if not policy.applies or (drift and not policy.self_heal):
        if drift:
            return _nothing(Condition.DRIFT, f"the host is no longer as it was applied: {differs}")
        return _nothing(Condition.CHANGES, f"{differs}; the loop only reports")
    spared, rest = frozenset[str](), None
    needing = in_need_of_consent(plan)
    if needing is None:
        return _consent(plan, differs)
    if spared := frozenset(one for one in drift if healing.wait(one, now.monotonic)) | needing:
        rest = _at_rest(plan, drift, healing, needing, now)
        if not _changing(plan) - spared:
            return rest
    if later := retry.wait(now.monotonic):
        return Decision(Act.NOTHING, Condition.FAILED, f"{differs}; it failed and is tried again", later)
    if not drift.keys() - spared:
        return Decision(Act.APPLY, Condition.CHANGES, differs, spared=spared, rest=rest)
    return Decision(Act.HEAL, Condition.DRIFT, differs, spared=spared, rest=rest)


def _standing(plan: Plan) -> tuple[Condition, str]:
    """How a host stands for which there is nothing to do."""
    if not plan.withheld:
        return Condition.IN_SYNC, "the host is as the manifests say"
    are = "is" if len(plan.suspended_names) == 1 else "are"
    whose = named(plan.suspended_names)
    return Condition.SUSPENDED_OUT_OF_SYNC, f"{whose} {are} not as the manifests say; everything else is"


def _at_rest(
    plan: Plan, drift: Mapping[str, str], healing: HealBudgets, needing: Collection[str], now: Times
) -> Decision:
    """How the host stands while no drift can be corrected, or not all of it."""
    waits = [each for one in drift if (each := healing.wait(one, now.monotonic))]
    wait = min(waits) if waits else None
    stopped = {one: until for one, until in stopped_until(healing, now).items() if one in drift}
    if stopped:
        names = named([drift[one] for one in stopped])
        until = moment(max(stopped.values()))
        summary = (
            f"{differences_text(plan)}; {names}: corrected {BUDGET} times, and another program changes it again and "
            f"again; stopped until {until} UTC, or until a person asks for it"
        )
        return Decision(Act.NOTHING, Condition.STOPPED, summary, wait)
    if needing:
        return _consent(plan, differences_text(plan))._replace(wait=wait)
    summary = f"the host is again not as it was applied: {differences_text(plan)}"
    return Decision(Act.NOTHING, Condition.DRIFT, summary, wait)


def stopped_until(healing: HealBudgets, now: Times) -> Mapping[str, float]:
    """The holders whose drift is not corrected any more, and until when, in seconds since 1970."""
    return {one: now.next_minute(until) for one, until in healing.stopped(now.monotonic).items()}


def _consent(plan: Plan, differs: str) -> Decision:
    flags = " ".join(plan.flags)
    return _nothing(Condition.NEEDS_PERSON, f"{differs}, which needs consent ({flags}): {plan.consents[0].reason}")


def is_drift(plan: Plan) -> bool:
    """Whether `plan` would change what another program has changed, although the manifests are as they were."""
    return not plan.is_news and Cause.HOST in plan.causes


def drifted(plan: Plan) -> Mapping[str, str]:
    """The names of the holders whose drift `plan` corrects, by uuid, `HOST` or `FILES`; empty where it is no drift."""
    return corrected(plan) if is_drift(plan) else {}


def corrected(plan: Plan) -> Mapping[str, str]:
    """The same, whether or not the manifests are as they were."""
    found = {one.uuid: one.name for one in plan.guests if one.changes and one.cause is Cause.HOST}
    if plan.pool_cause is Cause.HOST:
        found[HOST] = MASKS
    if plan.files and not plan.is_news:
        found[FILES] = FILES_NAME
    return found


def corrections(healing: HealBudgets, plan: Plan, now: float) -> Mapping[str, int]:
    """How often holders were corrected within the window, by their names in `plan`."""
    names = {one.uuid: one.name for one in plan.guests} | {HOST: MASKS, FILES: FILES_NAME}
    return {names.get(one, one): count for one, count in healing.counts(now).items()}


def in_need_of_consent(plan: Plan) -> frozenset[str] | None:
    """The holders whose drift cannot be corrected without consent; None where anything else needs consent, too."""
    found = corrected(plan)
    needing: set[str] = set()
    for consent in plan.consents:
        whose = consent.uuid or HOST
        if consent.flag != ALLOW_DISRUPTION or whose not in found:
            return None
        needing.add(whose)
    return frozenset(needing)


def _changing(plan: Plan) -> frozenset[str]:
    holders = {one.uuid for one in plan.guests if one.changes}
    holders |= {HOST} if plan.pool_cause else set()
    return frozenset(holders | ({FILES} if plan.files else set()))


def differences_text(plan: Plan) -> str:
    """How much is not as it should be."""
    holders = [guest.name for guest in plan.guests if guest.changes]
    holders += [MASKS] if plan.pool_cause else []
    parts = [f"{named(holders)} not as wanted"] if holders else []
    parts += [f"{counted(len(plan.files), 'file')} for the next boot not as wanted"] if plan.files else []
    if plan.withheld:
        parts.append(f"{named(plan.suspended_names)} suspended and not as wanted")
    return ", ".join(parts) or "nothing differs"


def named(holders: Sequence[str]) -> str:
    """The names of holders, at most some."""
    more = len(holders) - _MOST_NAMES
    return ", ".join(holders[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _problem_text(plan: Plan) -> str:
    first = next(one for one in plan.problems if one.severity is Severity.ERROR)
    return first.message


def _nothing(condition: Condition, summary: str) -> Decision:
    return Decision(Act.NOTHING, condition, summary)
