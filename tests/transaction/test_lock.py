"""Our own lock, among processes, and together with that of the s390-tools."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.kernel.locks import AtWork, Patience, ToolsBusy, patience
from reconciler.model.outcome import Origin
from reconciler.operations.apply import apply
from reconciler.operations.wanted import Manifests
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.lock import LOCK, Busy, holder, state_locked
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock

_HOLD = """
import sys, time
from pathlib import Path
from reconciler.kernel.locks import patience
from reconciler.transaction.lock import state_locked
from reconciler.transaction.state_directory import StateDirectory
with state_locked(StateDirectory(Path(sys.argv[1])), "reconcile apply", patience(time, 60, print)):
    print("held", flush=True)
    sys.stdin.read()
"""

_TAKE_TURNS = """
import sys, time
from pathlib import Path
from reconciler.kernel.locks import patience
from reconciler.transaction.lock import state_locked
from reconciler.transaction.state_directory import StateDirectory
directory, log = Path(sys.argv[1]), sys.argv[2]
for _ in range(20):
    with state_locked(StateDirectory(directory), "turn", patience(time, 60, lambda _: None)), open(log, "a") as file:
        file.write("in\\n"); file.flush(); file.write("out\\n")
"""


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A state directory, ready for use."""
    made = StateDirectory(tmp_path / "state")
    made.prepare()
    return made


def at_once() -> Patience:
    """No patience at all."""
    return patience(FakeClock(), 0, lambda _: None)


@contextmanager
def held_by_another(state: StateDirectory) -> Iterator["subprocess.Popen[str]"]:
    """Another process holds the lock until its standard input ends, at the latest with the block."""
    command = [sys.executable, "-c", _HOLD, str(state.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate("")


def test_a_second_holder_is_told_who_the_first_is(state: StateDirectory) -> None:
    """Process, command and for how long; when it has ended the lock is free."""
    with held_by_another(state) as first:
        found = holder(state, time.monotonic() + 12)
        with (
            pytest.raises(Busy, match=f"process {first.pid}, reconcile apply"),
            state_locked(state, "second", at_once()),
        ):
            pytest.fail("the lock was given twice")

    assert str(found) == f"process {first.pid}, reconcile apply, at work for 12 s"
    with state_locked(state, "second", at_once()):
        assert holder(state, 5) == AtWork(os.getpid(), "second", 5)
    assert holder(state, 5) == AtWork(0)


def test_a_second_holder_waits_for_the_first(state: StateDirectory) -> None:
    """It is told who that is, and has the lock as soon as the first has ended."""
    told: list[AtWork] = []
    with held_by_another(state) as first:

        class Ending(FakeClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.now > 30 and first.poll() is None:
                    first.communicate("")

        clock = Ending()
        with state_locked(state, "second", patience(clock, 60, told.append)):
            assert 30 < clock.now < 31

    assert {one.process for one in told} == {first.pid}
    assert len(told) == 3


def test_who_dies_leaves_nothing_held(state: StateDirectory) -> None:
    """The kernel gives the lock back; what is written there is of no importance."""
    with held_by_another(state) as first:
        first.kill()
        first.wait()
        with state_locked(state, "second", at_once()):
            pass


def test_many_processes_take_turns(state: StateDirectory, tmp_path: Path) -> None:
    """No two are ever in at the same time, and each gets its turns."""
    log = tmp_path / "log"
    command = [sys.executable, "-c", _TAKE_TURNS, str(state.path), str(log)]
    processes = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert log.read_text().split() == ["in", "out"] * 60


@pytest.mark.parametrize(
    "record", ["", "process 1: an older form", "[]", "{}", '{"process": "x", "since": 0, "command": ""}']
)
def test_a_holder_that_has_not_said_its_name_is_unknown(state: StateDirectory, record: str) -> None:
    """Between taking the lock and writing its name a holder has none."""
    with state_locked(state, "first", at_once()):
        (state.path / LOCK).write_text(record)
        with pytest.raises(Busy, match="an unknown process"), state_locked(state, "second", at_once()):
            pytest.fail("the lock was given twice")


def test_an_age_that_cannot_be_is_not_told(state: StateDirectory) -> None:
    """A record that is from the future by this clock is of another one."""
    (state.path / LOCK).write_text(json.dumps({"formatVersion": 1, "process": 1, "since": 100, "command": "x"}))

    assert holder(state, 50) == AtWork(1, "x", None)


def test_a_lock_that_was_removed_meanwhile_is_made_anew(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited on the removed file holds nothing by it."""
    real = os.fstat
    removed: list[Path] = []

    def fstat(descriptor: int) -> os.stat_result:
        if not removed:
            removed.append(state.path / LOCK)
            removed[0].unlink()
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)

    with state_locked(state, "first", patience(FakeClock(), 1, lambda _: None)):
        assert removed
        with pytest.raises(Busy), state_locked(state, "second", at_once()):
            pytest.fail("the lock was given twice")


def test_a_lock_that_is_a_link_is_refused(state: StateDirectory) -> None:
    """A link in place of the lock would have us write where somebody else wants."""
    (state.path / LOCK).symlink_to(state.path.parent / "victim")

    with pytest.raises(OSError) as caught, state_locked(state, "command", at_once()):
        pytest.fail("a link was followed")

    assert caught.value.errno == errno.ELOOP


# Both locks ---------------------------------------------------------------------------------------------------------


def test_both_locks_are_waited_for_together(state: StateDirectory, tmp_path: Path) -> None:
    """What the wait for another apply has used up is missing for the tools; in the end nothing is held."""
    tools = tmp_path / "s390apconfig.lock"
    told: list[AtWork] = []

    class Telling(NoProgress):
        def waiting(self, holder: AtWork) -> None:
            told.append(holder)

    with held_by_another(state) as first:

        class Ending(FakeClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.now > 30 and first.poll() is None:
                    tools.write_text(f"{os.getppid()}\n")
                    first.communicate("")

        clock = Ending()
        machine = OpenHost(SimulatedHost(), clock, state, "boot", "lpar7", tools)
        with pytest.raises(ToolsBusy, match=f"process {os.getppid()}, .*; gave up waiting after 60 s"):
            apply(Manifests(()), machine, Telling(), Origin("kim", "second", 0))

    assert 60 <= clock.now < 60.1
    assert [one.process for one in told] == [first.pid] * 3 + [os.getppid()] * 3
    assert tools.read_text() == f"{os.getppid()}\n"
    assert holder(state, clock.now) == AtWork(0)
