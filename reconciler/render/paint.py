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
