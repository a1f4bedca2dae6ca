"""What is on disk before, during and after the writes: state directory, journal, inventory."""

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given

from books import NoProgress
from clocks import FakeClock
from reconciler.kernel.observe import observe
from reconciler.machine import Machine
from reconciler.model.desired import Activation, Desired, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.planning.vm_event import VmEvent
from reconciler.recovery import recover
from reconciler.simulator.faults import FaultySysfs, RecordingSysfs, WriteRefused
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.profiles import PROFILES
from reconciler.transaction.apply import apply_plan
from reconciler.transaction.journal import DEGRADED, INVENTORY, JOURNAL, Books
from reconciler.transaction.records import BadRecord, holdings_record, inventory_text, read_holdings, read_inventory
from reconciler.transaction.state_directory import StateDirectory, UnsafeState
from transitions import TRANSITIONS
from worlds import (
    config,
    desired,
    desired_like,
    guest,
    hardware,
    held,
    holdings,
    host_holding,
    make_devices,
    uuid,
)

BOOT = "boot-one"
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
FREE = Matrix(ALL_IDS, ~GIVES_UP.domains)
ONE = config([5], [4])
OTHER = config([6], [4])


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A state directory, ready for use."""
    made = StateDirectory(tmp_path / "state")
    made.prepare()
    return made


def plan_for(wanted: Desired, host: SimulatedHost, books: Books) -> Plan:
    """What leads `host` to `wanted`."""
    return make_plan(wanted, observe(host), books.applied())


def machine(host: SimulatedHost, state: StateDirectory, boot: str = BOOT) -> Machine:
    """All that recovering needs."""
    return Machine(host, FakeClock(), state, boot, "lpar7")


# A VM that starts or has ended ---------------------------------------------------------------------------------------


def test_a_start_changes_nothing_else_in_the_inventory(state: StateDirectory) -> None:
    """What was applied before stays so: the other devices are ours, with what they were last given."""
    web = guest("web", config([6], [4]), 2)
    day = guest("day", config([5], [4]), 1, activation=Activation.ON_DEMAND)
    before = Applied(FREE, {uuid(2): ("web", web.config), uuid(3): ("gone", config([7], [4]))}, 1)
    books = Books(state, BOOT, 2)
    books.finish(before)
    changed = desired([day, web._replace(config=config([6], [4, 5]))])
    host = SimulatedHost(hardware(), pool=FREE)

    plan = make_plan(changed, observe(host), books.applied(), VmEvent(starts=frozenset([uuid(1)])))
    books.commit(plan)

    assert books.applied() == Applied(FREE, {**before.guests, uuid(1): ("day", day.config)}, 2)
    make_devices(host, Holdings(FREE, {uuid(1): day.config}), observe(host).abilities)
    plan = make_plan(changed, observe(host), books.applied(), VmEvent(ends=frozenset([uuid(1)])))
    Books(state, BOOT, 3).commit(plan)
    assert books.applied() == before._replace(generation=3)


# The state directory -------------------------------------------------------------------------------------------------


def test_the_directory_is_private(tmp_path: Path) -> None:
    """It and its parents are made; it is its owner's alone, and so are its files."""
    state = StateDirectory(tmp_path / "var" / "lib")
    state.prepare()
    state.prepare()
    state.replace("file", b"content")

    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / "lib").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / "lib" / "file").stat().st_mode) == 0o600


def test_a_new_directory_is_on_disk_before_anything_is_kept_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, too: otherwise a power loss takes it away with all that was synced in it."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    state = StateDirectory(tmp_path / "var" / "lib" / "state")

    state.prepare()

    assert sorted(synced) == [str(tmp_path), str(tmp_path / "var"), str(tmp_path / "var" / "lib")]
    synced.clear()
    state.prepare()
    assert synced == []


@pytest.mark.parametrize("mode", [0o722, 0o770, 0o777, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can write there could make us undo what was never done."""
    tmp_path.chmod(mode)

    with pytest.raises(UnsafeState, match=f"chmod go-w {tmp_path}"):
        StateDirectory(tmp_path).prepare()
    with pytest.raises(UnsafeState, match=f"chmod go-w {tmp_path}"):
        StateDirectory(tmp_path).read("inventory.json")


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must belong to whoever runs the command."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(UnsafeState, match="belongs to user"):
        StateDirectory(tmp_path).prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_somebody_else_keeps_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a directory nor a file, but for those of root."""
    (tmp_path / "file").write_bytes(b"content")
    os.chown(tmp_path, 4711, -1)
    with pytest.raises(UnsafeState, match="belongs to user 4711"):
        StateDirectory(tmp_path).read("file")
    os.chown(tmp_path, 0, -1)
    os.chown(tmp_path / "file", 4711, -1)
    with pytest.raises(UnsafeState, match="belongs to user 4711"):
        StateDirectory(tmp_path).read("file")
    os.chown(tmp_path / "file", 0, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    assert StateDirectory(tmp_path).read("file") == b"content"


def test_what_is_no_file_is_not_read(state: StateDirectory) -> None:
    """A pipe would let us wait for ever."""
    os.mkfifo(state.path / "file")
    with pytest.raises(UnsafeState, match="must be a file"):
        state.read("file")


def test_a_disk_that_cannot_be_written_is_told_before_anything_is_done(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that went read-only, for example."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UnsafeState, match="it cannot be written; choose one with --state-dir"):
        state.prepare()


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link instead of the directory leads to who knows where."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    with pytest.raises(UnsafeState, match="not a link"):
        StateDirectory(tmp_path / "link").prepare()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The text says what to do instead."""
    (tmp_path / "file").touch()

    with pytest.raises(UnsafeState, match="--state-dir"):
        StateDirectory(tmp_path / "file" / "state").prepare()


@pytest.mark.parametrize(
    "act",
    [
        lambda state: state.read("file"),
        lambda state: state.append("file", b"more"),
        lambda state: state.replace("other", b"new"),
    ],
)
def test_links_in_the_directory_are_not_followed(
    state: StateDirectory, act: Callable[[StateDirectory], object]
) -> None:
    """Neither to read what we trust nor to write what somebody else wants overwritten."""
    victim = state.path.parent / "victim"
    victim.write_text("untouched")
    (state.path / "file").symlink_to(victim)
    (state.path / ".other.new").symlink_to(victim)

    with pytest.raises((OSError, UnsafeState)) as caught:
        act(state)

    assert isinstance(caught.value, UnsafeState) or getattr(caught.value, "errno", 0) == errno.ELOOP
    assert victim.read_text() == "untouched"


def test_content_is_replaced_appended_and_removed(state: StateDirectory) -> None:
    """What was written is what is read; what is not there is None."""
    state.replace("file", b"one\n")
    state.append("file", b"two\n")

    assert state.read("file") == b"one\ntwo\n"
    state.replace("file", b"three\n")
    assert state.read("file") == b"three\n"
    state.remove("file")
    state.remove("file")
    assert state.read("file") is None
    with pytest.raises(FileNotFoundError):
        state.append("file", b"nothing to add to")


# Records -------------------------------------------------------------------------------------------------------------


@given(holdings())
def test_holdings_come_back_from_their_record(what: Holdings) -> None:
    """Through JSON and back nothing is lost."""
    assert read_holdings(json.loads(json.dumps(holdings_record(what)))) == what


@given(holdings())
def test_the_inventory_comes_back_from_its_file(what: Holdings) -> None:
    """Pool, names and configurations."""
    applied = Applied(what.pool, {one: (f"guest-{one}", config) for one, config in what.mdevs.items()})

    assert read_inventory(inventory_text(applied)) == applied
    assert read_inventory(inventory_text(NOTHING_APPLIED)) == NOTHING_APPLIED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b'{"formatVersion": 2}',
        b'{"formatVersion": 1}',
        b'{"formatVersion": 1, "pool": null, "guests": []}',
        b'{"formatVersion": 1, "pool": {"apmask": "0x0", "aqmask": "0x0"}, "guests": {}}',
        b'{"formatVersion": 1, "pool": null, "guests": {"u": {"name": "a", "ap_config": ",,"}}}',
    ],
)
def test_a_damaged_inventory_is_refused(content: bytes) -> None:
    """Nothing is guessed about what is ours."""
    with pytest.raises(BadRecord):
        read_inventory(content)


# The journal ---------------------------------------------------------------------------------------------------------


def begun(state: StateDirectory, steps: int = 1) -> tuple[SimulatedHost, Plan]:
    """A host in the middle of an apply of which `steps` steps were begun."""
    host = SimulatedHost(hardware())
    books = Books(state, BOOT)
    plan = plan_for(desired([guest("a", ONE, 1)], GIVES_UP), host, books)
    books.begin(plan, Holdings(plan.observed.pool, {}))
    for number in range(1, steps + 1):
        books.step(number)
    return host, plan


def test_a_journal_tells_what_was_begun(state: StateDirectory) -> None:
    """The start, what may have been touched, and how far it got."""
    _, plan = begun(state, 2)

    unfinished = Books(state, BOOT).unfinished()

    assert unfinished is not None
    assert unfinished.start == Holdings(plan.observed.pool, {})
    assert unfinished.touched == {uuid(1)}
    assert (unfinished.begun, unfinished.same_boot) == (2, True)


def test_a_torn_last_line_is_a_step_that_was_not_begun(state: StateDirectory) -> None:
    """A crash while the line was written came before the step's first write."""
    begun(state, 2)
    state.append(JOURNAL, b'{"st')

    unfinished = Books(state, BOOT).unfinished()

    assert unfinished is not None
    assert unfinished.begun == 2


def test_a_journal_of_another_boot_is_history(state: StateDirectory) -> None:
    """The host has started afresh: nothing is put back, and the journal is closed."""
    host, _ = begun(state)
    host.write("bus/ap/aqmask", "-4")

    recovered = recover(machine(host, state, "boot-two"))

    assert recovered is not None
    assert not recovered.unfinished.same_boot
    assert host.read("bus/ap/aqmask").startswith("0xf7")
    assert recover(machine(host, state, "boot-two")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[]\n",
        b'{"journalVersion": 2}\n',
        b'{"journalVersion": 1}\n',
        b'{"journalVersion": 1, "start": 7}\n',
        b'{"journalVersion": 1, "start": {"pool": {"apmask": "?", "aqmask": "?"}, "mdevs": {}}}\n',
    ],
)
def test_a_damaged_journal_is_refused(state: StateDirectory, content: bytes) -> None:
    """Nothing is guessed about where the host was."""
    state.replace(JOURNAL, content)

    with pytest.raises(BadRecord):
        Books(state, BOOT).unfinished()


def test_a_plan_without_steps_leaves_no_trace(state: StateDirectory) -> None:
    """Nothing to do is nothing to record."""
    host, books = SimulatedHost(hardware()), Books(state, BOOT)
    plan = plan_for(desired([]), host, books)
    apply_plan(plan, host, FakeClock(), books, NoProgress())
    before = sorted(state.path.iterdir())
    apply_plan(plan_for(desired([]), host, books), host, FakeClock(), books, NoProgress())

    assert sorted(state.path.iterdir()) == before == [state.path / INVENTORY]


# Crashes -------------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


class CrashingState(StateDirectory):
    """A state directory whose process ends before the `nth` change of a file."""

    def __init__(self, path: Path, nth: int) -> None:
        super().__init__(path)
        self._left = nth

    def replace(self, name: str, content: bytes) -> None:
        self._count()
        super().replace(name, content)

    def append(self, name: str, content: bytes) -> None:
        self._count()
        super().append(name, content)

    def remove(self, name: str) -> None:
        self._count()
        super().remove(name)

    def _count(self) -> None:
        self._left -= 1
        if not self._left:
            raise Crash


def applied_host(state: StateDirectory) -> SimulatedHost:
    """A host on which guest ``old`` was applied."""
    host, books = SimulatedHost(hardware()), Books(state, BOOT)
    plan = plan_for(desired([guest("old", ONE, 1)], GIVES_UP), host, books)
    assert apply_plan(plan, host, FakeClock(), books, NoProgress()).result is Result.APPLIED
    return host


NEXT = desired([guest("new", OTHER, 2)], GIVES_UP)


def test_a_crash_at_any_moment_leads_to_the_start_or_the_target(tmp_path: Path) -> None:
    """Host and inventory agree after the next start, so that what is ours stays ours (I4, I5)."""
    seen = set()
    for nth in range(1, 12):
        state = StateDirectory(tmp_path / str(nth))
        state.prepare()
        host = applied_host(state)
        books = Books(CrashingState(state.path, nth), BOOT)
        start, before = held(host, observe(host).abilities), Books(state, BOOT).applied()
        plan = plan_for(NEXT, host, books)
        try:
            apply_plan(plan, host, FakeClock(), books, NoProgress())
        except Crash:
            recover(machine(host, state))
        now, after = held(host, plan.abilities), Books(state, BOOT).applied()
        seen.add(now == start)
        if now == start:
            assert after == before, nth
        else:
            assert now.mdevs == {uuid(2): OTHER}
            assert set(after.guests) == {uuid(2)}, nth
        assert Books(state, BOOT).unfinished() is None

    assert seen == {True, False}


def test_a_crash_between_any_two_writes_is_put_back(tmp_path: Path) -> None:
    """The journal leads the next run back to the start."""
    for nth in range(1, 4):
        state = StateDirectory(tmp_path / str(nth))
        state.prepare()
        host, books = applied_host(state), Books(state, BOOT)
        start = held(host, observe(host).abilities)
        plan = plan_for(NEXT, host, books)
        left = iter(range(nth - 1, -1, -1))

        def crash(_write: object, left: object = left) -> None:
            if not next(left):  # type: ignore[call-overload]
                raise Crash

        with pytest.raises(Crash):
            apply_plan(plan, RecordingSysfs(host, crash), FakeClock(), books, NoProgress())
        recovered = recover(machine(host, state))

        assert recovered is not None
        assert recovered.returned is not None
        assert recovered.returned.differences == ()
        assert held(host, plan.abilities) == start


def test_a_crash_without_a_way_back_is_finished(tmp_path: Path) -> None:
    """From 6.19 on the host cannot have an adapter back while an untouched guest has a queue of it."""
    start, target = TRANSITIONS["shared"]
    for nth in range(1, 3):
        state = StateDirectory(tmp_path / str(nth))
        state.prepare()
        host, books = host_holding(start, PROFILES["7.2"]), Books(state, BOOT)
        plan = plan_for(desired_like(target), host, books)
        left = iter(range(nth - 1, -1, -1))

        def crash(_write: object, left: object = left) -> None:
            if not next(left):  # type: ignore[call-overload]
                raise Crash

        with pytest.raises(Crash):
            apply_plan(plan, RecordingSysfs(host, crash), FakeClock(), books, NoProgress())
        recovered = recover(machine(host, state))

        assert recovered is not None
        assert recovered.returned is None
        assert recovered.notes[0].startswith("it was finished, since this kernel refuses the mask")
        assert held(host, plan.abilities) == target
        assert set(books.applied().guests) == set(target.mdevs)


def test_a_disk_that_fails_while_the_result_is_recorded_keeps_the_old_inventory(state: StateDirectory) -> None:
    """The host goes back to the start, so what was ours before is ours again."""
    host = applied_host(state)
    before = Books(state, BOOT).applied()

    class Failing(StateDirectory):
        failed = False

        def remove(self, name: str) -> None:
            if name == JOURNAL and not self.failed:
                self.failed = True
                raise OSError(errno.EIO, "Input/output error")
            super().remove(name)

    books = Books(Failing(state.path), BOOT)
    outcome = apply_plan(plan_for(NEXT, host, books), host, FakeClock(), books, NoProgress())

    assert outcome.result is Result.ROLLED_BACK
    assert Books(state, BOOT).applied() == before
    assert make_plan(desired([], GIVES_UP), observe(host), before).foreign == ()


def test_a_recovery_that_fails_is_degraded_and_told(state: StateDirectory) -> None:
    """What is left is on record; the next successful apply removes the record."""
    host, books = applied_host(state), Books(state, BOOT)
    plan = plan_for(NEXT, host, books)
    books.begin(plan, held(host, plan.abilities))
    books.step(1)
    host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")

    recovered = recover(machine(host, state)._replace(sysfs=FaultySysfs(host, [WriteRefused(1, errno.EUSERS)] * 2)))
    assert recovered is not None
    assert recovered.returned is not None
    assert recovered.returned.differences == ()

    books.begin(plan, held(host, plan.abilities))
    host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")
    refused = [WriteRefused(nth, errno.EUSERS) for nth in range(1, 9)]
    recovered = recover(machine(host, state)._replace(sysfs=FaultySysfs(host, refused)))
    assert recovered is not None
    assert recovered.returned is not None
    assert recovered.returned.differences
    record = json.loads((state.path / DEGRADED).read_text())
    assert record["differences"] == list(recovered.returned.differences)
    assert books.unfinished() is None

    assert apply_plan(plan_for(NEXT, host, books), host, FakeClock(), books, NoProgress()).result is Result.APPLIED
    assert not (state.path / DEGRADED).exists()


def test_what_is_half_made_when_the_way_back_fails_stays_ours(state: StateDirectory) -> None:
    """A device that we made and could not remove is still ours to remove."""
    host, books = SimulatedHost(hardware()), Books(state, BOOT)
    plan = plan_for(desired([guest("a", ONE, 1)], GIVES_UP), host, books)
    refused = [WriteRefused(nth, errno.EINVAL) for nth in range(3, 20)]

    outcome = apply_plan(plan, FaultySysfs(host, refused), FakeClock(), books, NoProgress())

    assert outcome.result is Result.DEGRADED
    assert make_plan(desired([], GIVES_UP), observe(host), books.applied()).foreign == ()
