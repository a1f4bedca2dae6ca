"""How the ids of a document are written, in decimal or in hex: reading keeps what an id is only.

Only documents whose ids look doubtful on a host are read again for it.
"""

import re
from collections.abc import Iterator
from typing import Final

from reconciler.manifests.pinpoint import ReadAgain, child
from reconciler.manifests.yaml_stream import MappingNode, Node, ScalarNode
from reconciler.model.desired import WrittenIds
from reconciler.model.ids import IdSet
from reconciler.model.problems import Position

_AXES: Final = ("adapters", "domains", "controlDomains")
_DECIMAL: Final = re.compile(r"([1-9]?[0-9])(?:-([1-9]?[0-9]))?")
"""What is an id or a range in decimal, and in hex as well; of more than two digits, no id is one in hex."""

_HEX: Final = re.compile(r"0x0?([1-9]?[0-9])(?:-0x0?([1-9]?[0-9]))?", re.IGNORECASE)
"""What is an id or a range in hex, and in decimal as well."""


def written_ids(position: Position, documents: ReadAgain) -> tuple[WrittenIds, ...]:
    """The ids and ranges in the Host or Guest at `position` that are others in the other base: decimal or hex.

    None where the document cannot be read again. Queues (``spec.queues``) are always in hex.
    """
    if position.file not in documents.sources:
        return ()
    top, _ = documents.document(position)
    if top is None:
        return ()
    found = (_two_readings(axis, entry.value) for axis, entry in _entries(top) if isinstance(entry, ScalarNode))
    return tuple(one for one in found if one and one.ids != one.otherwise)


def _entries(top: Node) -> Iterator[tuple[str, Node]]:
    """Each entry of each list of ids, with the name of the list."""
    spec = _value(top, "spec")
    areas = [spec, _value(spec, "pool"), *_items(_value(spec, "keep"))]
    return ((axis, entry) for area in areas for axis in _AXES for entry in _items(_value(area, axis)))


def _value(node: Node | None, key: str) -> Node | None:
    found = None if node is None else child(node, key)
    return found and found[1]


def _items(node: Node | None) -> list[Node]:
    return [] if node is None or isinstance(node, MappingNode | ScalarNode) else node.value


def _two_readings(axis: str, text: str) -> WrittenIds | None:
    in_hex = _HEX.fullmatch(text)
    found = in_hex or _DECIMAL.fullmatch(text)
    if found is None:
        return None
    first, last = found[1], found[2] or found[1]
    in_base = {base: IdSet(range(int(first, base), int(last, base) + 1)) for base in (10, 16)}
    base, other = (16, 10) if in_hex else (10, 16)
    return WrittenIds(axis, text, in_base[base], in_base[other], is_hex=bool(in_hex))
