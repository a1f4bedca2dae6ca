"""Groups of commands that say what was probably meant by a name that is no command."""

import difflib
import os
from collections.abc import Sequence

import click

from reconciler.cli.command_lines import completed_line

_OPTIONS = ("plan", "apply")
"""What reads like a command and is an option."""


class Group(click.Group):
    """A group in which a name that it does not have is explained."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group`.

        Raises:
            click.UsageError: there is no such command; it says what to run instead.
        """
        name, *rest = args
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(f"No such command '{name}'. {self._instead(ctx, name, rest)}".rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def _instead(self, context: click.Context, name: str, rest: Sequence[str]) -> str:
        if context.parent is not None:
            if self.name == "watch" and os.path.exists(name):
                return f"To watch manifests: {completed_line(context.parent, ('--watch', '-f', name, *rest))}"
            return self._similar(context, name)
        if name in _OPTIONS:
            return f"It is an option: {completed_line(context, (f'--{name}', *rest))}"
        action = () if _acts(context) else ("--plan",)
        if os.path.exists(name):
            return f"Manifests are named with -f: {completed_line(context, (*action, '-f', name, *rest))}"
        if similar := self._similar(context, name):
            return similar
        return f"If it is the name of a Host: {completed_line(context, (*action, '--host', name, *rest))}"

    def _similar(self, context: click.Context, name: str) -> str:
        near = difflib.get_close_matches(name, [*self.list_commands(context), *_OPTIONS], n=1)
        if not near:
            return f"There are: {', '.join(self.list_commands(context))}." if context.parent else ""
        return f"Did you mean '{'--' if near[0] in _OPTIONS else ''}{near[0]}'?"


def _acts(context: click.Context) -> bool:
    return any(context.params.get(name) for name in ("wants_plan", "wants_watch")) or (
        context.params.get("apply_file") is not None
    )
