"""What is built: the files of a commit, with changes that git knows of; how programs are run, and what they said."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
CACHE_VARIABLE: Final = "RECONCILE_PACKAGES_CACHE"
"""The environment variable that names where a Debian 13 to build in is kept, and programs that check."""

_CACHE: Final = "~/.cache/reconcile-packages"


class BuildFailed(Exception):
    """Something could not be built; the text says what, and shows the last lines of what the program said."""


class Source(NamedTuple):
    """What is built.

    Attributes:
        tree: git's name of the files.
        epoch: when their commit was made, in seconds: the time that all files get, so that builds can be repeated.
        is_committed: whether they are as in that commit.
    """

    tree: str
    epoch: int
    is_committed: bool

    def export(self, folder: Path) -> Path:
        """The files in the new directory `folder`."""
        packed = subprocess.run(["git", "archive", self.tree], cwd=ROOT, capture_output=True, check=True).stdout
        folder.mkdir(parents=True)
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder)  # noqa: S202 - made by git a moment ago
        return folder

    def environment(self) -> dict[str, str]:
        """Variables with which builds are the same whenever they are made."""
        return {**os.environ, "SOURCE_DATE_EPOCH": str(self.epoch), "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}


def source() -> Source:
    """What is in this clone, files that git does not know left out.

    Raises:
        BuildFailed: it is no clone.
    """
    try:
        changed = _git("stash", "create")
        return Source(changed or _git("rev-parse", "HEAD"), int(_git("log", "-1", "--format=%ct")), not changed)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildFailed(f"{ROOT} is no clone of the repository, and packages are built of one ({error})") from error


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def cache_directory() -> Path:
    """The directory that `CACHE_VARIABLE` names, or the usual one; it is made where it is missing."""
    found = Path(os.environ.get(CACHE_VARIABLE, _CACHE)).expanduser().absolute()
    found.mkdir(parents=True, exist_ok=True)
    return found


class Report:
    """Prints how each check ended, and counts those that failed."""

    def __init__(self) -> None:
        self.failed = 0

    def add(self, name: str, said: str, *, ok: bool, empty: str = "nothing to say") -> None:
        """Show the last line of what the check `name` said; all of it where it failed."""
        lines = [line for line in said.splitlines() if line.strip()]
        if not ok:
            self.failed += 1
            print(*lines[-40:], sep="\n", file=sys.stderr)
        print(f"{name + ':':<28} {'ok' if ok else 'FAILED'}   {lines[-1].strip() if lines else empty}", flush=True)


def run(words: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    """What the program said on both outputs.

    Raises:
        BuildFailed: it did not succeed.
    """
    done = ended(words, folder, environment)
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-30:])
        raise BuildFailed(f"{' '.join(map(str, words[:6]))} ended with status {done.returncode}:\n{end}")
    return done.stdout


def ended(
    words: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """How the program ended; both outputs are one."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
