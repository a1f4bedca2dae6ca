"""Annotations of GitHub and SARIF: checked as their readers read them, whatever is in the text.

``sarif-schema-2.1.0.json`` is the schema of the standard, as OASIS publishes it (oasis-tcs/sarif-spec).
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.render.annotations import MOST_NOTICES, Origin, problems_github, problems_sarif
from testing.commands import Command, change, example
from testing.hostile_text import HOSTILE, unsafe_characters

_SCHEMA: Final = Path(__file__).with_name("sarif-schema-2.1.0.json")
VALIDATOR: Final = Draft7Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
ORIGIN: Final = Origin("validate", "1.2.3", "/repo/site", "/repo")
COMMAND: Final = re.compile(r"::(error|warning|notice)(?: ([^:]*?))?::(.*)")
"""What the runner of GitHub takes for a command: name, properties, data."""

ODD: Final = ["::error::x", "\n::set-env name=a::b", "##[group]", "[x](http://evil)", "{0}", "%0A", "a,b:c=d", "\udcff"]
TEXTS: Final = st.text(max_size=20) | HOSTILE | st.sampled_from(ODD)
FILES: Final = st.sampled_from(["a.yaml", "../x", "/etc/x", *ODD])
PLACES: Final = st.builds(
    Place,
    st.builds(Position, FILES, st.integers(1, 9999), st.integers(1, 9999)),
    label=TEXTS,
    field=st.just(()),
    excerpt=TEXTS,
    width=st.integers(1, 99),
    is_whole=st.booleans(),
)
PROBLEMS: Final = st.builds(
    Problem,
    st.sampled_from(["guest-overlap", "bad-id"]),
    st.sampled_from(Severity),
    TEXTS,
    st.lists(PLACES, max_size=3).map(tuple),
    st.lists(TEXTS, max_size=2).map(tuple),
    TEXTS,
    st.just(1),
)


def problem(message: str = "it is wrong", file: str = "a.yaml", line: int = 3) -> Problem:
    """A problem in that line of `file`."""
    return Problem("bad-id", Severity.ERROR, message, (Place(Position(file, line, 5), width=2),))


def results(text: str) -> list[Any]:
    """The results of the one run of a SARIF log, which is valid."""
    log = json.loads(text)
    assert [one.message for one in VALIDATOR.iter_errors(log)] == []
    (run,) = log["runs"]
    for one in run["results"]:
        assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
        # What the standard lets be left out and GitHub's code scanning requires, by its rules GH1003 and GH1015.
        physical = [place["physicalLocation"] for place in one["locations"]]
        assert len(physical) == 1
        assert physical[0]["artifactLocation"]["uri"]
        assert physical[0]["region"]["startLine"] >= 1
    found: list[Any] = run["results"]
    return found


def commands(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """The commands as GitHub takes them apart: kind, properties, message."""
    for line in text.splitlines():
        found = COMMAND.fullmatch(line)
        assert found, line
        properties = dict(one.split("=", 1) for one in (found[2] or "").split(",") if one)
        yield found[1], {name: unquote(value) for name, value in properties.items()}, unquote(found[3])


@given(problems=st.lists(PROBLEMS, max_size=3))
@settings(max_examples=40)
def test_any_text_makes_a_valid_log(problems: list[Problem]) -> None:
    """By the schema of the standard; in ASCII, without commands, links and placeholders."""
    text = problems_sarif(problems, ORIGIN)

    assert len(problems) == len(results(text))
    assert text.isascii()
    assert not re.search(r"##\w*\[", text)
    for one in results(text):
        message = one["message"]["text"]
        assert unsafe_characters(message) <= {"\n", "\t"}
        assert not re.search(r"(?<!\\)\]\(|(?<!\{)\{\d+\}(?!\})", message)


@given(problems=st.lists(PROBLEMS, max_size=3))
@settings(max_examples=40)
def test_any_text_makes_one_command_for_each_problem(problems: list[Problem]) -> None:
    """And no other one."""
    text = problems_github(problems, ORIGIN)
    found = list(commands(text))

    kinds = [one.severity.value.replace("note", "notice") for one in problems]  # as GitHub calls it
    assert kinds == [kind for kind, _, _ in found]
    assert unsafe_characters(text) <= {"\n", "\t"}
    assert "##[" not in text
    for one, (_, properties, _) in zip(problems, found, strict=True):
        assert one.id == properties["title"]
        assert bool(one.places) == ("file" in properties)


def test_an_annotation_says_all_of_a_problem() -> None:
    """Where it is, what is wrong, details, what to do, and the other places."""
    other = Place(Position("b.yaml", 7, 1), "and here")
    found = problem("100 %, or:\nless")
    whole = found._replace(places=(*found.places, other), details=("one",), help="Fix it.")

    assert list(commands(problems_github([whole], ORIGIN))) == [
        (
            "error",
            {"file": "site/a.yaml", "line": "3", "col": "5", "endColumn": "7", "title": "bad-id"},
            "100 %, or:\nless\none\nhelp: Fix it.\nalso: b.yaml:7:1 and here",
        )
    ]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a.yaml", "site/a.yaml"),
        ("../other/a.yaml", "other/a.yaml"),
        ("/repo/x y.yaml", "x%20y.yaml"),
        ("/etc/reconciler/a.yaml", "file:///etc/reconciler/a.yaml"),
        ("/repository/a.yaml", "file:///repository/a.yaml"),
        ("\udcff%.yaml", "site/%FF%25.yaml"),
    ],
)
def test_a_file_is_named_from_the_root_of_the_repository(file: str, uri: str) -> None:
    """Where it is below that."""
    (found,) = results(problems_sarif([problem(file=file)], ORIGIN))
    artifact = found["locations"][0]["physicalLocation"]["artifactLocation"]

    assert uri == artifact["uri"]
    assert ("uriBaseId" in artifact) == (not uri.startswith("file:"))


def test_what_is_about_no_line_is_shown_at_the_first_problem() -> None:
    """That not everything was checked, for example; without any other problem, at the directory of the run."""
    note = Problem("not-checked", Severity.NOTE, "not everything was checked")

    beside = results(problems_sarif([note, problem(line=7)], ORIGIN))
    alone = results(problems_sarif([note], ORIGIN))
    at_the_root = results(problems_sarif([note], ORIGIN._replace(here="/repo")))

    places = [one["locations"][0]["physicalLocation"] for one in (*beside, *alone, *at_the_root)]
    assert [one["artifactLocation"]["uri"] for one in places] == ["site/a.yaml", "site/a.yaml", "site", "."]
    assert [one["region"]["startLine"] for one in places] == [1, 7, 1, 1]


def test_a_problem_that_has_moved_is_the_same() -> None:
    """Its line counts for nothing, its file does."""
    first, moved, other = results(problems_sarif([problem(), problem(line=30), problem(file="b.yaml")], ORIGIN))

    assert first["partialFingerprints"] == moved["partialFingerprints"]
    assert first["partialFingerprints"] != other["partialFingerprints"]


@pytest.mark.parametrize(("name", "code"), [("three-guests", 0), ("conflict", 4), ("invalid", 3)])
@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_every_example_gives_valid_logs_and_annotations(
    verb: str, name: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the same problems as its JSON, and the same exit code."""
    command = example(name, tmp_path, capsys)
    if not command.simulated_host.exists():
        command.simulated_host.write_bytes((Path("examples/three-guests/simulated-host.yaml")).read_bytes())
    log, lines = command(verb, "-o", "sarif"), command(verb, "-o", "github")

    assert (code, code) == (log.code, lines.code)
    found = json.loads(command("validate", "-o", "json").out)["problems"]
    # A note is about what the run of one command has left out.
    expected = [one for one in found if verb == "validate" or one["severity"] != "note"]
    assert {one["id"] for one in expected} <= {one["ruleId"] for one in results(log.out)}
    ids = {properties["title"]: kind == "notice" for kind, properties, _ in commands(lines.out)}
    assert {one["id"]: one["severity"] == "note" for one in expected}.items() <= ids.items()
    assert (log.err, lines.err) == ("", "")


def test_a_plan_notes_what_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its summary, the host pool, and each guest where its manifest is; what needs consent is a warning."""
    command = example("three-guests", tmp_path, capsys)
    notices = [one for one in commands(command("plan", "-o", "github").out) if one[0] == "notice"]

    assert "Plan: 3 to create" in notices[0][2]
    assert notices[1][1]["title"] == "~ host pool (new in the manifests)"
    assert notices[1][1]["file"].endswith("host.yaml")
    assert ["2", "12", "21"] == [one[1]["line"] for one in notices[2:]]
    assert command("apply", "--yes").code == 0
    (command.directory / "guests.yaml").write_text("", encoding="utf-8")
    assert ("warning", "needs-consent") in [
        (kind, properties["title"]) for kind, properties, _ in commands(command("plan", "-o", "github").out)
    ]
    (found,) = [one for one in results(command("plan", "-o", "sarif").out) if one["ruleId"] == "needs-consent"]
    assert "all of our mediated devices are removed" in found["message"]["text"]
    assert found["locations"]


def test_a_plan_notes_which_generation_has_rolled_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the text does."""
    command = example("three-guests", tmp_path, capsys)
    simulated = ("--simulate", str(command.simulated_host))
    assert command("apply", "--yes").code == 0
    change(command)
    assert command("apply", "--yes").code == 0
    assert command.bare("rollback", "1", "--yes", *simulated).code == 0

    titles = [properties["title"] for _, properties, _ in commands(command("plan", "-o", "github").out)]

    assert any(one.endswith("(rolled back by generation 3)") for one in titles)
    assert not any(one.endswith("(rolled back)") for one in titles)


def test_a_plan_with_many_changes_counts_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The host pool is one of the notices that are shown."""
    command = example("large-host", tmp_path, capsys)

    notices = [one for one in commands(command("plan", "-o", "github").out) if one[0] == "notice"]
    changed = int(notices[0][2].partition("Plan: ")[2].split()[0])

    assert len(notices) == 1 + MOST_NOTICES
    assert f"… and {changed + 1 - MOST_NOTICES} more changed guests" in notices[0][2]


def test_files_are_named_from_the_repository_also_below_its_root(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a review knows them."""
    command = example("invalid", tmp_path, capsys)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.chdir(command.directory)
    ran = Command(command.directory, capsys).bare("validate", "-o", "github", "-f", ".")

    found = [properties for kind, properties, _ in commands(ran.out) if kind != "notice"]
    assert {"invalid/guests.yaml"} == {properties["file"] for properties in found}
