"""The quick yes or no agrees with jsonschema."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.manifests import schema
from reconciler.manifests.schema import SCHEMA_FILES, Accept, Forms, UnknownKeyword, compile_form, load_schema
from testing.manifests import ANYTHING, DOCUMENTS, SCALARS, mutate

SCHEMAS = {kind: load_schema(kind) for kind in SCHEMA_FILES}
VALIDATORS = {kind: Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}
QUICK: dict[str, Accept] = {kind: compile_form(schema) for kind, schema in SCHEMAS.items()}


def agreed(kind: str, data: object) -> bool:
    """The answer that both ways give."""
    quick = QUICK[kind](data)
    assert quick == VALIDATORS[kind].is_valid(data)
    return quick


@given(st.sampled_from(["Host", "Guest"]), DOCUMENTS)
def test_documents_made_of_known_parts(kind: str, data: dict[str, Any]) -> None:
    """Right and nearly right documents get the same answer."""
    agreed(kind, data)


@given(st.sampled_from(["Host", "Guest"]), DOCUMENTS, st.data())
def test_mutated_documents(kind: str, data: dict[str, Any], draw: st.DataObject) -> None:
    """So they do after something in them has been replaced, added or removed."""
    mutated = copy.deepcopy(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        mutate(mutated, draw)

    agreed(kind, mutated)


@given(st.sampled_from(list(SCHEMA_FILES)), ANYTHING)
def test_anything_at_all(kind: str, data: object) -> None:
    """So does data that has nothing to do with manifests."""
    agreed(kind, data)


@pytest.mark.parametrize("kind", SCHEMA_FILES)
def test_examples_in_the_schemas_are_accepted(kind: str) -> None:
    """Each schema is a schema, and so are the documents in it manifests."""
    Draft202012Validator.check_schema(SCHEMAS[kind])

    assert all(agreed(kind, example) for example in SCHEMAS[kind]["examples"])


@pytest.mark.parametrize(("kind", "spec"), [("Host", {"queues": ["05.0047"]}), ("Guest", {"pool": {}})])
def test_kinds_are_told_apart(kind: str, spec: dict[str, object]) -> None:
    """What belongs to one kind is not accepted in the other."""
    assert not agreed(kind, {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec})


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{}]},
        {"uniqueItems": True},
        {"uniqueItems": True, "items": {"type": "integer"}},
        {"uniqueItems": False, "items": {"type": "string"}},
        {"type": ["string", "null"]},
        {"type": "number"},
        {"$ref": "other.json"},
        {"const": 1},
        {"enum": ["a", True]},
        {"properties": {"a": {"format": "uuid"}}},
    ],
)
def test_what_is_not_understood_is_not_passed_over(schema: dict[str, Any]) -> None:
    """A schema that says more than is known cannot be compiled."""
    with pytest.raises(UnknownKeyword):
        compile_form(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"required": ["a"]},
        {"required": ["a"], "properties": {"b": {"type": "boolean"}}},
        {"additionalProperties": {"type": "string"}},
        {"propertyNames": {"maxLength": 1}, "additionalProperties": False, "properties": {"a": {}}},
        {"items": False},
        {"minItems": 1, "maxItems": 1},
        {"minLength": 1, "minimum": 1},
        {"pattern": "a", "maximum": 3},
        {"properties": {"a": False}},
        {"type": "string", "minItems": 2},
    ],
)
@given(data=st.one_of(ANYTHING, st.dictionaries(st.sampled_from(["a", "b", "cc"]), SCALARS)))
def test_keywords_without_a_type(schema: dict[str, Any], data: object) -> None:
    """A keyword about lists says nothing about text, and so on."""
    assert compile_form(schema)(data) == Draft202012Validator(schema).is_valid(data)


def test_a_schema_that_says_more_is_checked_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than half."""
    monkeypatch.setattr(schema, "schema_text", lambda _kind: '{"type": "object", "minProperties": 1}')
    forms = Forms()

    assert forms.accepts({"a": 1}, "Guest")
    assert not forms.accepts({}, "Guest")
