"""An option without its value is answered with what it needs, and does not take the next option for it."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli.main import cli, run
from testing.commands import Command, example


def commands(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below `group`, with its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*names, name))
        else:
            yield (*names, name), found


OPTIONS = [
    (*names, option)
    for names, one in commands(cli)
    for parameter in one.params
    if isinstance(parameter, click.Option) and not parameter.is_flag and not getattr(parameter, "_flag_needs_value", 0)
    for option in parameter.opts
]
"""Every option with a value, behind the names of its command."""


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_no_option_takes_another_one_for_its_value(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever follows it, and also where nothing does; no file gets the name of an option."""
    monkeypatch.chdir(tmp_path)
    for following in (["--help"], [words[-1], "x"], []):
        code = run([*words, *following])
        err = capsys.readouterr().err

        assert code == 64
        assert err.startswith(f"Error: {words[-1]} needs a ")
        line = err.partition("  next: ")[2].strip()
        assert shlex.split(line)[: len(words) + 1] == ["reconcile", *words]
        assert shlex.split(line)[len(words) + 2 :] == following
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith("-")]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The three guests; the current directory is theirs."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    return made


def test_the_file_of_a_report_may_have_been_forgotten(command: Command) -> None:
    """The command that is offered writes it."""
    ran = command.bare("report", "--html", "--simulate", "simulated-host.yaml")

    assert ran.err == (
        "Error: --html needs a file behind it, not --simulate\n"
        "  next: reconcile report --html report.html --simulate simulated-host.yaml\n"
    )
    assert command.bare(*shlex.split(ran.err.partition("  next: ")[2])[1:]).code == 0
    assert Path("report.html").exists()


@pytest.mark.parametrize("words", [("--reason=--for",), ("--reason", "the option --for"), ("--reason", "-")])
def test_a_value_may_look_like_an_option(command: Command, words: tuple[str, ...]) -> None:
    """With an equals sign, or where it is no option of the command."""
    assert command.bare("suspend", "guest1", *words, "--simulate", "simulated-host.yaml").code == 0


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("status", ""), "an argument"),
        (("status", "guest1", ""), "an argument"),
        (("plan", ""), "an argument"),
        (("apply", ""), "an argument"),
        (("suspend", "", "--reason", "x"), "an argument"),
        (("plan", "-f", ""), "the value of -f"),
        (("plan", "-f", ".", "-f", ""), "the value of -f"),
        (("plan", "--simulate", ""), "the value of --simulate"),
        (("plan", "--out", ""), "the value of --out"),
        (("plan", "--state-dir", ""), "the value of --state-dir"),
        (("plan", "--host", ""), "the value of --host"),
        (("plan", "--target", ""), "the value of --target"),
        (("plan", "--observed", ""), "the value of --observed"),
        (("observe", "--out", ""), "the value of --out"),
        (("validate", "--base", ""), "the value of --base"),
        (("validate", "--base="), "the value of --base"),
    ],
)
def test_an_empty_word_is_refused_before_anything_is_done(
    words: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names nothing, and comes from a variable that is not set; nothing of it is taken for the default."""
    assert run(words) == 64

    shown = capsys.readouterr()
    assert shown.out == ""
    assert " ".join(shown.err.split()) == f"Error: {what} is empty; a variable of the shell may not be set"


@pytest.mark.parametrize("words", [("plan",), ("validate",), ("apply", "--yes")], ids=" ".join)
def test_a_directory_that_was_removed_is_named(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel says only that there is no such file or directory."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    assert run(words) == 1

    assert capsys.readouterr().err == "error: the current directory has been removed; change to another one\n"
