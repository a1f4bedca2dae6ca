"""A command that is hit anywhere loses nothing; and the trials notice one that does."""

import random
import signal
from collections.abc import Sequence

import pytest

from reconciler.transaction import rollback
from reconciler.transaction.journal import JOURNAL
from reconciler.transaction.rollback import RollbackResult
from reconciler.transaction.state_directory import StateDirectory
from trials import kills
from trials.tally import Tally

SEED = 7
CAUGHT = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def all_of(most: int, signals: Sequence[signal.Signals], profile: str = "6.12") -> Tally:
    """Some points of every trial on one kernel."""
    total = Tally("all")
    for one in kills.tallies(random.Random(SEED), most, [profile], signals):
        total.add(one)
    return total


def test_after_sigkill_the_next_command_puts_things_in_order_first() -> None:
    """Host at the start, or at the target where all was written; journal resolved; the target by the next apply."""
    found = all_of(5, [signal.SIGKILL])

    assert found.otherwise == []
    assert found.tried >= 40


def test_a_cancel_that_is_hit_anywhere_is_ended_by_the_next_one() -> None:
    """The host is at the start, nothing waits, and the apply is refused when it comes again."""
    total = Tally("all")
    for one in kills.cancel_tallies(random.Random(SEED), 12, ["6.12"]):
        total.add(one)

    assert total.otherwise == []
    assert total.tried >= 12


def test_signals_that_can_be_caught_end_a_command_cleanly() -> None:
    """An exit code that means something, no traceback, no journal, and the start or the target at once."""
    found = all_of(3, CAUGHT)

    assert found.otherwise == []
    assert found.tried >= 25


def test_a_way_back_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    monkeypatch.setattr(rollback, "roll_back", lambda *_: RollbackResult((), ()))

    found = all_of(2, [signal.SIGKILL])

    assert any("neither start nor target" in one for one in found.otherwise)


def test_a_journal_that_is_never_written_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    replace = StateDirectory.replace

    def forget(self: StateDirectory, name: str, content: bytes) -> None:
        if name != JOURNAL:
            replace(self, name, content)

    monkeypatch.setattr(StateDirectory, "replace", forget)
    monkeypatch.setattr(StateDirectory, "append", lambda *_: None)

    found = all_of(2, [signal.SIGKILL])

    assert any("neither start nor target" in one for one in found.otherwise)
