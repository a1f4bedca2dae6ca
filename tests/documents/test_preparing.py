"""What `./run` installs before a command: no more than the command needs, and nothing twice."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

# Python in a virtual environment, as far as `./run` asks for it: notes what pip is to install.
INTERPRETER: Final = """#!/bin/sh
case "$*" in *"pip install"*) echo "$*" >>"$0.installed" ;; esac
"""

Run = Callable[[str], list[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A clone whose virtual environment only notes: gives the locks, or the editable install, that one command adds."""
    for name in ("run", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("requirements", "examples/three-guests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for program, text in (("python", INTERPRETER), ("reconcile", "#!/bin/sh\n")):
        (programs / program).write_text(text, encoding="utf-8")
        (programs / program).chmod(0o755)
    noted = programs / "python.installed"

    def installed(command: str) -> list[str]:
        noted.write_text("", encoding="utf-8")
        done = subprocess.run([tmp_path / "run", command], capture_output=True, text=True, env=os.environ, check=False)
        assert done.returncode == 0, done.stderr
        return [Path(line.split()[-1]).name for line in noted.read_text(encoding="utf-8").splitlines()]

    return installed


def test_the_demo_installs_only_what_it_needs(run: Run, tmp_path: Path) -> None:
    """Not the tests' packages, which are many times as large; and it does so once."""
    assert run("demo") == ["demo.txt", tmp_path.name]
    assert run("demo") == []


def test_what_comes_after_the_demo_installs_the_rest(run: Run, tmp_path: Path) -> None:
    """The lock of everything has the demo's versions, so that nothing is installed in another one."""
    run("demo")

    assert run("docs") == ["locked.txt", tmp_path.name]
    assert run("docs") == []


def test_the_demo_takes_an_environment_that_has_everything(run: Run) -> None:
    """It installs nothing there, and leaves it to the other commands as it is."""
    run("docs")

    assert run("demo") == []
    assert run("docs") == []


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements/locked.txt"])
def test_a_changed_lock_is_installed_again(run: Run, tmp_path: Path, changed: str) -> None:
    """Also by the demo where the environment had everything: nothing in it is known to be as the locks say."""
    run("docs")
    with (tmp_path / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")

    assert run("demo") == ["demo.txt", tmp_path.name]
    assert run("docs") == ["locked.txt", tmp_path.name]
