"""Every description in the schemas stands alone: editors and `explain` show it beside one field, without the others."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.cli.explain_command import KINDS, read_kinds
from reconciler.manifests.fields import Field

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
MANIFESTS: Final = tuple(kind for kind in KINDS if kind != "plan")
REFERS: Final = re.compile(
    r"^(?:Of|Its|Their|That|This|These|Those|By|As|With|From|Now|Also|Likewise|Relative|Found|Changes|For people)\b"
    r"|^When\b(?!.*: )|\b(?:above|below|the same|that one|likewise)\b",
    re.IGNORECASE,
)
"""What a text says that refers to another one, or is no sentence."""

PRIVATE: Final = re.compile(r"\b(?:holder|in sync|foreign|rectangle|settle|outlet|turn)\b")
"""Words of ours that nobody knows who reads only a manifest."""

SO_MANY: Final = re.compile(
    r"\b(?:how many|number|numbers|id|from 1|highest|seconds|exit code|version|generation)\b", re.IGNORECASE
)
"""What says of a number what it counts, or in which unit it is."""


def described(part: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of a schema that has a description, with its place."""
    if isinstance(part, dict):
        if isinstance(part.get("description"), str):
            yield path, part
        for key, value in part.items():
            if key not in {"examples", "default", "enum", "const"}:
                yield from described(value, f"{path}/{key}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from described(value, f"{path}/{number}")


EVERY: Final = [
    (place, part)
    for file in sorted(SCHEMAS.glob("*.json"))
    for place, part in described(json.loads(file.read_text()), file.name.partition(".")[0])
]


def test_every_description_is_made_of_whole_sentences() -> None:
    """It begins with a capital or a word in quotes, ends with a dot, and has more than a word or two."""
    wrong = {
        place: text
        for place, part in EVERY
        if not re.match(r"[A-Z'0-9]", text := part["description"]) or not text.endswith(".") or len(text.split()) < 4
    }

    assert wrong == {}


def test_no_description_needs_another_one() -> None:
    """Whoever asks for one field sees no other."""
    assert {place: part["description"] for place, part in EVERY if REFERS.search(part["description"])} == {}


def test_the_descriptions_of_manifests_have_no_words_of_ours() -> None:
    """They are for people who know cards, domains and virtual machines."""
    of_manifests = [(place, part) for place, part in EVERY if place.partition("/")[0] in MANIFESTS]

    assert {place: part["description"] for place, part in of_manifests if PRIVATE.search(part["description"])} == {}


def test_every_number_says_what_it_counts_and_in_which_unit() -> None:
    """And from where it is counted, where that may be doubted."""
    numbers = [(place, part) for place, part in EVERY if {"integer", "number"} & {*_types(part)}]

    assert {place: part["description"] for place, part in numbers if not SO_MANY.search(part["description"])} == {}


def _types(part: dict[str, Any]) -> list[str]:
    found = part.get("type", [])
    return [found] if isinstance(found, str) else found


@pytest.mark.parametrize("kind", read_kinds(MANIFESTS), ids=lambda one: one.name)
def test_every_field_of_a_manifest_has_an_example_where_its_type_does_not_show_what_it_is(kind: Field) -> None:
    """Not where it is one of some words, true or false, or a mapping whose fields have them."""
    clear = re.compile(r"one of |always |true or false|mapping")
    unclear = [one for one in kind.every() if not (clear.match(one.type) and (one.fields or one.type != "mapping"))]

    assert [one.name for one in unclear if not one.examples and not one.fields] == []
