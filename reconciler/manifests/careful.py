"""Nodes to plain data with all that is wrong with their keys; the slow twin of the quick way in strict_yaml."""

from typing import NamedTuple

from reconciler.manifests.data import Data, PlainScalars, shown
from reconciler.manifests.nodes import MappingNode, Node, ScalarNode
from reconciler.manifests.places import MOST_PROBLEMS, Source, error
from reconciler.model.problems import Place, Problem


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
