"""What is behind the id of a problem, a finding or a state, from the pages of the documentation that explain each.

The pages stand in ``docs/``, where people read them, and travel in the package. So what the terminal says and what the
pages say is one text.
"""

import os
import re
import textwrap
from collections.abc import Iterator
from typing import Final, NamedTuple

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOLDERS: Final = (os.path.join(_PACKAGE, "docs"), os.path.join(os.path.dirname(_PACKAGE), "docs"))
"""An installed package has the pages inside, a source tree beside it."""

_PAGES: Final = (("problems.md", "problem"), ("doctor.md", "finding of the doctor"))
_STATES: Final = ("operations.md", {"STATE": "state of a guest", "condition": "condition of a host"})
"""A table for each kind, whose first column has the ids behind a heading."""

_ROW: Final = re.compile(r"\| `([a-z-]+)` \| (.*) \|")
_ENTRY: Final = re.compile(r"^### (\S+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_IN_BRACKETS: Final = re.compile(r"(?:(?:error|warning|note)?\[)?([a-z0-9.-]+)\]?")
_AS_IT_IS: Final = ("|", "    ")
"""How a line begins that is not divided: of a table, or of what is to be copied."""


class Explanation(NamedTuple):
    """What `id` means: which kind of thing it is, a word or two, and its text in Markdown."""

    id: str
    kind: str
    text: str


def explanations() -> Iterator[Explanation]:
    """Everything that the pages explain, as it stands there.

    Raises:
        FileNotFoundError: the installation lacks a page.
    """
    for name, kind in _PAGES:
        for found in _ENTRY.finditer(_page(name)):
            yield Explanation(found[1], kind, found[2].strip("\n"))
    yield from _states()


def _states() -> Iterator[Explanation]:
    """The rows of the tables of states: what each means, and what to do about it where that is a column."""
    name, kinds = _STATES
    kind, heading = "", [""]
    for line in _page(name).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in kinds:
            kind, heading = kinds[cells[0]], cells
        elif not line.startswith("|"):
            kind = ""
        elif kind and (row := _ROW.fullmatch(line)):
            means, *more = row[2].split(" | ")
            text = [f"{means[0].upper()}{means[1:]}.", *(f"{heading[2].capitalize()}: {one}." for one in more)]
            yield Explanation(row[1], kind, "\n\n".join(text))


def id_in(word: str) -> str:
    """The id in `word`, which may be copied with what stands around it: ``error[leading-zero]``."""
    found = _IN_BRACKETS.fullmatch(word)
    return found[1] if found else word


def explanation_lines(one: Explanation, width: int) -> Iterator[str]:
    """`one` for people, at most `width` columns wide but for tables and what is to be copied."""
    yield f"{one.id}: {one.kind}"
    for part in _parts(one.text):
        yield ""
        if part.startswith("    "):
            yield from (line[2:] for line in part.splitlines())
        else:
            texts = _rows(part) if part.startswith("|") else [part]
            yield from (line for text in texts for line in _wrapped(text, width))


def _wrapped(text: str, width: int) -> list[str]:
    plain, hang = " ".join(_plain(text).split()), "    " if text.startswith("* ") else "  "
    return textwrap.wrap(
        plain, width, initial_indent="  ", subsequent_indent=hang, break_on_hyphens=False, break_long_words=False
    )


def _rows(table: str) -> Iterator[str]:
    """The rows of a `table`, a sentence each: the first cell, then the others behind what their columns are called."""
    heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    for first, *cells in rows:
        yield f"* {first}: {', '.join(map(' '.join, zip(heading[1:], cells, strict=True)))}"


def _parts(text: str) -> Iterator[str]:
    """The paragraphs of `text`, and its tables and examples as a whole; a fix and an example have their own."""
    part: list[str] = []
    for line in [*re.sub(r"[ \n](?=\*(?:Fix|Example):\*)", "\n\n", text).splitlines(), ""]:
        ends = not line.strip() or (part and line.startswith(_AS_IT_IS) != part[0].startswith(_AS_IT_IS))
        if part and (ends or line.startswith("* ")):
            yield "\n".join(part)
            part = []
        if line.strip():
            part.append(line)


def _plain(text: str) -> str:
    """`text` without what is for a page: links to other pages, and marks of emphasis; commands keep their quotes."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"(?<!\S)\*{1,2}([^*`]+?)\*{1,2}(?!\w)", r"\1", text)


def _page(name: str) -> str:
    inside, beside = (os.path.join(folder, name) for folder in _FOLDERS)
    with open(inside if os.path.exists(inside) else beside, encoding="utf-8") as file:
        return file.read()
