"""Groups of commands that say what was probably meant by a name that is no command."""

import difflib
import os
from collections.abc import Sequence

import click

from reconciler.cli.command_lines import changed_line, completed_line

_OPTIONS = ("plan", "apply")
"""What reads like a command and is an option."""

_OF_ONE_HOST = ("status", "drift", "validate")
"""Where the name of a Host is likely to be given as a word."""


class Plain(click.Command):
    """A command that explains a word for which it has no place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`.

        Raises:
            click.UsageError: there is a word too many; it says where that belongs.
        """
        accepted, ctx.allow_extra_args = ctx.allow_extra_args, True
        rest = super().parse_args(ctx, args)
        ctx.allow_extra_args = accepted
        if ctx.args and not accepted and not ctx.resilient_parsing:
            raise click.UsageError(f"'{ctx.args[0]}' has no place here. {self._instead(ctx)}".rstrip(), ctx)
        return rest

    def _instead(self, context: click.Context) -> str:
        words, names = context.args, {one.name for one in self.params}
        if "file" in names and all(map(os.path.exists, words)):
            meant = changed_line(context, file=(*(context.params["file"] or ()), *words))
            return f"Manifests are named with -f: {meant}"
        if self.name in _OF_ONE_HOST and len(words) == 1 and not context.params["host_name"]:
            return f"If it is the name of a Host: {changed_line(context, host_name=words[0])}"
        return ""


class Group(click.Group):
    """A group in which a name that it does not have is explained, and so is a word too many."""

    command_class = Plain

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
