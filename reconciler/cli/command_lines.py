"""Commands of ours as lines for a shell, from the tree of commands that `click` parses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from reconciler.model.printable import shell_line


def again(*flags: str, **values: object) -> str:
    """The command that is being run, with all that was said to it, as a line for a shell.

    Args:
        flags: options without a value that are added where they were not given.
        values: of the parameters of that name, whatever was given; None leaves one out.
    """
    return _line(click.get_current_context(), flags, values)


def changed_line(context: click.Context, **values: object) -> str:
    """The command of `context`, with all that was said to it but `values`, those of the parameters of that name."""
    return _line(context, (), values)


def repeated(context: click.Context, *first: str) -> str:
    """The command of `context`, with all that was said to it, after the program `first`."""
    return shell_line(first) + " " + _line(context, (), {}) if first else _line(context, (), {})


def line_with(context: click.Context, words: Sequence[str]) -> str:
    """The command of `context` with `words` in place of all that was said to it, for a shell."""
    named: list[str] = []
    while context.parent is not None:
        named = [*_given(context.parent, (), {}), context.command.name or "", *named]
        context = context.parent
    return shell_line(["reconcile", *named, *words])


def completed_line(context: click.Context, words: Sequence[str], **values: object) -> str:
    """What was said in `context`, the command's top, but for `values`, with more `words`, for a shell."""
    return shell_line(["reconcile", *_given(context, (), values), *words])


def _line(context: click.Context | None, flags: Sequence[str], values: Mapping[str, object]) -> str:
    words: list[str] = []
    added = [flag for flag in flags if not context or not _is_given(context, flag)]
    while context is not None:
        words = [*(_given(context, (), {}) if words else _given(context, added, values)), *words]
        if context.parent is not None:
            words = [context.command.name or "", *words]
        context = context.parent
    return shell_line(["reconcile", *words])


def _given(context: click.Context, added: Sequence[str], values: Mapping[str, object]) -> list[str]:
    options: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        value = values.get(name, context.params[name] if is_given else None)
        if value is None:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(parameter, click.Option):
                options += _option(parameter, one)
            else:
                arguments.append(_text(one))
    if any(one.startswith("-") for one in arguments):
        arguments.insert(0, "--")
    return [*options, *added, *arguments]


def _option(option: click.Option, value: Any) -> Iterator[str]:
    # The name that is easiest to read: of `-f` and `--file` the first.
    name = option.opts[0]
    if option.is_flag or value == option.flag_value:
        yield name
    elif (text := _text(value)).startswith("-"):
        yield f"{option.opts[-1]}={text}"
    else:
        yield from (name, text)


def _text(value: Any) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _is_given(context: click.Context, flag: str) -> bool:
    named = [one for one in context.command.params if flag in one.opts]
    return any(context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE for one in named)
