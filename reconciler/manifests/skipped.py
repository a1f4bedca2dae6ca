"""Files in a directory of manifests that are not read, although their names look like a manifest's.

A manifest ends in ``.yaml`` or ``.yml``. Who writes ``lpar7.YAML`` or ``guests.json`` expects it to be read, and who
finds ``guests.yaml.orig`` may wonder whether it was.
"""

import os
import re
import stat
from collections.abc import Sequence
from itertools import islice
from typing import Final

from reconciler.model.problems import Problem, Severity, several

MOST_NAMED: Final = 8
"""How many of the files the warning names."""

MOST_JSON: Final = 200
"""Into how many JSON files one run looks."""

_START: Final = 4 << 10
"""How much of a JSON file is looked at, in bytes."""

# What editors, patch, package managers and people append to the name of a file before they write another one.
_BACKUP: Final = (
    r"(?:~|#|[.](?:~?\d+~|\d+|rpm\w+|dpkg-\w+|ucf-\w+)|[._-](?:bak|backup|old|orig|rej|save|sw[a-z]|te?mp|txt)\d*)"
)
_ALIKE: Final = re.compile(rf".*[.](?:ya?ml|json){_BACKUP}*", re.IGNORECASE | re.DOTALL)
_JSON: Final = re.compile(rf".*[.]json{_BACKUP}*", re.IGNORECASE | re.DOTALL)
_OURS: Final = re.compile(rb"""\bapiVersion["']?\s*:\s*["']?reconciler/""")


def is_alike(name: str) -> bool:
    """Whether the file `name`, which is no manifest, looks like one or like a copy of one; no hidden file does."""
    return not name.startswith(".") and _ALIKE.fullmatch(name) is not None


def skipped_problem(files: Sequence[tuple[str, str]]) -> Problem | None:
    """The warning that `files`, whose names are alike, are not read; None where none of them matters.

    Of other programs' JSON nothing is reported, nor of JSON files after the first `MOST_JSON`.

    Args:
        files: each by its name for people and its path; ascending.
    """
    ours = set(islice((one for one in files if _is_json(one[0])), MOST_JSON))
    names = [name for name, path in files if not _is_json(name) or ((name, path) in ours and is_ours(path))]
    if not names:
        return None
    return Problem(
        "skipped-file",
        Severity.WARNING,
        f"not read, since only names that end in .yaml or .yml are: {several(names, MOST_NAMED)}",
        help="Rename a file that is to be read so that it ends in .yaml. Backup copies can stay, or be removed.",
    )


def _is_json(name: str) -> bool:
    return _JSON.fullmatch(name) is not None


def is_ours(path: str) -> bool:
    """Whether the file at `path` begins like a manifest; not where it cannot be read. Never waits, as for a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and bool(_OURS.search(os.read(descriptor, _START)))
        finally:
            os.close(descriptor)
    except OSError:
        return False
