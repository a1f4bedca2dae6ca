"""A commit that needs what a suspended guest has is refused, and the command that resumes the guest is shown."""

import shlex
import sys
from pathlib import Path

import pytest

from testing.commands import Command, example
from testing.loop_processes import watching

SHRINK = ("domains: [0x47, 0xff]", "domains: [0x47]", "guest2")
TAKE = ("adapters: [5, 6]\n  domains: [4, 0xab]", "adapters: [5]\n  domains: [0xff]", "guest1")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    return made


def edit(command: Command, *changes: tuple[str, str, str]) -> None:
    """Change manifests of guests."""
    file = command.directory / "guests.yaml"
    parts = file.read_text().split("---\n")
    for old, new, guest in changes:
        parts = [one.replace(old, new) if f"name: {guest}\n" in one else one for one in parts]
    file.write_text("---\n".join(one for one in parts if one))


def remove(command: Command, guest: str) -> None:
    """Have no manifest of `guest` any more."""
    file = command.directory / "guests.yaml"
    file.write_text("---\n".join(one for one in file.read_text().split("---\n") if f"name: {guest}\n" not in one))


@pytest.mark.parametrize("dropped", [False, True], ids=["changed", "dropped"])
def test_the_command_that_resumes_the_holder_is_shown_and_works(command: Command, dropped: bool) -> None:
    """In the status of the loop and in the answer to a trigger; after it the commit is applied."""
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("suspend", "guest2", "--reason", "ticket 42", *where).code == 0
    state = command.directory / "simulated-host.yaml.state"
    program = [sys.executable, "-m", "reconciler.cli", "watch", "--apply", "-f", str(command.directory)]
    with watching(state, where, command=program):
        if dropped:
            remove(command, "guest2")
        edit(command, TAKE, SHRINK)
        resume = f"reconcile resume guest2 --simulate {command.simulated_host}"

        answer = command.bare("trigger", "--wait", *where)
        status = command.bare("status", "--watch", *where)

        assert answer.code == 4, answer
        assert resume in answer.out + answer.err
        assert f"  {resume}    #" in status.out.partition("Next:")[2], status.out
        assert "'guest2'" in answer.err
        assert command.bare(*shlex.split(resume)[1:]).code == 0
        assert command.bare("trigger", "--wait", *where).code == 0
        assert "  refused  " not in command.bare("status", "--watch", *where).out


def test_a_plan_of_a_person_says_who_is_suspended_and_corrects_it(command: Command) -> None:
    """With the same command, and with consent."""
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("suspend", "guest2", "--reason", "ticket 42", *where).code == 0
    edit(command, TAKE, SHRINK)

    for ran in (command("plan"), command("apply", "--yes", "--allow-disruption", "--allow-suspended")):
        assert ran.code == 0
        assert f"reconcile resume guest2 --simulate {command.simulated_host}" in ran.err
