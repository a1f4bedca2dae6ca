"""docs/architecture.md says how the code is divided up: the floors, the contracts, and the files of the two stories."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

import reconciler
from reconciler.cli.main import SECTIONS

ROOT: Final = Path(__file__).parents[2]
CODE: Final = ROOT / "reconciler"
TEXT: Final = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
CONTRACTS: Final[list[dict[str, Any]]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
LAYERS: Final[list[str]] = CONTRACTS[0]["layers"]
STORIES: Final = ("The story of one apply", "The story of one cycle")


def section(heading: str) -> str:
    """The text below `heading`, up to the next one."""
    return TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def block(heading: str) -> list[str]:
    """The lines of the first picture below `heading`."""
    return section(heading).split("```text\n")[1].split("```")[0].splitlines()


def rows(heading: str, columns: int) -> list[tuple[str, ...]]:
    """The cells of the table below `heading` that has so many columns, without its head."""
    lines = [line.removeprefix("| ").removesuffix(" |") for line in section(heading).splitlines() if line[:2] == "| "]
    return [cells for line in lines if len(cells := tuple(line.split(" | "))) == columns][1:]


def calls(heading: str) -> Iterator[tuple[str, str]]:
    """Each file of a story below the first, after the one that calls it."""
    above: list[tuple[int, str]] = []
    for line in block(heading):
        found = re.match(r"( *)([a-z_/]+\.py) ", line)
        if not found:
            continue
        indent, file = len(found[1]), found[2]
        while above and above[-1][0] >= indent:
            above.pop()
        if above:
            yield above[-1][1], file
        above.append((indent, file))


@cache
def imported(file: str) -> frozenset[str]:
    """What the module `file` imports of ours, also in functions, through the Python API, and as commands of a table."""
    found = set()
    for node in ast.walk(ast.parse((CODE / file).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module or not node.module.startswith("reconciler"):
            continue
        found.add(node.module)
        found.update(f"{node.module}.{one.name}" for one in node.names)
        if node.module == "reconciler":
            found.update(getattr(getattr(reconciler, one.name), "__module__", "") for one in node.names)
    if file == "cli/main.py":
        found.update(f"reconciler.cli.{one.module}" for commands in SECTIONS.values() for one in commands.values())
    return frozenset(found)


def test_the_picture_of_the_floors_is_the_import_contract() -> None:
    """Word for word, from the highest floor to the lowest, which is floor 1."""
    shown = [re.split(r"\s{2,}", line.strip())[:2] for line in block("The floors")]

    assert shown == [[str(len(LAYERS) - place), layer] for place, layer in enumerate(LAYERS)]


def test_every_package_is_explained_on_its_floor() -> None:
    """In the order of the picture; none is missing, and none is there that the code does not have."""
    told = [(floor, package.strip("`/")) for floor, package, _ in rows("The floors", 3)]
    found = {one.parent.name for one in CODE.glob("*/__init__.py")} | {one.stem for one in CODE.glob("[!_]*.py")}

    assert told == [
        (str(len(LAYERS) - place), package) for place, layer in enumerate(LAYERS) for package in layer.split(" | ")
    ]
    assert {package for _, package in told} == found


def test_every_contract_is_named() -> None:
    """In the order of pyproject.toml, by its whole name."""
    assert [name for name, _ in rows("The floors", 2)] == [one["name"] for one in CONTRACTS]


@pytest.mark.parametrize("story", STORIES)
def test_the_files_of_a_story_import_each_other_as_it_says(story: str) -> None:
    """Each file is imported by the one that calls it."""
    links = list(calls(story))
    wrong = [
        (caller, file) for caller, file in links if f"reconciler.{file[:-3].replace('/', '.')}" not in imported(caller)
    ]

    assert len(links) > 25
    assert wrong == []


def test_the_files_that_are_named_exist() -> None:
    """Each path of a module, wherever it stands."""
    named = set(re.findall(r"`(\w+/[\w/]+\.py)`", TEXT))

    assert len(named) > 30
    assert {one for one in named if not (CODE / one.removeprefix("reconciler/")).is_file()} == set()


def test_the_files_in_the_table_of_packages_exist() -> None:
    """A file without a folder is one of the package that the row is about."""
    wrong = {
        f"{package}{file}"
        for _, package, what in rows("The floors", 3)
        for file in re.findall(r"`(\w+\.py)`", what)
        if not (CODE / package.strip("`") / file).is_file()
    }

    assert wrong == set()
