"""What keeps a document from costing more than its size: no aliases, no tags, no deep nesting.

libyaml composes by recursion in C, so that a hundred thousand opening brackets end the process; and aliases can make a
small text expand to gigabytes. Both are found here from parse events, which do not recurse. As events take as long as
the rest, only documents that could be at fault are looked at so closely.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, NodeEvent

from reconciler.manifests.boundaries import document_spans
from reconciler.manifests.data import shortened
from reconciler.manifests.nodes import events

DOCUMENT_LIMIT: Final = 1 << 20
"""How long a document may be, in bytes."""

DEEPEST: Final = 20
"""How many collections may stand inside one another."""

_NESTED_AT_MOST: Final = 250
_INDICATORS: Final = "[{:?-"


class Refused(NamedTuple):
    """Something that YAML has and manifests have not: the problem's id, its text, and the characters concerned."""

    id: str
    message: str
    help: str
    start: int
    end: int


def is_harmless(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` needs no closer look: nothing like an anchor, alias or tag, no deep nesting.

    Each level of nesting takes an indicator of its own, which takes a character: counting them bounds the depth.
    """
    if text.find("&", start, end) >= 0 or text.find("*", start, end) >= 0 or text.find("!", start, end) >= 0:
        return False
    return end - start <= _NESTED_AT_MOST or _nests_little(text, start, end)


def is_text_harmless(text: str) -> bool:
    """`is_harmless` for every document of `text`; cheap where they are short."""
    if "&" in text or "*" in text or "!" in text or "<<" in text:
        return False
    # A line --- always ends a document, so that no document is longer than the longest piece.
    if max(map(len, text.split("\n---\n"))) <= _NESTED_AT_MOST:
        return True
    spans = document_spans(text)
    return all(end - start <= DOCUMENT_LIMIT // 4 and is_harmless(text, start, end) for start, end in spans)


def refused_parts(text: str) -> Iterator[Refused]:
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


def _first_too_deep(text: str) -> Refused | None:
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


def _nests_little(text: str, start: int, end: int) -> bool:
    return sum(text.count(indicator, start, end) for indicator in _INDICATORS) <= _NESTED_AT_MOST


def _refused(event: Event) -> Iterator[Refused]:
    start, end = _extent(event)
    if isinstance(event, AliasEvent):
        message = f"the alias *{shortened(str(event.anchor))} stands for something written elsewhere"
        yield Refused("yaml-alias", message, "Write it out: aliases are not used in manifests.", start, end)
    elif isinstance(event, NodeEvent) and event.anchor is not None:
        message = f"the anchor &{shortened(str(event.anchor))} is not used in manifests"
        yield Refused("yaml-alias", message, "Remove it.", start, start + 1 + len(event.anchor))
    tag = getattr(event, "tag", None)
    if tag is not None:
        message = f"the tag {shortened(tag)} is not used in manifests"
        yield Refused("yaml-tag", message, "Remove it: what a value means follows from where it stands.", start, end)


def _too_deep(event: Event) -> Refused:
    message = f"more than {DEEPEST} lists and mappings stand inside one another here"
    return Refused("too-deep", message, "Check the brackets and the indentation.", *_extent(event))


def _extent(event: Event) -> tuple[int, int]:
    assert event.start_mark is not None
    assert event.end_mark is not None
    return event.start_mark.index, event.end_mark.index
