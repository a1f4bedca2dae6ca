"""Which git commit manifests come from."""

import os
import re
from pathlib import Path
from typing import Final

_SECONDS: Final = 10.0

_CHECKOUT: Final = re.compile(r".*/checkouts/([0-9a-f]{40}|[0-9a-f]{64})(/.*)?", re.DOTALL)
"""Where `reconciler.integrations.git_checkout` puts the files of a commit."""

_CAREFUL: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")
"""A repository's own settings must not have programs run."""


def commit_of(path: Path) -> str:
    """The commit that is checked out where `path` is, followed by ``+`` where files there differ from it.

    Empty where there is no repository, none that belongs to us (git's ``safe.directory``), or no git. A checkout of the
    loop is no repository: it bears the name of its commit.
    """
    if checkout := _CHECKOUT.fullmatch(os.path.realpath(path)):
        return checkout[1]
    directory = path if path.is_dir() else path.parent
    if not any((one / ".git").exists() for one in (directory, *directory.absolute().parents)):
        return ""
    commit = _git(directory, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return ""
    return f"{commit}+" if _git(directory, "status", "--porcelain", "--", ".") else commit


def _git(directory: Path, *words: str) -> str:
    import subprocess  # most manifests on a host are no repository, and this costs each apply a while

    try:
        done = subprocess.run(
            ["git", *_CAREFUL, *words],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
