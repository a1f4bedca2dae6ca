"""One turn: what is wanted is applied, or only told; what goes wrong ends no loop and is in the report."""

import errno
import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.kernel.paths import AQMASK, mdev
from reconciler.model.outcome import Result
from reconciler.simulator.faults import FaultySysfs, WriteRefused
from reconciler.transaction.history import History
from reconciler.transaction.journal import JOURNAL, FirstLine
from reconciler.transaction.lock import LOCK
from reconciler.transaction.loop_records import SUSPENDED
from reconciler.transaction.records import write_record
from reconciler.transaction.recovery import expire
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import Looped, guest_document

FIRST = guest_document(1, [5], [4])


def test_a_commit_is_applied_and_is_a_generation(tmp_path: Path) -> None:
    """With its commit."""
    looped = Looped(tmp_path)
    commit = looped.commit(FIRST)

    turn = looped.turn("start")

    assert turn.ending.condition is Condition.IN_SYNC
    assert turn.recorded == turn.generation == 1
    assert History(looped.state).get(1).origin.commit == commit
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"


def test_a_file_that_is_skipped_keeps_no_commit_from_being_applied(tmp_path: Path) -> None:
    """A warning is no refusal."""
    looped = Looped(tmp_path)
    commit = looped.commit(FIRST)
    (Path(looped.branch.offered.paths[0]) / "guests.YAML").write_text("", encoding="utf-8")

    turn = looped.turn("start")

    assert turn.ending.condition is Condition.IN_SYNC
    assert History(looped.state).get(1).origin.commit == commit


def test_a_quiet_turn_writes_nothing(tmp_path: Path) -> None:
    """Neither to the host nor into the state directory."""
    looped = Looped(tmp_path, self_heal=True)
    looped.commit(FIRST)
    looped.turn("start")
    looped.writes.clear()
    before = {one: one.stat().st_mtime_ns for one in looped.state.path.rglob("*") if one.is_file()}

    turn = looped.turn("resync")

    assert turn.wait is None
    assert looped.writes == []
    assert before == {one: one.stat().st_mtime_ns for one in looped.state.path.rglob("*") if one.is_file()}


def test_what_is_as_wanted_already_becomes_a_generation_once(tmp_path: Path) -> None:
    """So that history and boot know of it; without a write."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.typed()
    looped.writes.clear()
    looped.commit(FIRST.replace("metadata: {name: guest1}", "metadata: {name: guest1, labels: {a: b}}"))

    first, second = looped.turn("git"), looped.turn("git")

    assert looped.writes == []
    assert (first.recorded, second.recorded) in {(2, 0), (0, 0)}
    assert second.ending.condition is Condition.IN_SYNC


def test_a_loop_that_only_reports_never_writes(tmp_path: Path) -> None:
    """Not at a commit, not at drift, and not where an apply was killed."""
    looped = Looped(tmp_path, applies=False)
    looped.commit(FIRST)

    assert looped.turn("start").ending.condition is Condition.CHANGES
    looped.typed()
    looped.writes.clear()
    assert looped.turn().ending.condition is Condition.IN_SYNC
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")
    assert looped.turn().ending.condition is Condition.DRIFT
    assert looped.turn("request").ending.condition is Condition.DRIFT
    assert looped.writes == []


def test_a_failed_apply_is_put_back_and_tried_again(tmp_path: Path) -> None:
    """Later and later; a person is answered at once."""
    looped = Looped(tmp_path)
    looped.met = FaultySysfs(looped.sysfs, [WriteRefused(nth, 16) for nth in (1, 2, 3)])  # type: ignore[arg-type]
    looped.commit(FIRST)

    first = looped.turn("start")
    early = looped.turn(after=1.0)
    second = looped.turn(after=early.wait or 0.0)
    asked = looped.turn("request", after=0.1)
    last = looped.turn("request", after=0.1)

    assert [one.ending.condition for one in (first, early, second)] == [Condition.FAILED] * 3
    assert first.wait
    assert second.wait
    assert second.wait > first.wait
    assert early.outcome is None
    assert asked.outcome
    assert last.ending.condition is Condition.IN_SYNC


def test_another_commit_is_tried_at_once(tmp_path: Path) -> None:
    """What has failed was another plan."""
    looped = Looped(tmp_path)
    looped.met = FaultySysfs(looped.sysfs, [WriteRefused(1, 16)])  # type: ignore[arg-type]
    looped.commit(FIRST)
    looped.turn("start")
    looped.commit(guest_document(1, [6], [4]))

    assert looped.turn("git").ending.condition is Condition.IN_SYNC


# What goes wrong


class Unreadable:
    """A host whose masks cannot be read."""

    def __init__(self, host: object) -> None:
        self._host = host
        self.broken = True

    def read(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        if self.broken and path == AQMASK:
            raise OSError(5, "Input/output error")
        return str(self._host.read(path))  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self._host, name)


def test_a_host_that_cannot_be_read_is_reported_and_looked_at_again(tmp_path: Path) -> None:
    """With what is known nevertheless: the generation, and what the source says."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.turn("start")
    looped.suspend("guest9")
    looped.turn()
    looped.met = host = Unreadable(looped.sysfs)  # type: ignore[assignment]
    looped.branch.offered = Offer(None, unreachable="no answer")

    turn = looped.turn()

    assert turn.ending.condition is Condition.FAILED
    assert "Input/output error" in turn.ending.summary
    assert turn.wait
    assert turn.generation == 1
    assert turn.offer == looped.branch.offered
    assert "guest9" in turn.suspensions.guests
    host.broken = False
    assert looped.turn(after=turn.wait).ending.condition is Condition.IN_SYNC


def test_what_could_not_be_read_for_a_while_puts_off_no_apply(tmp_path: Path) -> None:
    """However many triggers came meanwhile: as soon as the host can be read, what is wanted is done."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.met = host = Unreadable(looped.sysfs)  # type: ignore[assignment]
    waits = [looped.turn().wait or 0.0 for _ in range(12)]
    host.broken = False

    turn = looped.turn()

    assert waits == sorted(waits)
    assert turn.ending.condition is Condition.IN_SYNC
    assert turn.recorded


@pytest.mark.parametrize("name", [SUSPENDED, "inventory.json", JOURNAL, "pending.json"])
def test_damaged_records_are_named_and_nothing_is_guessed(name: str, tmp_path: Path) -> None:
    """The loop goes on as soon as they are mended."""
    looped = Looped(tmp_path, self_heal=True)
    looped.commit(FIRST)
    looped.turn("start")
    looped.writes.clear()
    file = looped.state.path / name
    good = file.read_bytes() if file.exists() else None
    file.write_text("{")
    file.chmod(0o600)
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")

    turn = looped.turn()

    assert turn.ending.condition is Condition.FAILED
    assert name in turn.ending.summary
    assert looped.writes == []
    file.write_bytes(good) if good is not None else file.unlink()
    assert looped.turn("request").healed


def test_a_full_disk_ends_no_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is begun that could not be recorded; it is tried again, also where no write would be needed."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StateDirectory, "replace", full)
    turn = looped.turn("start")
    assert turn.ending.condition is Condition.FAILED
    assert looped.writes == []
    assert turn.wait
    monkeypatch.undo()

    assert looped.turn("resync", after=turn.wait).ending.condition is Condition.IN_SYNC


def test_a_generation_that_needs_no_write_is_tried_again_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it could not be recorded: it must not wait for the next resync."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.turn("start")
    begin = History.begin

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(History, "begin", full)
    looped.commit(FIRST, guest_document(2, [6], [4], activation="inactive"))
    turn = looped.turn("git")
    assert turn.wait
    early = looped.turn(after=1.0)
    assert early.outcome is None
    assert early.wait
    monkeypatch.setattr(History, "begin", begin)

    assert looped.turn(after=early.wait).recorded


def test_a_lock_that_somebody_else_has_is_waited_for(tmp_path: Path) -> None:
    """Bounded; then there is another turn, soon."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.state.prepare()
    lock = os.open(looped.state.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)

    turn = looped.turn("start")
    os.close(lock)

    assert turn.ending.condition is Condition.WAITING
    assert turn.wait
    assert looped.turn(after=turn.wait).ending.condition is Condition.IN_SYNC


@pytest.mark.parametrize("applies", [False, True])
def test_a_command_that_is_at_work_is_waited_for(applies: bool, tmp_path: Path) -> None:
    """A host in the midst of somebody's apply is neither drift nor anything else."""
    looped = Looped(tmp_path, applies=applies)
    looped.commit(FIRST)
    looped.typed()
    looped.turn("start")
    (looped.state.path / JOURNAL).write_text("begun")
    write_record(looped.state, JOURNAL, _journal_of(looped))
    lock = os.open(looped.state.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")

    turn = looped.turn()
    os.close(lock)

    assert turn.ending.condition is Condition.WAITING
    assert turn.wait


def _journal_of(looped: Looped) -> FirstLine:
    from reconciler.operations.plan import plan
    from reconciler.planning.planner import holdings_of
    from reconciler.planning.scope import AllBut
    from reconciler.transaction.journal import Journal
    from testing.loops import BOOT_ID

    enforced = looped.loop.enforced
    assert enforced
    made = plan(enforced.wanted._replace(site=None), looped.machine(), AllBut())
    return Journal(looped.state, BOOT_ID).first_line(made, holdings_of(made.observed))


def test_an_apply_that_waits_to_be_confirmed_is_left_to_its_person(tmp_path: Path) -> None:
    """The loop neither overrules it nor takes it over; after it is put back it goes on as before."""
    looped = Looped(tmp_path, self_heal=True)
    looped.commit(FIRST)
    looped.turn("start")
    looped.commit(guest_document(1, [5, 6], [4]))
    before = looped.branch.offered
    looped.branch.offered = Offer(None, unreachable="no answer")
    looped.typed(confirm_within=60.0)
    looped.writes.clear()

    turn = looped.turn(after=5.0)

    assert turn.ending.condition is Condition.WAITING
    assert "reconcile confirm" in turn.ending.summary
    assert turn.wait
    assert looped.writes == []
    looped.branch.offered = before
    assert looped.turn("git").ending.condition is Condition.WAITING
    assert looped.loop.enforced
    assert looped.loop.enforced.commit != before.commit


def test_an_apply_that_nobody_confirmed_is_put_back_by_the_loop_too(tmp_path: Path) -> None:
    """Where its timer is lost."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.turn("start")
    looped.commit(guest_document(1, [5, 6], [4]))
    looped.branch.offered = Offer(None, unreachable="no answer")
    looped.typed(confirm_within=60.0)

    turn = looped.turn(after=61.0)

    assert turn.ending.condition is Condition.IN_SYNC
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"
    assert len(looped.recovered) == 1
    assert expire(looped.machine()) is None


def test_the_loop_rolls_back_on_a_full_disk_and_records_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host first; it is tried again in a later cycle."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    looped.turn("start")
    looped.commit(guest_document(1, [5, 6], [4]))
    looped.branch.offered = Offer(None, unreachable="no answer")
    looped.typed(confirm_within=60.0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(StateDirectory, "replace", full)
        looped.turn(after=61.0)

    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n"
    assert "No space left on device" in looped.recovered[0].unrecorded
    assert expire(looped.machine()) is not None
    assert expire(looped.machine()) is None


def test_a_loop_that_only_reports_puts_nothing_back(tmp_path: Path) -> None:
    """What nobody confirmed is for the timer or for the next apply."""
    looped = Looped(tmp_path, applies=False)
    looped.commit(FIRST)
    looped.typed(confirm_within=60.0)
    looped.writes.clear()

    looped.turn(after=61.0)

    assert looped.writes == []
    assert json.loads((looped.state.path / "pending.json").read_text())["generation"] == 1


def test_on_demand_guests_that_run_are_no_drift(tmp_path: Path) -> None:
    """The hook makes and removes their devices while the loop runs."""
    from reconciler.model.outcome import Origin
    from reconciler.operations.apply import apply
    from reconciler.operations.wanted import Manifests
    from reconciler.planning.scope import VmEvent
    from reconciler.transaction.apply import NoProgress

    looped = Looped(tmp_path, self_heal=True)
    looped.commit(FIRST, guest_document(2, [6], [4], activation="on-demand"))
    looped.turn("start")
    both = frozenset({uuid(2)})
    for event in (VmEvent(starts=both), VmEvent(ends=both)):
        source = Manifests((tmp_path / "manifests",))
        apply(source, looped.machine(), NoProgress(), Origin("root", "hook", 0.0), scope=event)
        looped.writes.clear()

        turn = looped.turn()

        assert turn.ending.condition is Condition.IN_SYNC
        assert looped.writes == []


def test_an_apply_in_a_worker_thread_is_stopped_by_its_token(tmp_path: Path) -> None:
    """Signals reach the main thread only; whoever handles them there sets the token, and all is rolled back."""
    looped = Looped(tmp_path)
    looped.commit(FIRST)
    before = dict(looped.host.state.mdevs), looped.host.read(AQMASK)
    looped.stop_before(3)

    with ThreadPoolExecutor(1) as worker:
        turn = worker.submit(looped.turn, "start").result()

    assert turn.outcome
    assert turn.outcome.result is Result.ROLLED_BACK
    assert "interrupted before step 3" in turn.outcome.failure
    assert (dict(looped.host.state.mdevs), looped.host.read(AQMASK)) == before
