"""The pictures of README and docs: each is what ``reconcile report`` makes of an example."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"


class _Shot(NamedTuple):
    """Which example, what is run before, and the words of the report."""

    example: str
    before: tuple[tuple[str, ...], ...]
    report: tuple[str, ...] = ()


_SHOTS: Final = {
    "three-guests.svg": _Shot("three-guests", (("apply", "--yes"),)),
    "card-to-come.svg": _Shot("card-to-come", (), ("--plan",)),
    "swap.svg": _Shot("swap", (("apply", "--yes", "-f", "before"),), ("--plan", "-f", "after")),
}


def pictures() -> dict[str, str]:
    """All pictures, by the names of their files."""
    return {name: _made(shot) for name, shot in _SHOTS.items()}


def write_pictures(folder: Path = PICTURES) -> None:
    """Write the pictures."""
    folder.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (folder / name).write_text(content, encoding="ascii")


def _made(shot: _Shot) -> str:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder, shot.example)
        shutil.copytree(ROOT / "examples" / shot.example, here, ignore=shutil.ignore_patterns("*.state*"))
        for words in shot.before:
            _run(here, *words)
        return _run(here, "report", "--svg", "-", *shot.report)


def _run(here: Path, *words: str) -> str:
    line = [sys.executable, "-m", "reconciler.cli", *words, "--simulate", "simulated-host.yaml"]
    ran = subprocess.run(line, cwd=here, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return ran.stdout
