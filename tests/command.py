"""Runs the command in this process, as a person would type it."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.cli.main import run

EXAMPLES = Path(__file__).parents[1] / "examples"


class Ran(NamedTuple):
    """What a command gave: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Command:
    """``reconcile`` on a simulated host and manifests in one directory."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capture = capture

    @property
    def simulated_host(self) -> Path:
        """The description of the host."""
        return self.directory / "simulated-host.yaml"

    def __call__(self, *words: str, manifests: Path | None = None) -> Ran:
        """Run ``reconcile`` with `words`, the simulated host and the manifests (the whole directory if left out)."""
        where = ["--simulate", str(self.simulated_host), "-f", str(manifests or self.directory)]
        return self.bare(*words, *where)

    def bare(self, *words: str) -> Ran:
        """Run ``reconcile`` with `words` and nothing else."""
        self._capture.readouterr()
        code = run(words)
        return Ran(code, *self._capture.readouterr())


def example(name: str, tmp_path: Path, capture: pytest.CaptureFixture[str]) -> Command:
    """A command on a fresh copy of the example `name`."""
    shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    return Command(tmp_path / name, capture)
