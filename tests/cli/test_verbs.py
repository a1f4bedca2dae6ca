"""A command that other programs have is answered with the one of ours that does the same, which works as printed."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, Ran, change, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a fresh copy of the three guests with three generations; guest1 changed in the second one."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("apply", "--yes", *WHERE).code == 0
    change(made, "adapters: [5, 6]", "adapters: [6]")
    assert made.bare("apply", "--yes", *WHERE).code == 0
    change(made, "domains: [0x47, 0xff]", "domains: [0x47]")
    assert made.bare("apply", "--yes", *WHERE).code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")
SIMULATED = " ".join(WHERE)


def offered(ran: Ran) -> list[str]:
    """The commands that `ran` prints, without remarks."""
    lines = [line for line in ran.err.splitlines() if "reconcile " in line and line.split()[0] not in ("Usage:", "Try")]
    return [line[line.index("reconcile ") :].partition("    #")[0] for line in lines]


def run_offered(command: Command, line: str) -> Ran:
    """What the printed `line` does."""
    return command.bare(*shlex.split(line)[1:])


@pytest.mark.parametrize("verb", ["undo", "revert"])
@pytest.mark.parametrize("noun", ["", "generation "])
def test_undoing_a_generation_is_no_rollback_to_it(command: Command, verb: str, noun: str) -> None:
    """Which keeps that one and undoes the others: the generation is shown, with the command that undoes it."""
    ran = command.bare(verb, *noun.split(), "2", *WHERE)

    assert ran.code == 64
    assert "# says how to take it back" in ran.err
    (line,) = offered(ran)
    assert line == f"reconcile history show 2 {SIMULATED}"
    assert "to take back this change alone" in run_offered(command, line).err


@pytest.mark.parametrize("words", ["undo", "revert", "undo last", "revert latest"])
def test_undoing_without_a_generation_undoes_the_newest(command: Command, words: str) -> None:
    """By a rollback, which asks first."""
    (line,) = offered(command.bare(*words.split(), *WHERE))

    assert line == f"reconcile rollback {SIMULATED}"


@pytest.mark.parametrize("words", ["undo guest1", "revert guest1 --yes", "undo 1 2", "undo 02"])
def test_undoing_what_no_command_undoes_alone_leads_to_the_history(command: Command, words: str) -> None:
    """A rollback of everything is not what was asked for."""
    (line,) = offered(command.bare(*words.split(), *WHERE))

    assert line == f"reconcile history {SIMULATED}"
    assert run_offered(command, line).code == 0


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("show 2", "history show 2"),
        ("describe 2", "history show 2"),
        ("get generation 2", "history show 2"),
        ("inspect 2", "history show 2"),
        ("state 2", "history state 2"),
        ("show guest1", "status guest1"),
        ("show card05", "status card05"),
        ("show 05", "status 05"),
        ("state guest1", "status guest1"),
        ("show 05.0047", "status 05.0047"),
    ],
)
def test_a_whole_number_is_a_generation(command: Command, words: str, meant: str) -> None:
    """And no card: what else can be shown is a guest, a queue or a card."""
    (line,) = offered(command.bare(*words.split(), *WHERE))

    assert line == f"reconcile {meant} {SIMULATED}"
    assert run_offered(command, line).code == 0


SUSPENDING = ["pause", "hold", "lock", "cordon", "freeze"]
ENDS = ["--until 23:59", "--till 2030-01-01", "--duration 2h", "--until tomorrow"]


@pytest.mark.parametrize(
    "words",
    [
        *(f"{verb} guest1" for verb in SUSPENDING),
        *(f"lock guest1 {end}" for end in ENDS),
        *(f"suspend guest1 {end}" for end in ENDS),
        "suspend guest1",
    ],
)
def test_a_suspension_is_printed_with_a_reason(command: Command, words: str) -> None:
    """As an example, which is said, so that the command works as printed."""
    ran = command.bare(*words.split(), *WHERE)

    (line,) = offered(ran)
    assert "--reason 'key ceremony, ask Kim'" in line
    assert "# with your own reason" in ran.err
    assert run_offered(command, line).out.startswith("guest guest1: suspended until ")


@pytest.mark.parametrize("option", ["--reason", "-m", "--message", "--comment"])
@pytest.mark.parametrize("verb", [*SUSPENDING, "suspend"])
def test_a_reason_that_was_given_stays(command: Command, verb: str, option: str) -> None:
    """Also where its option has another name."""
    if (verb, option) == ("suspend", "--reason"):
        return
    ran = command.bare(verb, "guest1", option, "an audit", *WHERE)

    (line,) = offered(ran)
    assert line == f"reconcile suspend guest1 --reason 'an audit' {SIMULATED}"
    assert "#" not in ran.err
    assert run_offered(command, line).code == 0


@pytest.mark.parametrize("verb", SUSPENDING)
def test_without_a_guest_that_the_whole_host_is_suspended_is_said(command: Command, verb: str) -> None:
    """Behind the command for a guest."""
    guest, host = offered(command.bare(verb, *WHERE))

    assert guest.startswith("reconcile suspend GUEST")
    assert run_offered(command, host).out == "the whole host: suspended until it is resumed\n"


@pytest.mark.parametrize(
    ("given", "printed"),
    [("77m", "1h17m"), ("90s", "1m30s"), ("120m", "2h"), ("25h", "1d1h"), ("86401s", "1d1s"), ("2d", "2d")],
)
def test_a_duration_is_printed_in_units_that_people_use(command: Command, given: str, printed: str) -> None:
    """The same duration all the same."""
    (line,) = offered(command.bare("suspend", "guest1", "--for", given, *WHERE))

    assert f" --for {printed} " in line
    assert run_offered(command, line).code == 0


@pytest.mark.parametrize("verb", ["init", "new", "create"])
@pytest.mark.parametrize("words", ["", "guest vault", "vault"])
def test_manifests_are_written_or_imported(command: Command, verb: str, words: str) -> None:
    """Each with the command that helps, which works."""
    ran = command.bare(verb, *words.split(), *WHERE)

    explained, imported = offered(ran)
    assert (explained, imported) == ("reconcile explain guest.spec", f"reconcile import {SIMULATED}")
    assert [run_offered(command, line).code for line in (explained, imported)] == [0, 0]
    assert "Usage" not in ran.err


@pytest.mark.parametrize("verb", ["edit", "modify", "set"])
@pytest.mark.parametrize(
    ("words", "guest"), [("guest1", "guest1"), ("guest guest1", "guest1"), ("gest1", "guest1"), ("", "")]
)
def test_who_edits_a_guest_is_led_to_its_manifest(command: Command, verb: str, words: str, guest: str) -> None:
    """By its status, which names the file."""
    ran = command.bare(verb, *words.split(), *WHERE)

    shown, explained, planned = offered(ran)
    assert shown == f"reconcile status {SIMULATED} {guest}".rstrip()
    assert explained == "reconcile explain guest.spec"
    assert planned == f"reconcile plan {SIMULATED}"
    page = run_offered(command, shown).out
    assert ("guests.yaml:" in page) is bool(guest)
    assert "names its manifest" in ran.err if guest else "lists the guests" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("history 2", "show"),
        ("history diff 1", "show"),
        ("history 1 2", "diff"),
        ("history show 1 2", "diff"),
        ("history diff 1..2", ""),
    ],
)
def test_a_word_that_the_history_lacks_is_named(command: Command, words: str, said: str) -> None:
    """With the command that has it, which works."""
    ran = command.bare(*words.split(), *WHERE)

    (line,) = offered(ran)
    assert said in ran.err.splitlines()[0]
    assert run_offered(command, line).code == 0


@pytest.mark.parametrize("verb", SUSPENDING)
def test_an_unknown_option_makes_no_suspension_of_the_whole_host(command: Command, verb: str) -> None:
    """Where it is not known which guest was meant, only the help is offered."""
    (line,) = offered(command.bare(verb, "guest1", "--foo", "bar", *WHERE))

    assert line == "reconcile suspend --help"
