"""Systems that were unpacked and never installed: what their packages' scripts would have made, and running in them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_LINKS: Final = {"usr/bin/sh": "dash", "usr/bin/awk": "gawk"}
_DIRECTORIES: Final = ("dev", "proc", "sys", "run", "tmp", "job", "etc")
_FILES: Final = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}


class ProgramFailed(Exception):
    """A program that prepares something ended with a status other than 0."""


def run_logged(command: Sequence[str | Path], log: Path) -> None:
    """Run `command`, its output appended to the file `log`.

    Raises:
        ProgramFailed: its status is not 0.
    """
    with log.open("ab") as stream:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False)
    if done.returncode:
        raise ProgramFailed(f"{command[0]} failed, see {log}")


def run_inside(root: Path, command: Sequence[str], log: Path) -> None:
    """Run `command` with `root` as its root directory and a bare environment; see `run_logged`."""
    environment = ["/usr/bin/env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C"]
    run_logged(["chroot", root, *environment, *command], log)


def make_runnable(root: Path) -> None:
    """Complete the unpacked system at `root` so that its programs run."""
    for name in _MERGED:
        merge_into_usr(root, name)
    for link, target in _LINKS.items():
        if not os.path.lexists(root / link):
            (root / link).symlink_to(target)
    for name in _DIRECTORIES:
        (root / name).mkdir(exist_ok=True)
    for name, text in _FILES.items():
        if not (root / name).exists():
            (root / name).write_text(text, encoding="utf-8")
    if not (root / "dev/null").exists():
        subprocess.run(["mknod", "-m", "666", root / "dev/null", "c", "1", "3"], check=True)


def merge_into_usr(root: Path, name: str) -> None:
    """Make ``/name`` a link to ``/usr/name``, as it is on an installed system; older packages ship both."""
    path, target = root / name, root / "usr" / name
    if path.is_dir() and not path.is_symlink():
        _move_entries(path, target)
    if target.is_dir() and not os.path.lexists(path):
        path.symlink_to(f"usr/{name}")


def _move_entries(source: Path, target: Path) -> None:
    """Move the entries of a directory into another one; what is there stays."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in list(source.iterdir()):
        new = target / entry.name
        if entry.is_dir() and not entry.is_symlink() and new.is_dir():
            _move_entries(entry, new)
        elif not os.path.lexists(new):
            entry.rename(new)
    shutil.rmtree(source)
