"""Several applies at once: they take turns, nothing is locked while somebody is asked, and everybody is told."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.clocks import FakeClock
from testing.commands import AtTerminal, Command, at_terminal, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def words(command: Command, *options: str) -> list[str]:
    """The command line of an apply in another process."""
    where = ["--simulate", str(command.simulated_host), "-f", str(command.directory)]
    return [sys.executable, "-m", "reconciler.cli", "apply", *options, *where]


@pytest.mark.slow
def test_ten_applies_at_once_take_turns(command: Command) -> None:
    """One does the work, and the others find that nothing is left to do."""
    line = words(command, "--yes", "-o", "json")
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(10)]
    ended = [(*process.communicate(), process.returncode) for process in processes]

    assert [code for *_, code in ended] == [0] * 10
    assert sorted('"kernelWrites": 7' in out for out, *_ in ended) == [False] * 9 + [True]


@pytest.fixture
def time_flies(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Waiting takes no time."""
    clock = FakeClock()
    monkeypatch.setattr("reconciler.cli.apply_command.time", clock)
    monkeypatch.setattr("reconciler.hosts.opening.time", clock)
    return clock


@pytest.mark.parametrize(
    ("options", "seconds"), [([], 60), (["--lock-timeout", "5s"], 5), (["--lock-timeout", "0"], 0)]
)
def test_who_is_waited_for_is_told(command: Command, time_flies: FakeClock, options: list[str], seconds: int) -> None:
    """On standard error while it waits and when it gives up; results stay on standard output."""
    command("apply", "--yes")
    time_flies.now = 12
    lock = command.directory / "simulated-host.yaml.state" / "lock"
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write('{"formatVersion": 1, "process": 12345, "since": 0, "command": "reconcile apply -f elsewhere"}')
        file.flush()

        ran = command("apply", "--yes", *options)

    lines = ran.err.splitlines()
    who = "process 12345, reconcile apply -f elsewhere, at work for"
    assert ran.code == 8
    assert ran.out == ""
    assert [line.startswith(f"waiting for {who} ") for line in lines[:-1]] == [True] * len(range(0, seconds, 10))
    assert lines[-1].startswith(f"busy: another reconcile is at work: {who} {12 + seconds} s")
    assert seconds <= time_flies.now - 12 < seconds + 0.1


def test_a_simulated_host_that_somebody_else_changes_is_waited_for(command: Command, time_flies: FakeClock) -> None:
    """Its state is kept under a lock of its own, which has the same bound."""
    with command.simulated_host.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        ran = command("apply", "--yes")

    assert ran.code == 8
    assert ran.err.startswith("waiting for an unknown process\n")
    assert "busy: another command is changing this simulated host" in ran.err
    assert 60 <= time_flies.now < 60.1


@pytest.fixture
def asking(command: Command) -> Iterator[AtTerminal]:
    """An apply that has asked its question at a terminal."""
    where = ["--simulate", str(command.simulated_host), "-f", str(command.directory)]
    with at_terminal("apply", *where) as person:
        person.sees("Apply this?")
        yield person


def test_while_it_asks_nothing_is_locked(command: Command, asking: AtTerminal) -> None:
    """Another apply goes through at once, and the answer comes too late: the host has changed, so nothing is done."""
    ran = command("apply", "--yes", "--lock-timeout", "0")
    asking.enters("y")

    assert ran.code == 0
    assert asking.ended() == 5


def test_who_answers_yes_gets_what_was_shown(command: Command, asking: AtTerminal) -> None:
    """Where nothing has changed meanwhile."""
    asking.enters("y")

    assert asking.ended() == 0
    assert command("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("width", ["80", "120"])
@pytest.mark.parametrize(
    "asked", [("apply", "--yes"), ("apply", "--yes", "--id", "mine"), ("rollback", "1", "--yes"), ("doctor",)]
)
def test_both_ends_of_a_wait_are_offered_with_what_they_do(
    command: Command, monkeypatch: pytest.MonkeyPatch, width: str, asked: tuple[str, ...]
) -> None:
    """The one that keeps what waits, and the one that rolls it back at once; each does it from there."""
    monkeypatch.setenv("COLUMNS", width)
    where = ("--simulate", str(command.simulated_host))
    assert command("apply", "--yes", "--confirm-within", "5m", "--id", "mine").code == 0

    ran = command.bare(*asked, *(("-f", str(command.directory)) if asked[0] == "apply" else ()), *where)

    lines = [line.strip() for line in (ran.out + ran.err).splitlines()]
    number = "mine" if "mine" in asked else "1"
    for verb, remark in (("confirm", "keeps it"), ("cancel", "rolls it back at once")):
        step = f"next: reconcile {verb} {number} {' '.join(where)}"
        assert f"{step}    # {remark}" in lines or f"{step}\n# {remark}" in "\n".join(lines)
    assert sum(line.startswith("next: ") for line in lines) == 2
    assert "to undo it" not in ran.err
    assert command.bare("cancel", number, *where).code == 0
