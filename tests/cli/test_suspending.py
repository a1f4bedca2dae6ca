"""A suspension ends only by its own command, and is replaced only knowingly."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied; guest1 is suspended for two hours."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    assert on_host(made, "suspend", "guest1", "--reason", "key ceremony", "--for", "2h").code == 0
    return made


def on_host(command: Command, *words: str) -> Ran:
    """Run ``reconcile`` with `words` for the simulated host."""
    return command.bare(*words, "--simulate", str(command.simulated_host))


def offered(ran: Ran) -> list[list[str]]:
    """The words of each command that `ran` offers next, without the program."""
    lines = [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]
    return [shlex.split(line.partition("    #")[0])[1:] for line in lines]


def test_the_command_that_a_suspended_host_prints_ends_that_suspension_alone(command: Command) -> None:
    """A guest that a colleague suspended stays so; it is named, with the command that resumes it."""
    (line,) = offered(on_host(command, "suspend", "--reason", "reboot", "--for", "10m"))

    ran = command.bare(*line)

    assert (ran.code, ran.out) == (0, "the whole host: resumed\n")
    assert "still suspended: guest1" in ran.err
    (line,) = offered(ran)
    assert command.bare(*line).out == "guest guest1: resumed\n"


def test_a_host_that_is_not_suspended_is_not_resumed_by_resuming_its_guests(command: Command) -> None:
    """What is suspended is named, with the command for it."""
    ran = on_host(command, "resume")

    assert (ran.code, ran.out) == (1, "")
    assert "error: the whole host is not suspended" in ran.err
    assert "suspended: guest1" in ran.err
    (line,) = offered(ran)
    assert command.bare(*line).out == "guest guest1: resumed\n"


def test_everything_is_resumed_when_that_is_asked_for(command: Command) -> None:
    """With --all, which no name goes with."""
    assert on_host(command, "suspend", "--reason", "reboot").code == 0

    assert on_host(command, "resume", "--all", "guest1").code == 64
    assert on_host(command, "resume", "--all").out == "the whole host and guest guest1: resumed\n"
    assert on_host(command, "resume", "--all").out == "nothing is suspended, so there is nothing to resume\n"
