"""What files of other programs say: YAML and JSON read with the care that manifests get, and one key of either.

Callers: `reconciler.operations.importing`. Such a file is not ours to be strict with: it may hold anything beside what
is wanted, so that a tag or an alias elsewhere in it, such as ``!vault`` in the variables of Ansible, is no reason to
refuse it. In what is wanted both are refused, as in manifests.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from yaml.error import YAMLError

from reconciler.manifests.data import MOST_PROBLEMS, Data, Path, PlainScalars, SourceText, error, limited
from reconciler.manifests.files import FILE_LIMIT
from reconciler.manifests.pinpoint import child, marked
from reconciler.manifests.strict_yaml import NodeReader, composed, documents_of, is_blank, outer_problems
from reconciler.manifests.yaml_stream import (
    DOCUMENT_LIMIT,
    MappingNode,
    Node,
    RefusedPart,
    ScalarNode,
    SequenceNode,
    Span,
    document_spans,
    odd_characters,
    refused_parts,
    syntax_problem,
)
from reconciler.model.codec import BadRecord, read_json
from reconciler.model.problems import InvalidManifests, Place, Position, Problem, ProblemList

_TOO_DEEP: Final = "too-deep"


class Foreign(NamedTuple):
    """A value in a file of another program, and where it stands.

    Attributes:
        data: what it says.
        source: the text that it stands in.
        span: the document in `source`.
        path: the way from the top of the document to it.
    """

    data: Data
    source: SourceText
    span: Span
    path: Path = ()

    def place(self, path: Path = (), label: str = "") -> Place:
        """Where the part `path` of it is, or what of it exists; the whole file where that cannot be found out."""
        return self.places()(path, label)

    def places(self) -> Callable[[Path, str], Place]:
        """Finds many places, with what the text is read to for it done once."""
        node = _node_of(self.source, self.span)

        def place(path: Path, label: str) -> Place:
            if node is None:
                return Place(Position(self.source.file, 1, 1), label, is_whole=True)
            start, end = marked(node, (*self.path, *path), mark_key=False)
            return self.source.place_of(self.span.start + start, self.span.start + end, label)

        return place


def yaml_documents(text: str, file: str) -> list[Foreign]:
    """What each document of `text`, the content of `file`, says; JSON is YAML, too.

    Raises:
        InvalidManifests: it is not YAML, or has what manifests may not have.
    """
    source, problems = SourceText(file, text), ProblemList()
    documents = list(documents_of(text, file, PlainScalars(), problems))
    _refuse(list(problems.all))
    spans = document_spans(text)
    starts = (source.offset(one.position) for one in documents)
    found = [spans[bisect_right(spans, start, key=lambda one: one.start) - 1] for start in starts]
    return [Foreign(one.data, source, span) for one, span in zip(documents, found, strict=True)]


def document_of(text: str, file: str) -> Foreign:
    """What `text`, the content of `file`, says, which is JSON where it begins so, and else one document of YAML.

    Raises:
        InvalidManifests: it is neither, or has what manifests may not have.
    """
    if text.lstrip()[:1] in {"{", "["}:
        return json_value(text, file)
    documents = yaml_documents(text, file)
    if len(documents) != 1:
        message = f"{file} has {len(documents)} documents instead of one"
        whole = (Place(Position(file, 1, 1), is_whole=True),)
        raise InvalidManifests([error("import-key", message, whole, "Check that it is the right file.")])
    return documents[0]


def yaml_key(text: str, file: str, key: str) -> Foreign:
    """The value of `key`, which stands in one mapping of `text`, however deep, the content of `file`.

    Raises:
        InvalidManifests: it is not YAML, `key` is not there or in several places, or its value has what manifests may
            not have.
    """
    source = SourceText(file, text)
    _refuse(odd_characters(source))
    found = [one for span in document_spans(text) for one in _occurrences(key, source, span)]
    if len(found) != 1:
        advice = "Check that it is the right file; give the one that has it, or copy it into a file of its own."
        message = (
            f"there is no key {key!r} in {file}" if not found else f"the key {key!r} stands in {file} several times"
        )
        places = tuple(source.place_of(*one.key) for one in found[:2])
        whole = (Place(Position(file, 1, 1), is_whole=True),)
        raise InvalidManifests([error("import-key", message, places or whole, advice)])
    return found[0].value(source)


def json_value(text: str, file: str) -> Foreign:
    """What `text`, the content of `file`, says as JSON, in which no key may stand twice.

    Raises:
        InvalidManifests: it is not JSON.
    """
    return _json_in(SourceText(file, text), Span(0, len(text)))


def embedded_json(value: Foreign, path: Path) -> Foreign:
    """What the text at `path` of `value`, which must be there, says as JSON; its places are in the file where possible.

    Raises:
        InvalidManifests: it is not JSON.
    """
    node = _node_of(value.source, value.span)
    text: Data = value.data
    for step in path:
        assert isinstance(text, dict | list)
        text = text[step]  # type: ignore[index]  # a key for a mapping, an index for a list
        found = None if node is None else child(node, step)
        node = None if found is None else found[1]
    assert isinstance(text, str)
    if node is not None and isinstance(node, ScalarNode) and node.style == "|":
        # The lines of such a scalar stand in the file as they are, but for the indentation, which is none of JSON's.
        end = value.span.start + node.end_mark.index
        return _json_in(value.source, Span(value.source.text.find("\n", value.span.start + node.start_mark.index), end))
    name = f"{value.source.file} ({path[-1]})"
    return _json_in(SourceText(name, text), Span(0, len(text)))


def _json_in(source: SourceText, span: Span) -> Foreign:
    file = source.file
    try:
        data = read_json(source.text[span.start : span.end].encode("utf-8", "surrogatepass"), FILE_LIMIT)
    except BadRecord as wrong:
        cause = wrong.__cause__
        at = source.place(span.start + cause.pos) if isinstance(cause, json.JSONDecodeError) else None
        place = at or Place(Position(file, 1, 1), is_whole=True)
        why = f"it is not JSON: {cause.msg}" if isinstance(cause, json.JSONDecodeError) else str(wrong)
        message = f"{file} cannot be read: {why}"
        raise InvalidManifests(
            [error("not-json", message, (place,), "Export it again, and change nothing.")]
        ) from wrong
    return Foreign(data, source, span)


class _Occurrence(NamedTuple):
    """A key in a document: where it stands, where what follows its value begins, and its value."""

    span: Span
    path: Path
    key: tuple[int, int]
    end: int
    node: Node
    refused: tuple[RefusedPart, ...]

    def value(self, source: SourceText) -> Foreign:
        """What the value says; raises InvalidManifests where it has what manifests may not have."""
        within = [one for one in self.refused if self.key[1] <= self.span.start + one.start < self.end]
        _refuse(limited([_problem(one, source, self.span) for one in within[: MOST_PROBLEMS + 1]]))
        reader = NodeReader(PlainScalars(), source, self.span.start, [])
        data = reader.data(self.node)
        _refuse(limited(reader.problems))
        return Foreign(data, source, self.span, self.path)


def _occurrences(key: str, source: SourceText, span: Span) -> Iterator[_Occurrence]:
    if is_blank(source.text[span.start : span.end]):
        return
    _refuse(outer_problems(source, span, source.text[span.start : span.end]))
    try:
        refused = tuple(refused_parts(source.text[span.start : span.end]))
        _refuse([_problem(one, source, span) for one in refused if one.id == _TOO_DEEP])
        top = composed(source.text, span)
    except YAMLError as wrong:
        raise InvalidManifests([syntax_problem(source, span, wrong)]) from wrong
    assert top is not None, "a text that is not blank has a document"
    for path, found, node, end in _keys(top, (), set()):
        if found.value == key:
            place = (span.start + found.start_mark.index, span.start + found.end_mark.index)
            yield _Occurrence(span, path, place, span.start + end, node, refused)


def _keys(node: Node, path: Path, seen: set[int]) -> Iterator[tuple[Path, ScalarNode, Node, int]]:
    """Each key below `node`: its path, itself, its value, and where the value ends; each once, also behind aliases."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _keys(item, (*path, index), seen)
    elif isinstance(node, MappingNode):
        ends = [*(key.start_mark.index for key, _ in node.value), node.end_mark.index][1:]
        for (key, value), end in zip(node.value, ends, strict=False):
            if isinstance(key, ScalarNode):
                yield (*path, key.value), key, value, end
                yield from _keys(value, (*path, key.value), seen)


def _problem(part: RefusedPart, source: SourceText, span: Span) -> Problem:
    place = source.place_of(span.start + part.start, span.start + part.end)
    return error(part.id, part.message, (place,), part.help)


def _node_of(source: SourceText, span: Span) -> Node | None:
    """The top node of the document in `span`, once more; None where it is no YAML that may be composed."""
    part = source.text[span.start : span.end]
    try:
        if len(part) > DOCUMENT_LIMIT or any(one.id == _TOO_DEEP for one in refused_parts(part)):
            return None
        return composed(source.text, span)
    except YAMLError:
        return None


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise InvalidManifests(problems)
