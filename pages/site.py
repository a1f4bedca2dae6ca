"""The site: the same files as in the repository, made into pages by MkDocs, with every link checked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from pages.reference import commands_page, manifests_page

ROOT: Final = Path(__file__).parents[1]

_FILES: Final = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "SECURITY.md",
    "lab/README.md",
    "tests/kernel/transcripts/README.md",
)
_FOLDERS: Final = ("docs", "examples", "schemas")


def write_reference(docs: Path = ROOT / "docs") -> None:
    """Write the pages that are made from the program."""
    (docs / "commands.md").write_text(commands_page(), encoding="utf-8")
    (docs / "manifests.md").write_text(manifests_page(), encoding="utf-8")


def build(build_directory: Path) -> subprocess.CompletedProcess[str]:
    """Make the site in the directory ``site`` of `build_directory`; what MkDocs says, and its exit code.

    A link that leads nowhere is a warning, and with a warning there is no site.
    """
    source = build_directory / "pages"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in _FILES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.state*", "*.py"))
    config = build_directory / "mkdocs.yml"
    shutil.copy(ROOT / "mkdocs.yml", config)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--config-file", str(config)]
    # MkDocs' theme advertises its successor otherwise.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
