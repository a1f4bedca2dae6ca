"""The documentation site: every page is made, no link leads nowhere, and the reference is what the program says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pages.pictures import PICTURES, pictures
from pages.reference import commands_page, manifests_page
from pages.site import ROOT, build


@pytest.mark.parametrize(("page", "made"), [("commands.md", commands_page), ("manifests.md", manifests_page)])
def test_the_reference_is_what_the_program_says(page: str, made: Callable[[], str]) -> None:
    """Where it is not: ./run docs reference."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == made()


def test_the_pictures_are_what_the_command_makes() -> None:
    """Each picture of README and docs; where one is not: ./run docs reference."""
    kept = {one.name: one.read_text(encoding="ascii") for one in PICTURES.iterdir()}

    assert kept == pictures()


def test_every_picture_is_shown_with_its_words() -> None:
    """On a page, with a text for those who do not see it; README opens with one."""
    pages = {page: page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
    shown = [found for text in pages.values() for found in re.findall(r"!\[([^\]]*)\]\(\S*?pictures/(\S+)\)", text)]

    assert {name for _, name in shown} == {one.name for one in PICTURES.iterdir()}
    assert all(len(words) > 20 for words, _ in shown)
    assert "pictures/three-guests.svg" in pages[ROOT / "README.md"].split("## Install")[0]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Also not one about a link, an anchor, or a page that the menu lacks."""
    made = build(tmp_path)

    assert (made.returncode, "WARNING" in made.stdout + made.stderr) == (0, False), made.stdout + made.stderr
    assert (tmp_path / "site" / "index.html").exists()
    assert "https://fonts." not in (tmp_path / "site" / "docs" / "concepts.html").read_text(encoding="utf-8")
