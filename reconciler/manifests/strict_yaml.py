"""YAML text to plain data with positions, and everything that is wrong with it as YAML.

Callers: `reconciler.manifests.site` for manifests, and whoever reads a simulated host's description. Document by
document: where one is wrong, that is explained, and the next one is read.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from yaml.error import YAMLError

from reconciler.manifests.data import MOST_PROBLEMS, Data, PlainScalars, SourceText, error, limited, shown
from reconciler.manifests.yaml_stream import (
    DOCUMENT_LIMIT,
    MappingNode,
    Node,
    ScalarNode,
    Span,
    document_spans,
    is_harmless,
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
    asked before each document.
    """
    source = SourceText(file, text)
    if odd := odd_characters(source):
        problems.extend(odd)
        return
    for span in document_spans(text):
        stop.check()
        yield from _documents_in(source, span, scalars, problems)


def document_count(text: str) -> int:
    """How many documents of `text` have content, whether or not they can be read."""
    return sum(not is_blank(text[span.start : span.end].removeprefix("---")) for span in document_spans(text))


def composed(text: str, span: Span) -> Node | None:
    """The top node of the document in `span` of `text`, with marks relative to the start of `span`; None where empty.

    The document must be known not to nest deep.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return _top(text[span.start : span.end])


def _top(part: str) -> Node | None:
    # All of it: where the indentation ends a document early, libyaml objects only to what follows.
    tops = list(nodes(part))
    return tops[0] if tops else None


def _documents_in(source: SourceText, span: Span, scalars: PlainScalars, problems: ProblemList) -> Iterator[Document]:
    """The document in `span`, or nothing where it is blank or wrong."""
    part = source.text[span.start : span.end]
    if is_blank(part):
        return
    document, found = _document_in(source, span, part, scalars)
    if found:
        problems.extend(limited(found))
    if document is not None:
        yield document


def _document_in(
    source: SourceText, span: Span, part: str, scalars: PlainScalars
) -> tuple[Document | None, list[Problem]]:
    """The document `part`, which is in `span`, and its problems; none where it has no content, or not all is known."""
    if problems := outer_problems(source, span, part):
        return None, problems
    try:
        if not is_harmless(part) and (problems := list(islice(_refused(source, span, part), MOST_PROBLEMS + 1))):
            return None, problems
        node = _top(part)
    except YAMLError as wrong:
        return None, [syntax_problem(source, span, wrong)]
    assert node is not None, "a text that is not blank has a document"
    reader = NodeReader(scalars, source, span.start, [])
    data, problems = reader.data(node), reader.problems
    # A key that stands twice hides only its second value; of other odd keys it is not known what was meant.
    if data is None or any(problem.id != "duplicate-key" for problem in problems):
        return None, problems
    return Document(data, source.position(span.start + node.start_mark.index)), problems


def outer_problems(source: SourceText, span: Span, part: str) -> list[Problem]:
    """What is wrong with the document `part`, which is in `span`, before it is parsed: its length, a directive."""
    if _is_too_large(part):
        message = f"the document has {len(part.encode())} bytes, more than {DOCUMENT_LIMIT}"
        advice = "Put each guest into a document of its own, with a line --- between."
        return [error("document-too-large", message, (source.place(span.start),), advice)]
    if _has_directive(part):
        start = span.start + (0 if part.startswith("%") else part.index("\n%") + 1)
        places = (source.place_of(start, span.end),)
        return [error("yaml-directive", "manifests may not have YAML directives", places, "Remove the line.")]
    return []


def _refused(source: SourceText, span: Span, part: str) -> Iterator[Problem]:
    for one in refused_parts(part):
        place = source.place_of(span.start + one.start, span.start + one.end)
        yield error(one.id, one.message, (place,), one.help)


def is_blank(part: str) -> bool:
    """Whether there is nothing but comments and ends of documents; libyaml wants a document before each end."""
    return _CONTENT.search(part) is None


def _has_directive(text: str) -> bool:
    return text.startswith("%") or "\n%" in text


def _is_too_large(part: str) -> bool:
    return len(part) * 4 > DOCUMENT_LIMIT and len(part.encode()) > DOCUMENT_LIMIT


class NodeReader(NamedTuple):
    """Says what nodes say, and what is wrong with their keys; their marks count from `offset` of `source`."""

    scalars: PlainScalars
    source: SourceText
    offset: int
    problems: list[Problem]

    def data(self, node: Node) -> Data:
        """What `node`, which nests little and has no tag or alias, says."""
        if isinstance(node, ScalarNode):
            return node.value if node.style else self.scalars[node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node)
        return [self.data(item) for item in node.value]

    def _mapping(self, node: MappingNode) -> Data:
        mapping: dict[str, Data] = {}
        keys: dict[str, Node] = {}
        if _documents_joined_to(node) > 1:
            self._without_separator(node)
            return mapping
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                message = "a list or mapping stands where a key should be"
                self._problem("key-not-text", message, key, help="Keys are plain words. Is a quote missing?")
            elif key.value == "<<" and not key.style:
                self._problem("merge-key", "manifests may not have the merge key <<", key, help="Write its keys out.")
            elif key.value in keys:
                first = self._place(keys[key.value], "first written here")
                message = f"the key {shown(key.value)} stands twice in one mapping"
                self._problem("duplicate-key", message, key, first, help="Remove one of the two.")
            else:
                keys[key.value] = key
                mapping[key.value] = self.data(value)
        return mapping

    def _without_separator(self, node: MappingNode) -> None:
        seen: dict[str, Node] = {}
        scalars = (key for key, _ in node.value if isinstance(key, ScalarNode))
        key = next(one for one in scalars if seen.setdefault(one.value, one) is not one)  # the first that repeats one
        first = self._place(node.value[0][0], "the first one")
        message = f"{_documents_joined_to(node)} documents stand here without a line --- between them"
        advice = "Write a line with --- before each of them, or name the files with -f instead of joining them."
        self._problem("missing-separator", message, key, first, help=advice)

    def _problem(self, id: str, message: str, node: Node, *others: Place, help: str) -> None:
        if len(self.problems) <= MOST_PROBLEMS:
            self.problems.append(error(id, message, (self._place(node), *others), help))

    def _place(self, node: Node, label: str = "") -> Place:
        return self.source.place_of(self.offset + node.start_mark.index, self.offset + node.end_mark.index, label)


def _documents_joined_to(node: MappingNode) -> int:
    """How many documents were joined to the one whose top `node` is; 1 for any other mapping."""
    if node.start_mark.column or node.flow_style:
        return 1
    return max(1, [key.value for key, _ in node.value if isinstance(key, ScalarNode)].count("apiVersion"))
