"""The README shows what really happens."""

import shutil
import sys
from pathlib import Path

from testing.console_blocks import rerun

ROOT = Path(__file__).parents[2]


def test_the_sessions_print_what_the_readme_shows(tmp_path: Path) -> None:
    """Every command of the README, run again in order on fresh copies of the examples, prints the same."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    again = rerun(readme, tmp_path, Path(sys.executable).parent)

    assert again == readme
