"""What all texts share: colours, which only add, counted nouns, durations, and sections that are cut to a few lines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple

Paint = Callable[[str, str], str]
"""Given a style's name and a text, the text as it is to be shown."""

_CODES: Final = {
    "added": "32",
    "changed": "33",
    "removed": "31",
    "error": "1;31",
    "warning": "1;33",
    "note": "36",
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


def counted(count: int, noun: str) -> str:
    """A count with its noun: ``1 guest``, ``2 guests``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def moment(seconds: float) -> str:
    """`seconds` since 1970 as a date and a time of day, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def local(seconds: float, zone: tzinfo | None = None) -> datetime:
    """`seconds` since 1970 in the `zone`; None: the one of this process, or UTC where Python has no such zone."""
    found = datetime.fromtimestamp(seconds, UTC)
    try:
        return found.astimezone(zone)
    except (ValueError, OverflowError):  # TZ=ABC-24, which POSIX allows; or a year that is over there already
        return found


def iso_time(seconds: float) -> str:
    """`seconds` since 1970 for programs: ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


MOST_LINES: Final = 60
"""How many lines a text has by default, however large the host is; what is left out is counted."""

_MOST_ITEM_LINES: Final = 8


class Section(NamedTuple):
    """A part of a text, of which the first items are shown where there is no room for all.

    Attributes:
        noun: what one item is, for the count of those that are left out.
        total: how many items there are.
        items: the lines of each; they are made only as far as they are shown.
        heading: the lines above them.
        is_spaced: whether an empty line stands below each item where there is room for all.
    """

    noun: str
    total: int
    items: Iterable[Sequence[str]]
    heading: Sequence[str] = ()
    is_spaced: bool = False


def fitted(sections: Sequence[Section], room: int | None) -> tuple[list[str], bool]:
    """The lines of `sections`, each ended by an empty line, and whether anything was left out.

    Where they have more than `room` lines, each section gets a fair share, and says how many of its items are not
    shown. With None as `room` everything is shown.
    """
    found = [_Taken(one, room) for one in sections if one.total]
    if room is None or sum(one.full_size for one in found) <= room:
        return [line for one in found for line in one.full()], False
    left = room - sum(one.frame for one in found)
    for waiting, one in enumerate(sorted(found, key=lambda one: one.size)):
        one.share = min(one.size, left // (len(found) - waiting))
        left -= one.share
    return [line for one in found for line in one.cut()], True


class _Taken:
    """A section with as many of its items as can be shown at most."""

    def __init__(self, section: Section, room: int | None) -> None:
        self._section = section
        self._items: list[list[str]] = []
        self.share = 0
        whole = short = 0
        for item in section.items:
            self._items.append(list(item))
            whole += len(self._items[-1])
            short += min(len(self._items[-1]), _MOST_ITEM_LINES)
            if room is not None and short > room:
                break
        self.size = short + section.total - len(self._items)
        blanks = section.total if section.is_spaced else 1
        self.full_size = whole + section.total - len(self._items) + blanks + len(section.heading)
        self.frame = 2 + len(section.heading)  # with the count of what is left out, and the empty line

    def full(self) -> Iterator[str]:
        yield from self._section.heading
        for item in self._items:
            yield from item
            yield from [""] if self._section.is_spaced else []
        yield from [] if self._section.is_spaced else [""]

    def cut(self) -> Iterator[str]:
        yield from self._section.heading
        shown, left = 0, self.share
        for item in map(_shortened, self._items):
            if len(item) > left:
                break
            yield from item
            shown, left = shown + 1, left - len(item)
        if shown < self._section.total:
            yield f"  … and {counted(self._section.total - shown, f'more {self._section.noun}')}"
        yield ""


def _shortened(item: list[str]) -> list[str]:
    if len(item) <= _MOST_ITEM_LINES:
        return item
    shown = item[: _MOST_ITEM_LINES - 1]
    return [*shown, f"      … and {counted(len(item) - len(shown), 'more line')}"]
