"""YAML text to nodes, by libyaml, without any of YAML's own ideas of what a scalar means."""

from collections.abc import Iterator

from yaml._yaml import CParser  # PyYAML's own loaders are this class and a resolver, at twice the time
from yaml.events import Event
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["MappingNode", "Node", "ScalarNode", "SequenceNode", "events", "nodes"]


class _Parser(CParser):
    """libyaml's parser and composer; every scalar is text."""

    def resolve(self, _kind: object, _value: object, _implicit: object) -> str:
        """The tag of any node without one of its own."""
        return ""

    def descend_resolver(self, _parent: object, _index: object) -> None:
        """Nothing: no tag depends on where a node is."""

    def ascend_resolver(self) -> None:
        """Nothing, likewise."""


def nodes(text: str) -> Iterator[Node]:
    """The top node of each document in `text`.

    Composing recurses in C without a limit, so `text` must be known not to nest deep (`reconciler.manifests.guard`).

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
    parser = CParser(text)
    while parser.check_event():
        event = parser.get_event()
        assert event is not None
        yield event
