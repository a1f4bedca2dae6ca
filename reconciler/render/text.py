"""What all texts share: colours, which only add, counted nouns, and how long something took as people say it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

Paint = Callable[[str, str], str]
"""Given a style's name and a text, the text as it is to be shown."""

_CODES: Final = {
    "added": "32",
    "changed": "33",
    "removed": "31",
    "error": "1;31",
    "warning": "1;33",
    "good": "32",
    "faint": "2",
    "bold": "1",
}


def plain(_style: str, text: str) -> str:
    """`text` without colour."""
    return text


class Painter:
    """Colours as ECMA-48 SGR sequences.

    Attributes:
        introducer: what each sequence begins with: that of a terminal, or a mark of whoever writes to one, so that
            colours in text from outside are not taken for ours.
    """

    def __init__(self, introducer: str = "\033[") -> None:
        self.introducer = introducer

    def __call__(self, style: str, text: str) -> str:
        """`text` in the colour of `style`."""
        return f"{self.introducer}{_CODES[style]}m{text}{self.introducer}0m"


_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def duration_text(seconds: float) -> str:
    """`seconds` in at most two units, rounded down: ``2 hours 5 minutes``, ``less than a second``.

    What lies in the future by a clock that was set back counts as no time at all.
    """
    if seconds < 1:
        return "less than a second" if seconds > 0 else "0 seconds"
    left = int(seconds)
    largest = next(number for number, (_noun, size) in enumerate(_UNITS) if left >= size)
    words = []
    for noun, size in _UNITS[largest : largest + 2]:
        count, left = divmod(left, size)
        words += [counted(count, noun)] if count else []
    return " ".join(words)


def counted(count: int, noun: str) -> str:
    """A count with its noun: ``1 guest``, ``2 guests``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def moment(seconds: float) -> str:
    """`seconds` since 1970 as a date and a time of day, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
