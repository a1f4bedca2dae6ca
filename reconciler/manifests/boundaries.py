"""Where each document of a YAML stream begins and ends, found without parsing it.

YAML lets no scalar, comment or collection run past a line that begins with ``---`` or ``...`` (YAML 1.2.2, chapter
9.1), so cutting there is exact. It keeps one bad document from hiding the problems of the next, and lets the size of
a document be checked before anything is built from it. `reconciler.manifests.characters` refuses the odd line breaks
that would make this untrue.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_MARKERS: Final = ("---", "...")
_WHITE: Final = " \t\r\n"


class Span(NamedTuple):
    """One document of a text: ``text[start:end]``, with its ``---`` line where it has one."""

    start: int
    end: int


def document_spans(text: str) -> list[Span]:
    """The documents of `text`, in order and without a gap; some may hold nothing but comments."""
    spans = []
    start = 0
    for marker in _marker_lines(text):
        end = marker if text[marker] == "-" else _end_of_line(text, marker)
        if end > start:
            spans.append(Span(start, end))
        start = end
    if start < len(text):
        spans.append(Span(start, len(text)))
    return spans


def _marker_lines(text: str) -> list[int]:
    """Where a line begins with a marker, ascending."""
    offsets = [0] if text.startswith(_MARKERS) else []
    for marker in _MARKERS:
        offsets += _starts_of_lines(text, f"\n{marker}")
    return sorted(at for at in offsets if text[at + 3 : at + 4] in _WHITE)


def _starts_of_lines(text: str, found: str) -> Iterator[int]:
    at = text.find(found)
    while at >= 0:
        yield at + 1
        at = text.find(found, at + 1)


def _end_of_line(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1
