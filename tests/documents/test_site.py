"""The documentation site: every page is made, no link leads nowhere, and the reference is what the program says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pages.reference import commands_page, manifests_page
from pages.site import ROOT, build


@pytest.mark.parametrize(("page", "made"), [("commands.md", commands_page), ("manifests.md", manifests_page)])
def test_the_reference_is_what_the_program_says(page: str, made: Callable[[], str]) -> None:
    """Where it is not: ./run docs reference."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == made()


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Also not one about a link, an anchor, or a page that the menu lacks."""
    made = build(tmp_path)

    assert (made.returncode, "WARNING" in made.stdout + made.stderr) == (0, False), made.stdout + made.stderr
    assert (tmp_path / "site" / "index.html").exists()
    assert "https://fonts." not in (tmp_path / "site" / "docs" / "concepts.html").read_text(encoding="utf-8")
