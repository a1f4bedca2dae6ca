"""What `./run` installs before a command: no more than the command needs, and nothing twice."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
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


def test_what_the_demo_prints_to_try_can_be_typed(run: Run, tmp_path: Path) -> None:
    """By somebody who has `reconcile` nowhere else: in an own shell, in order."""
    run("demo")
    (tmp_path / ".venv/bin/reconcile").unlink()
    (tmp_path / ".venv/bin/reconcile").symlink_to(Path(sys.executable).parent / "reconcile")
    shown = subprocess.run(
        [tmp_path / "run", "demo"], capture_output=True, text=True, env=os.environ, check=False
    ).stdout
    lines = shown.partition("To try it by hand:\n")[2].splitlines()
    assert sum("reconcile " in line for line in lines) == 3
    # Here is no terminal at which the apply could ask.
    typed = "\n".join(line.replace("reconcile apply", "reconcile apply --yes") for line in ["set -e", *lines])

    done = subprocess.run(
        ["bash", "-c", typed], capture_output=True, text=True, env=os.environ | {"PATH": os.defpath}, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Applied and verified" in done.stdout
    assert done.stderr == "reset; its history is deleted\n"


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


ANOTHER: Final = 65534
AS_A_USER: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
needs_users = pytest.mark.skipif(
    os.geteuid() != 0
    or not shutil.which("unshare")
    or bool(subprocess.run([*AS_A_USER, "true"], check=False).returncode),
    reason="NOT TESTED: ordinary users, which needs root and user namespaces",
)


def given_to_another(*top: Path) -> None:
    """Have `top` and all below it belong to another user, readable for everybody."""
    for path in (below for one in top for below in (one, *one.rglob("*"))):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.chown(path, ANOTHER, ANOTHER, follow_symlinks=False)


def as_a_user(home: Path, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run `command` as an ordinary user with this `home`."""
    environment = {**os.environ, "HOME": str(home)}
    return subprocess.run(
        [*AS_A_USER, *command], capture_output=True, text=True, env=environment, check=False, stdin=subprocess.DEVNULL
    )


@needs_users
@pytest.mark.parametrize("name", ["clone", "a clone of kim's"])
def test_a_clone_of_another_user_is_not_prepared(run: Run, tmp_path: Path, name: str) -> None:
    """Nothing is tried; what is printed leads to a clone of one's own, whose environment is made anew."""
    clone, home = tmp_path / name, tmp_path / "home"
    run("demo")
    shutil.copytree(tmp_path, clone, ignore=shutil.ignore_patterns(name, "home"), symlinks=True)
    home.mkdir()
    given_to_another(clone)

    ran = as_a_user(home, [str(clone / "run"), "demo"])

    first, line = ran.stderr.splitlines()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert first.startswith(f"run: nothing can be prepared in {clone}, which belongs to ")
    copied, _, again = line.partition(" && ")
    assert again == "~/reconcile/run demo"
    done = as_a_user(home, ["sh", "-c", copied])
    assert (done.returncode, done.stderr) == (0, "")
    assert (home / "reconcile/run").read_bytes() == (clone / "run").read_bytes()
    assert (home / "reconcile/.venv/ready").read_text(encoding="utf-8").startswith(f"{tmp_path}\n")


@needs_users
def test_an_environment_of_another_user_is_not_refreshed(run: Run, tmp_path: Path) -> None:
    """As after a demo with sudo: one sentence, and what to do."""
    run("demo")
    given_to_another(tmp_path / ".venv")
    (tmp_path / "pyproject.toml").write_text("# changed\n", encoding="utf-8")

    ran = as_a_user(tmp_path, [str(tmp_path / "run"), "demo"])

    first, line = ran.stderr.splitlines()
    assert ran.returncode == 1
    assert first.startswith(f"run: {tmp_path}/.venv belongs to ")
    assert line == f"  sudo rm -r {tmp_path}/.venv"


@needs_users
def test_what_another_user_has_prepared_is_run_as_it_is(run: Run, tmp_path: Path) -> None:
    """A demo writes nothing into the clone."""
    run("demo")
    given_to_another(tmp_path / ".venv")

    ran = as_a_user(tmp_path, [str(tmp_path / "run"), "demo"])

    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_environment_that_was_copied_is_made_anew(run: Run, tmp_path: Path) -> None:
    """Its programs name the clone that it was made in."""
    run("demo")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy"), symlinks=True)
    made = tmp_path / "python3"
    made.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/made\nexit 1\n', encoding="utf-8")
    made.chmod(0o755)

    environment = {**os.environ, "PYTHON": str(made)}
    ran = subprocess.run([copy / "run", "demo"], capture_output=True, text=True, env=environment, check=False)

    assert (tmp_path / "made").exists()
    assert ran.returncode in (0, 1)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("dmeo", "demo"), ("test", "tests"), ("relase", "release"), ("xyzzyq", ""), ("-x", ""), ("a b", "")],
)
def test_a_command_that_there_is_not_is_named(word: str, meant: str) -> None:
    """With the one that was probably meant, and nothing is prepared."""
    ran = subprocess.run([ROOT / "run", word], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (64, "")
    guess = f"; did you mean {meant}?" if meant else ""
    assert ran.stderr == f"run: there is no command {word}{guess}\n  next: ./run help    # lists the commands\n"


def test_the_help_fits_and_has_every_command() -> None:
    """In a terminal of 80 columns; each of them is also one that is meant by a slip."""
    shown = subprocess.run([ROOT / "run", "help"], capture_output=True, text=True, check=True).stdout.splitlines()

    assert max(map(len, shown)) < 80
    named = {line.split()[0] for line in shown if line.startswith("  ") and not line.startswith("   ")}
    text = (ROOT / "run").read_text(encoding="utf-8")
    (known,) = (
        line.partition("'")[2].rstrip("'").split() for line in text.splitlines() if line.startswith("commands=")
    )
    assert named == {*known} - {"help"}
