"""Which commit counts as applied last where the loop's own record is missing."""

import io
from pathlib import Path

from reconciler.cli.watch_command import _applied_commit
from reconciler.model.outcome import Actor, Origin, Outcome, Result
from reconciler.transaction.history import History
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.log import Log
from testing.holdings import desired
from testing.plans import SHOWN_PLAN


def applied(state: StateDirectory, number: int, actor: Actor, commit: str, result: Result = Result.APPLIED) -> None:
    """An apply in the history."""
    history = History(state)
    history.begin(number, desired(), Origin("root", "reconcile watch --apply", 1.0, commit, actor), SHOWN_PLAN)
    history.end(number, Outcome(result), 2.0)


def test_the_history_knows_what_the_loop_has_applied(tmp_path: Path) -> None:
    """Not what a person has applied from elsewhere, nor what was rolled back."""
    state, log = StateDirectory(tmp_path), Log(io.StringIO(), lambda: 0.0)
    assert _applied_commit(state, log) == ""
    applied(state, 1, Actor.LOOP, "a" * 40)
    applied(state, 2, Actor.LOOP, "b" * 40, Result.ROLLED_BACK)
    applied(state, 3, Actor.PERSON, "c" * 40)
    assert _applied_commit(state, log) == "a" * 40


def test_a_damaged_generation_says_nothing(tmp_path: Path) -> None:
    """It is not guessed at."""
    state, log = StateDirectory(tmp_path), Log(io.StringIO(), lambda: 0.0)
    applied(state, 1, Actor.LOOP, "a" * 40)
    applied(state, 2, Actor.PERSON, "")
    (tmp_path / "generations" / "000001.json").write_text("{}")
    (tmp_path / "generations" / "000001.outcome.json").write_text('{"result": "applied"}')
    assert _applied_commit(state, log) == ""
