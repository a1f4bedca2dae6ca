"""README and the page about machines show what really happens."""

import shutil
import sys
from pathlib import Path

import pytest

from testing.console_blocks import rerun
from testing.git_repositories import Repository

ROOT = Path(__file__).parents[2]
COMMIT = "1234567890ab"
"""What stands in the README for the commit of the clone, which depends on its content and the time."""


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("columns", ["", "80"])
def test_the_sessions_print_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """Every command of the README, run again in order on fresh copies of the examples, prints the same.

    Where COLUMNS is exported, lines are divided otherwise, and remarks stand below commands.
    """
    monkeypatch.setenv("COLUMNS", columns)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    commit = Repository(tmp_path).commit()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    again = rerun(readme, tmp_path, Path(sys.executable).parent).replace(commit[:12], COMMIT)

    words = [[sorted(part.split()) for part in text.split("```")] for text in (again, readme)]
    assert words[0] == words[1]
    assert again == readme or columns


def test_the_sessions_print_what_the_page_about_machines_shows(tmp_path: Path) -> None:
    """None of them needs a host; what they print does not depend on the order of files either."""
    shutil.copytree(ROOT / "examples/two-lpars", tmp_path / "examples/two-lpars")
    page = (ROOT / "docs/machines.md").read_text(encoding="utf-8")

    again = rerun(page, tmp_path, Path(sys.executable).parent)

    assert again == page
