"""Nothing is done to a host without a person's yes at the controlling terminal, or ``--yes``."""

import fcntl
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from reconciler.hosts import opening
from testing.clocks import NoTimer
from testing.commands import RECONCILE, Command, at_terminal, change, example, in_session, without_terminal
from testing.journals import reopen_pending

ASKS = "Apply this? [y/N]: "


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, in a directory that a shell has to quote."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path / "it's here", capsys)


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    """A file that output goes into."""
    with tempfile.TemporaryFile() as opened:
        yield opened


def on(command: Command) -> list[str]:
    """The options that lead to the simulated host and the manifests."""
    return ["-f", str(command.directory), "--simulate", str(command.simulated_host)]


def content(file: IO[bytes]) -> str:
    """What was written into `file`."""
    file.seek(0)
    return file.read().decode()


def is_applied(command: Command) -> bool:
    """Whether the host is as the manifests say."""
    return command("plan", "--detailed-exitcode").code == 0


def saved_plan(command: Command) -> list[str]:
    """The words that apply a saved plan."""
    plan = str(command.directory.parent / "plan.json")
    assert command("plan", "--out", plan).code == 0
    return ["apply", plan, "--simulate", str(command.simulated_host)]


def rolling_back(command: Command) -> list[str]:
    """The words that go back to the first of two generations, after the second was applied."""
    assert command("apply", "--yes").code == 0
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("adapters: [5, 6]", "adapters: [6]"))
    assert command("apply", "--yes").code == 0
    return ["rollback", "1", *on(command)]


def undoing(command: Command) -> list[str]:
    """The words that undo an apply that waits to be confirmed."""
    assert command("apply", "--yes", "--confirm-within", "1h").code == 0
    return ["rollback", *on(command)]


def applying(command: Command) -> list[str]:
    """The words of a first apply, with options of every kind."""
    return ["apply", "--lock-timeout", "7s", "-o", "text", "--allow-disruption", *on(command)]


def recovering(command: Command) -> list[str]:
    """The words of an apply after one that was killed; a recovery is a change, too."""
    guests, state = command.directory / "guests.yaml", Path(f"{command.simulated_host}.state")
    assert command("apply", "--yes").code == 0
    guests.write_text(guests.read_text().replace("adapters: [5, 6]", "adapters: [6]"))
    assert command("apply", "--yes", "--confirm-within", "1h").code == 0
    reopen_pending(state)
    guests.write_text(guests.read_text().replace("domains: [4, 0xab]", "domains: [4]"))
    return ["apply", *on(command)]


KINDS = [applying, saved_plan, rolling_back, undoing, recovering]
"""Everything that changes a host and asks before."""


@pytest.mark.parametrize("named", [["-f", "."], []])
def test_the_command_that_does_it_works_in_any_directory(
    command: Command, monkeypatch: pytest.MonkeyPatch, named: list[str]
) -> None:
    """Whoever reads the mail of cron is elsewhere."""
    monkeypatch.chdir(command.directory)
    ran = without_terminal(["apply", *named, "--simulate", "simulated-host.yaml"])
    monkeypatch.chdir("/")

    line = ran.stderr.splitlines()[-1].rpartition("to do it: ")[2]

    assert ran.returncode == 4
    assert without_terminal(shlex.split(line)[1:]).returncode == 0


@pytest.mark.parametrize("named", [("-f", "."), ("-f", "guests.yaml", "-f", "host.yaml"), ()], ids=" ".join)
@pytest.mark.parametrize("is_refused", [False, True], ids=["asks", "needs consent"])
def test_at_a_terminal_paths_are_printed_as_they_were_typed(
    command: Command, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], *, is_refused: bool
) -> None:
    """Also of a job in the background, which does not ask: who reads it is in the same directory."""
    monkeypatch.chdir(command.directory)
    where = (*named, "--simulate", "simulated-host.yaml")
    if is_refused:
        assert command("apply", "--yes").code == 0
        assert command.bare("suspend", "guest1", "--reason", "x", *where[-2:]).code == 0
        change(command)
    with at_terminal("apply", *where, background=True) as kim:
        assert kim.ended() == 4

    line = re.split("to do it: |  next: ", kim.shown)[1].splitlines()[0].partition("    #")[0]
    added = ["--allow-suspended", "--yes"] if is_refused else ["--yes"]
    assert sorted(shlex.split(line)) == sorted(["reconcile", "apply", *where, *added])


@pytest.mark.parametrize("prepared", KINDS)
@pytest.mark.parametrize("tty", [False, True])
def test_without_a_controlling_terminal_nothing_is_done(
    command: Command, prepared: Callable[[Command], list[str]], tty: bool
) -> None:
    """From cron, over ssh without a terminal, under setsid: 4, and a command that does it when it is run."""
    words = prepared(command)
    before = command("simulate").out
    if tty:
        ours, theirs = os.openpty()
        code = without_terminal(words, shown_on=theirs).returncode
        said = os.read(ours, 65536).decode().replace("\r\n", "\n")
        os.close(theirs)
        os.close(ours)
    else:
        ran = without_terminal(words)
        code, said = ran.returncode, ran.stderr

    assert code == 4
    assert command("simulate").out == before
    line = said.splitlines()[-1].rpartition("to do it: ")[2]
    again = shlex.split(line)
    assert again[0] == "reconcile"
    assert set(words) <= set(again)
    assert "--yes" in again
    assert without_terminal(again[1:]).returncode == 0
    assert command("simulate").out != before


@pytest.mark.parametrize("is_redirected", [True, False], ids=["log", "screen"])
def test_what_is_asked_about_fits_the_terminal(command: Command, file: IO[bytes], *, is_redirected: bool) -> None:
    """Wherever standard output goes: long lines of the plan continue on the next one."""
    words = [*RECONCILE, *applying(command)]
    elsewhere = file.fileno() if is_redirected else None
    narrow = {**os.environ, "COLUMNS": "70", "NO_COLOR": "1"}
    with in_session(words, narrow, files=(None, elsewhere, elsewhere)) as kim:
        shown = kim.sees(ASKS)
        kim.enters("n")
        kim.ended()

    assert "  + guest guest1  3783d4a7-df47-58ab-bed9-cee63c6e6f5e\n        (new in the manifests)\n" in shown
    assert max(map(len, shown.splitlines())) <= 70


def test_what_can_be_done_while_it_waits_fits_the_terminal(command: Command) -> None:
    """But for the commands, which stand on a line each; Ctrl-C begins a line of its own and says how long is left."""
    words = [*RECONCILE, "apply", "--yes", "--confirm-within", "1h", *on(command)]
    with in_session(words, {**os.environ, "COLUMNS": "60", "NO_COLOR": "1"}) as kim:
        kim.sees("the time runs on.")
        kim.process.send_signal(signal.SIGINT)
        assert kim.ended() == 0
    lines = kim.shown[kim.shown.index("Generation 1 waits") :].replace("\r", "").splitlines()

    wide = [one for one in lines if len(one) > 60]
    assert [one.strip().split(" --simulate")[0] for one in wide[:2]] == [
        "next: reconcile confirm 1",
        "next: reconcile cancel 1",
    ]
    assert all(re.search("reconcile (confirm|cancel) 1 ", one) for one in wide[2:])
    assert re.search(r"\nit is rolled back in 59 minutes \d+ seconds unless you", "\n".join(lines))


@pytest.mark.parametrize("prepared", KINDS)
def test_yes_and_no_are_answered_at_the_terminal(command: Command, prepared: Callable[[Command], list[str]]) -> None:
    """Standard input and output may be anything: `false | reconcile apply | tee log`."""
    words = prepared(command)
    before = command("simulate").out
    for answer, code in (("n", 4), ("", 4), ("y", 0)):
        with tempfile.TemporaryFile() as log, at_terminal(*words, stdin=subprocess.DEVNULL, stdout=log.fileno()) as kim:
            kim.sees("[y/N]: ")
            kim.enters(answer)
            if answer and prepared is recovering and code == 0:
                kim.sees(ASKS)
                kim.enters("y")
            assert kim.ended() == code, kim.shown
            assert ("not agreed: nothing was changed" in kim.shown) == (code == 4)
        assert (command("simulate").out == before) == (code == 4)


def test_a_no_after_a_recovery_does_not_say_that_nothing_was_changed(command: Command) -> None:
    """The recovery has changed the host."""
    with at_terminal(*recovering(command)) as kim:
        kim.sees("[y/N]: ")
        kim.enters("y")
        kim.sees(ASKS)
        kim.enters("n")
        assert kim.ended() == 4
    assert "not agreed: nothing more was changed" in kim.shown


def test_a_pipe_gets_the_result_and_the_terminal_the_plan(command: Command, file: IO[bytes]) -> None:
    """The plan that is asked about is on the screen before the question; the log is complete."""
    with at_terminal("apply", *on(command), stdout=file.fileno()) as kim:
        screen = kim.sees(ASKS)
        assert "7 kernel writes, 0 guests interrupted." in screen[: screen.index(ASKS)]
        assert content(file) == ""
        kim.enters("yes")
        assert kim.ended() == 0

    assert content(file).endswith("Applied and verified: 7 kernel writes.\n")
    assert "Plan: 3 to create" in content(file)


def test_where_all_output_goes_into_files_the_question_comes_with_its_plan(command: Command, file: IO[bytes]) -> None:
    """`reconcile apply > log 2>&1`, with JSON in the log."""
    words = ["apply", "-o", "json", *on(command)]
    with at_terminal(*words, stdin=subprocess.DEVNULL, stdout=file.fileno(), stderr=file.fileno()) as kim:
        screen = kim.sees(ASKS)
        assert "7 kernel writes, 0 guests interrupted." in screen[: screen.index(ASKS)]
        kim.enters("y")
        assert kim.ended() == 0

    assert '"kernelWrites": 7' in content(file)


def test_standard_input_is_no_answer(command: Command, file: IO[bytes]) -> None:
    """`yes | reconcile apply` waits for the person; it may be the manifests."""
    file.write(b"y\n" * 100)
    file.seek(0)
    with at_terminal("apply", *on(command), stdin=file.fileno()) as kim:
        kim.sees(ASKS)
        assert not is_applied(command)
        kim.enters("n")
        assert kim.ended() == 4
    assert not is_applied(command)


def test_an_answer_that_is_neither_is_asked_for_again(command: Command) -> None:
    """As long as it takes."""
    with at_terminal("apply", *on(command)) as kim:
        kim.sees(ASKS)
        kim.enters("maybe")
        kim.sees("Answer y (yes) or n (no); Enter alone is n.")
        kim.enters("Y")
        assert kim.ended() == 0
    assert is_applied(command)


@pytest.mark.parametrize("how", ["hangs up", "ends the input"])
def test_a_person_who_goes_away_has_not_agreed(command: Command, how: str) -> None:
    """Nothing is done."""
    with at_terminal("apply", *on(command)) as kim:
        kim.sees(ASKS)
        if how == "hangs up":
            kim.hangs_up()
        else:
            kim.enters("\x04")
            kim.enters("\x04")
        assert kim.ended() == 1
    assert not is_applied(command)


@pytest.mark.parametrize("prepared", [applying, undoing])
def test_a_job_in_the_background_does_not_ask(
    command: Command, file: IO[bytes], prepared: Callable[[Command], list[str]]
) -> None:
    """Reading from the terminal would stop it, and the answer would be meant for another program."""
    words = prepared(command)
    before = command("simulate").out
    with at_terminal(*words, stdout=file.fileno(), stderr=file.fileno(), background=True) as kim:
        assert kim.ended() == 4
        assert "[y/N]" not in kim.shown

    (again,) = [line for line in content(file).splitlines() if "to do it: reconcile " in line]
    assert "--yes" in again
    assert command("simulate").out == before


def test_nothing_to_do_needs_no_question(command: Command) -> None:
    """An apply that changes nothing is done, also by cron, and is 0."""
    assert command("apply", "--yes").code == 0

    for words in (["apply"], ["rollback", "1"]):
        ran = without_terminal([*words, *on(command)])
        assert ran.returncode == 0, ran
    assert is_applied(command)


@pytest.mark.parametrize("yes", [[], ["--yes"]])
def test_consents_that_are_missing_are_added_to_the_command(command: Command, yes: list[str]) -> None:
    """Whole, so that it can be pasted; where no terminal is there, with --yes."""
    assert command("apply", "--yes").code == 0
    (command.directory / "guests.yaml").unlink()

    ran = without_terminal(["apply", *yes, *on(command)])

    assert ran.returncode == 4
    again = shlex.split(ran.stderr.splitlines()[-1].rpartition("  next: ")[2].partition("    #")[0])
    assert {"--allow-empty", "--yes"} <= set(again)
    assert without_terminal(again[1:]).returncode == 0
    assert is_applied(command)


@pytest.mark.parametrize("other", [None, subprocess.DEVNULL])
def test_enter_at_the_terminal_confirms(command: Command, other: int | None) -> None:
    """Whatever standard input and output are."""
    words = ["apply", "--yes", "--confirm-within", "1h", *on(command)]
    with at_terminal(*words, stdin=other, stdout=other) as kim:
        shown = kim.sees("press Enter to keep it.")
        assert re.search(r"\n  next: reconcile confirm 1 --simulate .+", shown)
        assert re.search(r"\n  next: reconcile cancel 1 --simulate .+", shown)
        kim.enters("")
        assert kim.ended() == 0
        assert kim.shown.endswith("confirmed: generation 1 stays\n")


def test_enter_typed_before_it_was_asked_for_confirms_nothing(command: Command) -> None:
    """Nor agrees to a plan what was typed before the plan was shown."""
    with at_terminal("apply", "--confirm-within", "1h", *on(command)) as kim:
        kim.enters("y")
        kim.sees(ASKS)
        kim.enters("y\n")
        kim.sees("Ctrl-C ends this command")
        kim.hangs_up()
        kim.ended()
    assert "generation 1 waits to be confirmed" in command("status").out


def test_enter_on_standard_input_confirms_nothing(command: Command, file: IO[bytes]) -> None:
    """It is not the person's."""
    file.write(b"\n\n")
    file.seek(0)
    with at_terminal("apply", "--yes", "--confirm-within", "1h", *on(command), stdin=file.fileno()) as kim:
        kim.sees("press Enter")
        kim.hangs_up()
        kim.ended()
    assert "generation 1 waits to be confirmed" in command("status").out
    assert command("rollback", "--yes").code == 0


def test_without_a_terminal_the_command_that_confirms_is_printed(command: Command) -> None:
    """At once, and it works."""
    ran = without_terminal(["apply", "--yes", "--confirm-within", "1h", *on(command)])

    assert ran.returncode == 0
    undo, line = ran.stderr.splitlines()[-2:]
    assert "to roll it back at once: reconcile cancel 1" in undo
    assert "it is rolled back in 1 hour unless you run: reconcile confirm 1" in line
    assert without_terminal(shlex.split(line.rpartition("run: ")[2])[1:]).returncode == 0


def test_what_was_confirmed_while_it_asked_is_not_rolled_back(command: Command) -> None:
    """Nor is the generation before."""
    words = undoing(command)
    before = command("simulate").out
    with at_terminal(*words) as kim:
        kim.sees("Roll it back? [y/N]: ")
        assert command("confirm", "1").code == 0
        kim.enters("y")
        assert kim.ended() == 5
    assert command("simulate").out == before


def test_another_apply_at_work_is_not_taken_for_one_that_was_killed(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, by the clock of --lock-timeout."""
    words = recovering(command)
    lock = Path(f"{command.simulated_host}.state/lock")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ran = command.bare(*words, "--lock-timeout", "0")
    assert ran.code == 8
    assert "not finished" not in ran.err
