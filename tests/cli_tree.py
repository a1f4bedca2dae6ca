"""Parses commands of ours by their own definition, without running them."""

import shlex

import click

from reconciler.cli.main import cli


def parsed(line: str) -> str:
    """The name of the command that `line` runs.

    Raises:
        click.UsageError: it has no such command, option or value.
    """
    program, *words = shlex.split(line)
    assert program == "reconcile", line
    command: click.Command = cli
    name = "reconcile"
    while isinstance(command, click.Group):
        context = _options_of(command, name, words)
        if not context.args:
            said = [one for one in ("wants_plan", "wants_watch") if context.params.get(one)]
            assert said or context.params.get("apply_file") is not None or command is not cli, line
            return name
        found, next_command, words = command.resolve_command(context, list(context.args))
        assert next_command is not None
        assert found
        command, name = next_command, f"{name} {found}"
    command.make_context(name, words)
    return name


def _options_of(group: click.Group, name: str, words: list[str]) -> click.Context:
    """What the options of `group` itself are; the command and its words are left over as arguments."""
    command = click.Command(name, params=list(group.params))
    return command.make_context(name, list(words), allow_extra_args=True, allow_interspersed_args=False)
