"""``history``, ``rollback``, ``--confirm-within`` and ``confirm``, as a person types them."""

import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli import confirm_command
from reconciler.cli.main import run
from reconciler.hosts import opening
from reconciler.hosts.opening import open_host, open_simulated_host
from testing.clocks import NoTimer
from testing.commands import AtTerminal, Command, at_terminal, change, example
from testing.journals import reopen_pending

PATIENCE = 60.0


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, without a real timer."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path, capsys)


def test_the_history_lists_applies_newest_first(command: Command) -> None:
    """One that had nothing to do is none."""
    assert command("history").out == "Nothing has been applied yet.\n"
    command("apply", "--yes")
    command("apply", "--yes")
    change(command)
    command("apply", "--yes")

    lines = command("history").out.splitlines()
    assert [line.split()[0] for line in lines] == ["GEN", "2", "1"]
    record = json.loads(command("history", "-o", "json").out)
    assert [one["result"] for one in record["generations"]] == ["applied", "applied"]


def ways_back(command: Command, number: int) -> list[str]:
    """The commands that ``history show`` leads to, behind their program."""
    shown = command("history", "show", str(number))
    assert shown.code == 0
    return [line.removeprefix("  next: reconcile ") for line in shown.err.splitlines() if line.startswith("  next: ")]


def taken_back(command: Command, number: int) -> list[str]:
    """What ``history show`` says of taking one change back that no commit has."""
    shown = command("history", "show", str(number), "-o", "wide")
    assert shown.code == 0
    return [line for line in shown.err.splitlines() if "to take back this change alone" in line]


def test_an_older_change_of_no_commit_is_taken_back_in_the_manifests(command: Command) -> None:
    """Also one of chosen guests; not the newest one, which is rolled back, nor a rollback."""
    command("apply", "--yes")
    change(command)
    assert command("apply", "--yes", "--target", "guest1").code == 0
    assert taken_back(command, 2) == []
    change(command, "adapters: [6]", "adapters: [5]")
    command("apply", "--yes")

    text = "note: to take back this change alone, edit the"
    assert taken_back(command, 1) == [f"{text} manifests of guest1, guest2, guest3, then apply"]
    assert taken_back(command, 2) == [f"{text} manifest of guest1, then apply"]
    command("rollback", "--yes")
    command("apply", "--yes")
    assert [taken_back(command, number) for number in (4, 5)] == [[], []]


def test_an_older_change_of_the_host_pool_alone_is_taken_back_in_its_manifest(command: Command) -> None:
    """No guest has changed then."""
    (command.directory / "guests.yaml").write_text("", encoding="utf-8")
    host = command.directory / "host.yaml"
    for given in ("[5]", "[5, 6]"):
        kept = host.read_text(encoding="utf-8").partition("  pool:")[0]
        host.write_text(f"{kept}  pool: {{adapters: {given}}}\n", encoding="utf-8")
        assert command("apply", "--yes").code == 0

    assert taken_back(command, 1) == ["note: to take back this change alone, edit the manifest of the host, then apply"]


def test_a_generation_that_is_shown_leads_to_its_rollback(command: Command) -> None:
    """The newest one is undone; one that did not stand, that waits, or that the host is as already, leads to none."""
    before = command("simulate").out
    command("apply", "--yes")
    (undo,) = ways_back(command, 1)
    change(command)
    command("apply", "--yes")
    changed = command("simulate").out

    (to,) = ways_back(command, 1)
    assert "rollback 1 " in to
    assert command.bare(*shlex.split(to, comments=True), "--yes").code == 0
    assert (ways_back(command, 1), ways_back(command, 3)) == ([], [])
    (forth,) = ways_back(command, 2)
    assert command.bare(*shlex.split(forth, comments=True), "--yes").code == 0
    assert command("simulate").out == changed
    assert "rollback --simulate" in undo
    assert before != changed


def test_a_generation_that_waits_leads_to_what_ends_that(command: Command) -> None:
    """Nothing else is rolled back meanwhile."""
    command("apply", "--yes")
    change(command)
    command("apply", "--yes", "--confirm-within", "5m")

    assert ways_back(command, 1) == []
    assert [one.split()[:2] for one in ways_back(command, 2)] == [["confirm", "2"], ["cancel", "2"]]


def test_a_generation_is_shown_with_its_writes(command: Command) -> None:
    """What was done, write by write."""
    command("apply", "--yes")

    shown = command("history", "show", "1")

    assert shown.code == 0
    assert "Generation 1: applied" in shown.out
    assert "@@ guest guest1  3783d4a7-df47-58ab-bed9-cee63c6e6f5e (new in the manifests) @@\n+mediated" in shown.out
    assert "bus/ap/apmask <- 0x" not in shown.out
    assert "bus/ap/apmask <- 0x" in command("history", "show", "1", "-o", "wide").out
    assert json.loads(command("history", "show", "1", "-o", "json").out)["outcome"]["result"] == "applied"
    assert command("history", "show", "9").err.startswith(
        "error: there is no generation 9; there are 1 to 1\n  next: reconcile history --simulate "
    )
    assert command("history", "what").code == 64


def test_rollback_goes_back_to_the_last_but_one(command: Command) -> None:
    """A plan like any other: shown first, done when that is asked for, and a generation of its own."""
    command("apply", "--yes")
    first = command("simulate").out
    change(command)
    command("apply", "--yes")
    second = command("simulate").out
    assert first != second

    shown = command("rollback")
    assert shown.code == 4
    assert "1 to change" in shown.out
    assert "nothing was done" in shown.err
    assert re.search("reconcile rollback 1 .* --yes$", shown.err)
    assert command("simulate").out == second

    assert "guest1  3783d4a7-df47-58ab-bed9-cee63c6e6f5e (rolled back)" in shown.out
    assert command("rollback", "--yes").code == 0
    assert command("simulate").out == first
    assert command("plan", "--detailed-exitcode").code == 2


def test_rollback_to_a_number(command: Command) -> None:
    """Any generation that is kept."""
    command("apply", "--yes")
    first = command("simulate").out
    for new in ("[5]", "[6]"):
        change(command, "adapters: [5, 6]" if new == "[5]" else "adapters: [5]", f"adapters: {new}")
        command("apply", "--yes")

    assert command("rollback", "1", "--yes").code == 0
    assert command("simulate").out == first
    assert command("rollback", "77").code == 1


def test_rollback_to_an_id_of_a_caller(command: Command) -> None:
    """As confirm and cancel take it; an id that no apply has is an error, and no id is a wrong usage."""
    command("apply", "--yes", "--id", "deploy-42")
    first = command("simulate").out
    change(command)
    command("apply", "--yes")

    ran = command("rollback", "deploy-42", "--yes")

    assert ran.code == 0
    assert "rolling back to generation 1;" in ran.err
    assert command("simulate").out == first
    assert " rollback to 1: " in command("history").out.splitlines()[1]
    missing = command("rollback", "deploy-43", "--yes")
    assert (missing.code, missing.err.splitlines()[0]) == (1, "error: no apply has the id deploy-43")
    assert command("rollback", "Deploy!").code == 64
    assert command("rollback", "0").code == 64
    command("cancel", "deploy-44")
    assert "was cancelled before" in command("rollback", "deploy-44").err


def test_rollback_without_a_history_says_so(command: Command) -> None:
    """There is nothing to undo."""
    for words in ((), ("--yes",)):
        ran = command("rollback", *words)
        assert ran.code == 1
        assert ran.err == (
            "error: nothing has been applied yet, so that there is nothing to roll back\n"
            f"the records are those in {command.simulated_host}.state\n"
        )


@pytest.mark.parametrize(
    "words", [("history",), ("history", "show", "1"), ("history", "diff", "1", "2"), ("rollback",), ("confirm", "1")]
)
def test_who_finds_no_generation_learns_whose_records_were_read(
    words: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    """On a machine without an AP bus also how those of a simulated host are read, which was probably meant."""
    command("apply", "--yes")

    ran = command.bare(*words, "--sysfs", str(tmp_path), "--state-dir", str(tmp_path / "state"))

    assert f"the records are those in {tmp_path / 'state'}\n" in ran.err
    printed = ran.err.rsplit("  next: ", 1)[1].partition("    #")[0]
    line = shlex.split(printed.replace("FILE", str(command.simulated_host)))
    assert line[0] == "reconcile"
    found = command.bare(*line[1:])
    assert "nothing has been applied" not in (found.out + found.err).lower()


def test_the_first_apply_is_rolled_back_to_what_there_was_before(command: Command) -> None:
    """With the consent that removing all devices needs, by the command that is printed; and back again."""
    before = command("simulate").out
    command("apply", "--yes")
    after = command("simulate").out

    shown = command("rollback")
    assert shown.code == 4
    assert shown.err.startswith(
        "this would undo generation 1, by root: host pool, guest1, guest2, guest3\n"
        "it would roll back to what there was before generation 1; the manifests stay as they are"
    )
    line = shown.err.rsplit("  next: ", 1)[1].partition("    #")[0]
    assert command("simulate").out == after

    assert run(shlex.split(line)[1:]) == 0
    assert command("simulate").out == before
    assert " undo of 1: host pool, guest1" in command("history").out.splitlines()[1]
    assert command("rollback", "1", "--yes").code == 0
    assert command("simulate").out == after


def test_what_the_first_apply_found_is_there_again(command: Command) -> None:
    """A device that was there before keeps what it had, and one that the apply made goes."""
    command.simulated_host.write_text(
        command.simulated_host.read_text(encoding="utf-8")
        + "  pool: {adapters: [0-4, 7-255]}\n  mdevs:\n"
        + "    - {uuid: 7c3b6979-3edc-5d3c-af18-0c54f8134122, adapters: [5], domains: [4]}\n",
        encoding="utf-8",
    )
    before = command("simulate").out
    assert command("apply", "--yes").code == 0

    assert command("rollback", "--yes", "--allow-removals").code == 0
    after = command("simulate").out
    assert after.replace("guest guest2  7c3b6979", "device 7c3b6979") == before, "only its name is known now"


def test_the_history_has_few_lines_and_says_what_lists_the_rest(command: Command) -> None:
    """So many of the newest as are asked for; programs get all of them."""
    for number in range(25):
        command("apply", "--yes", "--id", f"n{number}")

    listed = command("history")
    assert len(listed.out.splitlines()) == 23
    assert re.fullmatch(
        r"… and 5 earlier generations\n  next: reconcile history -n 0 --simulate .* {4}# lists all\n",
        "".join(listed.out.splitlines(keepends=True)[-2:]),
    )
    first_words = [line.split()[0] for line in command("history", "-n", "2").out.splitlines()]
    assert first_words == ["GEN", "25", "24", "…", "next:"]
    assert len(command("history", "-n", "0").out.splitlines()) == 26
    assert len(json.loads(command("history", "-o", "json").out)["generations"]) == 25
    assert len(json.loads(command("history", "-n", "3", "-o", "json").out)["generations"]) == 3
    for wrong in (
        ("-n", "-1"),
        ("-n", "x"),
        ("show", "1", "-n", "2"),
        ("-o", "diff"),
        ("diff", "1"),
        ("show", "1", "2"),
    ):
        assert command("history", *wrong).code == 64
    advised = command("history", "diff", "1").err.rpartition("  next: ")[2]
    assert command.bare(*shlex.split(advised)[1:]).code == 0


def test_the_list_may_be_of_guests_with_a_label(command: Command) -> None:
    """As they had it then, or before they left the manifests; how many there are of all is said."""
    command("apply", "--yes")
    change(command)
    command("apply", "--yes")
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    command("apply", "--yes")
    payments = ("history", "-l", "tenant=payments")

    ran = command(*payments)

    assert [line.split()[0] for line in ran.out.splitlines()] == ["GEN", "2", "1", "2"]
    assert (ran.err, "COMMIT" in ran.out) == ("", False), "no generation here has a commit"
    assert ran.out.splitlines()[-1] == "2 of 3 generations changed a guest with -l tenant=payments"
    assert [one["number"] for one in json.loads(command(*payments, "-o", "json").out)["generations"]] == [1, 2]
    newest = command(*payments, "-n", "1").out.splitlines()
    assert newest[1].split()[0] == "2"
    assert newest[2] == "… and 1 earlier generation"
    assert newest[3].startswith("  next: reconcile history -n 0 -l tenant=payments ")
    assert command("history", "-l", "tenant=nobody").out == "0 of 3 generations changed a guest with -l tenant=nobody\n"
    assert command("history", "show", "1", "-l", "tenant=payments").code == 64

    (command.directory / "guests.yaml").unlink()
    command("apply", "--yes", "--allow-empty")
    assert command(*payments).out.splitlines()[1].split()[0] == "4"


def test_a_damaged_generation_is_in_every_list(command: Command) -> None:
    """Nothing is known of whom it changed."""
    command("apply", "--yes")
    (file,) = (command.directory / "simulated-host.yaml.state" / "generations").glob("000001.json")
    file.write_text("{")

    assert command("history", "-l", "tenant=payments").out.splitlines()[1].startswith("1 ")


def test_two_generations_are_compared(command: Command) -> None:
    """By number or by id, and what both want alike is said."""
    command("apply", "--yes", "--id", "first")
    change(command)
    command("apply", "--yes")
    command("rollback", "1", "--yes")

    ran = command("history", "diff", "first", "2")

    assert ran.code == 0
    assert ran.out == (
        "--- host lpar7, as generation 1 wants\n+++ host lpar7, as generation 2 wants\n"
        "@@ guest guest1  3783d4a7-df47-58ab-bed9-cee63c6e6f5e @@\n"
        " adapter 0x06 (6)\n-adapter 0x05 (5)\n domains 0x04 (4), 0xab (171)\n"
    )
    assert command("history", "diff", "1", "3").out == "Generations 1 and 3 want the same of every holder.\n"
    (holder,) = json.loads(command("history", "diff", "1", "2", "-o", "json").out)["holders"]
    assert holder["lines"][1] == "-adapter 0x05 (5)"
    assert " rollback to 1: guest1 " in f"{command('history').out.splitlines()[1]} "
    assert command("history", "diff", "1", "9").code == 1
    assert command("history", "diff", "1", "no-such").code == 1


def test_what_a_generation_changed_is_the_diff_that_the_plan_showed(command: Command) -> None:
    """Byte for byte."""
    command("apply", "--yes")
    change(command)
    planned = command("plan", "-o", "diff")
    command("apply", "--yes")

    shown = command("history", "show", "2", "-o", "diff")

    assert shown.code == 0
    before, after, *hunks = shown.out.splitlines()
    assert (before, after) == ("--- host lpar7, before generation 2", "+++ host lpar7, after generation 2")
    assert hunks
    assert planned.out.splitlines()[2 : 2 + len(hunks)] == hunks


@pytest.fixture
def waiting(command: Command) -> Iterator[AtTerminal]:
    """An apply that waits for Enter at a terminal."""
    where = ["--simulate", str(command.simulated_host), "-f", str(command.directory)]
    with at_terminal("apply", "--yes", "--confirm-within", "1h", *where) as person:
        person.sees("press Enter to keep it")
        yield person


def test_enter_at_the_terminal_confirms(command: Command, waiting: AtTerminal) -> None:
    """The person who applied is still there."""
    waiting.enters("")
    assert waiting.ended() == 0
    assert waiting.shown.endswith("confirmed: generation 1 stays\n")
    assert "generation 1 is confirmed already" in command("confirm", "1").err


def test_where_enter_does_not_come_in_time_it_is_rolled_back(command: Command) -> None:
    """By ourselves, when the time is over and no timer was quicker."""
    before = command("simulate").out
    where = ["--simulate", str(command.simulated_host), "-f", str(command.directory)]
    with at_terminal("apply", "--yes", "--confirm-within", "1s", *where) as person:
        assert person.ended() == 6
    assert re.search("was not confirmed in time|it was not confirmed: generation 1 was rolled back", person.shown)
    assert command("simulate").out == before


@pytest.mark.parametrize(
    ("meanwhile", "code", "told"),
    [
        (("confirm", "1"), 0, "confirmed from elsewhere: generation 1 stays"),
        (("rollback", "--yes"), 6, "cancelled from elsewhere: generation 1 was rolled back"),
    ],
)
def test_what_others_decide_meanwhile_is_told_at_the_terminal(
    command: Command, waiting: AtTerminal, meanwhile: tuple[str, ...], code: int, told: str
) -> None:
    """From another terminal, or by the timer."""
    assert command(*meanwhile).code == 0
    assert waiting.ended() == code
    assert told in waiting.shown


def test_ctrl_c_at_the_terminal_leaves_it_to_the_timer(command: Command, waiting: AtTerminal) -> None:
    """Only the waiting ends."""
    waiting.process.send_signal(signal.SIGINT)
    assert waiting.ended() == 0
    assert re.search(r"\nit is rolled back in \d+ minutes.* unless you run:\s+reconcile confirm 1", waiting.shown)
    assert command("confirm", "1").code == 0


def test_removing_everything_needs_a_flag(command: Command) -> None:
    """An emptied directory is shown and refused."""
    command("apply", "--yes")
    (command.directory / "guests.yaml").unlink()

    refused = command("apply", "--yes")
    assert refused.code == 4
    assert "--allow-empty" in refused.err
    assert command("apply", "--yes", "--allow-disruption").code == 4
    assert command("apply", "--yes", "--allow-empty").code == 0


def test_an_apply_waits_to_be_confirmed(command: Command) -> None:
    """The number to confirm it by is told; reading commands tell it, too; nobody else can apply."""
    ran = command("apply", "--yes", "--confirm-within", "5m")
    assert ran.code == 0
    where = f" --simulate {command.simulated_host}"
    assert ran.err.endswith(f"it is rolled back in 5 minutes unless you run: reconcile confirm 1{where}\n")
    for words in (["plan"], ["status"], ["drift"]):
        assert "generation 1 waits to be confirmed" in command(*words).out
    assert command("apply", "--yes").code == 8

    assert command("confirm", "1", "--extend", "1h").err == "extended: generation 1 waits for another 1 hour\n"
    assert command("confirm", "2").code == 1
    assert command("confirm", "1").err == "confirmed: generation 1 stays\n"
    assert "waits" not in command("status").err
    assert command("drift").code == 0


LOOKS = [("plan",), ("plan", "-o", "wide"), ("status",), ("status", "-o", "wide"), ("drift",), ("drift", "-o", "wide")]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
@pytest.mark.parametrize("has_changes", [False, True])
def test_what_waits_is_the_main_sentence_of_a_look(
    command: Command, words: tuple[str, ...], *, has_changes: bool
) -> None:
    """Once, never with the words that nothing is to be done, and with the commands that keep it and roll it back."""
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0
    if has_changes:
        change(command)

    ran = command(*words)

    said = ran.out + ran.err
    assert said.lower().count("generation 1 waits to be confirmed") == 1, said
    assert "generation 1 waits to be confirmed for another" in ran.out.lower()
    assert ("Nothing to do" in said, "In sync.\n" in said) == (False, False)
    assert (", but generation 1 waits" in ran.out) != has_changes
    lines = [line for line in ran.out.splitlines() if line.startswith("  next: reconcile c")]
    assert [line.partition("    # ")[2] for line in lines] == ["keeps it", "rolls it back at once"]
    assert command.bare(*shlex.split(lines[1].partition("    #")[0])[2:]).code == 0


@pytest.mark.parametrize("words", [("status", "guest1"), ("status", "--free"), ("status", "-o", "json"), ("matrix",)])
def test_other_looks_note_what_waits(command: Command, words: tuple[str, ...]) -> None:
    """Those without a sentence on how the host stands; a program's output has no other text."""
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0

    ran = command(*words)

    assert ("waits to be confirmed" in ran.out, "note: generation 1 waits to be confirmed" in ran.err) == (False, True)


@pytest.mark.parametrize("words", LOOKS[::2], ids=" ".join)
def test_what_was_not_confirmed_in_time_is_the_main_sentence_too(
    command: Command, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is not rolled back; the command for that is named."""
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)

    ran = command(*words)

    assert ", but generation 1 was not confirmed in time, and is not rolled back yet.\n" in ran.out
    assert "  next: reconcile rollback --simulate " in ran.out
    assert "not confirmed in time" not in ran.err


def test_rollback_undoes_what_waits(command: Command) -> None:
    """Without asking for a number: there is only one."""
    before = command("simulate").out
    command("apply", "--yes", "--confirm-within", "5m")

    ran = command("rollback", "--yes")

    assert ran.code == 0
    assert "generation 1 was cancelled before it was confirmed; what it had done was rolled back" in ran.err
    assert command("simulate").out == before


def test_who_confirms_too_late_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has been put back, by the confirming command itself if nobody else was there."""
    before = command("simulate").out
    command("apply", "--yes", "--confirm-within", "90s")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)

    ran = command("confirm", "1")

    assert ran.code == 6
    assert "was not confirmed in time" in ran.err
    assert command("simulate").out == before


def test_expire_waits_for_the_end_of_the_time(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks again and again, since the time may be extended or the apply confirmed."""
    before = command("simulate").out
    command("apply", "--yes", "--confirm-within", "90s")
    slept: list[float] = []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + sum(slept))
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(confirm_command, "READY", b"")

    ran = command("expire", "1")

    assert ran.code == 6
    assert 89 < sum(slept) < 92
    assert max(slept) <= 1
    assert command("simulate").out == before
    assert command("expire", "1").code == 0


def test_expire_ends_where_nothing_waits_any_more(command: Command) -> None:
    """Also if the state directory has been removed: it does not wait for ever, and touches no other apply."""
    command("apply", "--yes", "--confirm-within", "90s")
    shutil.rmtree(command.directory / "simulated-host.yaml.state")

    assert command("expire", "1").code == 0


@pytest.mark.parametrize("wrong", ["", "0", "00", "5x", "-5", "m", "5m5h", "5m30", "1234567"])
def test_a_wrong_duration_is_wrong_usage(command: Command, wrong: str) -> None:
    """With what to write instead."""
    ran = command("apply", "--confirm-within", wrong)
    assert ran.code == 64
    assert "1h30m or 2d" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "--confirm-within"),
        ("apply", "--lock-timeout"),
        ("rollback", "--lock-timeout"),
        ("confirm", "--extend"),
        ("suspend", "--reason", "x", "--for"),
        ("watch", "--resync"),
        ("watch", "--git-interval"),
        ("watch", "--plan-timeout"),
        ("watch", "--unreachable-after"),
        ("service", "install", "watch", "--resync"),
        ("boot", "--wait"),
    ],
    ids=" ".join,
)
def test_a_duration_without_a_unit_is_refused(command: Command, words: tuple[str, ...]) -> None:
    """Minutes for one person are seconds for another; no option takes a bare number for either."""
    ran = command(*words, "5")

    assert ran.code == 64
    assert ran.err.splitlines()[-1].endswith("'5' has no unit; write 5h for hours, 5m for minutes or 5s for seconds")


@pytest.mark.parametrize("text", ["99999999d", "10000d", "9999d1s", "9999999999s", f"{'9' * 5000}h"])
def test_a_duration_that_is_too_long_is_not_said_to_have_no_unit(command: Command, text: str) -> None:
    """What is wrong is its length."""
    ran = command("apply", "--confirm-within", text)

    assert ran.code == 64
    assert f"'{text}' is too long; write at most 9999d" in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("words", "limit"),
    [(("apply", "--confirm-within", "0m"), "of at least 1s"), (("boot", "--wait", "11m"), "from 0s to 600s")],
)
def test_a_duration_out_of_range_is_refused(command: Command, words: tuple[str, ...], limit: str) -> None:
    """With the range."""
    assert f"is out of range; write a duration {limit}, for example 1m" in command(*words).err


@pytest.mark.parametrize(
    ("given", "printed"),
    [("90s", "1m30s"), ("60s", "1m"), ("1h30m", "1h30m"), ("120m", "2h"), ("48h", "2d"), ("1d1s", "1d1s")],
)
def test_a_printed_duration_has_a_unit(command: Command, given: str, printed: str) -> None:
    """So that the command that is printed can be run."""
    ran = command("apply", "--confirm-within", given, "--lock-timeout", "0")

    line = ran.err.splitlines()[-1]
    assert f" --confirm-within {printed} --lock-timeout 0s " in line
    assert command.bare(*shlex.split(line.partition("reconcile ")[2])).code == 0


@pytest.fixture
def applying(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[Command, subprocess.Popen[str]]]:
    """A real process that applies, to be confirmed within a second, in a session of its own."""
    command = example("three-guests", tmp_path, capsys)
    words = ["apply", "--yes", "--confirm-within", "1s", "--simulate", str(command.simulated_host)]
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler.cli", *words, "-f", str(command.directory)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield command, process


def test_it_is_put_back_also_when_we_are_gone(applying: tuple[Command, subprocess.Popen[str]]) -> None:
    """A real process waits on, after the one that applied and its session have ended."""
    command, process = applying
    _, told = process.communicate(timeout=PATIENCE)
    assert "rolled back in 1 second" in told

    waiting = _waiting_for(command.directory)
    if waiting is not None:
        with os.fdopen(waiting) as ended:
            assert select.select([ended], [], [], PATIENCE)[0]

    record = json.loads(command("history", "-o", "json").out)
    assert [one["result"] for one in record["generations"]] == ["rolled back"]
    assert command("plan", "--detailed-exitcode").code == 2


def _waiting_for(directory: Path) -> int | None:
    """A descriptor of the process that waits for what was applied from `directory`; None where it has ended."""
    for one in Path("/proc").iterdir():
        try:
            words = (one / "cmdline").read_bytes() if one.name.isdigit() else b""
            if b"expire" in words.split(b"\0") and os.fsencode(directory) in words:
                return os.pidfd_open(int(one.name))
        except OSError:
            continue
    return None


READING = (["plan"], ["status"], ["drift"], ["history"])


def test_reading_commands_tell_of_what_is_left_and_leave_it(command: Command) -> None:
    """A journal of an apply that was killed, and records of one that could not be put back."""
    command("apply", "--yes")
    state = Path(f"{command.simulated_host}.state")
    kept = _journal_of_an_apply(command, state)
    (state / "degraded.json").write_text(
        '{"formatVersion": 1, "bootId": "simulated", "differences": ["aqmask is odd"]}', encoding="utf-8"
    )
    host = command("simulate").out

    for words in READING:
        told = command(*words).err
        assert "an earlier apply was not finished" in told, words
        assert "aqmask is odd" in told, words
    assert (state / "journal.jsonl").read_bytes() == kept
    assert command("simulate").out == host

    (state / "degraded.json").unlink()
    ran = command("apply", "--yes")
    assert ran.code == 0
    assert "what it had done was rolled back" in ran.err
    assert not (state / "journal.jsonl").exists()


def _journal_of_an_apply(command: Command, state: Path) -> bytes:
    """Change the manifests, and leave the journal of an apply that was killed before its first step."""
    change(command)
    command("apply", "--yes", "--confirm-within", "5m")
    pending = (state / "pending.json").read_bytes()
    command("rollback", "--yes")
    (state / "pending.json").write_bytes(pending)
    reopen_pending(state)
    return (state / "journal.jsonl").read_bytes()


def test_an_apply_that_is_refused_tells_what_it_has_put_in_order_first(command: Command) -> None:
    """Devices that vanish while "nothing can be applied" must not be a riddle."""
    command("apply", "--yes")
    _journal_of_an_apply(command, Path(f"{command.simulated_host}.state"))
    (command.directory / "guests.yaml").write_text("nonsense: [", encoding="utf-8")

    ran = command("apply", "--yes")

    assert ran.code == 3
    assert "note: generation 2 was not finished; what it had done was rolled back" in ran.err


def test_rollback_goes_back_from_where_recovery_has_led(command: Command) -> None:
    """An apply that was killed after its last write is the present one once its books are closed."""
    command("apply", "--yes")
    state = Path(f"{command.simulated_host}.state")
    change(command)
    command("apply", "--yes")
    kept = (state / "inventory.json").read_bytes()
    change(command, "adapters: [6]", "adapters: [5]")
    command("apply", "--yes", "--confirm-within", "5m")
    reopen_pending(state, made=True)
    (state / "inventory.json").write_bytes(kept)
    (state / "generations/000003.outcome.json").unlink()

    ran = command("rollback", "--yes")

    assert ran.code == 0
    assert "generation 3 was not finished, but was done; its journal was closed" in ran.err
    assert "rolling back to generation 2" in ran.err


def test_an_apply_whose_time_is_over_is_not_to_be_confirmed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the timer is gone, the hint must not lead to the opposite of what it says."""
    command("apply", "--yes", "--confirm-within", "90s")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)

    told = command("matrix").err

    assert "generation 1 was not confirmed in time; to undo it: reconcile rollback --simulate " in told
    assert command("rollback", "--yes").code == 0
    assert "generation 1 was not confirmed in time, and is rolled back" in command("confirm", "1").err


def test_a_damaged_inventory_does_not_keep_anybody_from_confirming(command: Command) -> None:
    """What is there stays; nothing has to be known of what was there before."""
    command("apply", "--yes", "--confirm-within", "5m")
    inventory = Path(f"{command.simulated_host}.state/inventory.json")
    inventory.write_bytes(b"x")
    inventory.chmod(0o600)

    assert command("confirm", "1").code == 0


def test_a_damaged_inventory_is_written_anew_by_the_way_back(command: Command) -> None:
    """The journal says what was ours before; that an apply was cancelled since is added."""
    command("apply", "--yes")
    inventory = Path(f"{command.simulated_host}.state/inventory.json")
    before = json.loads(inventory.read_bytes())
    change(command)
    command("apply", "--yes", "--confirm-within", "5m")
    inventory.write_bytes(b"x")

    assert command("rollback", "--yes").code == 0
    now = json.loads(inventory.read_bytes())
    assert now.pop("rolledBack")["unconfirmed"] == "cancelled"
    assert now | {"rolledBack": None} == before


def test_a_damaged_generation_is_marked_and_the_others_are_shown(command: Command) -> None:
    """One torn file must not hide the history, nor have a rollback undo more than the newest."""
    command("apply", "--yes")
    before = command("simulate").out
    change(command)
    command("apply", "--yes")
    torn = Path(f"{command.simulated_host}.state/generations/000001.json")
    torn.write_bytes(torn.read_bytes()[:100])

    ran = command("history")

    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["GEN", "2", "1"]
    assert "damaged" in ran.out
    assert command("history", "show", "1").code == 1
    assert command("rollback", "1").code == 1
    undone = command("rollback", "--yes")
    assert undone.code == 0
    assert "rolling back to what there was before generation 2" in undone.err
    assert command("simulate").out == before


@pytest.mark.parametrize("name", ["journal.jsonl", "pending.json"])
def test_a_damaged_record_stops_applies_and_is_told_by_readers(command: Command, name: str) -> None:
    """It is named, nothing is guessed, and moving it away is enough."""
    command("apply", "--yes")
    damaged = Path(f"{command.simulated_host}.state/{name}")
    damaged.write_bytes(b"{torn")
    damaged.chmod(0o600)
    host = command("simulate").out

    for words in READING:
        ran = command(*words)
        assert str(damaged) in ran.err, words
        assert ran.code in {0, 2}, words
    for words in (["apply", "--yes"], ["confirm", "1"], ["rollback"]):
        ran = command(*words)
        assert ran.code == 1, words
        assert str(damaged) in ran.err, words
        assert "Traceback" not in ran.err
    assert command("simulate").out == host

    damaged.rename(damaged.with_name("away"))
    assert command("apply", "--yes").code == 0


@pytest.mark.parametrize("place", ["--sysfs", "--simulate"])
def test_who_waits_finds_the_host_from_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It has another working directory than the process that was given a relative path."""
    monkeypatch.chdir(example("three-guests", tmp_path, capsys).directory)
    started: list[list[str]] = []
    monkeypatch.setattr("reconciler.integrations.timers.systemd_is_there", lambda: False)

    def detached(words: list[str], _: Path) -> NoTimer:
        started.append(words)
        return NoTimer()

    monkeypatch.setattr("reconciler.integrations.timers.DetachedTimer", detached)
    opened = open_simulated_host if place == "--simulate" else open_host

    with opened("simulated-host.yaml", state_dir="state") as machine:
        assert machine.timer
        machine.timer.arm(1, 1.0)

    here = str(Path.cwd())
    assert [words[-4:] for words in started] == [[place, f"{here}/simulated-host.yaml", "--state-dir", f"{here}/state"]]


def test_a_generation_without_a_commit_says_why(command: Command) -> None:
    """Its manifests were in no repository; what a rollback wanted was in none by its nature."""
    assert command("apply", "--yes").code == 0
    change(command)
    assert command("apply", "--yes").code == 0
    assert command("rollback", "1", "--yes").code == 0

    shown = [command("history", "show", number).out for number in ("1", "3")]

    first, third = (next(line for line in one.splitlines() if line.startswith("  commit:")) for one in shown)
    assert first == "  commit:    none (the manifests were in no git repository, or in one that git refused)"
    assert third == "  commit:    none"


@pytest.mark.parametrize("columns", [60, 80])
def test_every_diff_fits_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Of a plan, a generation and two of them; only commands are wider, since they are never divided."""
    command = example("three-guests", tmp_path, capsys)
    monkeypatch.setenv("COLUMNS", str(columns))
    many = ", ".join(map(str, range(1, 256, 2)))
    planned = command("plan", "-o", "diff")
    assert command("apply", "--yes").code == 0
    change(command, "domains: [4, 0xab]", f"domains: [{many}]")
    change(command, "adapters: [5]", "adapters: [7]")
    change(command, "adapters: [6]", "adapters: [8]")
    shown = [planned, command("plan", "-o", "diff")]
    assert command("apply", "--yes").code == 0
    shown += [command("history", *words) for words in (("show", "2"), ("show", "2", "-o", "diff"), ("diff", "1", "2"))]

    for ran in shown:
        wide = [line for line in (ran.out + ran.err).splitlines() if len(line) > columns]
        assert all("reconcile " in line for line in wide), wide
    assert all("+domains 0x01 (1)" in ran.out for ran in shown[1:])
