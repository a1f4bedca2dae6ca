"""Words after ``history`` that ask for nothing there is are answered with what was meant, and the command for it."""

import re
import shlex
from pathlib import Path

import pytest

from reconciler.cli.history_command import history_command
from testing.commands import Command, change, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, of which three generations were applied; the newest is called deploy-3."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    change(made, "adapters: [5, 6]", "adapters: [6]")
    assert made("apply", "--yes").code == 0
    change(made, "adapters: [6]", "adapters: [5]")
    assert made("apply", "--yes", "--id", "deploy-3").code == 0
    return made


@pytest.mark.parametrize(
    ("words", "said", "meant"),
    [
        ("show", "show needs the ID of an apply", "show 3"),
        ("diff", "diff needs the ID of two applies", "diff 2 3"),
        ("diff 2", "diff compares two generations; to see what one generation changed, use show", "show 2"),
        ("diff 1..2", "to compare two generations, use diff", "diff 1 2"),
        ("diff 1 2 3", "diff needs the ID of two applies", "diff 2 3"),
        ("show 1 2", "to compare two generations, use diff", "diff 1 2"),
        ("1 2", "to compare two generations, use diff", "diff 1 2"),
        ("2", "to see generation 2, use show", "show 2"),
        ("deploy-3", "to see the apply deploy-3, use show", "show deploy-3"),
        ("state 1 2", "state takes the ID of one apply", "state 1"),
        ("show x/y", "show takes the ID of one apply", ""),
        ("shwo 1", "history has no 'shwo'. Did you mean 'show'?", "show 1"),
        ("guest2", "guest2 is a guest; the history is of whole applies", "-o wide"),
        ("diff guest2", "guest2 is a guest; the history is of whole applies", "-o wide"),
        ("web", "history has no 'web'; it has show ID, diff ID ID, state [ID], or none of them for the list", ""),
        ("0", "history has no '0'; it has show ID, diff ID ID, state [ID], or none of them for the list", ""),
        ("-o diff", "a list has no diff; one generation has", "-o diff show 3"),
    ],
)
def test_what_was_meant_is_answered_with_a_command_that_works(
    command: Command, words: str, said: str, meant: str
) -> None:
    """In one sentence, without the form of the command."""
    ran = command.bare("history", *words.split(), "--simulate", str(command.simulated_host))

    lines = ran.err.splitlines()
    assert (ran.code, ran.out, lines[0]) == (64, "", f"Error: {said}")
    (line,) = [re.sub(r" {4}# .*", "", one).removeprefix("  next: ") for one in lines[1:]]
    _, name, *printed = shlex.split(line)
    at = printed.index("--simulate")
    assert (name, printed[:at] + printed[at + 2 :]) == ("history", meant.split())
    assert command.bare(name, *printed).code == 0


@pytest.mark.parametrize(("words", "meant"), [("-5", "-n 5"), ("--show 2", "show 2"), ("--diff 1 2", "diff 1 2")])
def test_an_option_that_is_none_is_answered_with_what_was_meant(command: Command, words: str, meant: str) -> None:
    """As other programs have it."""
    ran = command("history", *words.split())

    assert ran.code == 64
    line = ran.err.partition("Did you mean: ")[2]
    assert line.startswith(f"reconcile history {meant} --simulate ")
    assert command.bare(*shlex.split(line)[1:]).code == 0


_OF_THE_LIST = {"newest": "-n 2", "labels": "-l tenant=payments", "since": "--since yesterday"}
"""The options that say what is listed, by the name of their parameter, with a value."""

_OF_OTHERS = {"words", "format", "file", "host_name", "sysfs", "simulate_file", "state_dir", "run_dir"}

_LISTING = sorted(one.name or "" for one in history_command.params if one.name not in _OF_OTHERS)


@pytest.mark.parametrize("listing", [*([one] for one in _LISTING), _LISTING])
@pytest.mark.parametrize(
    "words",
    ["show 2", "diff 1 2", "state", "state 2", "show", "diff", "2", "1 2", "shwo 1", "web", "guest2", "-o diff"],
)
def test_what_goes_with_the_list_only_is_left_out_of_the_command(
    command: Command, words: str, listing: list[str]
) -> None:
    """However many refusals there could be: the command of the first one works."""
    options = [part for one in listing for part in _OF_THE_LIST[one].split()]
    ran = command.bare("history", *options, *words.split(), "--simulate", str(command.simulated_host))

    (line,) = [one.removeprefix("  next: ") for one in ran.err.splitlines() if one.startswith("  next: ")]
    assert (ran.code, ran.out) == (64, "")
    assert command.bare(*shlex.split(line, comments=True)[1:]).code == 0


@pytest.mark.parametrize(("words", "left"), [("-n 2 -o diff web", "-n 2"), ("-o diff guest2", "-o wide")])
def test_a_list_keeps_what_goes_with_it(command: Command, words: str, left: str) -> None:
    """All but the format that no list has."""
    ran = command.bare("history", *words.split(), "--simulate", str(command.simulated_host))

    line = ran.err.splitlines()[-1]
    assert line.startswith(f"  next: reconcile history {left} --simulate ")
    assert command.bare(*shlex.split(line, comments=True)[2:]).code == 0


def test_where_nothing_was_applied_the_list_is_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Since there is no generation to be shown."""
    command = example("three-guests", tmp_path, capsys)
    for words in ("show", "diff", "-o diff"):
        ran = command("history", *words.split())

        line = ran.err.splitlines()[-1].removeprefix("  next: ").partition("    #")[0]
        assert command.bare(*shlex.split(line)[1:]).out == "Nothing has been applied yet.\n"
