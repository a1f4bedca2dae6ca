"""The tree of commands: what stands for a command, how it is shown, and what is imported for that."""

import inspect
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.cli.main import SECTIONS, cli, run
from reconciler.cli.options import WholeNumber
from reconciler.cli.tree import canonical
from testing.commands import every_command

WORDS = st.one_of(
    st.sampled_from(["--plan", "--apply", "--watch", "plan", "apply", "watch", "status", "-f", "--", "--yes", "-"]),
    st.sampled_from(["--apply=x", "--apply=", "--plan=x", "--watch=x", "--applyx", "--PLAN", "-apply"]),
    st.text(max_size=8),
)
FIRST = {"--plan", "--apply", "--watch"}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--plan", "-f", "x"], ["plan", "-f", "x"]),
        (["--apply"], ["apply"]),
        (["--apply", "x.plan", "--yes"], ["apply", "x.plan", "--yes"]),
        (["--apply=x.plan", "--yes"], ["apply", "x.plan", "--yes"]),
        (["--apply=", "--yes"], ["apply", "", "--yes"]),
        (["--apply=-"], ["apply", "-"]),
        (["--apply=--yes"], ["apply", "./--yes"]),
        (["--watch", "-f", "x"], ["watch", "-f", "x"]),
        (["--watch", "--apply", "-f", "x"], ["watch", "--apply", "-f", "x"]),
        (["--apply", "--watch", "-f", "x"], ["watch", "--apply", "-f", "x"]),
        (["--watch", "-f", "x", "--apply"], ["watch", "-f", "x", "--apply"]),
    ],
)
def test_a_leading_option_stands_for_a_command(words: list[str], meant: list[str]) -> None:
    """As the user may write it."""
    assert canonical(words) == meant


@given(st.lists(WORDS, max_size=5).filter(lambda words: not words or words[0].partition("=")[0] not in FIRST))
@example(["-f", "x", "--plan"])
@example(["status", "--watch"])
def test_no_other_arguments_are_changed(words: list[str]) -> None:
    """Whatever stands behind the first one."""
    assert canonical(words) == words


@given(st.sampled_from(["--plan=x", "--watch=x", "--plan=", "--watch="]), st.lists(WORDS, max_size=4))
def test_nor_those_of_an_option_that_takes_no_value(first: str, rest: list[str]) -> None:
    """It is refused as it is."""
    assert canonical([first, *rest]) == [first, *rest]


@given(st.lists(WORDS, max_size=5))
def test_all_but_the_first_arguments_stay(words: list[str]) -> None:
    """Only what stands for the command is exchanged, and that is never done twice."""
    made = canonical(words)

    assert canonical(made) == made
    assert made == words or made[-len(words) + 1 :] == words[1:] or made[2:] == words[2:]


def commands(group: click.Group = cli, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that the help of its group shows, by its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))


ALL = dict(commands())


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_help_fits_into_80_columns(names: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """And no sentence is cut."""
    assert run([*names, "--help"]) == 0

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.replace("]...", "")


def test_the_table_says_what_the_command_says() -> None:
    """Its sentence is the first one of the command's own help."""
    for section in SECTIONS.values():
        for name, lazy in section.items():
            command = lazy.imported()
            first = inspect.cleandoc(command.help or "").partition("\n\n")[0]
            assert (command.name, " ".join(first.split())) == (name, lazy.text)


def test_the_commands_are_grouped() -> None:
    """By what a person wants to do."""
    assert list(filter(None, SECTIONS)) == ["Look", "Change", "Several hosts", "History", "Loop", "Set up", "Try"]


def test_the_help_of_the_whole_imports_no_command() -> None:
    """It is shown at once."""
    program = (
        "import sys; from reconciler.cli.main import run; run(['--help']); "
        "print([one for one in sys.modules if one.startswith('reconciler') and one.endswith('_command')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("group", [["service"], ["service", "install"], ["service", "uninstall"], ["hook"]])
def test_a_group_without_a_command_lists_its_commands(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In one sentence, not as a help text in an error."""
    assert run(group) == 64

    said = capsys.readouterr().err
    assert "Error: It needs a command. There are: " in said
    assert "\\n" not in said


def test_a_missing_choice_is_listed_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As click lays it out, without an escaped tab."""
    assert run(["completion"]) == 64
    assert "\\t" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "bounds"),
    [
        (["history", "-n"], "of at least 0"),
        (["fleet", "history", "-n"], "of at least 0"),
        (["fleet", "plan", "--batch"], "from 1 to "),
        (["expire", "--"], "of at least 1"),
    ],
)
@pytest.mark.parametrize("value", ["one", "1.5", "-1"])
def test_what_is_no_whole_number_is_refused_in_plain_words(
    words: list[str], bounds: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to write; an "integer range" is no word of ours."""
    assert run([*words, value]) == 64

    assert f"'{value}' is not what it takes; write a whole number {bounds}" in " ".join(capsys.readouterr().err.split())


def test_each_whole_number_is_refused_alike() -> None:
    """In each command that takes one."""
    types = {type(one.type) for context in every_command() for one in context.command.params}

    assert WholeNumber in types
    assert not types & {type(click.INT), click.IntRange, type(click.FLOAT), click.FloatRange}
