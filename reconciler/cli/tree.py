"""The tree of commands: each is imported when it is asked for, and explains a word or an option that it does not have.

What was probably meant by such a word is in `reconciler.cli.meant.commands`, which is imported when there is one.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from reconciler.model.printable import shortened

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_HIDDEN: Final = ""
"""The heading of commands that `--help` does not show."""


class Lazy(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        module: where it is, below `reconciler.cli`.
        name: what it is called in its module.
        text: the sentence about it in the help of its group, the same as the first in its own help.
    """

    module: str
    name: str
    text: str

    def imported(self) -> click.Command:
        """The command."""
        found = getattr(import_module(f"reconciler.cli.{self.module}"), self.name)
        assert isinstance(found, click.Command)
        return found


Sections = Mapping[str, Mapping[str, Lazy]]
"""The commands of a group by heading, and by name; they are shown in this order."""


class Refused(click.UsageError):
    """Words in the right form that name nothing there is: shown without the usage, with what to run next.

    Attributes:
        next: commands to run next, for a shell; a remark may follow behind ``    #``.
    """

    def __init__(self, message: str, *next: str) -> None:
        super().__init__(message)
        self.next = next


SAID: Final = "reconciler.said"
"""Where the `meta` of a context keeps the words that were said to its command, in their order."""


class Plain(click.Command):
    """A command that explains a word or an option for which it has no place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`.

        Raises:
            click.UsageError: there is a word too many, or an option that it lacks; it says what to run instead.
        """
        said = list(args)
        ctx.meta[SAID] = tuple(said)
        if not ctx.resilient_parsing and (refused := _without_value(ctx, said) or _with_one_dash(ctx, said)):
            raise refused
        accepted, ctx.allow_extra_args = ctx.allow_extra_args, True
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from reconciler.cli.meant.commands import other_option

            raise other_option(error, ctx, said) from None
        except click.BadParameter as error:
            from reconciler.cli.meant.commands import other_value

            raise other_value(error, ctx, said) from None
        ctx.allow_extra_args = accepted
        may_be_empty = any(not word or word.endswith("=") for word in said)
        if may_be_empty and not ctx.resilient_parsing and (refused := _without_text(ctx)):
            raise refused
        if ctx.args and not accepted and not ctx.resilient_parsing:
            from reconciler.cli.meant.commands import without_place

            raise click.UsageError(f"'{shortened(ctx.args[0])}' has no place here. {without_place(ctx)}", ctx)
        return rest


def _without_value(context: click.Context, words: Sequence[str]) -> Refused | None:
    """That an option has another one as its value, where that is so; it takes a while to say what to run instead."""
    names = {name for one in context.command.params for name in (*one.opts, *one.secondary_opts) if name[:1] == "-"}
    names |= {*context.help_option_names}
    # Most often no option follows another one.
    if not any(word in names and {*words[at + 1 : at + 2]} <= names for at, word in enumerate(words)):
        return None
    from reconciler.cli.meant.values import without_value

    return without_value(context, words)


def _with_one_dash(context: click.Context, words: Sequence[str]) -> click.UsageError | None:
    """That a long option has one dash only, where that is so; it takes a while to say what to run instead."""
    if not any(word[:1] == "-" and word[1:2] != "-" and word[3:] for word in words):
        return None
    from reconciler.cli.meant.dashes import with_one_dash

    return with_one_dash(context, words)


_MAY_SAY_NOTHING: Final = "reason"
"""The parameter whose command says itself what is missing."""


def _without_text(context: click.Context) -> Refused | None:
    """That a parameter is said to be an empty text, which names nothing; None where none is."""
    for one in context.command.params:
        value = context.params.get(one.name or "")
        if one.name != _MAY_SAY_NOTHING and (value == "" or (isinstance(value, tuple) and "" in value)):
            what = f"the value of {one.opts[0]}" if isinstance(one, click.Option) else "an argument"
            return Refused(f"{what} is empty; a variable of the shell may not be set")
    return None


class Group(click.Group):
    """A group of commands, most of them not imported yet; it explains a name that it does not have."""

    command_class = Plain

    def __init__(self, *args: Any, sections: Sections | None = None, **kwargs: Any) -> None:
        """Make the group as `click.Group` does, with the commands of `sections` besides those that are added."""
        super().__init__(*args, **kwargs)
        self._sections = sections or {}
        self._lazy = {name: one for section in self._sections.values() for name, one in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands that the help shows, in its order."""
        lazy = [name for heading, section in self._sections.items() if heading != _HIDDEN for name in section]
        return [*lazy, *(name for name in super().list_commands(ctx) if not self.commands[name].hidden)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`, which is imported now; None where there is none."""
        lazy = self._lazy.get(cmd_name)
        return lazy.imported() if lazy else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write whole sentences, by section, without importing a command."""
        names = self.list_commands(ctx)
        added = {name: _first_sentence(self.commands[name]) for name in names if name in self.commands}
        shown = {
            heading: {name: one.text for name, one in section.items()} for heading, section in self._sections.items()
        }
        width = max(map(len, names))
        for heading, rows in {**shown, "Commands": added}.items():
            if rows and heading != _HIDDEN:
                with formatter.section(heading):
                    formatter.write_dl([(name.ljust(width), text) for name, text in rows.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """See `click.Command`; no command is imported for its name."""
        from click.shell_completion import CompletionItem

        texts = {name: one.text for name, one in self._lazy.items()}
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [
            *(CompletionItem(name, help=texts.get(name)) for name in names),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`.

        Raises:
            click.UsageError: there is no command, or an option that it lacks; it says what to run instead.
        """
        said = list(args)
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            raise click.UsageError(f"It needs a command. There are: {', '.join(self.list_commands(ctx))}.", ctx)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from reconciler.cli.meant.commands import other_option

            raise other_option(error, ctx, said) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group`.

        Raises:
            click.UsageError: there is no such command; it says what to run instead.
        """
        name, *rest = args
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from reconciler.cli.meant.commands import other_command

            raise click.UsageError(
                f"No such command '{shortened(name)}'. {other_command(ctx, name, rest)}".rstrip(), ctx
            )
        return super().resolve_command(ctx, args)


def completes(kind: str) -> "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]":
    """What completes an argument or an option at a prompt: words of `kind`, a key in `reconciler.cli.completing`."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from reconciler.cli.completing import items

        return items(kind, context, incomplete)

    return complete


command: Final[Callable[..., Callable[[Callable[..., Any]], Plain]]] = partial(click.command, cls=Plain)
"""Makes a command of a function, as `click.command` does."""


def canonical(words: Sequence[str]) -> list[str]:
    """The arguments `words`, where ``--plan``, ``--apply`` or ``--watch`` in the first place is made a command.

    ``--apply=FILE`` becomes ``apply FILE``, and ``--apply --watch`` becomes ``watch --apply``. All other arguments stay
    as they are.
    """
    match words:
        case ["--plan" | "--watch" as action, *rest]:
            return [action.removeprefix("--"), *rest]
        case ["--apply", "--watch", *rest]:
            return ["watch", "--apply", *rest]
        case ["--apply", *rest]:
            return ["apply", *rest]
        case [first, *rest] if first.startswith("--apply="):
            file = first.removeprefix("--apply=")
            # Never an option, whatever the file is called; ``-`` is none.
            return ["apply", f"./{file}" if file.startswith("-") and file != "-" else file, *rest]
        case _:
            return list(words)


def _first_sentence(one: click.Command) -> str:
    return " ".join(inspect.cleandoc(one.help or "").partition("\n\n")[0].split())
