"""What the loop does about a plan: a row for each decision, and what must never be, whatever the plan."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.problems import Problem, Severity
from reconciler.planning.plan import Cause, Consent, Plan
from reconciler.planning.planner import make_plan
from reconciler.watch.decisions import BUDGET, Act, HealBudgets, Healing, Policy, Times, decide, drifted, is_drift
from reconciler.watch.report import Condition
from reconciler.watch.schedule import Backoff
from testing.holdings import config, desired, guest, uuid
from testing.plans import GIVES_UP, ONE, applied, host_with

NOW = 1000.0
WANTED = desired([guest("m1", ONE, 1)], GIVES_UP)
KNOWN = applied(m1=ONE)._replace(digest=WANTED.digest)
NEWS = make_plan(WANTED, observe(host_with()))
DRIFT = make_plan(WANTED, observe(host_with(m1=config([5, 6], [4]))), KNOWN)
BOTH = desired([guest("m1", ONE, 1), guest("m2", config([6], [4]), 2)], GIVES_UP)
TWO = make_plan(
    BOTH,
    observe(host_with(m1=config([5, 7], [4]))),
    applied(m1=ONE, m2=config([6], [4]))._replace(digest=BOTH.digest),
)
RUNNING = TWO._replace(consents=(Consent("m1", "its VM runs and loses queues", uuid=uuid(1)),))
SAME = make_plan(WANTED, observe(host_with(m1=ONE)), KNOWN)
WITHHELD = SAME._replace(withheld={uuid(1): "a"})
NEW = WITHHELD._replace(is_news=True)
SUSPENDED_OUT_OF_SYNC = Condition.SUSPENDED_OUT_OF_SYNC
UNRECORDED = SAME._replace(is_news=True)
ERROR = Problem("conflict", Severity.ERROR, "two guests have 05.0004")
INVALID = NEWS._replace(problems=(ERROR,), steps=())
CONSENT = NEWS._replace(consents=(Consent("m1", "its VM runs and loses queues", uuid=uuid(1)),))

REPORTS = Policy(applies=False, self_heal=False)
APPLIES = Policy(applies=True, self_heal=False)
HEALS = Policy(applies=True, self_heal=True)
FRESH = HealBudgets()
USED = HealBudgets({uuid(1): Healing(tuple(NOW - one for one in range(BUDGET, 0, -1)))}).asked([uuid(1)], NOW)
JUST = HealBudgets({uuid(1): Healing((NOW - 1.0,))})
NEVER = Backoff()
FAILED = Backoff().failed(NOW - 1.0)

ROWS: list[tuple[str, Plan, Policy, HealBudgets, Backoff, bool, Act, Condition, bool]] = [
    ("in sync", SAME, HEALS, FRESH, NEVER, False, Act.NOTHING, Condition.IN_SYNC, False),
    ("in sync, not yet a generation", UNRECORDED, APPLIES, FRESH, NEVER, False, Act.APPLY, Condition.IN_SYNC, False),
    ("... which has failed", UNRECORDED, APPLIES, FRESH, FAILED, False, Act.NOTHING, Condition.IN_SYNC, True),
    ("... which is suspended", UNRECORDED, APPLIES, FRESH, NEVER, True, Act.NOTHING, Condition.IN_SYNC, False),
    ("... which is only reported", UNRECORDED, REPORTS, FRESH, NEVER, False, Act.NOTHING, Condition.IN_SYNC, False),
    ("a suspended guest differs", WITHHELD, HEALS, FRESH, NEVER, False, Act.NOTHING, SUSPENDED_OUT_OF_SYNC, False),
    ("... not yet a generation", NEW, APPLIES, FRESH, NEVER, False, Act.APPLY, SUSPENDED_OUT_OF_SYNC, False),
    ("invalid", INVALID, HEALS, FRESH, NEVER, False, Act.NOTHING, Condition.NEEDS_PERSON, False),
    ("suspended news", NEWS, HEALS, FRESH, NEVER, True, Act.NOTHING, Condition.SUSPENDED, False),
    ("suspended drift", DRIFT, HEALS, FRESH, NEVER, True, Act.NOTHING, Condition.SUSPENDED, False),
    ("reported news", NEWS, REPORTS, FRESH, NEVER, False, Act.NOTHING, Condition.CHANGES, False),
    ("reported drift", DRIFT, REPORTS, FRESH, NEVER, False, Act.NOTHING, Condition.DRIFT, False),
    ("drift that is not healed", DRIFT, APPLIES, FRESH, NEVER, False, Act.NOTHING, Condition.DRIFT, False),
    ("consent", CONSENT, HEALS, FRESH, NEVER, False, Act.NOTHING, Condition.NEEDS_PERSON, False),
    ("news", NEWS, APPLIES, FRESH, NEVER, False, Act.APPLY, Condition.CHANGES, False),
    ("news that has failed", NEWS, APPLIES, FRESH, FAILED, False, Act.NOTHING, Condition.FAILED, True),
    ("news after a fight", NEWS, HEALS, USED, NEVER, False, Act.APPLY, Condition.CHANGES, False),
    ("drift", DRIFT, HEALS, FRESH, NEVER, False, Act.HEAL, Condition.DRIFT, False),
    ("drift soon after", DRIFT, HEALS, JUST, NEVER, False, Act.NOTHING, Condition.DRIFT, True),
    ("drift again and again", DRIFT, HEALS, USED, NEVER, False, Act.NOTHING, Condition.STOPPED, True),
    ("drift beside a fight", TWO, HEALS, USED, NEVER, False, Act.HEAL, Condition.DRIFT, False),
    ("drift beside what needs consent", RUNNING, HEALS, FRESH, NEVER, False, Act.HEAL, Condition.DRIFT, False),
    ("a heal that has failed", DRIFT, HEALS, FRESH, FAILED, False, Act.NOTHING, Condition.FAILED, True),
]


@pytest.mark.parametrize("row", ROWS, ids=[one[0] for one in ROWS])
def test_each_row_of_the_table(row: tuple[Any, ...]) -> None:
    """What is done, how the host stands, and whether it is looked at again without a trigger."""
    _, plan, policy, healing, retry, suspended, act, condition, waits = row

    decision = decide(plan, policy, healing, retry, Times(NOW, NOW), suspended=suspended)

    assert (decision.act, decision.condition, decision.wait is not None) == (act, condition, waits)
    assert decision.summary
    assert decision.wait is None or decision.wait > 0


@given(
    plan=st.sampled_from([NEWS, DRIFT, SAME, UNRECORDED, INVALID, CONSENT]),
    news=st.booleans(),
    policy=st.builds(Policy, st.booleans(), st.booleans()),
    times=st.lists(st.floats(0, NOW), max_size=8).map(sorted),
    stopped=st.booleans(),
    failures=st.integers(0, 3),
    at=st.floats(0, 2 * NOW),
    suspended=st.booleans(),
)
def test_what_must_not_be_done_is_never_done(
    plan: Plan, news: bool, policy: Policy, times: list[float], stopped: bool, failures: int, at: float, suspended: bool
) -> None:
    """Nothing where it is suspended, only reported, invalid, or needs consent; no healing that was not asked for."""
    plan = plan._replace(is_news=news)
    healing, retry = HealBudgets({uuid(1): Healing(tuple(times), stopped)}), Backoff(failures, at)

    decision = decide(plan, policy, healing, retry, Times(NOW, NOW), suspended=suspended)

    if suspended or not policy.applies or plan.consents or not plan.is_valid or retry.wait(NOW):
        assert decision.act is Act.NOTHING
    if is_drift(plan) and plan.changes:
        assert decision.act is not Act.APPLY
        assert decision.act is not Act.HEAL or (policy.self_heal and not healing.stopped(NOW))
    if decision.act is Act.NOTHING and decision.condition is Condition.FAILED:
        assert decision.wait
    assert (decision.condition is Condition.IN_SYNC) == plan.in_sync


def test_changes_of_the_host_and_of_the_manifests_are_told_apart() -> None:
    """The same difference is drift where the manifests are as they were, and news where they are not."""
    assert is_drift(DRIFT)
    assert not is_drift(DRIFT._replace(is_news=True))
    assert DRIFT.causes == {Cause.HOST}
    assert not is_drift(SAME)


def test_who_is_fought_over_is_named_with_the_end_and_the_others_are_not_kept_waiting() -> None:
    """Each holder has a budget of its own; the plan that is made leaves the one alone."""
    decision = decide(TWO, HEALS, USED, NEVER, Times(NOW, 1_800_000_000.0), suspended=False)

    assert decision.spared == {uuid(1)}
    assert decision.rest
    assert decision.rest.condition is Condition.STOPPED
    assert "m1: corrected 5 times" in decision.rest.summary
    assert "2027-01-15 09:00:00 UTC" in decision.rest.summary
    assert set(drifted(TWO)) == {uuid(1), uuid(2)}
