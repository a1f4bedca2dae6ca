"""Generations: what is kept of each apply, and for how long."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.codec import BadRecord
from reconciler.model.desired import Activation, Desired, GivenUp, Keep, Presence, Unmanaged
from reconciler.model.ids import IdSet
from reconciler.model.outcome import Extent, Origin, Outcome, Result
from reconciler.model.problems import Position
from reconciler.transaction.history import RETAINED, History, NoSuchGeneration
from reconciler.transaction.records import RECORDS, placed
from reconciler.transaction.state_directory import StateDirectory
from testing.holdings import config, desired, guest, holdings, matrix
from testing.plans import SHOWN_PLAN

ORIGIN = Origin("kim", "reconcile apply", 1_800_000_000.0, "c0ffee")
PLAN = SHOWN_PLAN
WANTED = desired([guest("a", config([5], [4]), 1)])


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty history."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    return History(state)


def applied(history: History, result: Result = Result.APPLIED) -> int:
    """The number of one more generation, which ended with `result`."""
    number = history.next_number()
    history.begin(number, WANTED, ORIGIN, PLAN)
    history.end(number, Outcome(result, writes=3), 1_800_000_001.0)
    return number


def test_generations_are_numbered_from_one(history: History) -> None:
    """Each apply has the next number, whatever became of the last one."""
    assert history.generations() == []
    assert [applied(history, one) for one in (Result.APPLIED, Result.ROLLED_BACK, Result.DEGRADED)] == [1, 2, 3]
    assert [one.result for one in history.generations()] == ["applied", "rolled back", "degraded"]


def test_a_generation_tells_who_what_and_how_it_ended(history: History) -> None:
    """Who asked, with which command, from which commit, what was planned and what came of it."""
    number = applied(history)

    found = history.get(number)

    assert found.origin == ORIGIN
    assert (found.host, found.digest, found.summary) == ("lpar7", WANTED.digest, "Plan: 1 to create.")
    assert found.is_target
    assert history.record(number)["plan"] == PLAN
    assert history.record(number)["outcome"]["writes"] == 3


def test_a_generation_without_an_outcome_was_not_finished(history: History) -> None:
    """A killed process records no end; what became of it is found out by whoever comes next."""
    history.begin(1, WANTED, ORIGIN, PLAN)
    assert history.get(1).result == "not finished"
    assert not history.get(1).is_target

    history.close(current=0, now=5.0)
    assert history.get(1).result == "rolled back"

    history.begin(2, WANTED, ORIGIN, PLAN)
    history.close(current=2, now=5.0)
    assert history.get(2).result == "applied"
    assert history.get(1).result == "rolled back"


def test_only_the_newest_generations_are_kept(history: History, tmp_path: Path) -> None:
    """A loop that runs for a year must not fill the disk."""
    for _ in range(RETAINED + 3):
        applied(history)

    assert [one.number for one in history.generations()] == list(range(4, RETAINED + 4))
    assert len(list((tmp_path / "state/generations").iterdir())) == 2 * RETAINED
    with pytest.raises(NoSuchGeneration, match=f"there are 4 to {RETAINED + 3}"):
        history.get(1)


def test_the_target_to_go_back_to_is_one_that_was_reached(history: History) -> None:
    """What was rolled back or degraded is nothing to go back to."""
    applied(history)
    applied(history, Result.ROLLED_BACK)
    applied(history)
    applied(history, Result.DEGRADED)

    assert history.newest_target() == 3
    assert history.newest_target(before=3) == 1
    with pytest.raises(NoSuchGeneration):
        history.newest_target(before=1)


def test_a_vm_that_started_is_nothing_to_go_back_to(history: History) -> None:
    """Its generation says nothing about the rest of the host, and however many there are, they push out no other."""
    applied(history)
    for _ in range(RETAINED + 1):
        number = history.next_number()
        history.begin(number, WANTED, ORIGIN, PLAN, Extent.CONFINED)
        history.end(number, Outcome(Result.APPLIED), 1_800_000_001.0)

    assert [one.number for one in history.generations()] == [1, *range(3, RETAINED + 3)]
    assert [one.extent for one in history.generations()[:2]] == [Extent.WHOLE, Extent.CONFINED]
    assert history.newest_target() == 1
    assert history.desired(1).digest == WANTED.digest
    with pytest.raises(NoSuchGeneration, match="started or ended"):
        history.desired(3)


def test_nothing_was_applied_yet(history: History) -> None:
    """An empty history says so."""
    with pytest.raises(NoSuchGeneration, match="nothing has been applied yet"):
        history.get(1)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"7", b"{}", b'{"user": "kim"}'])
def test_a_damaged_generation_is_refused(history: History, tmp_path: Path, content: bytes) -> None:
    """Nothing is guessed about what was wanted."""
    applied(history)
    (tmp_path / "state/generations/000001.json").write_bytes(content)

    with pytest.raises(BadRecord):
        history.get(1)
    with pytest.raises(BadRecord):
        history.desired(1)


def test_an_apply_without_steps_has_no_number(history: History) -> None:
    """There is nothing to record of it."""
    history.end(0, Outcome(Result.NOTHING), 1.0)
    assert history.generations() == []


# What was wanted, through JSON and back ------------------------------------------------------------------------------


def test_everything_that_was_wanted_comes_back() -> None:
    """All fields of host and guests, but for where they were written."""
    whole = desired(
        [
            guest("a", config([5], [4], [4, 9]), 1, labels=(("tenant", "x"),), disruption_allowed=True),
            guest("b", config([], []), 2, activation=Activation.ON_DEMAND, presence=Presence.REQUIRED),
            guest("c", config([7], [8]), 3, activation=Activation.INACTIVE, queues_listed=True),
        ],
        GivenUp(IdSet([5]), IdSet([4])),
        keep=(Keep(matrix([1], [2, 3]), 0),),
        unmanaged=Unmanaged.REMOVE,
    )

    back = placed(RECORDS.read_content(Desired, RECORDS.content(whole)), "generation 7")

    assert back == _from(whole, Position("generation 7", 1, 1))


@given(holdings(), st.booleans())
def test_any_matrix_comes_back(what: object, given_up: bool) -> None:
    """Ids keep every bit."""
    mdevs = what.mdevs  # type: ignore[attr-defined]
    guests = [guest(f"g{number}", one, number) for number, one in enumerate(mdevs.values())]
    whole = desired(guests, GivenUp(IdSet([1, 255]), IdSet([0])) if given_up else None)

    back = placed(RECORDS.read_content(Desired, RECORDS.content(whole)), "x")

    assert back == _from(whole, Position("x", 1, 1))


def _from(wanted: Desired, position: Position) -> Desired:
    return wanted._replace(
        host=wanted.host._replace(position=position),
        guests=tuple(one._replace(position=position) for one in wanted.guests),
    )


def test_what_was_applied_last_is_not_guessed(history: History, tmp_path: Path) -> None:
    """What failed and what was only for a VM is passed over; a file that cannot be read is not."""
    assert history.last_target() is None
    applied(history, Result.ROLLED_BACK)
    assert history.last_target() is None
    number = applied(history)
    applied(history, Result.DEGRADED)
    history.begin(4, WANTED, ORIGIN, PLAN, Extent.CONFINED)
    assert history.last_target() == history.get(number)
    damaged = applied(history)
    (tmp_path / "state/generations" / f"{damaged:06}.json").write_text("{torn")
    with pytest.raises(BadRecord, match=f"{damaged:06}.json"):
        history.last_target()
