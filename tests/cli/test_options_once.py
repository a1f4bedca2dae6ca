"""In no command that is printed an option stands twice, whatever was said twice, or by two names."""

import shlex
from collections import Counter
from collections.abc import Iterator

import click
import pytest

from reconciler.cli.main import cli, run
from reconciler.cli.meant.fitting import known_and_working, known_words
from testing.commands import every_command

ALIASES = ("--force", "-force", "-y", "--auto-approve", "--assumeyes", "--json", "--format=json", "-out=x", "--limit=3")
"""Of other programs."""

COMMANDS = [one for one in every_command() if not isinstance(one.command, click.Group)]


def name_of(context: click.Context) -> str:
    """Such as ``service install``."""
    return context.command_path.partition(" ")[2]


def options_of(command: click.Command) -> list[click.Option]:
    """Those that may be given only once."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.multiple]


def sayings(command: click.Command) -> Iterator[tuple[str, ...]]:
    """Each option by each two of its names, those of other programs among them."""
    for option in options_of(command):
        value = ("1",)
        if isinstance(option.type, click.Choice):
            value = (option.type.choices[0],)
        names = [(name, *(() if option.is_flag else value)) for name in option.opts]
        names += [(word,) for word in ALIASES if known_words(command, word)[:1] in {(one,) for one in option.opts}]
        yield from ((*first, *second) for first in names for second in names)


def repeated(command: click.Command, words: tuple[str, ...]) -> list[str]:
    """The options of `command` that stand in `words` more than once."""
    counted = Counter(
        option.name for word in words for option in options_of(command) if word.partition("=")[0] in option.opts
    )
    return [name for name, count in counted.items() if name and count > 1]


@pytest.mark.parametrize("context", COMMANDS, ids=name_of)
def test_what_was_said_twice_is_printed_once(context: click.Context) -> None:
    """Of each command, and each of its options."""
    root = click.Context(cli, info_name="reconcile")
    found = {words: known_and_working(root, (*name_of(context).split(), *words)) for words in sayings(context.command)}

    assert {words: line for words, line in found.items() if line and repeated(context.command, line)} == {}


@pytest.mark.parametrize(
    "words",
    ["apply --yes --force", "apply -y --force --yes", "rollback --auto-approve --yes", "setup --force --force"],
)
def test_two_words_for_yes_are_one(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the command that is offered."""
    assert run(words.split()) == 64

    line = capsys.readouterr().err.partition("Did you mean: ")[2]
    assert shlex.split(line) == ["reconcile", words.split(maxsplit=1)[0], "--yes"]


def test_the_last_value_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """As where both had been said rightly; what may be given again stays."""
    assert run(["plan", "-o", "wide", "-f", "a", "-f", "b", "-json"]) == 64

    assert "Did you mean: reconcile plan -o json -f a -f b\n" in capsys.readouterr().err
