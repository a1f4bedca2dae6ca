"""Fields to exact positions, after the fact."""

import pytest

from reconciler.manifests.pinpoint import guests_in, pinpoint
from reconciler.model.problems import Place, Position, Problem, Severity
from testing.manifests import marked

TEXT = """\
# a comment
kind: Host
---
kind: Guest
spec:
  adapters: [5, 6]
  domains:
    - 4
    - 0x47
  keep:
    - adapters: [1]
      domains:
        - 2
  nothing:
  quoted: "with: colon"
  long: |
    several
    lines
"""


def pinpointed(field: tuple[str | int, ...], text: str = TEXT, line: int = 4, id: str = "some") -> Place:
    """Where `field` of the document at `line` of `text` is."""
    problem = Problem(id, Severity.ERROR, "m", (Place(Position("f", line, 1), "why", field),), help="h")
    (found,) = pinpoint([problem], {"f": text})
    assert found._replace(places=()) == problem._replace(places=())
    return found.places[0]


@pytest.mark.parametrize(
    ("field", "line", "column", "shown"),
    [
        (("kind",), 4, 7, "Guest"),
        (("spec", "adapters"), 6, 13, "[5, 6]"),
        (("spec", "adapters", 1), 6, 17, "6"),
        (("spec", "domains"), 7, 3, "domains"),
        (("spec", "domains", 1), 9, 7, "0x47"),
        (("spec", "keep", 0), 11, 7, "adapters: [1]"),
        (("spec", "keep", 0, "domains", 0), 13, 11, "2"),
        (("spec", "nothing"), 14, 3, "nothing"),
        (("spec", "quoted"), 15, 11, '"with: colon"'),
        (("spec", "long"), 16, 3, "long"),
        (("spec",), 5, 1, "spec"),
        (("spec", "missing"), 5, 1, "spec"),
        (("spec", "domains", 7), 7, 3, "domains"),
        (("spec", "domains", "x"), 7, 3, "domains"),
        (("kind", "x"), 4, 7, "Guest"),
        (("missing",), 4, 1, "kind: Guest"),
        ((), 4, 1, "kind: Guest"),
    ],
)
def test_fields_are_found(field: tuple[str | int, ...], line: int, column: int, shown: str) -> None:
    """Scalars and lists in brackets are marked themselves, blocks by their key; what is missing by its parent."""
    place = pinpointed(field)

    assert place.position == Position("f", line, column)
    assert place.excerpt[column - 1 : column - 1 + place.width] == shown
    assert (place.label, place.field) == ("why", field)


def test_an_unknown_key_is_marked_itself() -> None:
    """Where a key is at fault, its value is not marked."""
    assert pinpointed(("spec", "adapters"), id="unknown-key").position == Position("f", 6, 3)


def test_the_first_document_is_found_too() -> None:
    """Position and field are those of the document they belong to."""
    assert pinpointed(("kind",), line=2).position == Position("f", 2, 7)


def test_exact_places_stay_as_they_are() -> None:
    """What has an excerpt is exact already; nothing is known of files that were not read."""
    exact = Place(Position("f", 4, 1), excerpt="kind: Guest", width=4)
    elsewhere = Place(Position("g", 1, 1), field=("spec",))
    problem = Problem("id", Severity.ERROR, "m", (exact, elsewhere))

    assert pinpoint([problem], {"f": TEXT}) == [problem]


@pytest.mark.parametrize("text", ["", "a: [\n", "[" * 100_000, "a: " + "x" * (2 << 20), "a: &x 1\n"])
def test_texts_that_cannot_be_read_again_do_no_harm(text: str) -> None:
    """A file may be anything by now; its start is shown, if there is one."""
    place = pinpointed(("spec",), text, line=1)

    assert place.position == Position("f", 1, 1)


def test_a_document_of_nothing() -> None:
    """Where a document has no content, its start is shown."""
    assert pinpointed(("spec",), "# nothing\n", line=1).excerpt == "# nothing"


def test_a_position_behind_the_end() -> None:
    """A file that has become shorter is shown at its end."""
    assert pinpointed((), "a: 1\n", line=9).position.file == "f"


def test_several_problems_of_several_documents() -> None:
    """Problems need no order, and a problem may have several places."""
    first, second = Position("f", 2, 1), Position("f", 4, 1)
    problem = Problem("id", Severity.ERROR, "m", (Place(second, field=("kind",)), Place(first, field=("kind",))))

    for found in pinpoint([problem, problem], {"f": TEXT}):
        assert [marked(found, 0), marked(found, 1)] == ["Guest", "Host"]


SITE = """\
kind: Guest
metadata: {name: payments}
spec: {adapters: [5], adapters: [6]}
---
kind: Host
metadata: {name: lpar7}
---
kind: Guest
metadata: [name]
---
kind: Guest
metadata: {name: "No Name"}
---
- Guest
"""


@pytest.mark.parametrize(("line", "names"), [(1, ("payments",)), (5, ()), (8, ()), (11, ()), (14, ()), (99, ())])
def test_the_guests_that_problems_are_about_are_named(line: int, names: tuple[str, ...]) -> None:
    """By kind and name alone, whatever else is wrong; each once, and none that can have no such name."""
    place = Place(Position("a.yaml", line, 1), "", ("spec",))
    problems = [Problem("some", Severity.ERROR, "wrong", (place, place)), Problem("some", Severity.ERROR, "wrong")]

    assert guests_in(problems, {"a.yaml": SITE}) == names
    assert guests_in(problems, {"b.yaml": SITE}) == ()
