"""Reports of turns: what is counted, what is remembered from turn to turn and from run to run."""

from pathlib import Path

import pytest

from reconciler.kernel.paths import mdev
from reconciler.model.outcome import Outcome, Result
from reconciler.watch.cycle_result import CycleResult, Ending
from reconciler.watch.events import events
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition, RefusedConfiguration, Report
from reconciler.watch.report_text import loop_text
from reconciler.watch.reporter import Moment, Reporter
from reconciler.watch.triggers import Trigger
from testing.holdings import uuid
from testing.loops import Looped, guest_document

IN_SYNC = Ending(Condition.IN_SYNC, "the host is as the manifests say")
FAILED = Ending(Condition.FAILED, "cannot read the host")
SOME = (Trigger("kernel", "a"), Trigger("kernel", "b"), Trigger("resync"))


def reported(reporter: Reporter, turn: CycleResult, now: float, triggers: tuple[Trigger, ...] = SOME) -> Report:
    """What is reported of `turn`, which ended at `now`."""
    return reporter.report(turn, None, triggers, Moment(now, now + 300.0))


def test_turns_applies_and_triggers_are_counted() -> None:
    """A source counts once for each turn, however often it was heard."""
    reporter = Reporter("site", None, applies=True)
    applied, rolled_back = Outcome(Result.APPLIED, 3), Outcome(Result.ROLLED_BACK, 1)
    reported(reporter, CycleResult(IN_SYNC, outcome=applied, recorded=1), 1.0)
    reported(reporter, CycleResult(FAILED, outcome=rolled_back, recorded=2), 2.0)
    report = reported(reporter, CycleResult(IN_SYNC, outcome=applied, recorded=3, healed=True), 3.0)

    counters = report.counters
    assert counters.cycles == 3
    assert counters.applies == {Result.APPLIED.value: 2, Result.ROLLED_BACK.value: 1}
    assert counters.triggers == {"kernel": 3, "resync": 3}
    assert counters.healed == 1


def test_an_apply_that_found_nothing_to_do_is_none() -> None:
    """But one that became a generation is."""
    reporter = Reporter("site", None, applies=True)
    nothing = Outcome(Result.NOTHING)

    assert not reported(reporter, CycleResult(IN_SYNC, outcome=nothing), 1.0).counters.applies
    assert (
        sum(reported(reporter, CycleResult(IN_SYNC, outcome=nothing, recorded=1), 2.0).counters.applies.values()) == 1
    )


def test_a_refusal_is_counted_once() -> None:
    """However many turns look at it."""
    reporter = Reporter("site", None, applies=True)
    one, other = RefusedConfiguration("a" * 40, ("no",), 1.0), RefusedConfiguration("b" * 40, ("no",), 5.0)
    counts = [
        reported(reporter, CycleResult(IN_SYNC, refused=refused), now).counters.refused
        for now, refused in enumerate([one, one, None, one, other], 1)
    ]

    assert counts == [1, 1, 1, 2, 3]


def test_a_condition_keeps_its_time_and_success_too() -> None:
    """Also over a restart, where it is no good one."""
    reporter = Reporter("site", None, applies=True)
    reported(reporter, CycleResult(IN_SYNC), 1.0)
    reported(reporter, CycleResult(FAILED), 2.0)
    before = reported(reporter, CycleResult(FAILED), 3.0)

    report = reported(Reporter("site", before, applies=True), CycleResult(FAILED), 9.0)

    assert (before.since, report.since) == (2.0, 2.0)
    assert (before.succeeded, report.succeeded) == (1.0, 1.0)
    assert report.counters.cycles == 1


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("hours", [0.01, 1.0, 7.0])
@pytest.mark.parametrize("ending", [IN_SYNC, FAILED])
def test_time_without_a_loop_is_not_counted(ending: Ending, hours: float, *, is_killed: bool) -> None:
    """However long the loop would have slept; a restart of a moment ends nothing that is wrong."""
    moment = Moment(100.0, 100.0 + 24 * 3600)
    before = Reporter("site", None, applies=True).report(CycleResult(ending), None, SOME, moment)
    ended, starts = 200.0, 200.0 + hours * 3600

    reporter = Reporter("site", before, applies=True, ended=None if is_killed else ended)
    first, second = (reported(reporter, CycleResult(ending), now) for now in (starts, starts + 50.0))

    is_counted = ending is FAILED and hours == 0.01
    assert first.since == (100.0 if is_counted else starts)
    assert second.since == first.since
    text, _ = loop_text(second, starts + 60.0)
    assert is_counted or f"{ending.condition.text} for 1 minute;" in text


def test_a_turn_that_could_not_look_keeps_what_was_known(tmp_path: Path) -> None:
    """Guests, queues, the source and what is suspended: nothing of that has changed, so nothing of it is told."""
    looped = Looped(tmp_path)
    looped.commit(guest_document(1, [5], [4]))
    looped.turn("start")
    looped.suspend("guest1")
    looped.branch.offered = Offer(None, unreachable="no answer")
    reporter = Reporter("site", None, applies=True)
    before = reporter.report(looped.turn(), looped.loop.enforced, SOME, Moment(1.0, None))
    (looped.state.path / "inventory.json").write_text("{")

    after = reporter.report(looped.turn(), looped.loop.enforced, SOME, Moment(2.0, None))

    assert after.condition is Condition.FAILED
    assert (after.guests, after.queues, after.source, after.generation) == (
        before.guests,
        before.queues,
        before.source,
        before.generation,
    )
    assert [one.kind.value for one in events(before, after)] == ["condition"]


def test_drift_is_told_with_its_guest_and_what_differs(tmp_path: Path) -> None:
    """In sentences."""
    looped = Looped(tmp_path)
    looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4]))
    looped.turn("start")
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")

    report = Reporter("site", None, applies=True).report(looped.turn(), looped.loop.enforced, SOME, Moment(1.0, None))

    assert report.condition is Condition.DRIFT
    assert [one.name for one in report.guests if one.drifted] == ["guest1"]
    assert len(report.differences) == 1
    assert "guest1" in report.differences[0]
    assert report.queues["effective"] == 3
