"""Commands of ours as lines for a shell, from what `click` has parsed."""

import os
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from reconciler.manifests.files import STDIN_NAME
from reconciler.model.printable import shell_line
from reconciler.model.problems import WRONG_DIRECTORY, Problem

_READ_THE_CURRENT_DIRECTORY: Final = ("apply",)
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_INSTEAD: Final = ("file", "planfile", "enforced", "refused")
"""Where these say nothing, the manifests are those in the current directory."""


class Before(NamedTuple):
    """What is run before the command that is being run, where this was refused.

    Attributes:
        line: the command for a shell.
        why: that in a few words.
        flags: what the command that is being run needs after that.
    """

    line: str
    why: str
    flags: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The line of a message that leads to it."""
        return f"  next: {self.line}    # {self.why}"


def again(*flags: str, **values: object) -> str:
    """The command that is being run, with all that was said to it, as a line for a shell.

    Args:
        flags: options without a value that are added where they were not given.
        values: of the parameters of that name, whatever was given; None leaves one out.
    """
    context = click.get_current_context()
    return _line(context, [flag for flag in dict.fromkeys(flags) if not _is_given(context, flag)], values)


def again_from_anywhere(*flags: str, **values: object) -> str:
    """The same as `again` for a reader in any directory: with absolute paths, those of the manifests included.

    Who reads it at a terminal is where the command was run, and gets the paths as they were typed.
    """
    if sys.stderr.isatty():
        return again(*flags, **values)
    context = click.get_current_context()
    paths: dict[str, object] = {
        one.name or "": _absolute(context.params[one.name or ""])
        for one in context.command.params
        if isinstance(one.type, click.Path) and context.params.get(one.name or "") not in (None, ())
    }
    if context.command.name in _READ_THE_CURRENT_DIRECTORY and not any(map(context.params.get, _INSTEAD)):
        paths["file"] = (os.getcwd(),)
    return again(*flags, **paths, **values)


def _absolute(paths: Any) -> object:
    return tuple(map(_absolute, paths)) if isinstance(paths, tuple) else absolute(paths)


def absolute(path: str) -> str:
    """`path` for a reader in any directory; ``-``, which is standard input, stays."""
    return path if path == "-" else os.path.abspath(path)


def changed_line(context: click.Context, **values: object) -> str:
    """The command of `context`, with all that was said to it but `values`, those of the parameters of that name."""
    return _line(context, (), values)


def changed_words(context: click.Context, **values: object) -> list[str]:
    """The words of `changed_line` behind the name of the command."""
    return _given(context, (), values)


def repeated(context: click.Context, *first: str) -> str:
    """The command of `context`, with all that was said to it, after the program `first`."""
    line = _line(context, (), {})
    return f"{shell_line(first)} {line}" if first else line


def with_directory(problems: Iterable[Problem], context: click.Context | None = None) -> list[Problem]:
    """`problems`, where those that say that another directory was meant have the command that names it.

    `context` is that of the command that has found them; left out where it runs still.
    """
    context = context or click.get_current_context(silent=True)
    if context is None or "file" not in context.params:
        return list(problems)
    return [_with_directory(one, context) if one.id in WRONG_DIRECTORY else one for one in problems]


def _with_directory(problem: Problem, context: click.Context) -> Problem:
    named = problem.places[0].position.file if problem.places else "DIRECTORY"
    if named == STDIN_NAME:  # it was read, and nothing more will come from it
        named = "DIRECTORY"
    others = {"paths": None} if "paths" in context.params else {}
    return problem._replace(help=f"{problem.help} Run: {changed_line(context, file=(named,), **others)}")


def line_of(words: Sequence[str]) -> str:
    """``reconcile`` with `words`, for a shell."""
    return shell_line(["reconcile", *words])


def names_of(context: click.Context) -> tuple[str, ...]:
    """The names of the command of `context` and of its groups, without the program's."""
    return () if context.parent is None else (*names_of(context.parent), context.command.name or "")


def words_of(context: click.Context, left_out: Container[str] = ()) -> list[str]:
    """What was said to the command of `context`, but to its parameters that are `left_out`."""
    return _given(context, (), dict.fromkeys(one for one in context.params if one in left_out))


def _line(context: click.Context, flags: Sequence[str], values: Mapping[str, object]) -> str:
    return line_of([*names_of(context), *_given(context, flags, values)])


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
    elif added:  # behind a flag they would read as its value
        return [*arguments, *options, *added]
    return [*options, *added, *arguments]


def _option(option: click.Option, value: Any) -> Iterator[str]:
    # The name that is easiest to read: of `-f` and `--file` the first.
    name = option.opts[0]
    if option.is_flag:
        yield name
    elif (text := _text(value)).startswith("-"):
        yield f"{option.opts[-1]}={text}"
    else:
        yield from (name, text)


def _text(value: Any) -> str:
    if isinstance(value, tuple):  # the labels of one option
        return ",".join(f"{key}={label}" for key, label in value)
    return _duration(value) if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    """`seconds` as `Duration` reads them, and as people say it: 77 minutes are ``1h17m``."""
    left, text = round(seconds), ""
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _is_given(context: click.Context, flag: str) -> bool:
    named = [one for one in context.command.params if flag in one.opts]
    return any(context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE for one in named)
