"""An option that another command has, an end in place of a duration, a value near to a right one: the command meant."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import click

from reconciler.cli.command_lines import line_of, names_of
from reconciler.cli.meant.durations import duration_in, value_in
from reconciler.cli.meant.fitting import command_called, fitting_of, known_and_working, near_options, values_of
from reconciler.cli.meant.reasons import OWN_REASON, with_reason
from reconciler.model.similar import nearest

LOOKING: Final = ("status", "plan", "matrix", "drift", "history", "validate", "report", "doctor")
"""The commands that change nothing, so that one of them can be advised in place of another."""

_KIN: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(LOOKING, LOOKING),
    "plan": ("apply", *LOOKING),
    "apply": ("plan", "watch"),
    "watch": ("apply", "plan"),
}
"""Which commands may have been meant in place of another one that lacks an option, the likeliest first."""

_LEAST: Final = len("--fre")
"""How long an option is at least that is looked for in other commands, also where it is mistyped."""

ENDS: Final = ("--until", "--till", "--end", "--duration", "--ttl", "--timeout", "--expires", "--expire")
"""What other programs call how long something is suspended, or until when."""

_EXAMPLE: Final = "2h"
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "markdown": ("md",),
    "text": ("table", "txt", "plain", "human"),
    "table": ("text", "txt", "plain", "human"),
    "wide": ("full", "long", "all"),
    "diff": ("patch",),
    "yaml": ("yml",),
}
"""What other programs call a value of ours."""


def with_option(error: click.NoSuchOption, context: click.Context, said: Sequence[str]) -> tuple[str, ...] | None:
    """The command to run in place of that of `context`, which lacks an option among `said`; None if none is known."""
    names, name = names_of(context), error.option_name
    if len(names) != 1 or not name.startswith("--") or len(name) < _LEAST:
        return None
    at = next((at for at, word in enumerate(said) if word.partition("=")[0] == name), None)
    if at is None:
        return None
    root = context.find_root()
    for other in _KIN.get(names[0], ()):
        command = command_called(root, other)
        option = _option(command, name) if command and other != names[0] else ""
        if not option:
            continue
        _, equals, value = said[at].partition("=")
        words = (*said[:at], f"{option}{equals}{value}", *said[at + 1 :])
        fitting = fitting_of(root, other, words)
        if any(one.partition("=")[0] == option for one in fitting):
            return known_and_working(root, (other, *_without_guests(root, other, option, fitting)))
    return None


def _option(command: click.Command, name: str) -> str:
    """The option of `command` that is called `name`, or the only one like it; empty where there is none."""
    if any(name in one.opts and not getattr(one, "hidden", False) for one in command.params):
        return name
    near = near_options(command, name)
    return near[0] if len(near) == 1 else ""


def _without_guests(root: click.Context, other: str, option: str, words: Sequence[str]) -> list[str]:
    """`words` without those that name guests, where `option` is about the whole host."""
    command = command_called(root, other)
    values = values_of(root, command, words) if command and option == "--free" else None
    guests = values[0].get("guests") if values else None
    left = [str(one) for one in guests] if isinstance(guests, list | tuple) else []
    return [one for one in words if one not in left]


def with_duration(
    error: click.NoSuchOption, context: click.Context, said: Sequence[str], now: dt.datetime
) -> click.UsageError | None:
    """How something is suspended until a time, or for one that is said with another option; None if it is not that.

    `now` is the local time, which a time of the day is compared with.
    """
    at = next((at for at, word in enumerate(said) if word.partition("=")[0] == error.option_name), None)
    if names_of(context) != ("suspend",) or at is None or error.option_name not in ENDS:
        return None
    _, equals, value = said[at].partition("=")
    rest = list(said[at + 1 :])
    if not equals and rest and not rest[0].startswith("-"):
        value = rest.pop(0)
    if not equals:  # such as 2 hours
        while rest and not rest[0].startswith("-") and duration_in(f"{value} {rest[0]}"):
            value = f"{value} {rest.pop(0)}"
    is_right = re.fullmatch(r"(\d+[dhms])+", value)
    duration = value if is_right else duration_in(value) or _until(value, now)
    example = "" if duration else ", for example"
    words = (*names_of(context), *said[:at], "--for", duration or _EXAMPLE, *rest)
    found = known_and_working(context.find_root(), words)
    reasoned = with_reason(found or ())
    remark = "" if reasoned == found else OWN_REASON
    ending = f": {line_of(reasoned)}{remark}" if found else " (DURATION)."
    text = f"No such option '{error.option_name}'. How long is said with --for{example}{ending}"
    return click.UsageError(text, context)


def _until(value: str, now: dt.datetime) -> str:
    """How long it is from `now` until `value`, in whole minutes; empty where that is no time, or has passed."""
    with suppress(ValueError):
        if re.fullmatch(r"\d{1,2}:\d\d", value):
            hour, minute = map(int, value.split(":"))
            end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            end += dt.timedelta(days=end <= now)
        else:
            end = dt.datetime.fromisoformat(value)
            end = end if end.tzinfo else end.replace(tzinfo=now.tzinfo)
        minutes = -((now - end) // dt.timedelta(minutes=1))
        hours, rest = divmod(minutes, 60)
        return f"{f'{hours}h' if hours else ''}{f'{rest}m' if rest else ''}" if minutes > 0 else ""
    return ""


def with_value(error: click.BadParameter, context: click.Context, said: Sequence[str]) -> click.UsageError | None:
    """`error`, about a value of an option that is none of its choices, with what was meant; None if that is unknown."""
    option = error.param
    if not isinstance(option, click.Option) or not isinstance(option.type, click.Choice):
        return None
    found = value_in(option, said)
    if found is None:
        return None
    at, lead, value = found
    meant = _choice(value, [str(one) for one in option.type.choices])
    if not meant:
        return None
    words = (*said[:at], f"{lead}{meant}", *said[at + 1 :])
    is_right = values_of(context, context.command, words) is not None
    what = f"Did you mean: {line_of((*names_of(context), *words))}" if is_right else f"Did you mean '{meant}'?"
    return click.UsageError(f"{error.format_message()} {what}", context)


def _choice(value: str, choices: Sequence[str]) -> str:
    """Which of `choices` was meant by `value`: by another name of it, its beginning, or likeness; empty for none."""
    typed = value.lower()
    others = [choice for choice in choices if typed in _ALIASES.get(choice, ())]
    begun = [choice for choice in choices if typed and choice.startswith(typed)]
    return next(iter((*others, *(begun if len(begun) == 1 else ()))), "") or nearest(value, choices)
