"""A configuration that cannot be used changes nothing; the last good one is enforced, also by the next loop."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.kernel.paths import mdev
from reconciler.simulator.faults import FaultySysfs, WriteRefused
from reconciler.transaction.loop_records import ENFORCED, read_last_good
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import Looped, guest_document

FIRST = guest_document(1, [5], [4])
SECOND = guest_document(2, [6], [4])


def broken(looped: Looped) -> None:
    """No YAML."""
    looped.commit("apiVersion: reconciler/v1\n  kind: [")


def conflicting(looped: Looped) -> None:
    """Two guests with one queue."""
    looped.commit(FIRST, guest_document(2, [5], [4]))


def in_need_of_consent(looped: Looped) -> None:
    """Everything goes."""
    looped.commit()


def unsigned(looped: Looped) -> None:
    """What the source itself does not let through."""
    looped.branch.offered = Offer(None, "bad", refused=("it is not signed",))


BAD = [broken, conflicting, in_need_of_consent, unsigned]


def enforcing(tmp_path: Path) -> Looped:
    """A loop that enforces one guest and heals."""
    looped = Looped(tmp_path, self_heal=True)
    looped.commit(FIRST)
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    return looped


@pytest.mark.parametrize("make_bad", BAD)
@pytest.mark.parametrize("restarts", [False, True])
def test_the_last_good_one_is_guarded(make_bad: Callable[[Looped], None], restarts: bool, tmp_path: Path) -> None:
    """Nothing is changed, the refusal is told with its reasons, and drift is healed as before."""
    looped = enforcing(tmp_path)
    good = looped.loop.enforced
    make_bad(looped)
    if restarts:
        looped.start()

    turn = looped.turn("git")

    assert looped.writes == []
    assert turn.refused
    assert turn.refused.reasons
    assert turn.refused.commit == looped.branch.offered.commit
    assert looped.loop.enforced
    assert good
    assert looped.loop.enforced.commit == good.commit
    assert turn.ending.condition is Condition.IN_SYNC
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")
    assert looped.turn().healed
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"


@pytest.mark.parametrize("make_bad", BAD)
def test_a_mended_one_is_picked_up(make_bad: Callable[[Looped], None], tmp_path: Path) -> None:
    """As soon as it is there."""
    looped = enforcing(tmp_path)
    make_bad(looped)
    looped.turn("git")
    commit = looped.commit(FIRST, SECOND)

    turn = looped.turn("git")

    assert turn.refused is None
    assert turn.recorded
    assert looped.branch.enforced[-1] == commit
    assert looped.host.read(f"{mdev(uuid(2))}/matrix") == "06.0004\n"


def test_a_refusal_keeps_its_time(tmp_path: Path) -> None:
    """It is the first one that counts, however often it is looked at again."""
    looped = enforcing(tmp_path)
    broken(looped)

    first, second = looped.turn("git").refused, looped.turn("git").refused

    assert first == second


def test_without_any_good_one_there_is_nothing_to_do(tmp_path: Path) -> None:
    """A person is needed, and nothing is written."""
    looped = Looped(tmp_path)
    broken(looped)

    turn = looped.turn("start")

    assert turn.ending.condition is Condition.NEEDS_PERSON
    assert turn.refused
    assert looped.writes == []


def test_a_source_that_cannot_be_reached_is_no_refusal(tmp_path: Path) -> None:
    """Offline, the last good one is enforced."""
    looped = enforcing(tmp_path)
    looped.branch.offered = Offer(None, unreachable="no answer")
    looped.start()

    turn = looped.turn("start")

    assert turn.refused is None
    assert turn.offer
    assert turn.offer.unreachable == "no answer"
    assert turn.ending.condition is Condition.IN_SYNC


def test_a_conflict_is_found_also_where_a_guest_of_it_is_suspended(tmp_path: Path) -> None:
    """Otherwise the loop would enforce it, and have nothing to enforce once the guest is resumed."""
    looped = enforcing(tmp_path)
    looped.suspend("guest1")
    conflicting(looped)
    looped.commit(guest_document(1, [7], [4]), guest_document(2, [7], [4]))

    turn = looped.turn("git")

    assert turn.refused
    assert any("guest1" in reason for reason in turn.refused.reasons)
    assert looped.writes == []


def test_consent_that_is_needed_only_now_brings_back_what_was_guarded(tmp_path: Path) -> None:
    """A VM starts between the look and the apply: the new configuration waits for a person, the old one is kept."""
    looped = enforcing(tmp_path)
    old = looped.loop.enforced
    looped.host.start_vm(uuid(1))
    seen = looped.loop.state.observed
    old_look = seen and seen._replace(mdevs=tuple(one._replace(in_use=False) for one in seen.mdevs))
    looped.loop.state = looped.loop.state._replace(observed=old_look)
    looped.commit(guest_document(1, [6], [4]))

    turn = looped.turn("git")
    turn = looped.turn("git", after=turn.wait or 1.0)

    assert looped.writes == []
    assert turn.refused
    assert "--allow-disruption" in turn.refused.reasons[0]
    assert old
    assert looped.loop.enforced
    assert looped.loop.enforced.commit == old.commit
    looped.start()
    assert looped.turn("start").ending.condition is Condition.IN_SYNC


def test_what_was_never_applied_is_not_kept(tmp_path: Path) -> None:
    """A loop that is started beside a broken commit then enforces what was applied last."""
    looped = enforcing(tmp_path)
    old = looped.loop.enforced
    assert old
    looped.met = FaultySysfs(looped.host, [WriteRefused(1, 16)])
    commit = looped.commit(FIRST, SECOND)
    assert looped.turn("git").ending.condition is Condition.FAILED
    kept = read_last_good(looped.state)
    assert kept
    assert kept.commit == old.commit

    assert looped.turn("request").ending.condition is Condition.IN_SYNC
    kept = read_last_good(looped.state)
    assert kept
    assert kept.commit == commit


def test_what_cannot_be_kept_is_kept_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for a while must not cost the next loop its configuration."""
    looped = enforcing(tmp_path)
    replace = StateDirectory.replace

    def full(state: StateDirectory, name: str, content: bytes) -> None:
        if name == ENFORCED:
            raise OSError(28, "No space left on device")
        replace(state, name, content)

    monkeypatch.setattr(StateDirectory, "replace", full)
    commit = looped.commit(FIRST, SECOND)
    turn = looped.turn("git")
    assert turn.ending.condition is Condition.IN_SYNC
    monkeypatch.undo()

    turn = looped.turn("resync")

    assert turn.ending.condition is Condition.IN_SYNC
    kept = read_last_good(looped.state)
    assert kept
    assert kept.commit == commit


def test_a_commit_that_says_the_same_is_guarded_and_changes_nothing(tmp_path: Path) -> None:
    """Only its id is new; the next loop knows it, too."""
    looped = enforcing(tmp_path)
    commit = looped.commit(FIRST)

    assert looped.turn("git").ending.condition is Condition.IN_SYNC
    assert looped.writes == []
    kept = read_last_good(looped.state)
    assert kept
    assert kept.commit == commit


@pytest.mark.parametrize("many", [1, 5])
def test_removing_much_needs_a_person_also_where_nothing_is_left_of_it(many: int, tmp_path: Path) -> None:
    """After a boot, for instance: what counts is what was enforced, and not what is there at the moment."""
    looped = Looped(tmp_path)
    shares = [(5, 4), (6, 4), (7, 4), (5, 0x47), (6, 0x47)]
    guests = [guest_document(number, [one], [other]) for number, (one, other) in enumerate(shares[:many], 1)]
    looped.commit(*guests)
    looped.turn("start")
    for number in range(1, many + 1):
        looped.host.write(f"{mdev(uuid(number))}/remove", "1")
    looped.commit(*guests[: many // 2])

    turn = looped.turn("git")

    assert turn.refused
    assert ("--allow-empty" if many == 1 else "--allow-removals") in turn.refused.reasons[0]
    looped.typed()
    assert looped.turn().refused is None


def test_a_person_who_gives_consent_is_followed(tmp_path: Path) -> None:
    """Who types the command that the refusal tells has it enforced from then on."""
    looped = enforcing(tmp_path)
    in_need_of_consent(looped)
    assert looped.turn("git").refused
    looped.typed()

    turn = looped.turn()

    assert turn.refused is None
    assert turn.ending.condition is Condition.IN_SYNC
    assert looped.loop.enforced
    assert looped.loop.enforced.commit == looped.branch.offered.commit
