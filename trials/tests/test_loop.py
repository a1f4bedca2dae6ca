"""The loop in an hour of trouble: a sample of ``./run trials loop``; and these trials can fail."""

import random
from typing import Any

import pytest

from reconciler.watch import cycle as cycle_module
from reconciler.watch.configurations import Configurations
from reconciler.watch.decisions import Act, Decision, decide
from reconciler.watch.report import Condition
from trials import loop

SEED = 3


@pytest.mark.parametrize(("profile", "heals"), [("6.12", True), ("6.12", False), ("5.15", True), ("7.2", True)])
def test_in_the_end_the_host_is_in_sync_and_nothing_was_violated(profile: str, heals: bool) -> None:
    """With bad commits, faults, drift, cards, VMs, other commands, suspensions, full disks and restarts in between."""
    found = loop.run(loop.Stretch(profile, heals, 700), random.Random(SEED))

    assert found.wrong == ()
    assert found.counts["turns"] > 50
    assert found.counts["bad commits"] > 5
    assert found.counts["applies that ended applied"] > 3
    assert bool(found.counts["times healed"]) is heals


def test_a_loop_that_heals_without_having_been_told_to_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    monkeypatch.setattr(cycle_module, "is_drift", lambda _: False)

    def hasty(plan: Any, *arguments: Any, **more: Any) -> Decision:
        decision = decide(plan, *arguments, **more)
        return decision._replace(act=Act.APPLY) if decision.condition is Condition.DRIFT else decision

    monkeypatch.setattr(cycle_module, "decide", hasty)

    found = loop.run(loop.Stretch("6.12", False, 600), random.Random(SEED))

    assert any("although nothing may be" in one for one in found.wrong)


def test_a_bad_commit_that_nobody_is_told_of_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    monkeypatch.setattr(Configurations, "refuse", lambda *_: None)

    found = loop.run(loop.Stretch("6.12", True, 600), random.Random(SEED))

    assert any("cannot be used, but None is refused" in one for one in found.wrong)


def test_a_loop_that_forgets_to_look_again_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    monkeypatch.setattr(cycle_module, "is_drift", lambda _: True)
    monkeypatch.setattr(cycle_module, "decide", lambda *_, **__: Decision(Act.NOTHING, Condition.DRIFT, "so what"))

    found = loop.run(loop.Stretch("6.12", True, 100), random.Random(SEED))

    assert any("quiet cycles" in one for one in found.wrong)
