"""Files whose names look like a manifest's: they are not read, and a warning names them."""

import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from reconciler.model.problems import Problem, Severity, several

MOST_NAMED: Final = 8
"""How many of the files the warning names."""

MOST_JSON: Final = 200
"""Into how many JSON files one run looks."""

OURS_WITHIN: Final = 4 << 10
"""How much of a JSON file is looked at, in bytes."""

# What editors, patch, package managers and people append to the name of a file before they write another one.
_BACKUP: Final = (
    r"(?:~|#|[.](?:~?\d+~|\d+|rpm\w+|dpkg-\w+|ucf-\w+)|[._-](?:bak|backup|old|orig|rej|save|sw[a-z]|te?mp|txt)\d*)"
)
_ALIKE: Final = rf"(?is).*[.](?:ya?ml|json){_BACKUP}*"
_JSON: Final = rf"(?is).*[.]json{_BACKUP}*"
_OURS: Final = rb"""\bapiVersion["']?\s*:\s*["']?reconciler/"""


def is_alike(name: str) -> bool:
    """Whether the file `name`, which is no manifest, looks like one or like a copy of one; no hidden file does."""
    return not name.startswith(".") and re.fullmatch(_ALIKE, name) is not None


def skipped_problem(files: Sequence[tuple[str, str]], is_ours: Callable[[str], bool]) -> Problem | None:
    """The warning that `files`, whose names are alike, are not read; None where none of them matters.

    Of other programs' JSON nothing is reported, nor of JSON files after the first `MOST_JSON`.

    Args:
        files: each by its name for people and its path; ascending.
        is_ours: whether the file at a path begins like a manifest; `is_ours` for a disk.
    """
    ours = set(islice((one for one in files if is_json(one[0])), MOST_JSON))
    names = [name for name, path in files if not is_json(name) or ((name, path) in ours and is_ours(path))]
    if not names:
        return None
    return Problem(
        "skipped-file",
        Severity.WARNING,
        f"not read, since only names that end in .yaml or .yml are: {several(names, MOST_NAMED)}",
        help="Rename a file that is to be read so that it ends in .yaml. Backup copies can stay, or be removed.",
    )


def is_json(name: str) -> bool:
    """Whether the name is that of a JSON file, or of a copy of one."""
    return re.fullmatch(_JSON, name) is not None


def begins_like_ours(start: bytes) -> bool:
    """Whether a file that begins with `start` begins like a manifest."""
    return bool(re.search(_OURS, start))


def is_ours(path: str) -> bool:
    """Whether the file at `path` begins like a manifest; not where it cannot be read. Never waits, as for a pipe."""
    return begins_like_ours(_start_of(path))


_SIMULATED: Final = re.compile(rb"""^["']?kind["']?:\s*["']?SimulatedHost\b""", re.MULTILINE)


def is_simulated_host(path: str) -> bool:
    """Whether the file at `path` describes a simulated host, as it begins."""
    return bool(_SIMULATED.search(_start_of(path)))


def _start_of(path: str) -> bytes:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(descriptor, OURS_WITHIN) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        finally:
            os.close(descriptor)
    return b""
