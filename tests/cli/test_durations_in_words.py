"""A duration in English is answered with the whole command, in which it is written as we do."""

from pathlib import Path

import click
import pytest

from reconciler.cli.command_lines import names_of
from reconciler.cli.meant.durations import duration_in
from testing.commands import Command, every_command, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2 hours", "2h"),
        ("2hours", "2h"),
        ("2 h", "2h"),
        ("1 hr", "1h"),
        ("an hour", "1h"),
        ("1 day ago", "1d"),
        ("90 seconds", "1m30s"),
        ("5 min", "5m"),
        ("1 Hour, 30 Minutes", "1h30m"),
        ("1 day and 2 hours", "1d2h"),
        ("for 2 weeks", "14d"),
        ("1h 30m", "1h30m"),
        ("tomorrow", ""),
        ("2", ""),
        ("hours", ""),
        ("2 beers", ""),
        ("-2 hours", ""),
        ("1.5 hours", ""),
        ("0 hours", ""),
        ("", ""),
    ],
)
def test_english_is_understood(text: str, written: str) -> None:
    """Where each number has a unit, and nothing else stands there."""
    assert duration_in(text) == written


OPTIONS = [
    (*names_of(context), option.opts[0])
    for context in every_command()
    for option in context.command.params
    if isinstance(option, click.Option) and option.type.name in ("duration", "moment") and not option.hidden
]


@pytest.mark.parametrize("words", OPTIONS, ids=[" ".join(one) for one in OPTIONS])
@pytest.mark.parametrize(
    "value", [("5 minutes",), ("5", "minutes"), ("5 minutes ago",), ("5", "minutes", "ago")], ids=" ".join
)
def test_every_option_with_a_duration_prints_the_command(
    command: Command, words: tuple[str, ...], value: tuple[str, ...]
) -> None:
    """Also where the shell made several words of it."""
    ran = command.bare(*words, *value)

    assert ran.code == 64
    assert f"Error: write '{' '.join(value)}' as 5m behind {words[-1]}\n" in ran.err
    line = ran.err.splitlines()[1].removeprefix("  next: ").partition("    #")[0]
    assert line.startswith(f"reconcile {' '.join(words)} 5m")
    if line.startswith("reconcile suspend"):
        assert "--reason" in line
    if words[0] != "fleet":  # which needs hosts
        parsed(line)


def test_what_follows_stays(command: Command) -> None:
    """Guests, and other options."""
    ran = command.bare("suspend", "--for", "1", "day", "2", "hours", "guest1", "--reason", "an audit")

    assert ran.err.endswith("  next: reconcile suspend --for 1d2h guest1 --reason 'an audit'\n")
