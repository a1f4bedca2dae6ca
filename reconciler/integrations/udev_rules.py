"""The lines of udev rules, as far as one has to know them to find who sets the masks of the AP bus (udev(7))."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_KEY: Final = re.compile(r"\s*([A-Z_]+(?:\{[^}]*\})?)\s*(==|!=|\+=|-=|:=|=)\s*i?e?\"((?:[^\"\\]|\\.)*)\"\s*,?")


class Key(NamedTuple):
    """One key of a rule: ``ATTR{size}``, the operator, and the text between the quotes."""

    name: str
    operator: str
    value: str

    @property
    def assigns(self) -> bool:
        """Whether it does something, rather than ask."""
        return self.operator not in ("==", "!=")


class Rule(NamedTuple):
    """One rule: the number of its first line, from 1, and its keys, up to the first that cannot be read."""

    line: int
    keys: tuple[Key, ...]


def rules_of(text: str) -> Iterator[Rule]:
    """The rules in the `text` of a file: comments and empty lines left out, continued lines joined."""
    begun: list[str] = []
    first = 1
    for number, line in enumerate(text.split("\n"), 1):
        if not begun:
            first = number
            if line.lstrip().startswith("#"):
                continue
        if line.endswith("\\"):
            begun.append(line[:-1])
            continue
        whole = "".join([*begun, line])
        begun.clear()
        if whole.strip():
            yield Rule(first, tuple(_keys(whole)))


def _keys(line: str) -> Iterator[Key]:
    place = 0
    while found := _KEY.match(line, place):
        yield Key(found[1], found[2], found[3])
        place = found.end()
