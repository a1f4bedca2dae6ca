"""The reason of a suspension that was left out, or typed without quotes: the command that was meant."""

from collections.abc import Iterator, Sequence
from typing import Final

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.tree import SAID, Refused
from reconciler.model.printable import shortened
from reconciler.model.similar import nearest

EXAMPLE_REASON: Final = "key ceremony, ask Kim"
"""The reason in a command that is printed where none was given."""

OWN_REASON: Final = "    # with your own reason"
"""The remark behind a command with that."""

_REASON: Final = "--reason"


def with_reason(words: Sequence[str]) -> tuple[str, ...]:
    """`words`, those of a suspension, with a reason as an example where they have none, so that they work."""
    if any(one.partition("=")[0] == _REASON for one in words):
        return tuple(words)
    end = words.index("--") if "--" in words else len(words)
    return (*words[:end], _REASON, EXAMPLE_REASON, *words[end:])


def with_quotes(known: Sequence[str]) -> Refused | None:
    """What to run where words behind the reason of the current command are no guest; None where each may be one.

    A word that is like the name of a guest is a mistyped one. What follows the last word of the reason is a guest.

    Args:
        known: the names of the guests that there are, at least one.
    """
    context = click.get_current_context()
    behind = _behind_reason(context.meta.get(SAID, ()))
    unknown = [word for word in behind if word not in known]
    if not unknown or any(nearest(word, known) for word in unknown):
        return None
    end = max(at for at, word in enumerate(behind) if word not in known) + 1
    reason = " ".join((context.params["reason"], *behind[:end]))
    # What was named before the reason stays, also where the reason has the same word.
    guests = list(context.params["guests"])[::-1]
    for word in behind[:end]:
        guests.remove(word)
    guests.reverse()
    line = changed_line(context, guests=tuple(dict.fromkeys(guests)) or None, reason=reason)
    is_whole = not guests and not context.params["labels"]
    what = f"'{shortened(unknown[0])}' is no guest, and probably belongs to the reason; a reason of several words needs"
    return Refused(f"{what} quotes", f"{line}    # the whole host: no guest is changed" if is_whole else line)


def _behind_reason(said: Sequence[str]) -> tuple[str, ...]:
    """The words among those that were `said` that follow the reason, up to the next option; none where none does."""
    words = iter(said)
    found: tuple[str, ...] = ()
    for word in words:
        if word == "--":
            break
        if word == _REASON:
            next(words, None)
            found = tuple(_up_to_an_option(words))
        elif word.startswith(f"{_REASON}="):
            found = tuple(_up_to_an_option(words))
    return found


def _up_to_an_option(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("-"):
            return
        yield word
