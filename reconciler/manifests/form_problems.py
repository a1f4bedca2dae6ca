"""Why a document has not the form that its schema asks for, in words that help.

Called only for documents that `reconciler.manifests.schema` has refused: jsonschema, which finds every reason, takes
longer to import than everything else together.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reconciler.manifests.data import MOST_PROBLEMS, Data, Path, dotted, error, shown
from reconciler.manifests.documents import reversed_ranges
from reconciler.manifests.fields import fields_of
from reconciler.manifests.ids_text import ReversedRange, bits_of, why_not_an_id
from reconciler.manifests.schema import SCHEMA_FILES, Schema, load_schema
from reconciler.model.printable import escaped
from reconciler.model.problems import Place, Position, Problem
from reconciler.model.similar import did_you_mean, nearest

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator


class _Objection(NamedTuple):
    """What jsonschema objects to: `instance` at `path` because of `keyword` with `argument` in `schema`.

    The document has `fields`, the shortest of which is its kind.
    """

    keyword: str
    argument: Any
    instance: Any
    schema: Any
    path: Path
    message: str
    fields: frozenset[str]


class _Reason(NamedTuple):
    id: str
    message: str
    help: str
    field: Path
    other: tuple[Path, str] | None = None

    def places(self, position: Position) -> tuple[Place, ...]:
        """Where it is, in a document that starts at `position`; `other` is a field that has to do with it."""
        others = () if self.other is None else (Place(position, self.other[1], self.other[0]),)
        return (Place(position, field=self.field), *others)


def form_problems(kind: str, data: Data, position: Position) -> list[Problem]:
    """As `FormProblems.of`, for a single document."""
    return FormProblems().of(kind, data, position)


class FormProblems:
    """Explains refused documents; each schema is made ready once, for the length of one read."""

    def __init__(self) -> None:
        self._schemas: dict[str, Schema] = {}
        self._validators: dict[str, Validator] = {}
        self._fields: dict[str, frozenset[str]] = {}

    def of(self, kind: str, data: Data, position: Position) -> list[Problem]:
        """What is wrong with the form of `data`, a document of `kind` that starts at `position`.

        Places have fields, no exact positions yet. Empty only where the form is right; at most `MOST_PROBLEMS` + 1.
        """
        if kind not in self._validators:
            self._prepare(kind)
        fields = self._fields[kind]
        objections = (_objection(one, fields) for one in self._validators[kind].iter_errors(data))
        reasons = [*islice(_reasons(objections, self._schemas[kind]), MOST_PROBLEMS + 1)]
        if reasons:  # a schema cannot say that a range runs backwards
            reasons += islice(_reversed(data), MOST_PROBLEMS + 1 - len(reasons))
        return [error(reason.id, reason.message, reason.places(position), reason.help) for reason in reasons]

    def common(self, readings: Mapping[str, Data], position: Position) -> list[Problem]:
        """What is wrong with a document whichever of the kinds in `readings` it is; there it is read as that kind.

        The words are those of the first kind.
        """
        first, *others = (self.of(kind, data, position) for kind, data in readings.items())
        known = [{(one.id, one.places): one.help for one in other} for other in others]
        return [
            one if all(other[one.id, one.places] == one.help for other in known) else one._replace(help=_OF_NO_KIND)
            for one in first
            if all((one.id, one.places) in other for other in known)
        ]

    def _prepare(self, kind: str) -> None:
        from jsonschema import Draft202012Validator

        self._schemas[kind] = load_schema(kind)
        self._validators[kind] = Draft202012Validator(self._schemas[kind])
        name = SCHEMA_FILES[kind].partition(".")[0]
        self._fields[kind] = frozenset(one.name for one in fields_of(name, self._schemas[kind]).every())


def _objection(found: "ValidationError", fields: frozenset[str]) -> _Objection:
    path = tuple(found.absolute_path)
    return _Objection(
        str(found.validator), found.validator_value, found.instance, found.schema, path, found.message, fields
    )


def _reasons(objections: Iterable[_Objection], schema: Schema) -> Iterator[_Reason]:
    """One reason per field and problem id: a schema often has several objections to the same thing."""
    reported = set()
    for refused in objections:
        for reason in _reasons_of(refused, schema):
            if (reason.id, reason.field) not in reported:
                reported.add((reason.id, reason.field))
                yield reason


def _reasons_of(refused: _Objection, schema: Schema) -> Iterable[_Reason]:
    path = refused.path
    for name, explain in _BY_DEFINITION.items():
        if refused.schema == schema.get("$defs", {}).get(name):
            return [explain(refused.instance, path)]
    explain_keyword = _BY_KEYWORD.get(refused.keyword)
    if explain_keyword is None:
        return [
            _Reason("bad-form", f"{_field(path)} is not as it should be: {refused.message[:200]}", _see(refused), path)
        ]
    return explain_keyword(refused._replace(schema={**refused.schema, "$defs": schema.get("$defs", {})}))


def _id(value: Data, path: Path) -> _Reason:
    why = why_not_an_id(value)
    message = f"{_field(path)}: {why.reason}" if value is None else f"{_field(path)}: {shown(value)} {why.reason}"
    return _Reason(why.id, message, why.help, path)


def _reversed(data: Data) -> Iterator[_Reason]:
    for path, why, entry in reversed_ranges(data):
        yield _Reason(why.id, f"the range {entry} {why.reason}", why.help, path)


def _name(value: Data, path: Path) -> _Reason:
    advice = "Use lower-case letters, digits, '-' and '.', at most 63, a letter or digit at both ends."
    if isinstance(value, bool | int):
        advice = f'Write "{shown(value)}".' if _NAME.fullmatch(shown(value)) else advice
        return _Reason("bad-name", f"{_field(path)}: {shown(value)} is not text", advice, path)
    if isinstance(value, list) and path == ("spec", "host"):
        advice = "Write hosts in place of host: all hosts that the guest may run on."
    return _Reason("bad-name", f"{_field(path)}: {shown(value)} is not a name", advice, path)


def _uuid(value: Data, path: Path) -> _Reason:
    advice = "Write 32 hex digits with dashes, for example 62177883-f1bb-47f0-914d-32a22e3a8804, or leave it out."
    return _Reason("bad-uuid", f"{_field(path)}: {shown(value)} is not a UUID", advice, path)


def _queue(value: Data, path: Path) -> _Reason:
    advice = 'Write it as the tools do, in hex: two digits adapter, a dot, four digits domain, such as "05.0047".'
    return _Reason("bad-queue", f"{_field(path)}: {shown(value)} is not a queue", advice, path)


def _unknown_keys(refused: _Objection) -> Iterable[_Reason]:
    known = refused.schema.get("properties", {})
    for key in islice((key for key in refused.instance if key not in known), MOST_PROBLEMS):
        message = f"{_field(refused.path)} has no key {shown(key)}"
        advice = f"{did_you_mean(key, known)}Known are {', '.join(known)}."
        yield _Reason("unknown-key", message, advice, (*refused.path, key))


def _missing_keys(refused: _Objection) -> Iterable[_Reason]:
    missing = _not_mistyped([key for key in refused.argument if key not in refused.instance], refused)
    if not missing:
        return
    properties = refused.schema.get("properties", {})
    texts = [_what_to_add(key, properties.get(key, {})) for key in missing]
    message = f"{_field(refused.path)} lacks {_listed(missing)}"
    yield _Reason("missing-key", message, f"Add {_listed(texts)}.", refused.path)


def _not_mistyped(missing: list[str], refused: _Objection) -> list[str]:
    """The `missing` keys without those that an unknown key seems to stand for, which is a problem of its own."""
    known = refused.schema.get("properties", {})
    is_closed = refused.schema.get("additionalProperties") is False  # otherwise an unknown key is no problem
    meant = {nearest(key, known) for key in refused.instance if is_closed and key not in known}
    return [key for key in missing if key not in meant]


def _what_to_add(key: str, schema: Mapping[str, Any]) -> str:
    """`key` as it is written, as far as its `schema` names what must be in it; otherwise with what it is."""
    if "required" in schema:
        return f"'{key}: {{{', '.join(f'{one}: {one.upper()}' for one in schema['required'])}}}'"
    title = schema.get("title", key)
    return key if title.lower() == key.lower() else f"{key} ({title[:1].lower()}{title[1:]})"


def _wrong_type(refused: _Objection) -> Iterable[_Reason]:
    if "enum" in refused.schema:
        return  # reported by _unknown_value, which knows what may stand there
    wanted = _TYPE_NAMES.get(refused.argument, refused.argument)
    value: Data = refused.instance
    message = f"{_field(refused.path)} is {shown(value)}, but should be {wanted}"
    yield _Reason("wrong-type", message, _type_help(refused), refused.path)


_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_EVERYTHING: Final = {"all", "any", "*"}


def _type_help(refused: _Objection) -> str:
    wanted, value = refused.argument, refused.instance
    if value is None:
        is_entry = bool(refused.path) and isinstance(refused.path[-1], int)
        return f"Give it a value, or remove the {'entry' if is_entry else 'key'}."
    if wanted == "string" and isinstance(value, bool | int) and _accepts(refused.schema, shown(value)):
        return f'Write "{shown(value)}", in quotes.'
    if wanted == "array" and isinstance(value, str | int) and (items := _items_for(value, refused.schema)):
        return f"Write [{escaped(','.join(items))}]."
    return _see(refused)


def _items_for(value: str | int, schema: Any) -> list[str]:
    """The items of a list that `schema` accepts and that means what `value` seems to mean; none where there is none."""
    text = str(value)[:_LONGEST_ADVICE]
    for items in ([text], re.findall(r"[^\s,;\[\]]+", text), ["0-255"] if text.lower() in _EVERYTHING else []):
        values = [int(one) if re.fullmatch("0|[1-9][0-9]*", one) else one for one in items]
        if items and _accepts(schema, values) and not any(map(_runs_backwards, values)):
            return items
    return []


def _runs_backwards(value: int | str) -> bool:
    try:
        bits_of(value)
    except ReversedRange:
        return True
    except ValueError:  # no id at all, in a list of something else
        pass
    return False


def _accepts(schema: Any, value: Any) -> bool:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema).is_valid(value)


def _unknown_value(refused: _Objection) -> Iterable[_Reason]:
    allowed = [str(one) for one in _allowed(refused)]
    guess = did_you_mean(refused.instance, allowed) if isinstance(refused.instance, str) else ""
    value = "no value" if refused.instance is None else f"{shown(refused.instance)}, which is not known"
    message = f"{_field(refused.path)} has {value}"
    yield _Reason("unknown-value", message, f"{guess}Write {_listed(allowed, 'or')}.", refused.path)


def _allowed(refused: _Objection) -> list[Any]:
    return list(refused.argument) if refused.keyword == "enum" else [refused.argument]


def _empty(refused: _Objection) -> Iterable[_Reason]:
    yield _Reason("empty-list", f"{_field(refused.path)} is an empty list", "Write at least one entry.", refused.path)


def _too_many(refused: _Objection) -> Iterable[_Reason]:
    count, most = len(refused.instance), refused.argument
    are_ids = refused.schema.get("items") == {"$ref": "#/$defs/id"}
    advice = "Use ranges." if are_ids else f"Write {most} at most."
    yield _Reason(
        "too-many-entries", f"{_field(refused.path)} has {count} entries, more than {most}", advice, refused.path
    )


def _too_long(refused: _Objection) -> Iterable[_Reason]:
    count, most = len(refused.instance), refused.argument
    message = f"{_field(refused.path)}: {shown(refused.instance)} has {count:,} characters, more than {most}"
    yield _Reason("bad-form", message, f"Write {most} characters at most.", refused.path)


def _twice(refused: _Objection) -> Iterable[_Reason]:
    first: dict[Data, int] = {}
    for index, entry in enumerate(refused.instance):
        # What is no text has no place in such a list at all, which is reported as well.
        if isinstance(entry, str) and first.setdefault(entry, index) != index:
            message = f"{_field(refused.path)} has {shown(entry)} twice"
            other = ((*refused.path, first[entry]), "first here")
            yield _Reason("repeated-entry", message, "Remove one of the two.", (*refused.path, index), other)


def _not_together(refused: _Objection) -> Iterable[_Reason]:
    path = refused.path
    advice = "Keep host for a guest of one host, or hosts with all hosts that the guest may run on."
    yield _Reason(
        "host-and-hosts", f"{_field(path)} has host and hosts", advice, (*path, "hosts"), ((*path, "host"), "and here")
    )


def _machine_id(value: Data, path: Path) -> _Reason:
    advice = (
        "Write manufacturer, type and the 16 characters of the sequence code, with '-' between, as /proc/sysinfo of "
        "an LPAR has them: IBM-3931-00000000000829E7."
    )
    return _Reason("bad-machine-id", f"{_field(path)}: {shown(value)} is not the id of a machine", advice, path)


def _lpar_name(value: Data, path: Path) -> _Reason:
    advice = (
        "Write it as 'LPAR Name' in /proc/sysinfo has it: at most 64 visible ASCII characters, in quotes if need be."
    )
    return _Reason("bad-lpar-name", f"{_field(path)}: {shown(value)} is not the name of an LPAR", advice, path)


def _standby_of(value: Data, path: Path) -> _Reason:
    advice = "Write the name of the Machine, '/', and the name of the LPAR: cpc-a/lpar7."
    return _Reason("bad-standby", f"{_field(path)}: {shown(value)} does not name an LPAR of a machine", advice, path)


def _lpar_form(refused: _Objection) -> Iterable[_Reason]:
    name = shown(refused.instance.get("name"))
    if "standbyOf" in refused.instance:
        message = f"LPAR {name} is a standby, and has a host"
        yield _Reason(
            "standby-with-host", message, "Leave host out: that of its original runs here.", (*refused.path, "host")
        )
        return
    missing = [key for key in ("adapters", "usageDomains") if key not in refused.instance]
    advice = "Write both, also as [] where it has none. Only a standby (standbyOf) may leave them out."
    yield _Reason("lpar-without-queues", f"LPAR {name} lacks {_listed(missing)}", advice, refused.path)


def _either_or(refused: _Objection) -> Iterable[_Reason]:
    if refused.path[:2] == ("spec", "lpars") and isinstance(refused.instance, dict):
        yield from _lpar_form(refused)
        return
    if refused.path != ("spec",):
        yield _Reason(
            "bad-form", f"{_field(refused.path)} fits none of the forms it may have", _see(refused), refused.path
        )
        return
    if "queues" in refused.instance:
        message, advice = (
            "spec has queues as well as adapters or domains",
            "Keep either queues, or adapters and domains.",
        )
        yield _Reason("queues-and-adapters", message, advice, ("spec", "queues"))
        return
    missing = _not_mistyped([key for key in ("adapters", "domains") if key not in refused.instance], refused)
    if not missing:
        return
    advice = "Write adapters and domains, or queues: a guest's queues are its adapters times its domains."
    yield _Reason("guest-without-queues", f"spec lacks {_listed(missing)}", advice, refused.path)


def _field(path: Path) -> str:
    return dotted(path) or "the document"


def _see(refused: _Objection) -> str:
    """The command that explains the field, or the nearest one above it that the schema names."""
    words = [min(refused.fields, key=len), *(one for one in refused.path if isinstance(one, str))]
    while ".".join(words) not in refused.fields:
        words.pop()
    return f"`reconcile explain {'.'.join(words)}` says what is allowed here."


def _listed(words: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1])))


_OF_NO_KIND: Final = "No kind of document may have this."
_LONGEST_ADVICE: Final = 60
_TYPE_NAMES: Final = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "text",
    "integer": "a number",
    "boolean": "true or false",
}
_BY_DEFINITION: Final[dict[str, Callable[[Any, Path], _Reason]]] = {
    "id": _id,
    "name": _name,
    "uuid": _uuid,
    "queue": _queue,
    "machineId": _machine_id,
    "lparName": _lpar_name,
    "standbyOf": _standby_of,
}
_BY_KEYWORD: Final[dict[str, Callable[[_Objection], Iterable[_Reason]]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _unknown_value,
    "const": _unknown_value,
    "minItems": _empty,
    "maxItems": _too_many,
    "maxLength": _too_long,
    "uniqueItems": _twice,
    "not": _not_together,
    "anyOf": _either_or,
}
