"""``rollback`` without a number: it undoes the newest generation, says so first, and never goes one further."""

import json
import re
import shlex
import time
from pathlib import Path

import pytest

from reconciler.cli import confirm_command
from reconciler.cli.main import run
from reconciler.hosts import opening
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import Recovered, recover
from testing.clocks import NoTimer
from testing.commands import Command, Ran, change, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Two generations were applied: with adapters 5 and 6, then with 6 alone."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    command = example("three-guests", tmp_path, capsys)
    command("apply", "--yes")
    change(command)
    command("apply", "--yes")
    return command


def expire(command: Command, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Apply something else, let its time go by, and let the timer roll it back."""
    change(command, "adapters: [6]", "adapters: [5]")
    assert command("apply", "--yes", "--confirm-within", "90s").code == 0
    pass_by(monkeypatch)
    assert command("expire", str(number)).code == 6
    change(command, "adapters: [5]", "adapters: [6]")


def pass_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 91 seconds go by."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)


def printed_for(what: str, text: str) -> list[str]:
    """The words of the command in `text` that does `what`."""
    (line,) = [one for one in text.splitlines() if one.endswith(f"    # {what}")]
    return shlex.split(line.partition("    # ")[0].removeprefix("  next: "))


def assert_nothing_was_undone(command: Command, ran: Ran, before: str, newest: int) -> None:
    """It was said that the newest was rolled back already, and the host is as before."""
    assert ran.code == 0
    assert f"nothing was done: generation {newest} was rolled back already" in ran.err
    assert command("simulate").out == before


@pytest.mark.parametrize("words", [(), ("--yes",)])
@pytest.mark.parametrize("times", [1, 2])
def test_what_expired_is_all_that_is_undone(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], times: int
) -> None:
    """The timer was quicker than whoever wanted it undone; however often that happened in a row."""
    before = command("simulate").out
    for number in range(3, 3 + times):
        expire(command, monkeypatch, number)
    assert command("simulate").out == before

    ran = command("rollback", *words)

    assert_nothing_was_undone(command, ran, before, 2 + times)
    assert "(it was not confirmed in time)" in ran.err
    again = command("rollback", *words)
    assert again == ran


def test_the_command_that_goes_further_is_shown_and_works(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything that was said to the command that did nothing."""
    expire(command, monkeypatch, 3)
    told = command("rollback", "--yes").err

    assert "the host is as generation 2 wants" in told
    printed = printed_for("rolls back to generation 1", told)
    assert printed[0] == "reconcile"
    assert run(printed[1:]) == 0
    assert "5" in command("history", "show", "4").out


def test_what_expires_while_it_is_asked_for_is_all_that_is_undone(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is over, but no timer was there: this command rolls it back, and no more."""
    before = command("simulate").out
    change(command, "adapters: [6]", "adapters: [5]")
    command("apply", "--yes", "--confirm-within", "90s")
    pass_by(monkeypatch)

    ran = command("rollback", "--yes")

    assert ran.code == 0
    assert ran.err.startswith("generation 3 was not confirmed in time; this rolls it back\n")
    assert command("simulate").out == before
    assert_nothing_was_undone(command, command("rollback", "--yes"), before, 3)


def test_a_timer_that_is_quicker_by_a_moment_changes_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rolls back between our look and our lock."""
    before = command("simulate").out
    change(command, "adapters: [6]", "adapters: [5]")
    command("apply", "--yes", "--confirm-within", "90s")
    pass_by(monkeypatch)

    def after_the_timer(machine: OpenHost) -> tuple[Recovered, ...]:
        recover(machine)
        return recover(machine)

    with monkeypatch.context() as patch:
        patch.setattr(confirm_command, "recover", after_the_timer)
        assert command("rollback", "--yes").code in (0, 5)

    assert command("simulate").out == before


def test_what_was_undone_before_it_was_confirmed_is_all_that_is_undone(command: Command) -> None:
    """Asking twice undoes it once."""
    before = command("simulate").out
    change(command, "adapters: [6]", "adapters: [5]")
    command("apply", "--yes", "--confirm-within", "1h")

    assert command("rollback", "--yes").code == 0
    assert command("simulate").out == before
    assert_nothing_was_undone(command, command("rollback", "--yes"), before, 3)


def test_what_failed_is_all_that_is_undone(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apply that failed has rolled itself back."""
    before = command("simulate").out
    change(command, "adapters: [6]", "adapters: [5]")
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.transaction.apply.execute", _refuse)
        assert command("apply", "--yes").code == 6

    assert_nothing_was_undone(command, command("rollback", "--yes"), before, 3)


def _refuse(*_: object) -> None:
    raise OSError(22, "Invalid argument")


def test_what_was_killed_is_all_that_is_undone(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rolled back by the command itself, which stops there."""
    before = command("simulate").out

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    change(command, "adapters: [6]", "adapters: [5]")
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.transaction.apply.execute", die)
        with pytest.raises(Killed):
            command("apply", "--yes")

    assert_nothing_was_undone(command, command("rollback", "--yes"), before, 3)
    assert command("history").out.splitlines()[1].split()[0] == "3"


def test_before_it_asks_a_rollback_says_what_it_would_do(command: Command) -> None:
    """Nothing of it happens yet, also where an apply waits to be confirmed."""
    done = command("rollback")
    change(command, "adapters: [6]", "adapters: [5]")
    assert command("apply", "--yes", "--confirm-within", "90s").code == 0
    waits = command("rollback")

    assert done.err.startswith("this would undo generation 2, by ")
    assert "\nit would roll back to generation 1; the manifests stay as they are, and " in done.err
    assert waits.err.startswith("generation 3 waits to be confirmed; this would roll it back\n")
    for ran in (done, waits):
        assert ran.code == 4
        assert not re.search("undoes|rolling|rolls", ran.err), ran.err


def test_what_a_rollback_has_left_behind_is_no_drift(command: Command) -> None:
    """The drift says so in its sentence, with what to run; what is beside it is said as ever."""
    assert command("rollback", "--yes").code == 0

    ran = command("drift")

    assert ran.code == 2
    assert "\nNo drift, but a rollback: 1 guest differs from the manifests.\n  next: reconcile plan " in ran.out
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    assert "\nNo drift, but 2 guests differ from the manifests.\n" in command("drift").out


@pytest.mark.parametrize("words", [(), ("1",)])
def test_asking_twice_undoes_once(command: Command, words: tuple[str, ...]) -> None:
    """A rollback is not undone by the next one, which may come from whoever did not trust the first."""
    before = command("simulate").out
    first = command("rollback", *words, "--yes")
    assert first.code == 0
    assert "rolling back to generation 1" in first.err
    undone = command("simulate").out
    assert undone != before

    asked, second = command("rollback"), command("rollback", "--yes")
    for ran in (asked, second):
        assert ran.code == 0
        assert ran.err.startswith("nothing was done: generation 3 is itself a rollback, and asking twice undoes once")
        assert ran.err.count("next:") == 1
    assert command("simulate").out == undone

    printed = printed_for("brings generation 2 back", second.err)
    assert run(printed[1:]) == 0
    assert command("simulate").out == before


def test_a_rollback_of_a_rollback_names_what_leads_further(command: Command) -> None:
    """Further back than what is there now, not to what was undone before."""
    change(command, "adapters: [6]", "adapters: [5]")
    command("apply", "--yes")
    assert command("rollback", "--yes").code == 0

    told = command("rollback", "--yes").err

    assert "    # brings generation 3 back\n" in told
    printed = printed_for("rolls back to generation 1", told)
    assert run(printed[1:]) == 0


def test_a_rollback_that_ended_degraded_is_undone_by_the_next_one(command: Command) -> None:
    """It has not undone what was to be undone, so that asking again is no mistake."""
    command("rollback", "--yes")
    outcome = Path(f"{command.simulated_host}.state/generations/000003.outcome.json")
    outcome.write_text(outcome.read_text(encoding="utf-8").replace('"applied"', '"degraded"'), encoding="utf-8")

    assert "this undoes generation 3, by " in command("rollback", "--yes").err


def test_the_rollback_of_the_first_apply_is_not_undone_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which leads to before there was any generation."""
    command = example("three-guests", tmp_path, capsys)
    command("apply", "--yes")
    command("rollback", "--yes", "--allow-empty")
    before = command("simulate").out

    again = command("rollback", "--yes")

    assert again.err.startswith("nothing was done: generation 2 is itself a rollback")
    assert command("simulate").out == before
    assert run(printed_for("brings generation 1 back", again.err)[1:]) == 0


def test_what_did_not_end_well_is_undone_to_the_one_before_it(command: Command) -> None:
    """A degraded apply is no generation that lasts, and going back leads to its start, not further."""
    outcome = Path(f"{command.simulated_host}.state/generations/000002.outcome.json")
    outcome.write_text(outcome.read_text(encoding="utf-8").replace('"applied"', '"degraded"'), encoding="utf-8")

    ran = command("rollback", "--yes")

    assert ran.code == 0
    assert "this undoes generation 2" in ran.err
    assert "rolling back to generation 1" in ran.err


def test_a_rollback_with_nothing_to_do_says_what_the_host_is_like(command: Command) -> None:
    """As that generation wanted it, not as the manifests say; these are named, as far as they differ, without git."""
    command("rollback", "1", "--yes")

    again = command("rollback", "1", "--yes")
    change(command, "adapters: [6]", "adapters: [5, 6]")
    alike = command("rollback", "1", "--yes")

    for ran in (again, alike):
        assert (ran.code, ran.out) == (0, "Nothing to do: the host is as generation 1 wanted it.\n")
    said = f"the manifests in {command.directory} still say otherwise: change them, else the next apply brings it back"
    assert said in again.err
    assert "commit" not in again.err
    assert "still say otherwise" not in alike.err


def test_a_rollback_to_the_newest_generation_says_how_that_one_is_undone(command: Command) -> None:
    """Whoever meant 'undo generation 2' learns the command for it; with all its options."""
    ran = command.bare("rollback", "2", "--yes", "--simulate", str(command.simulated_host))

    assert ran.out == "Nothing to do: the host is as generation 2 wanted it.\n"
    assert f"  next: reconcile rollback --simulate {command.simulated_host}    # undoes generation 2\n" in ran.err


def test_a_rollback_to_what_did_not_stand_says_so_and_what_did(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generation that was cancelled is no state of the host, although its number is the one before."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    change(command, "adapters: [6]", "adapters: [5]")
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0
    assert command("cancel").code == 0

    ran = command("rollback", "3", "--yes", "--allow-disruption")

    assert ran.code == 0
    assert "generation 3 did not stand: it ended as rolled back (it was cancelled" in " ".join(ran.err.split())
    (line,) = [one for one in ran.err.splitlines() if "to roll back to what stood before it: " in one]
    assert run(shlex.split(line.partition("before it: ")[2])[1:]) == 0
    assert "did not stand" not in command("rollback", "1", "--yes").err


def test_a_plan_after_a_rollback_says_so(command: Command) -> None:
    """Whether to a generation or to before the first; not after the manifests were applied again."""
    said = "rolled the host back to generation 1, and the manifests say otherwise"
    command("rollback", "1", "--yes")

    after = command("plan")
    diff = command("plan", "-o", "diff")
    command("apply", "--yes")
    change(command, "adapters: [6]", "adapters: [5]")

    assert f"Note: generation 3 {said}." in " ".join(after.out.split())
    assert f"Note: generation 3 {said}." in " ".join(diff.err.split())
    assert "rolled the host back" not in command("plan").out


def test_one_way_to_each_state_is_offered_after_a_rollback(command: Command) -> None:
    """An earlier generation that wants the same as the one that was undone, or as the present one, is no other way."""
    change(command, "adapters: [6]", "adapters: [5]")
    assert command("apply", "--yes").code == 0
    change(command, "adapters: [5]", "adapters: [6]")
    assert command("apply", "--yes").code == 0  # generation 4 wants what generation 2 wanted
    assert command("rollback", "3", "--yes").code == 0

    ran = command("rollback")

    assert [line.partition("    # ")[2] for line in ran.err.splitlines() if line.startswith("  next: ")] == [
        "brings generation 4 back",
        "rolls back to generation 1",
    ]


@pytest.mark.parametrize("words", [(), ("1",)])
def test_programs_are_told_the_rollback_with_its_consents(command: Command, words: tuple[str, ...]) -> None:
    """Not an apply, which would do something else; the command that is named is done."""
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("suspend", "guest1", "--reason", "x", *where).code == 0

    ran = command.bare("rollback", *words, "--yes", "-o", "json", *where)
    assert ran.code == 4
    refused = json.loads(ran.out)
    assert refused["refusal"] == "consent"
    line = refused["why"].partition("to give it: ")[2]
    assert line.startswith("reconcile rollback 1 --allow-suspended ")
    assert command.bare(*shlex.split(line)[1:], "--yes").code == 0
