"""The lines of udev rules, as far as one has to know them to find who sets the masks of the AP bus (udev(7)).

How udev takes a file apart was measured with ``udevadm test`` of systemd 252 (docs/kernel-rules.md, "Masks at boot").
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_LINE_END: Final = re.compile(r"\r\n|\n|\r|\0")
_KEY: Final = re.compile(r"[\s,]*([A-Z_]+(?:\{[^}]*\})?)\s*(==|!=|\+=|-=|:=|=)\s*(e?)\"((?:[^\"\\]|\\.)*)\"")
_REST: Final = re.compile(r"[\s,]*")


class Key(NamedTuple):
    """One key of a rule: ``ATTR{size}``, the operator, the text between the quotes, and whether it is ``e"…"``."""

    name: str
    operator: str
    value: str
    escaped: bool = False

    @property
    def assigns(self) -> bool:
        """Whether it does something, rather than ask."""
        return self.operator not in ("==", "!=")


class Rule(NamedTuple):
    """One rule.

    Attributes:
        line: the number of its first line, from 1.
        keys: its keys, up to the first that cannot be read.
        text: all of it.
        readable: whether udev can read all of it; it skips a rule that it cannot read.
    """

    line: int
    keys: tuple[Key, ...]
    text: str = ""
    readable: bool = True


def rules_of(text: str) -> Iterator[Rule]:
    """The rules in the `text` of a file: comments and empty lines left out, continued lines joined.

    A line ends with LF, CRLF or CR. A comment between continued lines is left out as well, and a backslash at its end
    continues nothing.
    """
    begun: list[str] = []
    first = 1
    for number, raw in enumerate(_LINE_END.split(text), 1):
        line = raw.lstrip()
        if line.startswith("#"):
            continue
        if not begun:
            first = number
        if line.endswith("\\"):
            begun.append(line[:-1])
            continue
        whole = "".join([*begun, line])
        begun.clear()
        if whole.strip():
            yield _rule(first, whole)


def _rule(line: int, text: str) -> Rule:
    keys, place = [], 0
    while found := _KEY.match(text, place):
        keys.append(Key(found[1], found[2], found[4], bool(found[3])))
        place = found.end()
    return Rule(line, tuple(keys), text, bool(_REST.fullmatch(text, place)))
