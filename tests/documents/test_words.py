"""Messages, docstrings and comments use the field's words and plain English; what we once said instead is gone."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DONE: Final = (
    "model",
    "manifests",
    "kernel",
    "planning",
    "render",
    "doctor",
    "transaction",
    "operations",
    "simulator",
    "serve",
    "hosts",
    "watch",
    "integrations",
    "cli",
)
"""The packages in which none of the words below is left."""

INSTEAD: Final = {
    r"mend(?:s|ed|ing)?": "fix",
    r"somebody|someone|nobody": "the actor: another process, another program, no guest",
    r"ways? back": "rollback",
    r"(?:go|goes|going|went|gone) back(?! with)": "roll back",
    r"(?:put|puts|putting) (?:it |them |everything )?back": "roll back, rolled back",
    r"carr(?:y|ies|ied|ying) out": "execute, apply",
    r"(?:put|puts|putting) in order": "recover",
    r"settl(?:e|es|ed|ing)": "what it does: recover, wait, end",
    r"left alone|leaves? alone|leaving alone": "suspended, not changed",
    r"second thoughts": "confirm",
    r"guard(?:s|ed|ing)?|unguarded": "enforce",
    r"tells?|telling|told": "report, say, show",
    r"ears?": "source",
    r"cadence": "interval",
    r"(?<!type )hints?(?!:\|)": "trigger; help",  # git's own prefix is none of ours
    r"outlets?": "sink",
    r"arrivals?": "hot plug",
    r"type(?= [`'a-z]*(?:reconcile|modprobe|systemctl))": "run",
}
"""What must not appear, and what stands there instead."""

WORDS: Final = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)

NAMES: Final = re.compile(
    r"(?:^|_)(?:mends?|mended|somebody|nobody|way_back|put_back|alone|settle[sd]?|guard(?:s|ed)|tells?|telling|told|ears?|"
    r"cadence|outlets?|books)(?:_|$)",
    re.IGNORECASE,
)
"""What no name of ours is made of."""


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The comments and texts of `source`, docstrings with them, each with its line; not single words, such as keys."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for one in ast.walk(ast.parse(source)):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value:
            yield one.lineno, one.value


def names(source: str) -> Iterator[str]:
    """The names in `source`."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.string


def found_in(package: str) -> list[str]:
    """Each word that must not appear in `package`, with its place."""
    return [
        f"{file.relative_to(ROOT)}:{line + text[: word.start()].count(chr(10))}: {word[0]}"
        for file in sorted((ROOT / "reconciler" / package).rglob("*.py"))
        for line, text in texts(file.read_text(encoding="utf-8"))
        for word in WORDS.finditer(text)
    ]


@pytest.mark.parametrize("package", DONE)
def test_what_people_read_is_in_the_fields_words(package: str) -> None:
    """The whole table is `INSTEAD`."""
    assert found_in(package) == []


def test_the_page_on_architecture_is_in_the_fields_words() -> None:
    """As what the code says."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")

    assert [word[0] for word in WORDS.finditer(page)] == []


@pytest.mark.parametrize("package", DONE)
def test_names_are_made_of_the_fields_words(package: str) -> None:
    """Of functions, classes, parameters, values and modules."""
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "reconciler" / package).rglob("*.py"))
        for name in [file.stem, *names(file.read_text(encoding="utf-8"))]
        if NAMES.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    }

    assert found == set()


def test_old_words_are_found() -> None:
    """In comments, docstrings and messages; in parts of words they are none."""
    source = '''"""Somebody mends it."""\nx = f"it is put back by {who}"  # as told\ny = "mandatory years", "hint"\n'''

    found = [word[0] for _, text in texts(source) for word in WORDS.finditer(text)]

    assert sorted(found) == ["Somebody", "mends", "put back", "told"]
