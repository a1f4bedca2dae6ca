"""The fields of a kind of document, read from its schema: what `reconcile explain` and the manual show of each.

A schema is written for programs: a definition is named once and used often, a list says of its entries what a person
wants to know of the list. Here each field has all that concerns it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from reconciler.manifests.schema import Schema
from reconciler.model.errors import InputError

_BOOLEAN: Final = "true or false"
_TYPE_NAMES: Final = {
    "array": "list",
    "boolean": _BOOLEAN,
    "integer": "number",
    "null": "null",
    "object": "mapping",
    "string": "text",
}
_LIMITS: Final = (
    ("minItems", "at least", "entry", "entries"),
    ("maxItems", "at most", "entry", "entries"),
    ("minLength", "at least", "character", "characters"),
    ("maxLength", "at most", "character", "characters"),
)
_MOST_NEAR: Final = 5


class Field(NamedTuple):
    """One field of a kind of document, or the kind itself.

    Attributes:
        path: its names from the kind on; what is in the entries of a list follows the name of the list.
        texts: what it means, a paragraph each; of a list also what its entries are.
        type: what stands there, such as ``list`` or ``one of any, required``.
        presence: ``required``, ``optional``, or on what that depends.
        default: what a field means that is left out; empty where the schema names none.
        limits: how many and how long, a phrase each.
        forms: which of its fields go together, a sentence each; empty where that is free.
        examples: values, as in a document.
        fields: those of its value, or of each entry of the list.
    """

    path: tuple[str, ...]
    texts: tuple[str, ...]
    type: str
    presence: str
    default: str
    limits: tuple[str, ...]
    forms: tuple[str, ...]
    examples: tuple[Any, ...]
    fields: tuple["Field", ...]

    @property
    def name(self) -> str:
        """The whole path as it is typed: ``guest.spec.domains``."""
        return ".".join(self.path)

    def every(self) -> "Iterator[Field]":
        """This field and all that are in it, each before those in it."""
        yield self
        for one in self.fields:
            yield from one.every()


def fields_of(kind: str, schema: Schema) -> Field:
    """The document `kind` as a field, from its `schema`, the fields in it below."""
    return _Reader(schema).field((kind,), schema, "")


class NoSuchField(InputError, LookupError):
    """There is no such field.

    Attributes:
        parent: the nearest field above that there is; None where the kind is not known.
        name: the name that `parent` lacks.
        near: fields that may have been meant, the likeliest first.
    """

    def __init__(self, parent: Field | None, name: str, near: tuple[str, ...]) -> None:
        super().__init__(name)
        self.parent = parent
        self.name = name
        self.near = near


def find_field(kinds: Iterable[Field], words: str) -> Field:
    """The field among `kinds` that `words` name with dots: ``guest.spec.domains``.

    A kind may be written as in a document (``SimulatedHost``), and a list with an index (``spec.keep[0].domains``).

    Raises:
        NoSuchField: there is none.
    """
    every = tuple(kinds)
    found: Field | None = None
    for word in words.split("."):
        name = _without_index(word)
        known, wanted = (found.fields, name) if found else (every, _folded(name))
        following = next((one for one in known if wanted == (one.path[-1] if found else _folded(one.name))), None)
        if following is None:
            raise NoSuchField(found, name, _near(every, found, words))
        found = following
    assert found is not None  # a text has at least one word
    return found


def _near(kinds: tuple[Field, ...], parent: Field | None, words: str) -> tuple[str, ...]:
    """What is spelt alike beside it; else what ends alike, is called so, or is spelt alike in the same document.

    In another kind of document only what differs in a letter or two.

    What is below `parent` comes first, then what is of a guest, which is asked for most often.
    """
    every = {one.name: one for kind in kinds for one in kind.every()}
    above = f"{parent.name}." if parent else ""
    nearby = sorted(every, key=lambda name: (not name.startswith(above), not name.startswith("guest.")))
    wrong, *rest = words.split(".")[len(parent.path) if parent else 0 :]
    beside = _alike(wrong, parent.fields if parent else kinds)
    wholly = [name for name in (".".join((one, *rest)) for one in beside) if name in every]
    last = _without_index(words.rpartition(".")[2]).lower()
    found = (
        wholly
        or beside
        or [name for name in nearby if name.lower().endswith(f".{words.lower()}")]
        or [name for name in nearby if every[name].path[-1].lower() == last]
        or _alike(last, [one for one in every.values() if not parent or one.path[0] == parent.path[0]])
        or _alike(last, every.values(), least=_VERY_ALIKE)
    )
    return tuple(found[:_MOST_NEAR])


_VERY_ALIKE: Final = 0.85


def _alike(word: str, fields: Iterable[Field], least: float = 0.7) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for one in fields:
        by_name.setdefault(one.path[-1].lower(), []).append(one.name)
    close = get_close_matches(_without_index(word)[:100].lower(), by_name, n=3, cutoff=least)
    return [name for one in close for name in by_name[one]]


def _without_index(word: str) -> str:
    """``keep`` of ``keep[0]``, ``keep[]`` and ``keep[*]``."""
    return re.sub(r"\[(?:\d*|\*)\]\Z", "", word)


def _folded(kind: str) -> str:
    """A kind as ``SimulatedHost`` and ``simulated-host`` both are."""
    return kind.replace("-", "").lower()


class _Reader:
    """Reads fields out of one schema."""

    def __init__(self, root: Schema) -> None:
        self._definitions: Mapping[str, Schema] = root.get("$defs", {})

    def field(self, path: tuple[str, ...], schema: Schema, presence: str) -> Field:
        """The field at `path` that `schema` describes."""
        whole = self._whole(schema)
        entry = self._whole(whole["items"]) if "items" in whole else {}
        texts = (schema.get("description"), self._definition(schema).get("description"), self._entry_text(entry))
        return Field(
            path,
            tuple(dict.fromkeys(filter(None, texts))) or (f"{whole.get('title', path[-1])}.",),
            self._type_text(schema),
            presence,
            _plain(whole["default"]) if "default" in whole else "",
            tuple(_limits(whole)),
            (*map(_form, _forms(entry or whole)), *_excluded(whole)),
            tuple(whole.get("examples", ())),
            tuple(self._fields(path, entry or whole)),
        )

    def _fields(self, path: tuple[str, ...], schema: Schema) -> Iterator[Field]:
        for name, one in schema.get("properties", {}).items():
            yield self.field((*path, name), one, _presence(name, schema))

    def _whole(self, schema: Schema) -> Schema:
        """`schema` with what its definition says; what it says itself counts more."""
        return {**self._definition(schema), **schema}

    def _definition(self, schema: Schema) -> Schema:
        """What `schema` refers to, or may refer to beside null; empty where that is nothing."""
        named = next((one for one in (schema, *schema.get("anyOf", ())) if "$ref" in one), None)
        return self._definitions[named["$ref"].rpartition("/")[2]] if named else {}

    def _type_text(self, schema: Schema) -> str:
        """What stands where `schema` is, in few words."""
        if "anyOf" in schema and "type" not in schema:
            parts = dict.fromkeys(map(self._type_text, schema["anyOf"]))
            if _BOOLEAN in parts:
                parts.pop("one of true, false", None)
            return " or ".join(parts)
        whole = self._whole(schema)
        if "const" in whole:
            return f"always {_plain(whole['const'])}"
        if "enum" in whole:
            return f"one of {', '.join(map(_plain, whole['enum']))}"
        if "type" not in whole:
            return self._type_text({"anyOf": whole["anyOf"]}) if "anyOf" in whole else "anything"
        types = whole["type"] if isinstance(whole["type"], list) else [whole["type"]]
        return " or ".join(_TYPE_NAMES[one] for one in types)

    def _entry_text(self, entry: Schema) -> str:
        """What an entry of a list is; empty where it has fields, and says no more than they do."""
        text = entry.get("description", "")
        if not entry or ("properties" in entry and not text):
            return ""
        return (
            f"Each entry: {text}" if "properties" in entry else f"Each entry: {self._type_text(entry)}. {text}".strip()
        )


def _presence(name: str, schema: Schema) -> str:
    if name in schema.get("required", ()):
        return "required"
    return "required in some forms" if any(name in one["required"] for one in _forms(schema)) else "optional"


def _forms(schema: Schema) -> tuple[Schema, ...]:
    """The combinations of its fields that `schema` allows; none where it says nothing of that."""
    if "properties" not in schema:
        return ()
    return tuple(one for one in schema.get("anyOf", ()) if "title" in one and "required" in one)


def _form(schema: Schema) -> str:
    properties = schema["properties"]
    missing = [name for name, one in properties.items() if one is False]
    needed = [f"{name} as an empty list" if properties.get(name) else name for name in schema["required"]]
    return f"{schema['title']}: {' and '.join(needed)}, without {' and '.join(missing)}."


def _excluded(schema: Schema) -> Iterator[str]:
    if names := schema.get("not", {}).get("required"):
        yield f"Not together: {' and '.join(names)}."


def _limits(schema: Schema) -> Iterator[str]:
    for part, noun in (("propertyNames", "each key"), ("additionalProperties", "each value")):
        if isinstance(inner := schema.get(part), dict):
            yield from (f"{noun} {one}" for one in _limits(inner))
    for keyword, words, one_of_it, plural in _LIMITS:
        if keyword in schema:
            count = schema[keyword]
            yield f"{words} {count:,} {one_of_it if count == 1 else plural}"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
