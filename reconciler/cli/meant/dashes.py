"""An option that was typed with one dash, or with none, among the names of guests: the command that was meant."""

import os
import re
from collections.abc import Sequence
from typing import Final

import click

from reconciler.cli.command_lines import changed_words, line_of, names_of
from reconciler.cli.meant.elsewhere import with_option
from reconciler.cli.meant.fitting import fitting_of, known_and_working, values_of, without_text

_ONE_DASH: Final = re.compile(r"-[a-z][a-z-]{2,}(?:=.*)?", re.ASCII | re.DOTALL)
"""What may be a long option: a short one and its value look the same."""

_FREE: Final = ("free", "idle", "unused", "available", "unassigned")
"""What a queue is called that no guest and not the host has."""


def with_one_dash(context: click.Context, said: Sequence[str]) -> click.UsageError | None:
    """That a long option among the words that were `said` has one dash only, with the command; None where none has.

    What follows an option that has a value is that value, and so is the rest of a word that names a file.
    """
    with_value = {
        name
        for one in context.command.params
        if isinstance(one, click.Option) and not one.is_flag
        for name in (*one.opts, *one.secondary_opts)
    }
    for at, word in enumerate(said):
        if word == "--":
            break
        is_value = at > 0 and said[at - 1] in with_value
        if is_value or not _ONE_DASH.fullmatch(word) or os.path.lexists(word[2:]):
            continue
        if found := _with_two(context, said, at):
            return click.UsageError(f"No such option '{word}'. Did you mean: {line_of(found)}", context)
    return None


def _with_two(context: click.Context, said: Sequence[str], at: int) -> tuple[str, ...] | None:
    """The command with a second dash before the word `at` of those that were `said`; None where it is refused."""
    option = f"-{said[at]}"
    words = (*said[:at], option, *said[at + 1 :])
    name = option.partition("=")[0]
    if any(name in one.opts for one in context.command.params):
        return known_and_working(context.find_root(), (*names_of(context), *words))
    return with_option(click.NoSuchOption(name), context, words)


def with_dashes(context: click.Context, word: str, guests: Sequence[str]) -> str:
    """The command that was meant where `word` stands among the guests and is no guest; empty where that is not known.

    Args:
        context: that of the command, ``status`` or ``matrix``.
        word: such as ``free``, ``json`` or ``watch``.
        guests: the names and uuids of guests that there are, which are not shown with queues that are free.
    """
    lower, root = word.lower(), context.find_root()
    others = tuple(one for one in context.params["guests"] if one != word)
    if lower in _FREE:
        asked = tuple(one for one in others if one not in {*guests} and one.lower() not in _FREE)
        words = changed_words(context, guests=asked or None, labels=None, free=None)
        left = [one for one in others if one not in asked and one.lower() not in _FREE]
        return line_of(("status", "--free", *fitting_of(root, "status", words))) + without_text(left, ())
    given = changed_words(context, guests=others or None, format=None)
    for option in (one for one in context.command.params if isinstance(one, click.Option)):
        if isinstance(option.type, click.Choice) and lower in option.type.choices:
            return _working(context, (option.opts[0], lower, *given))
        if option.is_flag and f"--{lower}" in option.opts and option.name not in context.help_option_names:
            return _working(context, (f"--{lower}", *changed_words(context, guests=others or None)))
    return ""


def _working(context: click.Context, words: Sequence[str]) -> str:
    """The command of `context` with `words` for a shell; empty where it would not take them."""
    return line_of((*names_of(context), *words)) if values_of(context, context.command, words) else ""
