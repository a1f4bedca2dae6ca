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
