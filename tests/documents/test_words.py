"""Messages, docstrings and comments use the field's words and plain English; what we once said instead is gone."""

import ast
import io
import json
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
    r"idle(?= queues?| \d)|queues? (?:is|are) idle": "free",
    r"stand-by": "standby",
    r"type(?= [`'a-z]*(?:reconcile|modprobe|systemctl))": "run",
}
"""What must not appear, and what stands there instead."""

WORDS: Final = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)

PAGES: Final = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "lab/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
"""What people read, besides what the program prints."""

ON_PAGES: Final = INSTEAD | {
    r"(?:in )?turn(?:s|ing|ed)?(?= (?:of|out|is|takes|a|each)\b)": "cycle; the verb that says what happens",
    r"whoever|whosoever|wakes no one": "the actor: every user who",
    r"in the midst": "during",
    r"(?:is|are|was|were|be|been) heard": "noticed, received",
    r"looked into": "read, checked",
    r"books (?:were|are) (?:open|closed)": "records",
    r"carries? them? out": "execute",
    r"(?<=\| )map(?= \|)": "mapping",
}
"""What must not appear on a page or in a schema, and what stands there instead."""

PAGE_WORDS: Final = re.compile(rf"\b(?:{'|'.join(ON_PAGES)})\b", re.IGNORECASE)

OF_OTHERS: Final = re.compile(r"^hint: .*$", re.MULTILINE)
"""What git prints in the session of a page."""

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


def on_page(text: str) -> list[str]:
    """Each word that must not appear on a page with `text`, with its line."""
    own = OF_OTHERS.sub("", text)
    return [f"{1 + own[: word.start()].count(chr(10))}: {word[0]}" for word in PAGE_WORDS.finditer(own)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_in_the_fields_words(page: Path) -> None:
    """Those that are made from help texts and schemas, too: docs/commands.md and docs/manifests.md."""
    assert on_page(page.read_text(encoding="utf-8")) == []


def descriptions(part: object) -> Iterator[str]:
    """Every title and description in the schema `part`."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in {"title", "description"} and isinstance(value, str):
                yield value
            yield from descriptions(value)
    elif isinstance(part, list):
        for value in part:
            yield from descriptions(value)


@pytest.mark.parametrize("schema", sorted((ROOT / "schemas").glob("*.json")), ids=lambda schema: schema.name)
def test_schemas_are_in_the_fields_words(schema: Path) -> None:
    """Their texts are shown by editors, `reconcile explain` and the reference of the manifests."""
    found = {text: on_page(text) for text in descriptions(json.loads(schema.read_text(encoding="utf-8")))}

    assert len(found) > 10
    assert {text: words for text, words in found.items() if words} == {}


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


def test_old_words_are_found_on_pages() -> None:
    """Also those that code may have; what git prints is not ours."""
    page = "Whoever looks\nis told by\nhint: git\na hint, and everything is put back.\n"

    assert on_page(page) == ["1: Whoever", "2: told", "4: hint", "4: put back"]
