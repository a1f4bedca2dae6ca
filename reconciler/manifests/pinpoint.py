"""Fields to exact positions.

Checks after reading know only where a document starts and which field they mean; keeping every position would cost
more than reading. When there is something to report, the one document is read again: each once, however many problems
it has, and no more text than `READ_AGAIN` in all.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

from yaml.error import YAMLError

from reconciler.manifests.data import Path, SourceText
from reconciler.manifests.strict_yaml import composed
from reconciler.manifests.yaml_stream import (
    DOCUMENT_LIMIT,
    MappingNode,
    Node,
    ScalarNode,
    Span,
    document_spans,
    is_harmless,
    refused_parts,
)
from reconciler.model.problems import Place, Position, Problem

_ABOUT_KEYS: Final = frozenset(("unknown-key",))
"""Problems whose field is at fault for being there, so that its key is marked, not its value."""

READ_AGAIN: Final = 1 << 20
"""How many characters of documents are read again in one run; a place in what follows is where its document begins."""

_WHOLE_LINE: Final = 1 << 30
_GUEST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?", re.ASCII)


def pinpoint(problems: Iterable[Problem], sources: Mapping[str, str]) -> list[Problem]:
    """`problems` with the exact position, excerpt and width of each place; `sources` has the text of each file.

    A place that has an excerpt already, or whose file is not in `sources`, stays as it is. A field that does not
    exist is given as the innermost part of its path that does.
    """
    listed = list(problems)
    finder = _Finder(ReadAgain(sources))
    documents: dict[Position, list[tuple[int, int]]] = {}
    for row, problem in enumerate(listed):
        for column, place in enumerate(problem.places):
            documents.setdefault(place.position, []).append((row, column))
    exact = [list(problem.places) for problem in listed]
    for rows in documents.values():
        for row, column in rows:
            mark_key = listed[row].id in _ABOUT_KEYS
            exact[row][column] = finder.exact(exact[row][column], mark_key=mark_key)
    return [problem._replace(places=tuple(places)) for problem, places in zip(listed, exact, strict=True)]


def guests_in(problems: Iterable[Problem], sources: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the Guests whose documents `problems` point into, each once; `sources` has the text of each file.

    A document may be wrong otherwise: its kind and its name are enough.
    """
    documents = ReadAgain(sources)
    places = (place for problem in problems for place in problem.places if not place.is_whole)
    found = (_guest_at(place.position, documents) for place in places if sources.get(place.position.file))
    return tuple(dict.fromkeys(filter(None, found)))


def _guest_at(position: Position, documents: "ReadAgain") -> str:
    """The name of the Guest whose document is at `position`; empty where there is none, or no name that it may have."""
    node, _ = documents.document(position)
    name = _scalar(node, "metadata", "name") if _scalar(node, "kind") == "Guest" else ""
    return name if _GUEST_NAME.fullmatch(name) else ""


def _scalar(node: Node | None, *path: str) -> str:
    for key in path:
        found = child(node, key) if isinstance(node, MappingNode) else None
        node = found[1] if found else None
    return node.value if isinstance(node, ScalarNode) else ""


class ReadAgain:
    """Documents that are read again; remembers the files it has divided, and the document it has read last."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        """`sources` has the text of each file."""
        self.sources = sources
        self._files: dict[str, tuple[SourceText, list[Span]]] = {}
        self._last: tuple[Position, Node | None, int] | None = None
        self._left = READ_AGAIN

    def file(self, name: str) -> tuple[SourceText, list[Span]]:
        """The text of the file `name`, which is among the sources, and its documents."""
        if name not in self._files:
            text = self.sources[name]
            self._files[name] = (SourceText(name, text), document_spans(text))
        return self._files[name]

    def document(self, position: Position) -> tuple[Node | None, int]:
        """The top node of the document at `position` and the offset its marks count from.

        None where the document is no YAML that is read, or too much was read again already.
        """
        if self._last is None or self._last[0] != position:
            source, spans = self.file(position.file)
            span = spans[bisect_right(spans, source.offset(position), key=lambda one: one.start) - 1]
            self._left -= span.end - span.start
            node = _read_again(source.text, span) if self._left >= 0 else None
            self._last = (position, node, span.start)
        return self._last[1:]


class _Finder:
    """Finds exact places in documents."""

    def __init__(self, documents: ReadAgain) -> None:
        self._documents = documents

    def exact(self, place: Place, *, mark_key: bool) -> Place:
        if place.excerpt or place.position.file not in self._documents.sources:
            return place
        source, _ = self._documents.file(place.position.file)
        if not source.text:
            return place
        node, offset = self._documents.document(place.position) if place.field else (None, 0)
        if node is None:
            start = source.offset(place.position)
            return source.place(start, _WHOLE_LINE, place.label)._replace(field=place.field)
        start, end = marked(node, place.field, mark_key=mark_key)
        return source.place_of(offset + start, offset + end, place.label)._replace(field=place.field)


def _read_again(text: str, span: Span) -> Node | None:
    try:
        part = text[span.start : span.end]
        safe = len(part) <= DOCUMENT_LIMIT and (is_harmless(part) or not any(True for _ in refused_parts(part)))
        return composed(text, span) if safe else None
    except YAMLError:
        return None


def marked(top: Node, field: Path, *, mark_key: bool) -> tuple[int, int]:
    """First character and end of what stands for `field` in the document `top`, or for the part of it that exists."""
    key: Node | None = None
    node = top
    for part in field:
        found = child(node, part)
        if found is None:
            mark_key = False
            break
        key, node = found
    if key is not None and (mark_key or not _stands_on_one_line(node)):
        node = key
    return node.start_mark.index, node.end_mark.index


def child(node: Node, part: str | int) -> tuple[Node | None, Node] | None:
    """The key, where it has one, and the value of `part` of `node`; None where it has no such part."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, ScalarNode) or not isinstance(part, int) or part >= len(node.value):
        return None
    return None, node.value[part]


def _stands_on_one_line(node: Node) -> bool:
    """Whether marking the whole of `node` shows it: text that is there, or a list or mapping in brackets."""
    if node.start_mark.line != node.end_mark.line or node.start_mark.index == node.end_mark.index:
        return False
    return isinstance(node, ScalarNode) or bool(getattr(node, "flow_style", False))
