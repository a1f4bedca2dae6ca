"""Processes that end in the middle, disks that fail, and what the next run makes of it."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.outcome import Result
from reconciler.planning.planner import make_plan
from reconciler.simulator.faults import FaultySysfs, WriteRefused
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.journal import DEGRADED, JOURNAL, Journal
from reconciler.transaction.recovery import recover_unfinished
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import (
    desired,
    desired_like,
    guest,
    hardware,
    held,
    host_holding,
    uuid,
)
from testing.journals import BOOT, GIVES_UP, ONE, OTHER, machine, plan_for
from testing.recording_sysfs import RecordingSysfs
from testing.transitions import TRANSITIONS


class Crash(BaseException):
    """The process ends here."""


def crash_at(nth: int) -> Callable[[object], None]:
    """What ends the process at write number `nth`, from 1."""
    left = iter(range(nth - 1, -1, -1))

    def crash(_write: object) -> None:
        if not next(left):
            raise Crash

    return crash


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
    host, journal = SimulatedHost(hardware()), Journal(state, BOOT)
    plan = plan_for(desired([guest("old", ONE, 1)], GIVES_UP), host, journal)
    assert apply_plan(plan, host, FakeClock(), journal, NoProgress()).outcome.result is Result.APPLIED
    return host


NEXT = desired([guest("new", OTHER, 2)], GIVES_UP)


def test_a_crash_at_any_moment_leads_to_the_start_or_the_target(tmp_path: Path) -> None:
    """Host and inventory agree after the next start, so that what is ours stays ours (I4, I5)."""
    seen = set()
    for nth in range(1, 12):
        state = StateDirectory(tmp_path / str(nth))
        state.prepare()
        host = applied_host(state)
        journal = Journal(CrashingState(state.path, nth), BOOT)
        start, before = held(host, observe(host).abilities), Journal(state, BOOT).applied()
        plan = plan_for(NEXT, host, journal)
        try:
            apply_plan(plan, host, FakeClock(), journal, NoProgress())
        except Crash:
            recover_unfinished(machine(host, state))
        now, after = held(host, plan.abilities), Journal(state, BOOT).applied()
        seen.add(now == start)
        if now == start:
            assert after == before, nth
        else:
            assert now.mdevs == {uuid(2): OTHER}
            assert set(after.guests) == {uuid(2)}, nth
        assert Journal(state, BOOT).unfinished() is None

    assert seen == {True, False}


def test_a_crash_between_any_two_writes_is_put_back(tmp_path: Path) -> None:
    """The journal leads the next run back to the start."""
    for nth in range(1, 4):
        state = StateDirectory(tmp_path / str(nth))
        state.prepare()
        host, journal = applied_host(state), Journal(state, BOOT)
        start = held(host, observe(host).abilities)
        plan = plan_for(NEXT, host, journal)
        with pytest.raises(Crash):
            apply_plan(plan, RecordingSysfs(host, crash_at(nth)), FakeClock(), journal, NoProgress())
        recovered = recover_unfinished(machine(host, state))

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
        host, journal = host_holding(start, PROFILES["7.2"]), Journal(state, BOOT)
        plan = plan_for(desired_like(target), host, journal)
        with pytest.raises(Crash):
            apply_plan(plan, RecordingSysfs(host, crash_at(nth)), FakeClock(), journal, NoProgress())
        recovered = recover_unfinished(machine(host, state))

        assert recovered is not None
        assert recovered.returned is None
        assert recovered.notes[0].startswith("it was finished, since this kernel refuses the mask")
        assert held(host, plan.abilities) == target
        assert set(journal.applied().guests) == set(target.mdevs)


def test_a_disk_that_fails_while_the_result_is_recorded_keeps_the_old_inventory(state: StateDirectory) -> None:
    """The host goes back to the start, so what was ours before is ours again."""
    host = applied_host(state)
    before = Journal(state, BOOT).applied()

    class Failing(StateDirectory):
        failed = False

        def remove(self, name: str) -> None:
            if name == JOURNAL and not self.failed:
                self.failed = True
                raise OSError(errno.EIO, "Input/output error")
            super().remove(name)

    journal = Journal(Failing(state.path), BOOT)
    outcome = apply_plan(plan_for(NEXT, host, journal), host, FakeClock(), journal, NoProgress()).outcome

    assert outcome.result is Result.ROLLED_BACK
    assert Journal(state, BOOT).applied() == before
    assert make_plan(desired([], GIVES_UP), observe(host), before).foreign == ()


def test_a_recovery_that_fails_is_degraded_and_told(state: StateDirectory) -> None:
    """What is left is on record; the next successful apply removes the record."""
    host, journal = applied_host(state), Journal(state, BOOT)
    plan = plan_for(NEXT, host, journal)
    journal.begin(plan, held(host, plan.abilities))
    journal.step(1)
    host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")

    recovered = recover_unfinished(
        machine(host, state)._replace(sysfs=FaultySysfs(host, [WriteRefused(1, errno.EUSERS)] * 2))
    )
    assert recovered is not None
    assert recovered.returned is not None
    assert recovered.returned.differences == ()

    journal.begin(plan, held(host, plan.abilities))
    host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")
    refused = [WriteRefused(nth, errno.EUSERS) for nth in range(1, 9)]
    recovered = recover_unfinished(machine(host, state)._replace(sysfs=FaultySysfs(host, refused)))
    assert recovered is not None
    assert recovered.returned is not None
    assert recovered.returned.differences
    record = json.loads((state.path / DEGRADED).read_text())
    assert record["differences"] == list(recovered.returned.differences)
    assert journal.unfinished() is None

    assert (
        apply_plan(plan_for(NEXT, host, journal), host, FakeClock(), journal, NoProgress()).outcome.result
        is Result.APPLIED
    )
    assert not (state.path / DEGRADED).exists()


def test_what_is_half_made_when_the_way_back_fails_stays_ours(state: StateDirectory) -> None:
    """A device that we made and could not remove is still ours to remove."""
    host, journal = SimulatedHost(hardware()), Journal(state, BOOT)
    plan = plan_for(desired([guest("a", ONE, 1)], GIVES_UP), host, journal)
    refused = [WriteRefused(nth, errno.EINVAL) for nth in range(3, 20)]

    outcome = apply_plan(plan, FaultySysfs(host, refused), FakeClock(), journal, NoProgress()).outcome

    assert outcome.result is Result.DEGRADED
    assert make_plan(desired([], GIVES_UP), observe(host), journal.applied()).foreign == ()
