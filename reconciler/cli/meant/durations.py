"""A duration in words such as ``2 hours``, in one argument or in several: the command with it as we write it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import click

from reconciler.cli.command_lines import line_of, names_of
from reconciler.cli.meant.fitting import known_and_working
from reconciler.cli.meant.reasons import OWN_REASON, with_reason
from reconciler.cli.tree import Refused
from reconciler.model.printable import shortened

_UNITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 604800),
}
"""How many seconds a unit has, by what it is called."""

_LETTERS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_NUMBERS: Final[Mapping[str, int]] = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3}
_BESIDE: Final = ("ago", "and", "for", "in", "last", "about")
"""What may stand beside a duration, and does not change it."""

_PART: Final = re.compile(r"\d{1,6}|[a-z]+", re.ASCII)
_OURS: Final = re.compile(r"[\dsmhd]*", re.ASCII)
"""What is written as we write durations: where that is wrong, it is not for its words."""

_KINDS: Final = ("duration", "moment")
"""The names of the types of our options that take a duration."""


def duration_in(text: str) -> str:
    """The duration that `text` says in English, as we write it (``2 hours``: ``2h``); empty where it says none."""
    rest = text.lower().replace(",", " ")
    words = [one for one in _PART.findall(rest) if one not in _BESIDE]
    if _PART.sub("", rest).strip() or not words or len(words) % 2:
        return ""
    seconds = 0
    for number, unit in zip(words[::2], words[1::2], strict=True):
        count = int(number) if number.isdecimal() else _NUMBERS.get(number)
        if count is None or unit not in _UNITS:
            return ""
        seconds += count * _UNITS[unit]
    written = ""
    for size, letter in _LETTERS:
        count, seconds = divmod(seconds, size)
        written += f"{count}{letter}" if count else ""
    return written


def with_duration_in_words(error: click.BadParameter, context: click.Context, said: Sequence[str]) -> Refused | None:
    """The command of `context` with the duration that is meant by some of the words that were `said`; None if none is.

    Args:
        error: about the value of an option that takes a duration.
        context: that of the command.
        said: the words behind its name.
    """
    option = error.param
    if not isinstance(option, click.Option) or option.type.name not in _KINDS:
        return None
    found = value_in(option, said)
    if found is None:
        return None
    at, lead, value = found
    for end in range(len(said), at, -1):  # the longest first: an hour may follow a day
        words = said[at + 1 : end]
        text = " ".join((value, *words))
        meant = "" if any(one.startswith("-") for one in words) else duration_in(text)
        line = known_and_working(context.find_root(), (*names_of(context), *said[:at], f"{lead}{meant}", *said[end:]))
        if meant and line and not _OURS.fullmatch(text) and _is_taken(option, meant):
            whole = with_reason(line) if line[0] == "suspend" else line
            remark = "" if whole == line else OWN_REASON
            what = f"write '{shortened(text)}' as {meant} behind {option.opts[0]}"
            return Refused(what, f"{line_of(whole)}{remark}")
    return None


def _is_taken(option: click.Option, value: str) -> bool:
    """Whether `value` is one that `option` takes: a duration may be too long for it."""
    try:
        option.type.convert(value, None, None)
    except click.UsageError:
        return False
    return True


def value_in(option: click.Option, said: Sequence[str]) -> tuple[int, str, str] | None:
    """The last value of `option` among `said`: in which word, what stands before it there, and itself."""
    found = None
    for at, word in enumerate(said):
        name, equals, value = word.partition("=")
        if word in option.opts and said[at + 1 :]:
            found = (at + 1, "", said[at + 1])
        elif equals and name in option.opts and name.startswith("--"):
            found = (at, f"{name}=", value)
        elif word[:2] in option.opts and not word.startswith("--") and word[2:]:
            found = (at, word[:2], word[2:])
    return found
