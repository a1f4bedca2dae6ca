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
    context = cli.make_context("reconcile", words)
    command: click.Group = cli
    name = "reconcile"
    while context._protected_args:
        rest = [*context._protected_args, *context.args]
        found, next_command, rest = command.resolve_command(context, rest)
        assert next_command is not None
        assert found
        context, name = next_command.make_context(found, rest, parent=context), f"{name} {found}"
        if not isinstance(next_command, click.Group):
            break
        command = next_command
    else:
        said = [one for one in ("wants_plan", "wants_watch") if context.params.get(one)]
        assert said or context.params.get("apply_file") is not None or command is not cli, line
    return name
