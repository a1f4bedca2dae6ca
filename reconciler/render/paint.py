"""Colours for people at a terminal; without them every text stays the same."""

from collections.abc import Callable
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


def coloured(style: str, text: str) -> str:
    """`text` in the colour of `style` (ECMA-48 SGR sequences)."""
    return f"\033[{_CODES[style]}m{text}\033[0m"
