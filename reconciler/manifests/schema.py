"""What kind of document it is, and the JSON Schemas that define each kind's form: whether data has it, fast, yes or no.

Only a document that has not the form is looked at again, to explain why (`reconciler.manifests.form_problems`).
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

from reconciler.manifests.data import Data, Path, error, shown
from reconciler.model.errors import BugError
from reconciler.model.problems import Place, Position, Problem, several
from reconciler.model.similar import nearest

Schema: TypeAlias = Mapping[str, Any]
_AnySchema: TypeAlias = Schema | bool
Accept: TypeAlias = Callable[[object], bool]

_SAYS_NOTHING: Final = frozenset(
    ("$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples", "deprecated")
)
_OBJECT_KEYWORDS: Final = ("required", "properties", "additionalProperties", "propertyNames")
_LIMITS: Final = {
    "minimum": ("int", "{value} >= {limit!r}"),
    "maximum": ("int", "{value} <= {limit!r}"),
    "minLength": ("str", "len({value}) >= {limit!r}"),
    "maxLength": ("str", "len({value}) <= {limit!r}"),
    "minItems": ("list", "len({value}) >= {limit!r}"),
    "maxItems": ("list", "len({value}) <= {limit!r}"),
}
_TYPES: Final = {"string": "str", "object": "dict", "array": "list", "integer": "int", "boolean": "bool"}


class UnknownKeyword(BugError, ValueError):
    """A schema uses a keyword, or a form of it, that is not known here."""


def compile_form(schema: Schema) -> Accept:
    """A function that says whether plain data (str, int, bool, None, list, dict with str keys) fits `schema`.

    Raises:
        UnknownKeyword: `schema` says something that is not understood here; it must not be passed over.
    """
    writer = _Writer(schema)
    condition = writer.condition(schema, "data")
    source = "\n".join((*writer.lines, f"def accept(data):\n    return {condition}"))
    exec(compile(source, "<schema>", "exec"), writer.names)  # noqa: S102 - made from the shipped schemas only
    accept: Accept = writer.names["accept"]
    return accept


class _Writer:
    """Writes one Python condition per schema; arrays and objects become functions of their own.

    `lines` is the source so far and `names` what it refers to. No condition evaluates to anything but a truth value.
    """

    def __init__(self, root: Schema) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self._root = root
        self._functions: dict[str, str] = {}

    def condition(self, schema: _AnySchema, value: str) -> str:
        """A Python expression that is true where the variable `value` fits `schema`."""
        if isinstance(schema, bool):
            return str(schema)
        parts = [f"type({value}) is {_python_type(schema['type'])}"] if "type" in schema else []
        for keyword in schema:
            if keyword not in _SAYS_NOTHING and keyword != "type":
                parts += self._part(keyword, schema, value)
        return " and ".join(parts) or "True"

    def _part(self, keyword: str, schema: Schema, value: str) -> list[str]:
        argument = schema[keyword]
        if keyword in _LIMITS:
            python_type, condition = _LIMITS[keyword]
            return [_for_type(python_type, schema, value, condition.format(value=value, limit=argument))]
        if keyword in _OBJECT_KEYWORDS:
            first = next(one for one in schema if one in _OBJECT_KEYWORDS)
            return [_for_type("dict", schema, value, f"{self._object(schema)}({value})")] if keyword == first else []
        match keyword:
            case "$ref":
                condition = f"({self.condition(self._referred(argument), value)})"
            case "anyOf":
                condition = "(" + " or ".join(f"({self.condition(one, value)})" for one in argument) + ")"
            case "not":
                condition = f"not ({self.condition(argument, value)})"
            case "uniqueItems":
                condition = _for_type("list", schema, value, self._unique(schema, value))
            case "const":
                condition = f"{value} == {_text(argument)!r}"
            case "enum":
                condition = f"{value} in {tuple(map(_text, argument))!r}"
            case "pattern":
                condition = _for_type("str", schema, value, f"{self._search(argument)}({value}) is not None")
            case "items":
                condition = _for_type("list", schema, value, f"{self._items(argument)}({value})")
            case _:
                raise UnknownKeyword(f"{keyword!r} in {schema.get('title', schema)!r}")
        return [condition]

    def _referred(self, reference: str) -> Schema:
        area, _, name = reference.rpartition("/")
        if area != "#/$defs":
            raise UnknownKeyword(f"$ref to {reference!r}")
        found: Schema = self._root["$defs"][name]
        return found

    def _search(self, pattern: str) -> str:
        return self._name("search", re.compile(pattern).search)

    def _name(self, stem: str, value: object) -> str:
        """A name for `value`, the same for equal ones, so that equal schemas become equal text."""
        known = next((name for name, one in self.names.items() if one == value), None)
        name = known or f"{stem}_{len(self.names)}"
        self.names[name] = value
        return name

    def _function(self, body: list[str]) -> str:
        text = "\n".join(f"    {line}" for line in body)
        if text not in self._functions:
            self._functions[text] = f"fits_{len(self._functions)}"
            self.lines.append(f"def {self._functions[text]}(value):\n{text}")
        return self._functions[text]

    def _unique(self, schema: Schema, value: str) -> str:
        """That no text is in a list twice; what else may be in a list is compared by rules of its own in JSON."""
        items = schema.get("items", True)
        items = self._referred(items["$ref"]) if items is not True and "$ref" in items else items
        if schema["uniqueItems"] is not True or items is True or items.get("type") != "string":
            raise UnknownKeyword(f"uniqueItems in {schema.get('title', schema)!r}")
        return f"len(set(map(str, {value}))) == len({value})"

    def _items(self, schema: _AnySchema) -> str:
        condition = self.condition(schema, "item")
        return self._function(
            ["for item in value:", f"    if not ({condition}):", "        return False", "return True"]
        )

    def _object(self, schema: Schema) -> str:
        body = [
            f"if {name!r} not in value: return False"
            for name in schema.get("required", ())
            if name not in schema.get("properties", {})
        ]
        body.append("named = 0")
        for name, one in schema.get("properties", {}).items():
            body += [f"if {name!r} in value:", f"    item = value[{name!r}]"]
            body += [f"    if not ({self.condition(one, 'item')}): return False", "    named += 1"]
            if name in schema.get("required", ()):
                body.append("else: return False")
        return self._function([*body, *self._names_and_others(schema)])

    def _names_and_others(self, schema: Schema) -> list[str]:
        others, names = schema.get("additionalProperties", True), schema.get("propertyNames", True)
        known = self._name("known", frozenset(schema.get("properties", ())))
        body = []
        if names is not True:
            body.append(f"for key in value:\n        if not ({self.condition(names, 'key')}): return False")
        if others is False:
            return [*body, "return named == len(value)"]
        if others is not True:
            condition = self.condition(others, "item")
            body.append(
                f"for key, item in value.items():\n        if key not in {known} and not ({condition}): return False"
            )
        return [*body, "return True"]


def _python_type(name: object) -> str:
    if not isinstance(name, str) or name not in _TYPES:
        raise UnknownKeyword(f"type {name!r}")
    return _TYPES[name]


def _text(value: object) -> str:
    """`value`, which must be text: 1 and true are equal in Python, but not in JSON."""
    if not isinstance(value, str):
        raise UnknownKeyword(f"const or enum with {value!r}")
    return value


def _for_type(python_type: str, schema: Schema, value: str, condition: str) -> str:
    """`condition`, which speaks of one type only and says nothing about values of the others."""
    if "type" in schema and _python_type(schema["type"]) == python_type:
        return condition
    return f"(type({value}) is not {python_type} or {condition})"


API_VERSION: Final = "reconciler/v1"
"""The only format there is so far."""

SCHEMA_FILES: Final = {
    "Host": "host.schema.json",
    "Guest": "guest.schema.json",
    "Machine": "machine.schema.json",
    "SimulatedHost": "simulated-host.schema.json",
}
"""The kinds of document, and the file that defines each."""

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOLDERS: Final = (os.path.join(_PACKAGE, "schemas"), os.path.join(os.path.dirname(_PACKAGE), "schemas"))
# An installed package has them inside, a source tree beside it. Plain files: importlib.resources takes 20 ms to import.


Accepted: TypeAlias = dict[str, Any]
"""The data of a document that its schema accepts: which keys there may be and of which type is known."""


def schema_text(kind: str) -> str:
    """The schema of `kind`, as JSON text.

    Raises:
        KeyError: there is no such kind.
        FileNotFoundError: the installation lacks the file.
    """
    return schema_file_text(SCHEMA_FILES[kind])


def schema_file_text(name: str) -> str:
    """The content of the file `name` among the schemas.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for folder in _FOLDERS[:-1]:
        try:
            return _read(os.path.join(folder, name))
        except FileNotFoundError:
            continue
    return _read(os.path.join(_FOLDERS[-1], name))


def load_schema(kind: str) -> Schema:
    """The schema of `kind`, parsed; raises as `schema_text`."""
    schema: Schema = json.loads(schema_text(kind))
    return schema


class Forms:
    """The forms of all kinds, each loaded and compiled when it is first asked for, for the length of one read."""

    def __init__(self) -> None:
        self._accept: dict[str, Accept] = {}
        self._keys: dict[str, frozenset[str]] = {}

    def accepts(self, data: Data, kind: str) -> TypeGuard[Accepted]:
        """Whether `data` has the form of `kind` (a key of `SCHEMA_FILES`)."""
        accept = self._accept.get(kind)
        if accept is None:
            accept = self._accept[kind] = _compiled(schema_text(kind))
        return accept(data)

    def keys(self, kind: str) -> frozenset[str]:
        """What may stand in the spec of a document of `kind`."""
        if kind not in self._keys:
            self._keys[kind] = frozenset(load_schema(kind)["properties"]["spec"]["properties"])
        return self._keys[kind]


# A loop reads its manifests in each cycle; the same text gives the same function.
@lru_cache(maxsize=2 * len(SCHEMA_FILES))
def _compiled(text: str) -> Accept:
    schema: Schema = json.loads(text)
    try:
        return compile_form(schema)
    except UnknownKeyword:
        # A schema that says more than the fast way knows is checked the slow way rather than half.
        from jsonschema import Draft202012Validator

        return Draft202012Validator(schema).is_valid


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


_FORMAT: Final = f"apiVersion: {API_VERSION}"
_BEGIN: Final = f"A manifest begins with {_FORMAT} and kind: Guest (or Host, Machine)."
_KINDS: Final = tuple(SCHEMA_FILES)
_OF_MANIFESTS: Final = ("Host", "Guest", "Machine")
_MOST_KEYS: Final = 3


class Unclear(NamedTuple):
    """A document that does not say what it is, or not in words that are known.

    Attributes:
        problems: what is wrong with its apiVersion and kind.
        kinds: the kinds that it may have been meant as, keys of `SCHEMA_FILES`; none where it is another program's.
    """

    problems: tuple[Problem, ...]
    kinds: tuple[str, ...] = ()

    def corrected(self, data: Data, kind: str) -> Data:
        """`data` as it would be if it said that it is of `kind`."""
        return {**data, "apiVersion": API_VERSION, "kind": kind} if isinstance(data, dict) else data


def kind_of(data: Data, position: Position, forms: Forms) -> str | Unclear:
    """The kind of the document `data`, a key of `SCHEMA_FILES`; or why it has none, and what it may be nevertheless."""
    if not isinstance(data, dict):
        return Unclear((_problem("not-a-mapping", f"a document should be a mapping, not {shown(data)}", position, ()),))
    kind = data.get("kind")
    is_known = isinstance(kind, str) and kind in SCHEMA_FILES
    if is_known and data.get("apiVersion") == API_VERSION:
        return str(kind)
    version = () if data.get("apiVersion") == API_VERSION else (_wrong_api_version(data, position, _WRITE),)
    if is_known:
        return Unclear(version, (str(kind),))
    kinds, why = _meant(data, forms)
    if version and len(kinds) != 1 and not _may_be_ours(data):
        return Unclear((_wrong_api_version(data, position, _FOREIGN),))
    return Unclear((*version, _wrong_kind(data, position, why)), kinds)


def _meant(data: Accepted, forms: Forms) -> tuple[tuple[str, ...], str]:
    """The kinds that `data`, which names none that is known, may have been meant as; and why, if that is only one."""
    if near := nearest(data.get("kind"), _KINDS):
        return (near,), f"Did you mean {near!r}?"
    spec = data.get("spec")
    keys = [key for key in spec if any(key in forms.keys(kind) for kind in _KINDS)] if isinstance(spec, dict) else []
    with_all = [kind for kind in _KINDS if forms.keys(kind).issuperset(keys)]
    with_all = [kind for kind in with_all if kind in _OF_MANIFESTS] if len(with_all) > 1 else with_all
    if len(with_all) != 1:
        return _OF_MANIFESTS, ""
    return (with_all[0],), f"Write kind: {with_all[0]}, the only kind whose spec has {several(keys, _MOST_KEYS)}."


def _may_be_ours(data: Accepted) -> bool:
    """Whether `data`, of another apiVersion or none, may be a manifest of ours nevertheless."""
    if "apiVersion" not in data:
        return "metadata" in data or "spec" in data
    version = data["apiVersion"]
    return bool(nearest(version, (API_VERSION,)) or nearest(str(version).partition("/")[0], (_GROUP,)))


_GROUP: Final = API_VERSION.partition("/")[0]


_WRITE: Final = f"Write {_FORMAT}."
_FOREIGN: Final = f"Name only your manifests with -f; each document of theirs has {_FORMAT}."


def _wrong_api_version(data: Accepted, position: Position, advice: str) -> Problem:
    if "apiVersion" not in data:
        return _problem("unknown-api-version", "the document has no apiVersion", position, ())
    version = shown(data["apiVersion"])
    return _problem("unknown-api-version", f"apiVersion {version} is not known", position, ("apiVersion",), advice)


def _wrong_kind(data: Accepted, position: Position, why: str) -> Problem:
    if "kind" not in data:
        return _problem("unknown-kind", "the document has no kind", position, (), why)
    known = "" if why.startswith("Write") else f"Known are {', '.join(_KINDS)}."
    advice = " ".join(filter(None, (why, known)))
    return _problem("unknown-kind", f"the kind {shown(data['kind'])} is not known", position, ("kind",), advice)


def _problem(id: str, message: str, position: Position, field: Path, help: str = "") -> Problem:
    return error(id, message, (Place(position, field=field),), help or _BEGIN)
