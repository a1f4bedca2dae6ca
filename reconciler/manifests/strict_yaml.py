"""YAML text to plain data with positions, and everything that is wrong with it as YAML.

Callers: `reconciler.manifests.site` for manifests, and whoever reads a simulated host's description. There are two
ways through. The quick one takes a whole text that has nothing suspicious in it; as soon as anything is wrong, the
careful one reads document by document, explains, and goes on with the next.
"""

import re
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Final, NamedTuple

from yaml.error import YAMLError

from reconciler.manifests.data import MOST_PROBLEMS, Data, PlainScalars, Source, error, limited, shown
from reconciler.manifests.yaml_stream import (
    DOCUMENT_LIMIT,
    MappingNode,
    Node,
    ScalarNode,
    Span,
    document_spans,
    is_harmless,
    is_text_harmless,
    nodes,
    odd_characters,
    refused_parts,
    syntax_problem,
)
from reconciler.model.problems import Place, Position, Problem, ProblemList
from reconciler.model.stopping import NEVER, StopToken

_CONTENT: Final = re.compile(r"^[ \t\r]*+(?!(?:\.\.\.[ \t\r]*+)?(?:#|$))[^\n]", re.MULTILINE)
"""The beginning of a line that is more than blanks, an end of a document, and a comment."""


class Document(NamedTuple):
    """What one document says, and where its content starts."""

    data: Data
    position: Position


class _OddKeys(Exception):
    """A key stands twice, or is no text."""


def read_documents(text: str, file: str) -> tuple[list[Document], list[Problem]]:
    """The documents of `text`, the content of `file`, and what is wrong with it as YAML.

    A document in which a key stands twice is among them, with the first value; others with problems are not.

    Documents without content are left out.
    """
    problems = ProblemList()
    documents = list(documents_of(text, file, PlainScalars(), problems))
    return documents, list(problems.all)


def documents_of(
    text: str, file: str, scalars: PlainScalars, problems: ProblemList, stop: StopToken = NEVER
) -> Iterator[Document]:
    """As `read_documents`, one by one, so that each can be forgotten before the next is read.

    `problems` grows by what is wrong, and is complete at the end; `scalars` may be shared between files; `stop` is
    asked before each document that is read carefully.
    """
    source = Source(file, text)
    if odd := odd_characters(source):
        problems.extend(odd)
        return
    unread: int | None = 0
    if is_text_harmless(text) and not _has_directive(text):
        unread = yield from _quick_documents(source, scalars)
    if unread is not None:
        spans = (span for span in document_spans(text) if span.end > unread)
        for span in spans:
            stop.check()
            yield from _careful_documents(source, span, scalars, problems)


def composed(text: str, span: Span) -> Node | None:
    """The top node of the document in `span` of `text`, with marks relative to the start of `span`; None where empty.

    The document must be known not to nest deep.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    # All of it: where the indentation ends a document early, libyaml objects only to what follows.
    tops = list(nodes(text[span.start : span.end]))
    return tops[0] if tops else None


def _quick_documents(source: Source, scalars: PlainScalars) -> Generator[Document, None, int | None]:
    """The documents of `source` until there is anything to explain; returns where that one is, None at the end."""
    file = source.file
    start = 0
    last = None
    try:
        for node in nodes(source.text):
            # Only now has libyaml accepted what follows the content of the last one.
            if last is not None:
                yield last
            mark = node.start_mark
            start = mark.index
            data = _plain(node, scalars)
            last = None if data is None else Document(data, Position(file, mark.line + 1, mark.column + 1))
    except (YAMLError, _OddKeys, TypeError):  # a key that is a list cannot be hashed
        return start
    if last is not None:
        yield last
    return None


def _plain(node: Node, scalars: PlainScalars) -> Data:
    """What `node` says.

    Raises:
        _OddKeys: a key stands twice, or is a mapping.
        TypeError: a key is a list or a mapping.
    """
    if isinstance(node, ScalarNode):
        return node.value if node.style else scalars[node.value]
    if node.__class__ is MappingNode:
        mapping = {
            key.value: (
                (value.value if value.style else scalars[value.value])
                if value.__class__ is ScalarNode
                else _plain(value, scalars)
            )
            for key, value in node.value
        }
        if len(mapping) != len(node.value):
            raise _OddKeys
        return mapping
    return [
        (item.value if item.style else scalars[item.value]) if item.__class__ is ScalarNode else _plain(item, scalars)
        for item in node.value
    ]


def _careful_documents(source: Source, span: Span, scalars: PlainScalars, problems: ProblemList) -> Iterator[Document]:
    """The document in `span`, or nothing where it is blank or wrong."""
    if _is_blank(source.text[span.start : span.end]):
        return
    document, found = _careful_document(source, span, scalars)
    problems.extend(limited(found))
    if document is not None:
        yield document


def _careful_document(source: Source, span: Span, scalars: PlainScalars) -> tuple[Document | None, list[Problem]]:
    """The document in `span`, and its problems; no document where it has no content, or not all of it can be known."""
    if problems := _outer_problems(source, span):
        return None, problems
    try:
        if problems := list(islice(_refused(source, span), MOST_PROBLEMS + 1)):
            return None, problems
        node = composed(source.text, span)
    except YAMLError as wrong:
        return None, [syntax_problem(source, span, wrong)]
    assert node is not None, "a text that is not blank has a document"
    data, problems = careful_data(node, scalars, source, span.start)
    # A key that stands twice hides only its second value; of other odd keys it is not known what was meant.
    if data is None or any(problem.id != "duplicate-key" for problem in problems):
        return None, problems
    return Document(data, source.place(span.start + node.start_mark.index).position), problems


def _outer_problems(source: Source, span: Span) -> list[Problem]:
    part = source.text[span.start : span.end]
    if _is_too_large(part):
        message = f"the document has {len(part.encode())} bytes, more than {DOCUMENT_LIMIT}"
        advice = "Put each guest into a document of its own, with a line --- between."
        return [error("document-too-large", message, (source.place(span.start),), advice)]
    if _has_directive(part):
        start = span.start + (0 if part.startswith("%") else part.index("\n%") + 1)
        places = (source.place_of(start, span.end),)
        return [error("yaml-directive", "YAML directives are not used in manifests", places, "Remove the line.")]
    return []


def _refused(source: Source, span: Span) -> Iterator[Problem]:
    if not is_harmless(source.text, *span):
        for one in refused_parts(source.text[span.start : span.end]):
            place = source.place_of(span.start + one.start, span.start + one.end)
            yield error(one.id, one.message, (place,), one.help)


def _is_blank(part: str) -> bool:
    """Whether there is nothing but comments and ends of documents; libyaml wants a document before each end."""
    return _CONTENT.search(part) is None


def _has_directive(text: str) -> bool:
    return text.startswith("%") or "\n%" in text


def _is_too_large(part: str) -> bool:
    return len(part) * 4 > DOCUMENT_LIMIT and len(part.encode()) > DOCUMENT_LIMIT


def careful_data(node: Node, scalars: PlainScalars, source: Source, offset: int) -> tuple[Data, list[Problem]]:
    """What `node` says, and what is wrong with its keys; its marks count from character `offset` of `source`."""
    reader = _Reader(scalars, source, offset, [])
    return reader.data(node), reader.problems


class _Reader(NamedTuple):
    scalars: PlainScalars
    source: Source
    offset: int
    problems: list[Problem]

    def data(self, node: Node) -> Data:
        if isinstance(node, ScalarNode):
            return node.value if node.style else self.scalars[node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node)
        return [self.data(item) for item in node.value]

    def _mapping(self, node: MappingNode) -> Data:
        mapping: dict[str, Data] = {}
        keys: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                message = "a list or mapping stands where a key should be"
                self._problem("key-not-text", message, key, help="Keys are plain words. Is a quote missing?")
            elif key.value == "<<" and not key.style:
                self._problem("merge-key", "the merge key << is not used in manifests", key, help="Write it out.")
            elif key.value in keys:
                first = self._place(keys[key.value], "first written here")
                message = f"the key {shown(key.value)} stands twice in one mapping"
                self._problem("duplicate-key", message, key, first, help="Remove one of the two.")
            else:
                keys[key.value] = key
                mapping[key.value] = self.data(value)
        return mapping

    def _problem(self, id: str, message: str, node: Node, *others: Place, help: str) -> None:
        if len(self.problems) <= MOST_PROBLEMS:
            self.problems.append(error(id, message, (self._place(node), *others), help))

    def _place(self, node: Node, label: str = "") -> Place:
        return self.source.place_of(self.offset + node.start_mark.index, self.offset + node.end_mark.index, label)
