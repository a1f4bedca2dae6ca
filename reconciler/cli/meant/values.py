"""An option whose value was forgotten, so that the option behind it was taken for the value."""

from collections.abc import Sequence
from typing import Final

import click

from reconciler.cli.command_lines import line_of, names_of
from reconciler.cli.tree import Refused

_EXAMPLES: Final = {"--html": "report.html", "--svg": "report.svg"}
"""What the command that is offered has for the value of an option; for others it is the name of the value."""

_KINDS: Final = {"FILE": "a file", "PATH": "a path", "DIR": "a directory", "GUEST": "a guest"}


def without_value(context: click.Context, words: Sequence[str]) -> Refused | None:
    """What to run where an option among `words`, those of the command of `context`, has another one as its value."""
    options = {
        name: one
        for one in context.command.params
        if isinstance(one, click.Option)
        for name in (*one.opts, *one.secondary_opts)
    }
    places = iter(range(len(words)))
    for at in places:
        word = words[at]
        if word == "--":
            break
        option = options.get(word)
        if option is None or not _needs_one_value(option):
            continue
        following = words[at + 1 : at + 2]
        if not following or following[0] in options or following[0] in context.help_option_names:
            return _refused(context, option, words, at)
        next(places)  # its value
    return None


def _needs_one_value(option: click.Option) -> bool:
    is_optional = getattr(option, "_flag_needs_value", False)  # such as --watch, with or without an interval
    return not (option.is_flag or option.count or option.nargs != 1 or is_optional)


def _refused(context: click.Context, option: click.Option, words: Sequence[str], at: int) -> Refused:
    word, name = words[at], option.metavar or option.type.name.upper()
    behind = f", not {words[at + 1]}" if words[at + 1 :] else ""
    line = line_of((*names_of(context), *words[: at + 1], _EXAMPLES.get(word, name), *words[at + 1 :]))
    return Refused(f"{word} needs {_KINDS.get(name, f'a value ({name})')} behind it{behind}", line)
