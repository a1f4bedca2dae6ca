"""What is suspended is left alone, the rest is enforced; when the time is over the loop looks of its own accord."""

from pathlib import Path

import pytest

from reconciler.kernel.paths import mdev
from reconciler.render.changes import summary_text
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import Looped, guest_document

FIRST, SECOND = guest_document(1, [5], [4]), guest_document(2, [6], [4])


def enforcing(tmp_path: Path, *documents: str) -> Looped:
    """A loop that heals."""
    looped = Looped(tmp_path, self_heal=True)
    looped.commit(*(documents or (FIRST, SECOND)))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    return looped


def drift(looped: Looped, number: int) -> None:
    """Somebody gives a guest adapter 7."""
    looped.host.write(f"{mdev(uuid(number))}/assign_adapter", "7")


def test_a_suspended_host_is_not_touched_until_the_time_is_over(tmp_path: Path) -> None:
    """The loop looks again at that moment."""
    looped = enforcing(tmp_path)
    looped.suspend(seconds=100.0)
    drift(looped, 1)

    turn = looped.turn("kernel", after=10.0)

    assert turn.ending.condition is Condition.SUSPENDED
    assert looped.writes == []
    assert turn.wait == 90.0
    assert looped.turn("resync", after=turn.wait).healed


def test_a_suspension_without_an_end_lasts_until_it_is_resumed(tmp_path: Path) -> None:
    """However long that is."""
    looped = enforcing(tmp_path)
    looped.suspend()
    drift(looped, 1)

    assert looped.turn(after=1e7).ending.condition is Condition.SUSPENDED
    assert looped.turn().wait is None


def test_nothing_new_is_applied_to_a_suspended_host(tmp_path: Path) -> None:
    """It is afterwards."""
    looped = enforcing(tmp_path)
    looped.suspend(seconds=100.0)
    looped.commit(FIRST)
    assert looped.turn("git").ending.condition is Condition.SUSPENDED
    assert looped.writes == []

    assert looped.turn(after=100.0).ending.condition is Condition.IN_SYNC
    assert looped.writes


def test_a_suspended_guest_is_left_alone_and_the_others_are_not(tmp_path: Path) -> None:
    """Both were changed by somebody else; after its time the guest is put back as well."""
    looped = enforcing(tmp_path)
    looped.suspend("guest1", seconds=50.0)
    drift(looped, 1)
    looped.host.write(f"{mdev(uuid(2))}/remove", "1")

    turn = looped.turn()

    assert turn.healed
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n07.0004\n"
    assert looped.host.read(f"{mdev(uuid(2))}/matrix") == "06.0004\n"
    assert turn.wait
    looped.turn("resync", after=turn.wait)
    assert looped.turn("resync", after=15.0).ending.condition is Condition.IN_SYNC
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"


def test_a_manifest_that_changes_while_its_guest_is_suspended_is_applied_afterwards(tmp_path: Path) -> None:
    """Also without `--self-heal`: it is no drift."""
    looped = Looped(tmp_path)
    looped.commit(FIRST, SECOND)
    looped.turn("start")
    looped.suspend("guest1", seconds=50.0)
    looped.commit(guest_document(1, [7], [4]), SECOND)
    turn = looped.turn("git")
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"
    assert turn.wait
    assert turn.plan
    assert summary_text(turn.plan) == (
        "Nothing to do but for 1 suspended guest: guest1; all else is as the manifests say."
    )

    turn = looped.turn("resync", after=turn.wait)

    assert turn.ending.condition is Condition.IN_SYNC
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "07.0004\n"


@pytest.mark.parametrize(
    "edited", [guest_document(1, [7], [4]), guest_document(1, [5], [4], activation="inactive"), ""]
)
def test_a_suspended_guest_whose_manifest_was_edited_is_not_in_sync(tmp_path: Path, edited: str) -> None:
    """A condition of its own: nothing is done, and it is said whose manifest differs; also where it is removed."""
    looped = enforcing(tmp_path)
    looped.suspend("guest1")
    assert looped.turn().ending.condition is Condition.IN_SYNC
    looped.commit(*filter(None, (edited, SECOND)))

    turn = looped.turn("git")

    assert looped.turn("resync").ending == turn.ending
    assert turn.ending.condition is Condition.SUSPENDED_OUT_OF_SYNC
    assert turn.ending.summary.endswith(" is not as the manifests say; everything else is")
    assert ("guest1" in turn.ending.summary) or (uuid(1) in turn.ending.summary)
    assert looped.writes == []
    looped.suspend("guest2")
    assert looped.turns().ending.condition is Condition.IN_SYNC


def test_drift_of_a_suspended_guest_is_no_sync_either(tmp_path: Path) -> None:
    """Whoever changes it by hand is told that it differs."""
    looped = enforcing(tmp_path)
    looped.suspend("guest1")
    drift(looped, 1)

    turn = looped.turn()

    assert turn.ending.condition is Condition.SUSPENDED_OUT_OF_SYNC
    assert "guest1" in turn.ending.summary
    assert looped.writes == []


def test_what_a_manifest_says_is_to_be_ignored_is_no_drift(tmp_path: Path) -> None:
    """Only that."""
    looped = enforcing(tmp_path, guest_document(1, [5], [4], ignoreDrift="[controlDomains]"))
    looped.host.write(f"{mdev(uuid(1))}/assign_control_domain", "71")
    assert looped.turn().ending.condition is Condition.IN_SYNC
    assert looped.writes == []

    drift(looped, 1)

    assert looped.turn().healed
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"
