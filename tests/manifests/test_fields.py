"""The fields of a kind of document: what a schema says of each, gathered for people."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.fields import Field, NoSuchField, fields_of, find_field
from reconciler.manifests.schema import schema_file_text

KINDS: Final = tuple(
    fields_of(kind, json.loads(schema_file_text(f"{kind}.schema.json")))
    for kind in ("host", "guest", "simulated-host", "plan")
)
EVERY: Final = {one.name: one for kind in KINDS for one in kind.every()}


def properties(schema: object) -> int:
    """How many properties `schema` names anywhere, those of definitions and of alternatives left out."""
    if not isinstance(schema, dict):
        return 0
    inner = schema.get("properties", {})
    return len(inner) + sum(map(properties, (*inner.values(), schema.get("items"))))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_property_of_a_schema_is_left_out(kind: Field) -> None:
    """Each is a field, besides those that definitions bring."""
    schema = json.loads(schema_file_text(f"{kind.name}.schema.json"))

    assert len(list(kind.every())) > properties(schema)


def test_each_field_is_found_by_its_path_and_says_what_it_is() -> None:
    """Also below a list and below what may be null."""
    for name, field in EVERY.items():
        assert find_field(KINDS, name) is field
        assert field.type
        assert all(field.texts)
        assert field.presence or "." not in name


def test_what_a_definition_says_belongs_to_the_field() -> None:
    """Its text, its limits, its examples, and what an entry is."""
    domains = EVERY["guest.spec.domains"]

    assert domains.texts[0] == "Usage domains of the guest's queues; on every one of its adapters."
    assert domains.texts[-1].startswith("Each entry: number or text. 0 to 255: ")
    assert (domains.type, domains.presence) == ("list", "required in some forms")
    assert domains.limits == ("at most 256 entries",)
    assert [5, 6] in domains.examples


def test_defaults_values_and_forms() -> None:
    """As a person would write them."""
    spec, activation = EVERY["guest.spec"], EVERY["guest.spec.activation"]

    assert (activation.type, activation.default) == ("one of active, on-demand, inactive", "active")
    assert spec.forms == (
        "As adapters and domains: adapters and domains, without queues.",
        "As queues: queues, without adapters and domains.",
        "Without a queue: adapters as an empty list, without queues.",
        "Not together: host and hosts.",
    )
    assert EVERY["simulated-host.spec.vfioAp"].type == "true or false"
    assert EVERY["simulated-host.spec.maxDomain"].default == "84"
    assert EVERY["simulated-host.spec"].texts == ("What the host has when it starts.",)
    assert EVERY["host.spec.keep.adapters"].limits == ("at least 1 entry", "at most 256 entries")


def test_a_schema_may_say_little() -> None:
    """Then a field is its name."""
    made = fields_of("note", {"properties": {"a": {}, "b": {"anyOf": [{"type": "string"}]}}})

    assert [(one.name, one.type, one.texts) for one in made.every()] == [
        ("note", "anything", ("note.",)),
        ("note.a", "anything", ("a.",)),
        ("note.b", "text", ("b.",)),
    ]


def test_fields_of_what_may_be_null() -> None:
    """They are there."""
    assert EVERY["plan.guests.wanted"].type == "mapping or null"
    assert EVERY["plan.guests.wanted.controlDomains"].type == "list"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Guest.spec", "guest.spec"),
        ("SimulatedHost.spec.kernel", "simulated-host.spec.kernel"),
        ("host.spec.keep[0].domains", "host.spec.keep.domains"),
        ("host.spec.keep[].domains", "host.spec.keep.domains"),
    ],
)
def test_paths_as_they_are_met_elsewhere(words: str, name: str) -> None:
    """A kind as in a document, a list with an index."""
    assert find_field(KINDS, words).name == name


@pytest.mark.parametrize(
    ("words", "parent", "near"),
    [
        ("guest.spec.domain", "guest.spec", ("guest.spec.domains",)),
        ("guest.spec.Domains", "guest.spec", ("guest.spec.domains",)),
        ("gest", None, ("guest",)),
        ("gest.spec", None, ("guest.spec",)),
        ("gest.xyzzy", None, ("guest",)),
        ("hots.spec.keep[3].domains", None, ("host",)),
        ("spec.unmanaged", None, ("host.spec.unmanaged",)),
        ("spec.Unmanaged", None, ("host.spec.unmanaged",)),
        ("guest.unmanaged", "guest", ("host.spec.unmanaged",)),
        ("guest.unmanged", "guest", ("host.spec.unmanaged",)),
        ("guest.spec.uuid.xyzzy", "guest.spec.uuid", ()),
        ("xyzzy", None, ()),
        ("", None, ()),
    ],
)
def test_an_unknown_field_has_near_ones(words: str, parent: str | None, near: tuple[str, ...]) -> None:
    """Beside it, then anywhere."""
    with pytest.raises(NoSuchField) as caught:
        find_field(KINDS, words)

    found = caught.value.parent
    assert (found and found.name, caught.value.near) == (parent, near)


@given(
    st.lists(
        st.sampled_from(["guest", "spec", "domains", "keep", "", "[", "x", "Ḁ", "\0"]) | st.text(max_size=9), max_size=5
    )
)
def test_any_words_name_a_field_or_are_refused(words: list[str]) -> None:
    """And what is near is a field."""
    found: tuple[str, ...]
    try:
        found = (find_field(KINDS, ".".join(words)).name,)
    except NoSuchField as error:
        found = error.near

    assert set(found) <= set(EVERY)
