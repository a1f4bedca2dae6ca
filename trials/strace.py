"""The changing system calls of a command as strace(1) sees them: the judge of `trials.system_calls`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from trials.system_calls import Call

_NAMES: Final = {
    "openat": "open",
    "open": "open",
    "creat": "open",
    "write": "write",
    "pwrite64": "write",
    "writev": "write",
    "pwritev": "write",
    "pwritev2": "write",
    "sendfile": "write",
    "copy_file_range": "write",
    "fallocate": "write",
    "fsync": "sync",
    "fdatasync": "sync",
    "syncfs": "sync",
    "truncate": "truncate",
    "ftruncate": "truncate",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "unlink": "remove",
    "unlinkat": "remove",
    "rmdir": "remove",
    "mkdir": "make directory",
    "mkdirat": "make directory",
    "link": "link",
    "linkat": "link",
    "symlink": "link",
    "symlinkat": "link",
}
_LINE: Final = re.compile(r"^(?:\d+ +)?(?P<name>\w+)\((?P<arguments>.*)")
_DESCRIPTOR: Final = re.compile(r"^\d+<(?P<path>[^>]*)>")
_PATH: Final = re.compile(r"\"(?P<path>[^\"]*)\"")


def why_not_traced() -> str | None:
    """Why nothing can be traced here; None where it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()[:200]}"


def calls_of(words: Sequence[str], root: Path, state: Path, report: Path) -> list[Call]:
    """Run ``reconcile`` with `words` on the host at `root` under strace, and give its changes there and in `state`.

    Raises:
        CalledProcessError: the command failed.
    """
    command = [sys.executable, "-m", "reconciler.cli", *words, "--sysfs", str(root), "--state-dir", str(state)]
    tracer = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={','.join(f'?{one}' for one in _NAMES)}"]
    subprocess.run([*tracer, "-o", str(report), *command], capture_output=True, check=True)
    return list(parsed(report.read_text(encoding="utf-8", errors="replace"), root, state))


def parsed(report: str, root: Path, state: Path) -> Iterator[Call]:
    """The changes below `root` and `state` that strace's `report` tells of, in the order in which they began."""
    for line in report.splitlines():
        if not (found := _LINE.match(line)) or found["name"] not in _NAMES:
            continue
        name, arguments = _NAMES[found["name"]], found["arguments"]
        if name == "open" and not re.search(r"O_CREAT|O_TRUNC", arguments) and found["name"] != "creat":
            continue
        path = _DESCRIPTOR.match(arguments) if name in ("write", "sync") or found["name"] == "ftruncate" else None
        path = path or _PATH.search(arguments)
        if path is None:
            continue
        for place, on_host in ((str(state), False), (str(root), True)):
            if path["path"] == place or path["path"].startswith(f"{place}/"):
                yield Call(name, path["path"][len(place) + 1 :], on_host)
