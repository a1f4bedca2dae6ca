"""Bytes to YAML nodes: which characters there may be, where documents end, and what a document may cost.

libyaml parses; none of YAML's own ideas of what a scalar means is used.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from yaml import CBaseLoader
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, NodeEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconciler.manifests.data import LONGEST_EXCERPT, SourceText, error, shortened
from reconciler.model.printable import first_unprintable, in_place, shown_character
from reconciler.model.problems import Place, Position, Problem

_HARMLESS: Final = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)))
_ODD_LINE_BREAKS: Final = "\x85\u2028\u2029"
_PERHAPS_ODD: Final = re.compile("[^\t\n\r -~\xa0-\xac\xae-\u02ff]|\r(?!\n)")
_IN_WORDS_AND_EMOJI: Final = "\u200c\u200d\ufe0e\ufe0f"
"""Comments may have these, as some languages and all emoji do; names and labels may not."""
_BYTE_ORDER_MARKS_16_32: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def decoded(content: bytes, file: str) -> str | Problem:
    """`content`, the whole of `file`, as text; or what is wrong with it."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as refused:
        return _not_utf8(content, file, refused.start)


def odd_characters(source: SourceText) -> list[Problem]:
    """A problem for the first character of `source` that does not belong into a manifest; empty where there is none."""
    text = source.text
    encoded = text.encode("utf-8", "surrogatepass")
    if not encoded.translate(None, _HARMLESS) and text.isascii() and "\r" not in text:
        return []
    odd = (found.start() for found in _PERHAPS_ODD.finditer(text) if _is_odd(found[0]))
    return [_odd_character(source, offset) for offset in islice(odd, 1)]


def _is_odd(character: str) -> bool:
    return character not in _IN_WORDS_AND_EMOJI and first_unprintable(character) is not None


def _not_utf8(content: bytes, file: str, offset: int) -> Problem:
    if content.startswith(_BYTE_ORDER_MARKS_16_32):
        message = f"{file} is not UTF-8: it begins with the byte order mark of UTF-16 or UTF-32"
    else:
        message = f"{file} is not UTF-8: byte 0x{content[offset]:02x} at offset {offset}"
    before = content[:offset]
    start = before.rfind(b"\n") + 1
    column = len(before[start:].decode("utf-8", "replace")) + 1
    end = content.find(b"\n", offset)
    line = content[start : end if end >= 0 else start + LONGEST_EXCERPT].decode("utf-8", "replace")
    excerpt = "" if "\0" in line or column > LONGEST_EXCERPT else in_place(line[:LONGEST_EXCERPT])
    places = (Place(Position(file, before.count(b"\n") + 1, column), excerpt=excerpt),)
    return error("not-utf8", message, places, "Save the file as UTF-8 without a byte order mark.")


def _odd_character(source: SourceText, offset: int) -> Problem:
    character = source.text[offset]
    places = (source.place(offset),)
    if character == "\ufeff":
        message = "there is a byte order mark (U+FEFF)"
        return error("byte-order-mark", message, places, "Save the file as UTF-8 without a byte order mark.")
    if character in _ODD_LINE_BREAKS or character == "\r":
        message = f"there is a line break that programs disagree on (U+{ord(character):04X})"
        return error("odd-line-break", message, places, "End lines with a line feed, as editors on Linux do.")
    message = f"there is a character that cannot be seen: {shown_character(character)} (U+{ord(character):04X})"
    return error("control-character", message, places, "Remove it. If the file is not text, it does not belong here.")


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


__all__ = ["MappingNode", "Node", "ScalarNode", "SequenceNode", "events", "nodes"]


class _Parser(CBaseLoader):
    """libyaml's parser and composer, the public name of which brings a constructor, too; every scalar is text."""

    def resolve(self, _kind: object, _value: object, _implicit: object) -> str:
        """The tag of any node without one of its own."""
        return ""

    def descend_resolver(self, _parent: object, _index: object) -> None:
        """Nothing: no tag depends on where a node is."""

    def ascend_resolver(self) -> None:
        """Nothing, likewise."""


def nodes(text: str) -> Iterator[Node]:
    """The top node of each document in `text`.

    Composing recurses in C without a limit, so `text` must be known not to nest deep (see above).

    Raises:
        yaml.YAMLError: `text` is not YAML.
    """
    parser = _Parser(text)
    while parser.check_node():
        node = parser.get_node()
        assert node is not None
        yield node


def events(text: str) -> Iterator[Event]:
    """The parse events of `text`; never recurses. Raises as `nodes`."""
    parser = CBaseLoader(text)  # of which only libyaml's parser is used
    while parser.check_event():
        event = parser.get_event()
        assert event is not None
        yield event


DOCUMENT_LIMIT: Final = 1 << 20
"""How long a document may be, in bytes."""

DEEPEST: Final = 20
"""How many collections may stand inside one another."""

_NESTED_AT_MOST: Final = 250
_INDICATORS: Final = "[{:?-"


class RefusedPart(NamedTuple):
    """Something that YAML has and manifests have not: the problem's id, its text, and the characters concerned."""

    id: str
    message: str
    help: str
    start: int
    end: int


def is_harmless(text: str) -> bool:
    """Whether the document `text` needs no closer look: nothing like an anchor, alias or tag, no deep nesting.

    Each level of nesting takes an indicator of its own, which takes a character: counting them bounds the depth.
    """
    if "&" in text or "*" in text or "!" in text:
        return False
    return len(text) <= _NESTED_AT_MOST or _nests_little(text)


def refused_parts(text: str) -> Iterator[RefusedPart]:
    """What is refused in the document `text`; offsets are within it. After deep nesting nothing more is looked at.

    Raises:
        yaml.YAMLError: `text` is not YAML.
    """
    depth = 0
    try:
        for event in events(text):
            yield from _refused(event)
            depth += _step(event)
            if depth > DEEPEST:
                yield _too_deep(event)
                return
    except MarkedYAMLError as wrong:
        # Some versions of libyaml refuse deep nesting themselves, before they report any part of it. Whether it is that
        # shows in what stands before the place where they stopped; their words are no interface.
        deep = _first_too_deep(text[: wrong.problem_mark.index]) if wrong.problem_mark else None
        if deep is None:
            raise
        yield deep


def _first_too_deep(text: str) -> RefusedPart | None:
    """The first part of `text`, which may end anywhere, that nests too deep."""
    depth = 0
    with suppress(YAMLError):
        for event in events(text):
            depth += _step(event)
            if depth > DEEPEST:
                return _too_deep(event)
    return None


def _step(event: Event) -> int:
    return isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)


def _nests_little(text: str) -> bool:
    return sum(text.count(indicator) for indicator in _INDICATORS) <= _NESTED_AT_MOST


def _refused(event: Event) -> Iterator[RefusedPart]:
    start, end = _extent(event)
    if isinstance(event, AliasEvent):
        name = shortened(str(event.anchor))
        yield RefusedPart("yaml-alias", _no_aliases(name), f"Write the value out where *{name} stands.", start, end)
    elif isinstance(event, NodeEvent) and event.anchor is not None:
        name = shortened(event.anchor)
        advice = f"Write the value out wherever *{name} stands. Then remove &{name}."
        yield RefusedPart("yaml-alias", _no_aliases(name), advice, start, start + 1 + len(event.anchor))
    tag = getattr(event, "tag", None)
    if tag is not None:
        message = f"manifests may not have tags such as {shortened(tag.replace('tag:yaml.org,2002:', '!!'))}"
        yield RefusedPart(
            "yaml-tag", message, "Remove it: what a value means follows from where it stands.", start, end
        )


def _no_aliases(name: str) -> str:
    return f"manifests may not have anchors (&{name}) and aliases (*{name})"


def _too_deep(event: Event) -> RefusedPart:
    message = f"more than {DEEPEST} lists and mappings stand inside one another here"
    return RefusedPart("too-deep", message, "Check the brackets and the indentation.", *_extent(event))


def _extent(event: Event) -> tuple[int, int]:
    assert event.start_mark is not None
    assert event.end_mark is not None
    return event.start_mark.index, event.end_mark.index


_ADVICE: Final = {
    "mapping values are not allowed": "Check the indentation, or quote the value if it has a colon in it.",
    "unexpected end of stream": "A quote is not closed.",
    "document indicator": "A quote or bracket is not closed before the next ---.",
    "did not find expected key": "Check that the keys of one mapping begin in the same column.",
    "expected ',' or": "A bracket is not closed, or a comma is missing.",
    "<document start>": "Check the indentation: everything before this line is a whole document.",
    "undefined alias": "Write the value out: manifests may not have aliases.",
}


def syntax_problem(source: SourceText, span: Span, wrong: YAMLError) -> Problem:
    """The problem that `wrong`, raised for the document in `span`, stands for."""
    mark = wrong.problem_mark if isinstance(wrong, MarkedYAMLError) else None
    # At the end of the text libyaml's mark may stand behind it, on a line that is not there.
    offset = max(span.start, min(span.start + (mark.index if mark else 0), span.end - 1))
    places = (source.place(offset),)
    if source.text.startswith("\t", offset):
        return error("yaml-tab", "a tab stands where only spaces may indent", places, "Indent with spaces.")
    said = ", ".join(filter(None, (getattr(wrong, name, None) for name in ("context", "problem")))) or str(wrong)
    advice = next(
        (advice for words, advice in _ADVICE.items() if words in said), "Check indentation, quotes and brackets."
    )
    return error("yaml-syntax", f"this is not YAML: {said}", places, advice)
