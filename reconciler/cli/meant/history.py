"""What the words after ``reconcile history`` ask for, and what was meant by those that ask for nothing there is."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click
from click.core import ParameterSource

from reconciler.cli.command_lines import again
from reconciler.cli.meant.fitting import machine_only
from reconciler.cli.meant.guests import recorded
from reconciler.cli.meant.nouns import NEWEST
from reconciler.cli.open_host import state_of
from reconciler.cli.options import HostOptions, OneApply
from reconciler.cli.tree import Refused
from reconciler.model.errors import ReconcileError
from reconciler.model.printable import shortened
from reconciler.model.similar import nearest
from reconciler.transaction.apply_ids import number_of
from reconciler.transaction.history import History

_SUBJECTS: Final = {("show", 2, 1), ("diff", 3, 2), ("state", 2, 1), ("state", 1, 0)}
"""The first word, how many words there are, and how many of them name an apply."""

_NAMES: Final = ("show", "diff", "state")


def asked_for(host: HostOptions, words: Sequence[str], format: str) -> tuple[int | str, ...]:
    """What is asked for: nothing, which is the list, or a word and the generations that it is about.

    Args:
        host: whose history it is.
        words: the arguments of the command.
        format: how to print.

    Raises:
        click.UsageError: nothing can be made of it; it says what to run instead.
    """
    if not words:
        if format == "diff":
            newest_one = _show_words(_newest(host))
            line = _line_for(newest_one)
            raise Refused("a list has no diff; one generation has", line)
        return ()
    _refuse_newest(host, words)
    which = _applies(words[1:])
    if (words[0], len(words), len(which)) not in _SUBJECTS:
        raise _meant(host, words)
    if listing := _options_of_the_list():
        names = [one.opts[0] for one in listing]
        what = f"{' and '.join(names)} {'goes' if len(names) == 1 else 'go'} with the list only"
        raise Refused(what, f"{_line_for(words)}    # without {'it' if len(names) == 1 else 'them'}")
    return (words[0], *which)


def _refuse_newest(host: HostOptions, words: Sequence[str]) -> None:
    """Return if no one of `words` stands for the newest generation, or there is none.

    Raises:
        Refused: one does; it has the command with the number.
    """
    places = [at for at, word in enumerate(words) if word.lower() in NEWEST and not _is_apply(host, word)]
    known = _newest(host)
    if not places or not known:
        return
    meant = [str(known[-1]) if at in places else word for at, word in enumerate(words)]
    meant = meant if words[0] in _NAMES else ["show", *meant]
    raise Refused(f"generations have numbers; the newest one is {known[-1]}", _line_for(meant))


def _options_of_the_list() -> list[click.Parameter]:
    """The options of the current command that were given, and that say what is listed."""
    context = click.get_current_context()
    others = {"words", "format", *(one.name for one in machine_only(context.command).params), "run_dir"}
    given = [one for one in context.command.params if one.name not in others]
    return [one for one in given if context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE]


def _applies(words: Sequence[str]) -> tuple[int | str, ...]:
    return tuple(one for one in map(_one_apply, words) if one is not None)


def _one_apply(word: str) -> int | str | None:
    try:
        found = OneApply().convert(word, None, None)
    except click.BadParameter:
        return None
    assert isinstance(found, int | str)
    return found


def _meant(host: HostOptions, words: Sequence[str]) -> Refused:
    """Why `words` ask for nothing, and what to run instead."""
    first, others = words[0], [part for word in words[1:] for part in word.split("..") if part]
    numbers = [word for word in words if isinstance(_one_apply(word), int)]
    if guest := _guest_in(host, words):
        text = f"{guest} is a guest; the history is of whole applies"
        shown = f"{_line_for((), format='wide')}    # names the guests of each"
        return Refused(text, shown)
    if len(numbers) == len(words) == 2:
        return Refused("to compare two generations, use diff", _line_for(("diff", *words)))
    if len(words) == 1 and _is_apply(host, first):
        what = "generation" if numbers else "the apply"
        return Refused(f"to see {what} {first}, use show", _line_for(("show", first)))
    if first in _NAMES:
        return _too_few_or_many(host, first, others)
    if near := nearest(first, _NAMES):
        return Refused(f"history has no {shortened(first)!r}. Did you mean {near!r}?", _line_for((near, *others)))
    text = f"history has no {shortened(first)!r}; it has show ID, diff ID ID, state [ID], or none of them for the list"
    return Refused(text, _line_for(()))


def _too_few_or_many(host: HostOptions, first: str, others: Sequence[str]) -> Refused:
    """What to run instead of show, diff or state with as many words as they do not take, or with what is no ID."""
    known = _newest(host)
    which = [str(one) for one in _applies(others)]
    if first != "state" and len(which) == 2 == len(others):
        return Refused("to compare two generations, use diff", _line_for(("diff", *which)))
    if first == "diff" and len(which) == 1 == len(others):
        text = "diff compares two generations; to see what one generation changed, use show"
        return Refused(text, _line_for(("show", which[0])))
    if first == "diff":
        newest_two = ("diff", *map(str, known[-2:])) if len(known) > 1 else ()
        return Refused("diff needs the ID of two applies", _with_remark(newest_two, "compares the newest two"))
    if which or others:
        words = (first, *which[:1])
        return Refused(f"{first} takes the ID of one apply", _line_for(words if which else ()))
    return Refused(f"{first} needs the ID of an apply", _with_remark(_show_words(known), "shows the newest one"))


def _show_words(known: Sequence[int]) -> tuple[str, ...]:
    return ("show", str(known[-1])) if known else ()


def _with_remark(words: Sequence[str], remark: str) -> str:
    return f"{_line_for(words)}    # {remark}" if words else f"{_line_for(())}    # lists them"


def _line_for(words: Sequence[str], **others: object) -> str:
    """The current command with `words` in place of its own, without what would not go with them."""
    if words:
        left_out = {one.name or "": None for one in _options_of_the_list()}
    else:
        left_out = {"format": None} if click.get_current_context().params["format"] == "diff" else {}
    return again(**{"words": tuple(words) or None, **left_out, **others})


def _newest(host: HostOptions) -> list[int]:
    """The numbers of the generations, ascending; none where this user may not read them."""
    with suppress(ReconcileError, OSError):
        return History(state_of(host)[0]).numbers()
    return []


def _is_apply(host: HostOptions, word: str) -> bool:
    """Whether `word` is the number or the id of an apply, as far as this user may read that."""
    found = _one_apply(word)
    if isinstance(found, int):
        return True
    with suppress(ReconcileError, OSError):
        return found is not None and bool(number_of(state_of(host)[0], found))
    return False


def _guest_in(host: HostOptions, words: Sequence[str]) -> str:
    """The first of `words` that is the name of a guest and of no apply; empty where none is."""
    with suppress(ReconcileError, OSError):
        known = {one.name for one in recorded(host)}
        return next((word for word in words if word in known and not _is_apply(host, word)), "")
    return ""
