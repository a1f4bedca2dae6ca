"""YAML text to plain data, and everything that is refused on the way."""

import pytest

from reconciler.manifests.data import LONGEST_EXCERPT, MOST_PROBLEMS, Data
from reconciler.manifests.strict_yaml import read_documents
from reconciler.manifests.yaml_stream import DEEPEST, DOCUMENT_LIMIT, decoded
from reconciler.model.problems import Position, Problem
from testing.manifests import marked

CAREFULLY = "# an ! makes the reader look closely\n"


def data_of(text: str) -> Data:
    """The data of the only document of `text`, which both ways of reading must agree on."""
    (document,), problems = read_documents(text, "f")
    (again,), _ = read_documents(CAREFULLY + text, "f")
    assert not problems
    assert document.data == again.data
    assert document.position.line == again.position.line - 1
    return document.data


def problems_of(text: str) -> list[Problem]:
    """What is wrong with `text`."""
    return read_documents(text, "f")[1]


def problem_of(text: str) -> Problem:
    """The only problem of `text`, of which no document is accepted, or without the second one of two keys."""
    documents, problems = read_documents(text, "f")
    assert not documents or problems[0].id == "duplicate-key"
    assert len(problems) == 1, problems
    assert problems[0].help
    return problems[0]


@pytest.mark.parametrize(
    ("scalar", "meaning"),
    [
        ("4", 4),
        ("0", 0),
        ("255", 255),
        ("true", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("True", "True"),
        ("yes", "yes"),
        ("no", "no"),
        ("off", "off"),
        ("010", "010"),
        ("0x47", "0x47"),
        ("0o17", "0o17"),
        ("0b1", "0b1"),
        ("5:30", "5:30"),
        ("05.0010", "05.0010"),
        ("1_000", "1_000"),
        ("+5", "+5"),
        ("-1", "-1"),
        ("1e2", "1e2"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("2026-11-23", "2026-11-23"),
        ("=", "="),
        ("٣", "٣"),
        ("9" * 5000, "9" * 5000),
        ('"4"', "4"),
        ("'true'", "true"),
        ('""', ""),
        ('"~"', "~"),
    ],
)
def test_scalars_mean_what_they_show(scalar: str, meaning: Data) -> None:
    """Only plain decimals, true, false and null are anything but text, in mappings, lists and alone."""
    assert data_of(f"key: {scalar}\n") == {"key": meaning}
    assert data_of(f"- {scalar}\n") == [meaning]
    assert type(data_of(f"- {scalar}\n")[0]) is type(meaning)  # type: ignore[index]


def test_a_document_is_read_whatever_its_style() -> None:
    """Block and flow style, comments, and Windows line ends make no difference."""
    wanted = {"a": [1, {"b": "c"}], "d": "e"}

    assert data_of("a:\n  - 1\n  - b: c\nd: e\n") == wanted
    assert data_of('{"a": [1, {b: c}], d: "e"} # comment\n') == wanted
    assert data_of("a:\r\n- 1\r\n- b: c\r\nd: e\r\n") == wanted


def test_documents_know_where_they_start() -> None:
    """The position is that of the content, not of the separator or a comment."""
    documents, _ = read_documents("# one\na: 1\n---\n# two\n\n  b: 2\n--- {c: 3}\n", "f")

    assert [document.position for document in documents] == [
        Position("f", 2, 1),
        Position("f", 6, 3),
        Position("f", 7, 5),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n", "# comment\n", "---\n", "---\n---\n...\n", "--- # nothing\n~\n", "...\n# end\n...\n"]
)
@pytest.mark.parametrize("prefix", ["", CAREFULLY])
def test_empty_documents_are_skipped(text: str, prefix: str) -> None:
    """A document without content is no document."""
    assert read_documents(prefix + text, "f") == ([], [])


def test_documents_after_a_bad_one_are_read() -> None:
    """One bad document costs only itself."""
    documents, problems = read_documents("a: 1\n---\nb: [\n---\nc: 3\n...\nd: 4\n", "f")

    assert [document.data for document in documents] == [{"a": 1}, {"c": 3}, {"d": 4}]
    assert [problem.places[0].position.line for problem in problems] == [3]


@pytest.mark.parametrize(
    ("text", "id", "line", "column", "shown"),
    [
        ("a: 1\na: 2\n", "duplicate-key", 2, 1, "a"),
        ('{a: 1, "a": 2}\n', "duplicate-key", 1, 8, '"a"'),
        ("x: {b: 1, b: 1}\n", "duplicate-key", 1, 11, "b"),
        ("? [a]\n: 1\n", "key-not-text", 1, 3, "[a]"),
        ("? {a: b}\n: 1\n", "key-not-text", 1, 3, "{a: b}"),
        ("<<: {a: 1}\n", "merge-key", 1, 1, "<<"),
        ("a: &x 1\n", "yaml-alias", 1, 4, "&x"),
        ("a: *x\n", "yaml-alias", 1, 4, "*x"),
        ("a: !!int 1\n", "yaml-tag", 1, 4, "!!int 1"),
        ("a: ! 1\n", "yaml-tag", 1, 4, "! 1"),
        ("a: !x {b: 1}\n", "yaml-tag", 1, 4, "!x {"),
        ("%YAML 1.2\n---\n# nothing\n", "yaml-directive", 1, 1, "%YAML 1.2"),
        ("# first\n%TAG ! x\n", "yaml-directive", 2, 1, "%TAG ! x"),
        ("a: 1\n\tb: 2\n", "yaml-tab", 2, 1, "\t"),
        ("a: [1, 2\n", "yaml-syntax", 1, 9, ""),
        ('a: "b\n', "yaml-syntax", 1, 6, ""),
        ("a: b: c\n", "yaml-syntax", 1, 5, ":"),
        (" a: 1\nb: 2\n", "yaml-syntax", 2, 1, "b"),
        ("a: 1\n]\n", "yaml-syntax", 2, 1, "]"),
        ("a: @b\n", "yaml-syntax", 1, 4, "@"),
        ("a: 1\x00\n", "control-character", 1, 5, "\ufffd"),
        ("a: 1\n\x1b[31m\n", "control-character", 2, 1, "\ufffd"),
        ("\ufeffa: 1\n", "byte-order-mark", 1, 1, "\ufffd"),
        ("a: 1\rb: 2\n", "odd-line-break", 1, 5, "\ufffd"),
        ("a: 1\u2028b: 2\n", "odd-line-break", 1, 5, "\ufffd"),
        ("a: 1\x85b: 2\n", "odd-line-break", 1, 5, "\ufffd"),
        ("a: \ud800\n", "control-character", 1, 4, "\ufffd"),
        ("a: ä\x7f\n", "control-character", 1, 5, "\ufffd"),
    ],
)
def test_what_is_refused_is_shown_where_it_stands(text: str, id: str, line: int, column: int, shown: str) -> None:
    """Each refusal has its id, the exact place, and the text concerned under its caret."""
    problem = problem_of(text)

    assert (problem.id, problem.places[0].position) == (id, Position("f", line, column))
    assert marked(problem) == shown


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        (
            "a: &m 1\n",
            "manifests may not have anchors (&m) and aliases (*m)",
            "Write the value out wherever *m stands.",
        ),
        ("a: *m\n", "manifests may not have anchors (&m) and aliases (*m)", "Write the value out where *m stands."),
        ("a: !!int 1\n", "manifests may not have tags such as !!int", "Remove it"),
        ("<<: {a: 1}\n", "manifests may not have the merge key <<", "Write its keys out."),
        ("%YAML 1.2\n---\na: 1\n", "manifests may not have YAML directives", "Remove the line."),
    ],
)
def test_what_yaml_has_and_manifests_have_not(text: str, message: str, help: str) -> None:
    """It is said that it is forbidden: that it is "not used" could mean that nothing needs it."""
    (problem,) = problems_of(text)

    assert problem.message.startswith(message)
    assert problem.help.startswith(help)


DOCUMENT = "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: NAME}\nspec:\n  adapters: [5]\n"


@pytest.mark.parametrize("count", [2, 3, 20])
@pytest.mark.parametrize("first", ["", "---\n"])
def test_documents_without_a_separator_are_one_problem(count: int, first: str) -> None:
    """As ``cat *.yaml`` makes them; removing a key of the two would remove a document."""
    (problem,) = problems_of(first + "".join(DOCUMENT.replace("NAME", f"g{one}") for one in range(count)))

    assert problem.id == "missing-separator"
    assert problem.message == f"{count} documents stand here without a line --- between them"
    assert [place.position.line for place in problem.places] == [6 + bool(first), 1 + bool(first)]
    assert "---" in problem.help


@pytest.mark.parametrize("text", ["kind: a\nkind: b\nx: 1\nx: 2\n", "a:\n  apiVersion: 1\n  apiVersion: 2\n"])
def test_other_keys_that_stand_twice_are_no_documents(text: str) -> None:
    """A slip in one document stays what it is."""
    assert {one.id for one in problems_of(text)} == {"duplicate-key"}


def test_places_count_from_the_start_of_the_file() -> None:
    """In a later document, positions are still those of the file."""
    _, problems = read_documents("a: 1\n---\nb:\n  c: 1\n  c: 2\n", "f")

    assert [place.position for place in problems[0].places] == [Position("f", 5, 3), Position("f", 4, 3)]


def test_more_different_words_than_are_remembered_are_read_all_the_same() -> None:
    """What is remembered is bounded; what is read is not changed by it."""
    count = 100_010
    text = "".join(
        f"---\n[{', '.join(f'w{at}' for at in range(first, first + 10))}]\n" for first in range(0, count, 10)
    )

    documents, problems = read_documents(text, "f")

    assert not problems
    assert [f"w{count - 10 + at}" for at in range(10)] == documents[-1].data


def test_anchors_are_refused_with_or_without_alias() -> None:
    """Billions of laughs end before they begin: each anchor and alias is a problem, and nothing is expanded."""
    laughs = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *a]\n" for n in range(20))

    documents, problems = read_documents(laughs, "f")
    assert not documents
    assert {problem.id for problem in problems} == {"yaml-alias"}
    assert len(problems) == 61


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{a: " * 200_000,
        "- " * 500_000,
        "? " * 500_000,
        "".join(" " * depth + "a:\n" for depth in range(300)),
        "".join("[" * 100 + "\n---x," for _ in range(1000)),
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1) + " # " + "?" * 250,
    ],
    ids=["brackets", "braces", "dashes", "questions", "indented", "false separators", "just too deep"],
)
def test_deep_nesting_is_refused_in_good_time(text: str) -> None:
    """Depth costs neither the C stack nor Python's, nor quadratic time."""
    assert problem_of(text).id == "too-deep"


def test_some_nesting_is_fine() -> None:
    """As deep as the limit is allowed, however closely the reader looks."""
    text = "[" * DEEPEST + "1" + "]" * DEEPEST + " # " + "?" * 250 + "\n"

    assert str(data_of(text)).count("[") == DEEPEST


def test_a_document_over_the_limit_is_refused() -> None:
    """A mebibyte is enough for anybody; its neighbours are read."""
    documents, problems = read_documents("a: 1\n---\nb: " + "x" * DOCUMENT_LIMIT + "\n---\nc: 3\n", "f")

    assert [document.data for document in documents] == [{"a": 1}, {"c": 3}]
    assert [(problem.id, problem.places[0].position) for problem in problems] == [
        ("document-too-large", Position("f", 2, 1))
    ]


def test_the_limit_is_one_of_bytes() -> None:
    """Characters outside of ASCII count as many times as they take bytes."""
    assert problem_of("a: " + "ä" * (DOCUMENT_LIMIT // 2)).id == "document-too-large"
    assert read_documents("a: " + "x" * (DOCUMENT_LIMIT // 2), "f")[1] == []


def test_a_large_file_of_small_documents_is_fine() -> None:
    """The limit is one of documents, not of files."""
    text = "".join(f"---\na: {'x' * 1000}\n" for _ in range(1500))

    documents, problems = read_documents(text, "f")
    assert len(text) > DOCUMENT_LIMIT
    assert (len(documents), problems) == (1500, [])


def test_problems_of_one_document_are_limited() -> None:
    """A hopeless document does not drown the others."""
    _, problems = read_documents("{" + "a: 1, " * 1000 + "}\n", "f")

    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1].id == "more-problems"


def test_far_to_the_right_nothing_is_shown() -> None:
    """A line of a megabyte is not repeated in each of its problems, but positions stay exact."""
    problem = problem_of("{" + "k" * 600 + ": 1, a: 1, a: 2}\n")

    assert problem.places[0].position.column == 613
    assert problem.places[0].excerpt == ""
    short = problem_of("{a: 1, a: 2, " + "k" * 600 + ": 1}\n")
    assert len(short.places[0].excerpt) == LONGEST_EXCERPT


def test_a_mark_is_no_wider_than_its_line() -> None:
    """What spans several lines is marked on the first."""
    assert marked(problem_of("? [a,\n  b]\n: 1\n")) == "[a,"


@pytest.mark.parametrize(
    ("content", "column", "excerpt"),
    [
        (b"a: 1\nb: \xe4\nc: 3\n", 4, "b: \ufffd"),
        ("ä: ".encode() + b"\xe4", 4, "ä: \ufffd"),
        ("a: 1".encode("utf-16"), 1, ""),
        (b"\0\xe4", 2, ""),
        (b"x" * 1000 + b"\xe4", 1001, ""),
    ],
)
def test_bytes_that_are_no_text_are_shown_as_far_as_they_can_be(content: bytes, column: int, excerpt: str) -> None:
    """The first byte that is not UTF-8 is pointed at."""
    problem = decoded(content, "f")

    assert isinstance(problem, Problem)
    assert (problem.id, problem.places[0].position.column, problem.places[0].excerpt) == ("not-utf8", column, excerpt)


def test_bytes_that_are_text_are_decoded() -> None:
    """UTF-8 is what manifests are written in."""
    assert decoded("a: ä".encode(), "f") == "a: ä"
