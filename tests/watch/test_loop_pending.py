"""While an apply waits to be confirmed, no loop heals, follows or reports drift of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.kernel.paths import mdev
from reconciler.transaction.cancellation import cancel
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.recovery import confirm, expire, recover
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import HOST, Looped, guest_document

FIRST = guest_document(1, [5], [4])
SECOND = guest_document(1, [5, 6], [4])
THIRD = guest_document(1, [6], [4])

MODES = pytest.mark.parametrize(("applies", "self_heal"), [(True, True), (True, False), (False, False)])


def manifests(looped: Looped, *documents: str) -> Path:
    """A folder with a Host and `documents`, which the loop does not read."""
    folder = looped.folder / "persons"
    folder.mkdir(exist_ok=True)
    (folder / "site.yaml").write_text("---\n".join((HOST, *documents)), encoding="utf-8")
    return folder


def pending(folder: Path, *, applies: bool, self_heal: bool) -> Looped:
    """A loop with the first commit, on a host where a person's apply of the second waits to be confirmed."""
    looped = Looped(folder, applies=applies, self_heal=self_heal)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    person(looped)
    looped.writes.clear()
    return looped


def person(looped: Looped) -> None:
    """A person applies the second configuration, to be confirmed, from a folder of their own."""
    looped.typed(confirm_within=600.0, paths=(manifests(looped, SECOND),))


def matrix(looped: Looped) -> str:
    """What the guest holds."""
    return looped.host.read(f"{mdev(uuid(1))}/matrix")


def is_quiet(looped: Looped, turn: CycleResult) -> bool:
    """Whether a cycle says that it waits, and neither changes the host nor reports anything of it."""
    said = (turn.plan, turn.drifting, turn.outcome, turn.corrected, turn.healed, turn.refused)
    return (
        turn.ending.condition is Condition.WAITING
        and said == (None, (), None, None, False, None)
        and looped.writes == []
    )


@MODES
def test_neither_the_apply_itself_nor_what_others_do_to_it_is_drift(
    tmp_path: Path, applies: bool, self_heal: bool
) -> None:
    """Whatever wakes the loop: it waits, says until when, and asks for no cycle before that."""
    looped = pending(tmp_path, applies=applies, self_heal=self_heal)

    assert is_quiet(looped, looped.turn("records"))
    looped.host.write(f"{mdev(uuid(1))}/unassign_adapter", "5")
    turn = looped.turn("kernel")

    assert is_quiet(looped, turn)
    assert "generation 2 waits to be confirmed until" in turn.ending.summary
    assert "reconcile confirm 2" in turn.ending.summary
    assert turn.wait
    assert 600.0 < turn.wait < 606.0


@MODES
def test_no_commit_is_followed_meanwhile(tmp_path: Path, applies: bool, self_heal: bool) -> None:
    """Also none that a person asks for."""
    looped = pending(tmp_path, applies=applies, self_heal=self_heal)
    enforced = looped.loop.enforced
    looped.commit(THIRD)

    assert is_quiet(looped, looped.turn("git"))
    assert is_quiet(looped, looped.turn("request"))
    assert looped.loop.enforced == enforced
    assert matrix(looped) == "05.0004\n06.0004\n"


@MODES
def test_an_apply_that_begins_within_a_cycle_is_no_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applies: bool, self_heal: bool
) -> None:
    """It has begun after the loop looked whether one waits, and before it looked at the host."""
    looped = Looped(tmp_path, applies=applies, self_heal=self_heal)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    look = type(looped.loop).run_cycle.__globals__["observe_host"]

    def late(*args: object) -> object:
        monkeypatch.setattr("reconciler.watch.cycle.observe_host", look)
        person(looped)
        looped.writes.clear()
        return look(*args)

    monkeypatch.setattr("reconciler.watch.cycle.observe_host", late)

    assert is_quiet(looped, looped.turn("kernel"))
    assert matrix(looped) == "05.0004\n06.0004\n"


def test_a_loop_that_only_reports_waits_for_the_timer_too(tmp_path: Path) -> None:
    """What was not confirmed in time, and is not rolled back yet, is no drift."""
    looped = pending(tmp_path, applies=False, self_heal=False)

    turn = looped.turn(after=601.0)

    assert is_quiet(looped, turn)
    assert "reconcile cancel" in turn.ending.summary
    expire(looped.machine())
    assert looped.turn("records").ending.condition is Condition.IN_SYNC


def confirmed(looped: Looped) -> None:
    """A person confirms what waits."""
    confirm(looped.machine(), 2)


def cancelled(looped: Looped) -> None:
    """A person cancels it."""
    cancel(looped.machine())


def expired(looped: Looped) -> None:
    """Its time is over."""
    looped.clock.sleep(600.0)
    recover(looped.machine())


@pytest.mark.parametrize("ended", [cancelled, expired])
@MODES
def test_once_it_is_rolled_back_the_loop_goes_on_as_before(
    tmp_path: Path, ended: Callable[[Looped], None], applies: bool, self_heal: bool
) -> None:
    """The host is as the loop enforces it, and the next cycle asks for no other."""
    looped = pending(tmp_path, applies=applies, self_heal=self_heal)
    looped.turn("records")
    ended(looped)
    looped.writes.clear()

    turn = looped.turn("records")

    assert (turn.ending.condition, turn.wait, looped.writes) == (Condition.IN_SYNC, None, [])
    assert Confirmations(looped.state).pending() is None


@MODES
def test_once_it_is_confirmed_a_loop_that_follows_does_again_what_its_branch_says(
    tmp_path: Path, applies: bool, self_heal: bool
) -> None:
    """In the one cycle to which the confirmation leads."""
    looped = pending(tmp_path, applies=applies, self_heal=self_heal)
    looped.turn("records")
    confirmed(looped)

    turn = looped.turn("records")

    assert turn.ending.condition is (Condition.IN_SYNC if applies else Condition.CHANGES)
    assert turn.wait is None
