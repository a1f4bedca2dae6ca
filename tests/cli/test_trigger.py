"""``reconcile trigger``, as a person types it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Condition
from reconciler.watch.status_file import StatusFile
from reconciler.watch.triggers import Trigger
from testing.commands import Command, example
from testing.reports import report
from testing.served_requests import ServedRequests

PATIENCE = 30.0


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


@contextmanager
def loop(command: Command, condition: Condition) -> Iterator[list[Trigger]]:
    """A loop for one request, whose turn ends in `condition`; the triggers that it hears."""
    state = StateDirectory(command.directory / "simulated-host.yaml.state")
    state.prepare()
    served = ServedRequests(state.path)
    heard: list[Trigger] = []

    def turn() -> None:
        heard.extend(served.next())
        served.begin(1)
        served.answer(1, condition, "as it should be")

    thread = threading.Thread(target=turn)
    thread.start()
    yield heard
    thread.join(PATIENCE)
    served.close()


def test_without_a_loop_it_says_so_and_what_to_type(command: Command) -> None:
    """And fails."""
    ran = command("trigger")
    assert ran.code == Exit.FAILURE
    assert "no loop is watching with the state directory" in ran.err
    assert "next: reconcile watch -f " in ran.err
    assert not ran.out


def test_a_loop_is_asked_for_a_turn(command: Command) -> None:
    """Which begins later."""
    with loop(command, Condition.IN_SYNC) as heard:
        ran = command("trigger")
    assert (ran.code, ran.out, ran.err) == (Exit.DONE, "cycle 1 begins soon\n", "")
    assert heard == [Trigger("request", "trigger")]


def test_an_older_commit_is_asked_for(command: Command) -> None:
    """By an option of its own."""
    with loop(command, Condition.IN_SYNC) as heard:
        assert command("trigger", "--allow-older").code == Exit.DONE
    assert heard == [Trigger("request", "trigger --allow-older")]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (Condition.IN_SYNC, Exit.DONE),
        (Condition.SUSPENDED, Exit.CHANGES),
        (Condition.SUSPENDED_OUT_OF_SYNC, Exit.CHANGES),
        (Condition.CHANGES, Exit.CHANGES),
        (Condition.DRIFT, Exit.CHANGES),
        (Condition.NEEDS_PERSON, Exit.REFUSED),
        (Condition.STOPPED, Exit.REFUSED),
        (Condition.WAITING, Exit.BUSY),
        (Condition.FAILED, Exit.ROLLED_BACK),
        (Condition.DEGRADED, Exit.DEGRADED),
    ],
)
def test_who_waits_learns_how_the_turn_has_ended(command: Command, condition: Condition, code: Exit) -> None:
    """Also by the exit code, which means what it means for an apply."""
    with loop(command, condition):
        ran = command("trigger", "--wait")
    assert (ran.code, ran.out) == (code, f"cycle 1: {condition.text}: as it should be\n")


def test_the_command_of_a_loop_that_was_killed_is_whole(command: Command) -> None:
    """As `status --watch` prints it: the bare command would watch the current directory, and only report."""
    state = StateDirectory(command.directory / "simulated-host.yaml.state")
    state.prepare()
    again = "cd / && reconcile watch --apply --git https://git.example/ap --branch main"
    StatusFile(state, 1, again).write(report())

    ran = command.bare("trigger", "--wait", "--simulate", str(command.simulated_host))

    assert ran.code == Exit.FAILURE
    assert f"next: {again}    # starts the loop again" in ran.err
