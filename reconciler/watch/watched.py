"""Which directories have to be watched to notice every change of the manifests in some paths.

Never a whole tree at once: hidden folders such as ``.git`` are left out, and a link that leads elsewhere brings in
nothing but what is read there. Every link on the way counts, so that the swap of ``..data`` in a mounted ConfigMap is
nothing special.
"""

import os
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from reconciler.integrations.named_file import way
from reconciler.manifests.files import find_files, survey

_ENDINGS: Final = (".yaml", ".yml")


class Watched(NamedTuple):
    """What is watched; all paths are real ones.

    Attributes:
        folders: those that manifests are searched in: whatever is not hidden in them matters if it is a manifest, a
            folder or a link.
        names: what else matters: directory and name.
    """

    folders: frozenset[str]
    names: frozenset[tuple[str, str]]

    @property
    def directories(self) -> list[str]:
        """The directories to be watched, each without those in it."""
        return sorted(self.folders | {directory for directory, _ in self.names})

    def matters(self, path: str) -> bool:
        """Whether a change of what `path` names may change what is read."""
        directory, name = os.path.split(path)
        if (directory, name) in self.names or path in self.folders:
            return True
        if directory not in self.folders or name.startswith("."):
            return False
        return name.endswith(_ENDINGS) or os.path.isdir(path) or os.path.islink(path)


def watched(paths: Iterable[str]) -> Watched:
    """What has to be watched as things are now. What cannot be read is left out: a turn reports it, not a trigger."""
    given = list(paths)
    found = survey(given)
    # Each link on the way counts, and the link itself as well, where another takes its place.
    names = (name for path in (*given, *found.links) for name in way(path))
    return Watched(found.folders, frozenset(names))


def stamp_of(paths: Iterable[str]) -> str:
    """A digest of names, sizes and times of the manifests in `paths`: another one means that something has changed."""
    digest = sha256()
    files, problems = find_files(list(paths))
    for file in files:
        try:
            status = os.stat(file.path)
        except OSError as error:
            digest.update(f"{file}{error.errno}\n".encode("utf-8", "surrogateescape"))
            continue
        facts = (*file, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        digest.update(f"{facts}\n".encode("utf-8", "surrogateescape"))
    for problem in problems:
        digest.update(f"{problem.message}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
