"""Files of other programs: one key of a file that holds anything else, and JSON, each part with its place."""

import pytest

from reconciler.manifests.foreign import Foreign, document_of, embedded_json, json_value, yaml_documents, yaml_key
from reconciler.model.problems import InvalidManifests, Problem


def refused(read: object, *words: object) -> Problem:
    """The problem because of which `read` refuses a text."""
    assert callable(read)
    with pytest.raises(InvalidManifests) as caught:
        read(*words)
    return caught.value.problems[0]


def seen(value: Foreign, *path: str | int) -> str:
    """The text that the place of a part of `value` marks, after its line number."""
    place = value.place(path)
    start = place.position.column - 1
    return f"{place.position.line} {place.excerpt[start : start + place.width]}"


AROUND = """\
---
secret: !vault |
  $ANSIBLE_VAULT;1.1;AES256
base: &base {a: 1}
twice: {x: 1, x: 2}
merged: {<<: *base}
wanted:
  - {id: 07.0029, on: yes}
  - 010
after: *base
"""


def test_a_key_is_read_whatever_stands_beside_it() -> None:
    """Tags, aliases and repeated keys elsewhere are other programs' business; plain values are as in manifests."""
    value = yaml_key(AROUND, "all.yaml", "wanted")

    assert [{"id": "07.0029", "on": "yes"}, "010"] == value.data
    assert "8 07.0029" == seen(value, 0, "id")
    assert "9 010" == seen(value, 1)


def test_a_key_may_stand_below_others_and_in_a_later_document() -> None:
    """As in an inventory, with its place."""
    text = "# nothing\n---\n---\na: [{b: {wanted: 5, ? [c]: 6}}]\n...\n"
    value = yaml_key(text, "inventory.yaml", "wanted")

    assert 5 == value.data
    assert "4 5" == seen(value)


@pytest.mark.parametrize(
    ("text", "id", "line"),
    [
        ("other: 1\n", "import-key", 1),
        ("", "import-key", 1),
        ("a: {wanted: 1}\nb: {wanted: 2}\n", "import-key", 1),
        ("wanted: !!python/object:os.system x\n", "yaml-tag", 1),
        ("a: &a [1]\nwanted: *a\n", "yaml-alias", 2),
        ("a: &a [1]\nwanted:\n  - *a\nz: 1\n", "yaml-alias", 3),
        ("wanted: {x: 1, x: 2}\n", "duplicate-key", 1),
        ("wanted: [\n", "yaml-syntax", 1),
        ("%YAML 1.1\n---\nwanted: 1\n", "yaml-directive", 1),
        ("a: " + "[" * 30 + "]" * 30 + "\nwanted: 1\n", "too-deep", 1),
        ("a: \x07\n", "control-character", 1),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(text: str, id: str, line: int) -> None:
    """What is in the value as in manifests, and what hides it."""
    problem = refused(yaml_key, text, "all.yaml", "wanted")
    assert (id, "all.yaml", line) == (problem.id, problem.places[0].position.file, problem.places[0].position.line)


def test_many_aliases_cost_nothing() -> None:
    """Ten levels of ten aliases each would be ten thousand million values."""
    levels = "".join(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 11))
    assert 7 == yaml_key(f"a0: &a0 x\n{levels}wanted: 7\n", "bomb.yaml", "wanted").data


def test_json_is_read_with_its_places() -> None:
    """Where a part is missing, the nearest that is there is marked."""
    value = json_value('{\n "a": [1, {"b": "x*&!"}]\n}\n', "export.json")

    assert {"a": [1, {"b": "x*&!"}]} == value.data
    assert '2 "x*&!"' == seen(value, "a", 1, "b")
    assert '2 {"b": "x*&!"}' == seen(value, "a", 1, "c")


@pytest.mark.parametrize(
    ("text", "line"),
    [('{\n"a": }', 2), ('{"a": 1, "a": 2}', 1), ("[" * 40 + "]" * 40, 1), ("[NaN]", 1), ("[1e999]", 1), ("", 1)],
)
def test_other_json_is_refused(text: str, line: int) -> None:
    """Also a key twice, deep nesting, and what is no number."""
    problem = refused(json_value, text, "export.json")
    assert ("not-json", line) == (problem.id, problem.places[0].position.line)


@pytest.mark.parametrize("text", ["[" * 25 + "]" * 25, r'["\ud83d\ude00"]', f'["{"x" * (1 << 20)}"]'])
def test_json_that_is_no_yaml_has_no_places(text: str) -> None:
    """Then the file as a whole is named."""
    assert json_value(text, "export.json").place((0,)).is_whole


def test_documents_of_another_program_are_read_as_manifests_are() -> None:
    """One after the other, each with its places."""
    first, second = yaml_documents("a: 1\n---\n\n  b: 2\n", "map.yaml")

    assert ({"a": 1}, {"b": 2}) == (first.data, second.data)
    assert ("1 1", "4 2") == (seen(first, "a"), seen(second, "b"))
    assert "yaml-tag" == refused(yaml_documents, "a: !x 1\n", "map.yaml").id


def test_a_file_is_json_where_it_begins_so() -> None:
    """And one document of YAML otherwise."""
    assert {"a": [1]} == document_of(' {"a": [1]}', "export").data == document_of("a: [1]", "export").data
    assert "not-json" == refused(document_of, "{a: 1}", "export").id
    assert "import-key" == refused(document_of, "", "export").id
    assert "import-key" == refused(document_of, "a: 1\n---\nb: 1\n", "export").id


EMBEDDED = """\
a:
  - text: |2
      {"x":
        [1, 2]}
  - text: "{\\"x\\": [1, 2]}"
"""


@pytest.mark.parametrize(("item", "place"), [(0, "4 2"), (1, "1 2")])
def test_json_within_a_document_is_read_with_its_places(item: int, place: str) -> None:
    """In the file where its lines stand there as they are, in the text itself else."""
    (document,) = yaml_documents(EMBEDDED, "map.yaml")
    value = embedded_json(document, ("a", item, "text"))

    assert {"x": [1, 2]} == value.data
    assert place == seen(value, "x", 1)
    assert ("map.yaml", "map.yaml (text)")[item] == value.place().position.file


def test_wrong_json_within_a_document_is_refused_at_its_line() -> None:
    """Of the file."""
    (document,) = yaml_documents(EMBEDDED.replace("1, 2", "1 2", 1), "map.yaml")
    problem = refused(embedded_json, document, ("a", 0, "text"))
    assert ("not-json", "map.yaml", 4) == (problem.id, *problem.places[0].position[:2])


def test_json_within_json_is_found_where_yaml_cannot_be() -> None:
    """As in a document that YAML would not take."""
    value = json_value(r'{"x": "\ud83d\ude00", "text": "[1]"}', "map.json")
    assert [1] == embedded_json(value, ("text",)).data
