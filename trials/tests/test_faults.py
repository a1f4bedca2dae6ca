"""Whatever goes wrong, the host ends where somebody can say that it is; and the trials notice where it would not."""

import random
from typing import Any

import pytest

from reconciler.transaction import apply, rollback
from reconciler.transaction.rollback import RollbackResult
from trials import faults
from trials.tally import End, Tally

SEED = 7


def all_of(most: int, profile: str) -> Tally:
    """Some points of every plan on one kernel."""
    total = Tally("all")
    for one in faults.tallies(random.Random(SEED), most, [profile]):
        total.add(one)
    return total


@pytest.mark.parametrize("profile", ["5.15", "7.2"])
def test_every_fault_ends_at_the_target_at_the_start_or_degraded(profile: str) -> None:
    """Degraded with every difference named; the invariants after every write; the next apply puts things right."""
    found = all_of(4, profile)

    assert found.otherwise == []
    assert found.tried >= 40
    assert all(found.ends[end] for end in End)


def test_a_way_back_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    monkeypatch.setattr(apply, "roll_back", lambda *_: RollbackResult((), ()))

    assert any("said to be as before" in one for one in all_of(3, "6.12").otherwise)


def test_a_difference_that_is_not_told_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail."""
    roll_back = rollback.roll_back

    def silent(*arguments: Any) -> RollbackResult:
        returned = roll_back(*arguments)
        return returned._replace(differences=("something differs",) if returned.differences else ())

    monkeypatch.setattr(apply, "roll_back", silent)

    assert any("is not named in" in one for one in all_of(3, "6.1").otherwise)


def test_an_apply_that_does_not_look_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trials can fail: what others have written meanwhile is not found."""
    monkeypatch.setattr(apply, "differences_of", lambda *_: ())
    monkeypatch.setattr("reconciler.transaction.step._require", lambda *_: None)

    assert any("said to be applied" in one for one in all_of(5, "6.12").otherwise)
