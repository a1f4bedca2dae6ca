"""``reconcile schema`` and ``reconcile completion``: what editors and shells want to know of us."""

import click
from click.shell_completion import get_completion_class

from reconciler.cli.exit_codes import Exit
from reconciler.cli.explain_command import KINDS
from reconciler.cli.output import result
from reconciler.cli.tree import command
from reconciler.manifests.schema import schema_file_text


@command("schema")
@click.argument("kind", type=click.Choice(KINDS), required=False)
def schema_command(kind: str | None) -> Exit:
    """Print the JSON Schema of a kind of document; without KIND list the kinds."""
    result(schema_file_text(f"{kind}.schema.json") if kind else "".join(f"{one}\n" for one in KINDS))
    return Exit.DONE


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, /, shell: str) -> Exit:
    """Print the completion script for SHELL.

    \b
    For example:
      source <(reconcile completion bash)
    """  # noqa: D301 - click reads the character
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "reconcile", "_RECONCILE_COMPLETE").source())
    return Exit.DONE
