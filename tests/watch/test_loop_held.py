"""A held loop enforces what was applied and confirmed last, and never moves forward by itself."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.paths import mdev
from reconciler.model.errors import StateError
from reconciler.model.outcome import Actor, Origin
from reconciler.operations.apply import Terms, apply
from reconciler.operations.wanted import (
    BeforeGeneration,
    Confirmed,
    Manifests,
    NoLongerConfirmed,
    NothingConfirmed,
    OfGeneration,
)
from reconciler.planning.scope import Targets
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.cancellation import cancel
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.loop_records import read_last_good
from reconciler.transaction.recovery import confirm, recover
from reconciler.watch.manifest_sources import HeldSource
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import EVERY_CONSENT, Looped, guest_document

FIRST = guest_document(1, [5], [4])
SECOND = guest_document(1, [5, 6], [4])
OTHER = guest_document(2, [6], [4])
SEEN = {FIRST: "05.0004\n", SECOND: "05.0004\n06.0004\n"}


def held(folder: Path, *, self_heal: bool = True) -> Looped:
    """A held loop on a host where nothing was applied yet."""
    looped = Looped(folder, self_heal=self_heal)
    looped.source = HeldSource(None)
    looped.start()
    return looped


def matrix(looped: Looped, number: int = 1) -> str:
    """What a guest holds."""
    return looped.host.read(f"{mdev(uuid(number))}/matrix")


def drift(looped: Looped) -> None:
    """Another program takes everything from the guest."""
    looped.host.write(f"{mdev(uuid(1))}/unassign_adapter", "5")


def rolled_back_to(looped: Looped, number: int) -> None:
    """A person rolls back to generation `number`; to what there was before it where that is 1."""
    source = OfGeneration(number) if number > 1 else BeforeGeneration(1)
    origin = Origin("root", "reconcile rollback", looped.clock.time())
    apply(source, looped.machine(), NoProgress(), origin, Terms(EVERY_CONSENT))


def test_where_nothing_was_applied_it_says_so_and_waits(tmp_path: Path) -> None:
    """Whatever manifests there are; the first apply is what it enforces."""
    looped = held(tmp_path)
    looped.commit(FIRST)

    turn = looped.turn("start")

    assert (turn.ending.condition, turn.wait, turn.refused) == (Condition.WAITING, None, None)
    assert "nothing was applied to this host yet" in turn.ending.summary
    assert "reconcile apply" in turn.ending.summary
    assert (looped.loop.enforced, looped.writes) == (None, [])
    looped.typed()
    looped.writes.clear()
    assert looped.turn("records").ending.condition is Condition.IN_SYNC
    assert looped.writes == []


def test_it_heals_and_reads_no_newer_manifests(tmp_path: Path) -> None:
    """A commit changes nothing, however often a person has the loop look."""
    looped = held(tmp_path)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    looped.commit(SECOND)
    assert looped.turn("request").ending.condition is Condition.IN_SYNC
    drift(looped)

    turn = looped.turn("kernel")

    assert (turn.healed, turn.ending.condition) == (True, Condition.IN_SYNC)
    assert matrix(looped) == SEEN[FIRST]
    assert History(looped.state).get(2).origin.actor is Actor.LOOP


def test_it_reports_drift_where_it_is_not_to_heal(tmp_path: Path) -> None:
    """Of what was confirmed last."""
    looped = held(tmp_path, self_heal=False)
    looped.commit(FIRST)
    looped.typed()
    drift(looped)
    looped.writes.clear()

    turn = looped.turn("start")

    assert (turn.ending.condition, looped.writes) == (Condition.DRIFT, [])


def test_what_a_person_applies_is_what_it_enforces_from_then_on(tmp_path: Path) -> None:
    """An apply and a rollback, also to what there was before the first, each by the cycle to which it leads."""
    looped = held(tmp_path)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    looped.commit(SECOND)
    looped.typed()
    looped.writes.clear()
    assert (looped.turn("records").ending.condition, looped.writes) == (Condition.IN_SYNC, [])
    kept = read_last_good(looped.state)
    assert kept
    assert kept.desired.digest == History(looped.state).get(2).digest
    drift(looped)
    assert looped.turn("kernel").healed
    assert matrix(looped) == SEEN[SECOND]

    rolled_back_to(looped, 1)
    looped.writes.clear()

    turn = looped.turns()
    assert (turn.ending.condition, looped.writes, looped.host.state.mdevs) == (Condition.IN_SYNC, [], {})


def test_guests_that_were_applied_by_themselves_stay_so(tmp_path: Path) -> None:
    """A partial apply is a person's word too: its guests are enforced, and those that it has removed stay away."""
    looped = held(tmp_path)
    looped.commit(FIRST, guest_document(3, [7], [4]))
    looped.typed()
    looped.turn("start")
    looped.commit(SECOND)
    origin = Origin("root", "reconcile apply", looped.clock.time())
    source = Manifests((tmp_path / "manifests",))
    chosen = Targets(frozenset({"guest1", "guest3"}))
    apply(source, looped.machine(), NoProgress(), origin, Terms(EVERY_CONSENT), chosen)
    looped.writes.clear()

    assert (looped.turn("records").ending.condition, looped.writes) == (Condition.IN_SYNC, [])
    drift(looped)
    assert looped.turn("kernel").healed
    assert matrix(looped) == SEEN[SECOND]
    assert set(looped.host.state.mdevs) == {uuid(1)}
    kept = read_last_good(looped.state)
    assert kept
    assert [one.name for one in kept.desired.guests] == ["guest1"]


def test_a_confirmation_within_a_cycle_is_not_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided about drift is not done once another apply was made: that is read again under the locks."""
    looped = held(tmp_path)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    looped.commit(SECOND)
    drift(looped)
    decide = looped.turn.__globals__["Cycles"].run_cycle.__globals__["decide"]

    def late(*args: object, **more: object) -> object:
        monkeypatch.setattr("reconciler.watch.cycle.decide", decide)
        looped.typed()
        looped.writes.clear()
        return decide(*args, **more)

    monkeypatch.setattr("reconciler.watch.cycle.decide", late)
    turn = looped.turn("kernel")

    assert (turn.ending.condition, turn.outcome, looped.writes) == (Condition.WAITING, None, [])
    assert turn.wait
    assert looped.turn("records").ending.condition is Condition.IN_SYNC
    assert matrix(looped) == SEEN[SECOND]


def test_a_suspended_guest_stays_as_it_is(tmp_path: Path) -> None:
    """As with any loop; and so does a suspended host."""
    looped = held(tmp_path)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    looped.suspend("guest1")
    drift(looped)
    looped.writes.clear()
    assert looped.turn("kernel").ending.condition is Condition.SUSPENDED_OUT_OF_SYNC
    looped.suspend()
    assert looped.turn("kernel").ending.condition is Condition.SUSPENDED
    assert looped.writes == []


def test_a_damaged_record_is_passed_over_by_none_older(tmp_path: Path) -> None:
    """What was applied last is not known then, and what was before it is not enforced."""
    looped = held(tmp_path)
    looped.commit(FIRST)
    looped.typed()
    looped.commit(SECOND)
    looped.typed()
    (newest,) = (tmp_path / "state").glob("**/000002.json")
    newest.write_text("{", encoding="ascii")
    drift(looped)
    looped.writes.clear()

    turn = looped.turn("start")

    assert (turn.ending.condition, looped.writes) == (Condition.FAILED, [])
    with pytest.raises(StateError):
        History(looped.state).get(2)


def test_what_waits_is_not_confirmed_and_what_was_read_must_still_be(tmp_path: Path) -> None:
    """Also where the records are read by themselves, as under the locks of an apply."""
    looped, confirmed = held(tmp_path), Confirmed()
    looped.commit(FIRST)
    looped.typed(confirm_within=100.0)
    with pytest.raises(NothingConfirmed, match="nothing was confirmed on this host yet"):
        confirmed.read(looped.machine())
    confirm(looped.machine(), 1)
    first = confirmed.read(looped.machine())
    looped.commit(SECOND)
    looped.typed(confirm_within=100.0)
    assert confirmed.still(first).read(looped.machine()) == first

    confirm(looped.machine(), 2)

    assert confirmed.read(looped.machine()).generation == 2
    with pytest.raises(NoLongerConfirmed):
        confirmed.still(first).read(looped.machine())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.sampled_from([(FIRST,), (SECOND,), (FIRST, OTHER), (OTHER,)])),
        st.sampled_from(
            [(one,) for one in ("apply", "pending", "confirm", "cancel", "expire", "drift", "look", "roll back")]
        ),
    ),
    max_size=8,
)


WINDOW = 1000.0
"""Seconds in which an apply has to be confirmed: longer than all steps together, unless it is to expire."""


class Person:
    """What a person does on a host with a held loop, and which states of it they have applied and kept."""

    def __init__(self, looped: Looped) -> None:
        self.looped = looped
        self.kept: object = self.found()
        self.awaited: object = None
        self.is_committed = False

    def found(self) -> object:
        """Every device with its matrix as the kernel shows it."""
        return {one: self.looped.host.read(f"{mdev(one)}/matrix") for one in self.looped.host.state.mdevs}

    def does(self, what: str, documents: tuple[str, ...] = ()) -> None:
        """One step; the loop has not looked yet."""
        looped, waits = self.looped, Confirmations(self.looped.state).pending()
        if what == "commit":
            looped.commit(*documents)
            self.is_committed = True
        elif what == "drift" and uuid(1) in looped.host.state.mdevs:
            drift(looped)
        elif what == "apply" and self.is_committed and not waits:
            looped.typed()
            self.kept = self.found()
        elif what == "pending" and self.is_committed and not waits:
            done = looped.typed(confirm_within=WINDOW)
            if Confirmations(looped.state).pending():
                self.awaited = self.found()
            elif done.generation:
                self.kept = self.found()
        elif what == "confirm" and waits:
            confirm(looped.machine(), waits.generation)
            self.kept = self.awaited
        elif what == "cancel" and waits:
            cancel(looped.machine())
        elif what == "expire" and waits:
            looped.clock.sleep(WINDOW)
            recover(looped.machine())
        elif what == "roll back" and not waits and (last := History(looped.state).last_target()):
            rolled_back_to(looped, last.number)
            self.kept = self.found()


@given(STEPS)
def test_it_writes_nothing_that_no_person_has_applied_and_confirmed(steps: list[tuple[str, ...]]) -> None:
    """Whatever is committed, applied, confirmed, cancelled, expired, rolled back, and changed by others."""
    with TemporaryDirectory() as folder:
        looped = held(Path(folder))
        person = Person(looped)
        looped.turn("start")
        for step in steps:
            person.does(*step)  # type: ignore[arg-type]
            waits = Confirmations(looped.state).pending() is not None
            before, generations = person.found(), len(History(looped.state).numbers())
            looped.writes.clear()
            turn = looped.turn("records", after=20.0)
            if waits:
                assert (turn.ending.condition, looped.writes) == (Condition.WAITING, [])
                assert person.found() == before
                continue
            for _ in range(3):
                turn = looped.turn(after=turn.wait or 1.0)
            healed = History(looped.state).numbers()[generations:]
            assert not looped.writes or person.found() == person.kept, (step, turn.ending)
            assert all(History(looped.state).get(one).origin.actor is Actor.LOOP for one in healed)
