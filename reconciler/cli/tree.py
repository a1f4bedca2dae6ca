"""Groups of commands that say what was probably meant by a word that they do not know."""

import difflib
import os
from collections.abc import Mapping, Sequence
from typing import Final

import click

from reconciler.cli.command_lines import changed_line, completed_line, line_with

_ACTIONS: Final = ("plan", "apply")
"""What reads like a command and is an option."""

_OF_ONE_HOST: Final = ("status", "drift", "validate")
"""Where the name of a Host is likely to be given as a word."""

_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("diff", "dry-run", "preview", "noop"), ("--plan",)),
    **dict.fromkeys(("create", "replace", "patch", "deploy", "sync"), ("--apply",)),
    **dict.fromkeys(("get", "describe", "list", "ls", "show", "ps", "state"), ("status",)),
    **dict.fromkeys(("lint", "check"), ("validate",)),
    **dict.fromkeys(("undo", "revert"), ("rollback",)),
    "log": ("history",),
    "logs": ("status", "--watch"),
    "export": ("import",),
    "explain": ("schema",),
    "version": ("--version",),
}
"""What other programs call a command of ours."""

_REMOVALS: Final = ("delete", "destroy", "remove", "rm", "uninstall")

_OPTIONS_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("-auto-approve", "--auto-approve", "-y", "--assumeyes", "--assume-yes"), ("--yes",)),
    **dict.fromkeys(("--force", "-force"), ("--yes",)),
    **dict.fromkeys(("-v", "--verbose"), ()),
    "-V": ("--version",),
    "--json": ("--format", "json"),
    "-json": ("--format", "json"),
    "-o": ("--format",),
    "--filename": ("--file",),
    "-out": ("--out",),
}
"""What other programs call an option of ours; nothing where we need none, since all is shown."""

_PLANNING: Final = ("--dry-run", "--diff", "--check", "-n")
"""What other programs call `--plan`, beside the option that acts."""

_NO_ACTION: Final[Mapping[str, None]] = dict.fromkeys(("wants_plan", "wants_watch", "apply_file", "out"))

_ENDINGS: Final = (".yaml", ".yml")
_READ: Final = 1 << 24


class Plain(click.Command):
    """A command that explains a word for which it has no place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`.

        Raises:
            click.UsageError: there is a word too many, or an option that it lacks; it says what to run instead.
        """
        said = list(args)
        accepted, ctx.allow_extra_args = ctx.allow_extra_args, True
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _other_option(error, ctx, said) from None
        except click.BadParameter as error:
            is_missing = isinstance(error, click.MissingParameter)
            if error.param is not None and error.param.name == "number" and not is_missing:
                listed = completed_line(ctx.find_root(), ("history", *_fitting(ctx, _machine_only(self), said)))
                raise click.UsageError(
                    f"{error.format_message()} The generations are listed by: {listed}", ctx
                ) from None
            raise
        ctx.allow_extra_args = accepted
        if ctx.args and not accepted and not ctx.resilient_parsing:
            raise click.UsageError(f"'{ctx.args[0]}' has no place here. {self._instead(ctx)}", ctx)
        return rest

    def _instead(self, context: click.Context) -> str:
        words, names = context.args, {one.name for one in self.params}
        if "file" in names and all(map(os.path.exists, words)):
            meant = changed_line(context, file=(*(context.params["file"] or ()), *words))
            return f"Manifests are named with -f: {meant}"
        if self.name in _OF_ONE_HOST and len(words) == 1 and not context.params["host_name"]:
            return f"If it is the name of a Host: {changed_line(context, host_name=words[0])}"
        return f"Without it: {changed_line(context)}"


class Group(click.Group):
    """A group in which a name that it does not have is explained, and so is a word too many."""

    command_class = Plain

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`.

        Raises:
            click.UsageError: there is an option that it lacks; it says what to run instead.
        """
        said = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _other_option(error, ctx, said) from None

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
            return self._similar(context, name, rest)
        if name == "plan" and rest and is_saved_plan(rest[0]):
            words = ("--apply", rest[0], *_fitting(context, self, rest[1:]))
            return f"To apply a saved plan: {completed_line(context, words, **_NO_ACTION)}"
        if name in _ACTIONS:
            return f"It is an option: {completed_line(context, _action(context, name, rest))}"
        if is_saved_plan(name):
            words = ("--apply", name, *_fitting(context, self, rest))
            return f"To apply a saved plan: {completed_line(context, words, **_NO_ACTION)}"
        action = () if _acts(context) or not {"--plan", "--apply", "--watch"}.isdisjoint(rest) else ("--plan",)
        if os.path.exists(name):
            return f"Manifests are named with -f: {completed_line(context, (*action, '-f', name, *rest))}"
        if name == "help":
            return f"To get help: {completed_line(context, self._help(context, rest))}"
        if name in _REMOVALS:
            shown = completed_line(context, ("--plan", *_fitting(context, self, rest)))
            return f"A guest is removed by removing its manifest; this shows what that does: {shown}"
        if name in _ELSEWHERE:
            return f"Did you mean: {completed_line(context, self._elsewhere(context, name, rest))}"
        return self._similar(context, name, rest) or (
            f"If it is the name of a Host: {completed_line(context, (*action, '--host', name, *rest))}"
        )

    def _help(self, context: click.Context, rest: Sequence[str]) -> tuple[str, ...]:
        return (*(word for word in rest[:1] if self.get_command(context, word)), "--help")

    def _elsewhere(self, context: click.Context, name: str, rest: Sequence[str]) -> tuple[str, ...]:
        words = _ELSEWHERE[name]
        command = self.get_command(context, words[0])
        return (*words, *_fitting(context, command or self, rest))

    def _similar(self, context: click.Context, name: str, rest: Sequence[str]) -> str:
        actions = () if context.parent else _ACTIONS
        near = difflib.get_close_matches(name.lower(), [*self.list_commands(context), *actions], n=1)
        if not near:
            return f"There are: {', '.join(self.list_commands(context))}." if context.parent else ""
        if near[0] in actions:
            words = _action(context, near[0], rest)
            return f"Did you mean '--{near[0]}'? {completed_line(context, words)}"
        command = self.get_command(context, near[0])
        words = (near[0], *_fitting(context, command or self, rest))
        line = line_with(context, words) if context.parent else completed_line(context, words)
        return f"Did you mean '{near[0]}'? {line}"


def _acts(context: click.Context) -> bool:
    return any(context.params.get(name) for name in ("wants_plan", "wants_watch")) or (
        context.params.get("apply_file") is not None
    )


def _action(context: click.Context, action: str, rest: Sequence[str]) -> tuple[str, ...]:
    """The words for ``reconcile ACTION REST`` where ACTION is an option: a file goes with the option that it needs."""
    first, others = rest[0] if rest else "", rest[1:]
    option = f"--{action}"
    if not first or first.startswith("-"):
        return (option, *_fitting(context, context.command, rest))
    others = _fitting(context, context.command, others)
    if os.path.exists(first) and not is_saved_plan(first):
        return (option, "-f", first, *others)
    if action == "apply" and (os.path.exists(first) or os.path.basename(first) != first or "." in first):
        return (option, first, *others)
    return (option, "--host", first, *others)


def _fitting(context: click.Context, command: click.Command, words: Sequence[str]) -> tuple[str, ...]:
    """Those of `words` that `command` takes, paths after ``-f`` and other words left out; none where one is wrong."""
    values = _values(context, command, words)
    if values is None:
        return ()
    kept, left = list(words), values[1]
    for word in left:
        kept.remove(word)
    takes_files = any(one.name == "file" for one in command.params)
    paths = [word for word in left if takes_files and os.path.exists(word) and not is_saved_plan(word)]
    return (*kept, *(word for path in paths for word in ("-f", path)))


def _machine_only(command: click.Command) -> click.Command:
    """A command with those options of `command` that every command about a host has, for example `history`."""
    names = {"file", "host_name", "sysfs", "simulate_file", "state_dir"}
    ignoring = {"ignore_unknown_options": True}
    return click.Command(
        command.name, params=[one for one in command.params if one.name in names], context_settings=ignoring
    )


def _values(
    context: click.Context, command: click.Command, words: Sequence[str]
) -> tuple[Mapping[str, object], list[str]] | None:
    """What the options among `words` say, and the other words; None where `command` does not take them."""
    bare = click.Context(command, parent=context, **command.context_settings)
    try:
        values, left, _ = command.make_parser(bare).parse_args(list(words))
    except click.UsageError:
        return None
    for one in command.params:
        if (
            isinstance(one.type, click.Choice)
            and values.get(one.name or "", one.type.choices[0]) not in one.type.choices
        ):
            return None
    return values, left


def is_saved_plan(file: str) -> bool:
    """Whether `file` was written by ``--plan --out``, also where it is damaged."""
    if file.endswith(_ENDINGS) or not os.path.isfile(file):
        return False
    try:
        with open(file, "rb") as stream:
            return b'"formatVersion"' in stream.read(_READ)
    except OSError:
        return False


def _other_option(error: click.NoSuchOption, context: click.Context, said: Sequence[str]) -> click.UsageError:
    """`error`, with the whole command where it is known what was meant."""
    number = next((at for at, word in enumerate(said) if word.startswith(error.option_name)), None)
    if number is None:
        return error
    root = context.find_root()
    before, word, after = said[:number], said[number], said[number + 1 :]
    for command, words in (
        (context, tuple(one for any_word in said for one in _known(context, any_word))),
        (context, _planning(word, before, after)),
        (root, (word.lstrip("-").lower(), *before, *after)),
        (root, ("--watch", *said) if context.command.name == "watch" else ()),
    ):
        # A command that is left with no words is whole; the top is none.
        is_whole = bool(words) or (context.parent is not None and not _OPTIONS_ELSEWHERE.get(word, (word,)))
        if is_whole and _works(command, words):
            line = line_with(command, words)
            return click.UsageError(f"No such option '{error.option_name}'. Did you mean: {line}", context)
    return error


def _known(context: click.Context, word: str) -> tuple[str, ...]:
    """The option that `word` stands for; `word` itself where none is known."""
    name, equals, value = word.partition("=")
    if any(name.lower() in one.opts for one in context.command.params):
        return (f"{name.lower()}{equals}{value}",)
    known = _OPTIONS_ELSEWHERE.get(name, (name,))
    return (*known, value) if equals else known


def _planning(word: str, before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """The words with ``--plan`` instead of what would act, where `word` asks for a plan."""
    if word not in _PLANNING:
        return ()
    return ("--plan", *(one for one in (*before, *after) if one not in {"--plan", "--apply", "--yes", "--watch"}))


def _works(context: click.Context, words: Sequence[str]) -> bool:
    """Whether the command of `context` takes `words`, as far as can be seen without running it."""
    command = context.command
    found = _values(context, command, words)
    if found is None or not isinstance(command, click.Group) or not found[1]:
        return found is not None
    name, *rest = found[1]
    inner = command.get_command(context, name)
    return inner is not None and _values(context, inner, rest) is not None
