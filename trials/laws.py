"""The laws on many more drawn cases than `./run tests` takes: each property test without a number of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Final

_FOLDERS: Final = ("laws", "model", "manifests", "kernel", "planning", "machines")
_TESTS: Final = Path(__file__).parents[1] / "tests"


def ran(seed: int, *, short: bool) -> int:
    """The exit status of the tests with what is drawn from `seed`; `short`: as many cases as `./run tests` takes."""
    profile = [] if short else ["--hypothesis-profile=many"]
    folders = [str(_TESTS / folder) for folder in _FOLDERS]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:randomly", f"--hypothesis-seed={seed}"]
    return subprocess.run([*command, *profile, *folders], check=False).returncode
