"""Which directories have to be watched to notice every change of the manifests in some paths, and where that fails.

Never a whole tree at once: hidden folders such as ``.git`` are left out, and a link that leads elsewhere brings in
nothing but what is read there. Every link on the way counts, so that the swap of ``..data`` in a mounted ConfigMap is
nothing special. Of changes that other machines make on a network file system the kernel reports none.
"""

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
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
    """What has to be watched as things are now. What cannot be read is left out: a cycle reports it, not a trigger."""
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


MOUNTS: Final = Path("/proc/self/mountinfo")

# Names as in mountinfo. Of FUSE only the programs that are known to keep files here report what happens (fuseblk).
_SILENT: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4",
        "ocfs2", "smb3", "virtiofs",
    }
)  # fmt: skip


def silent_file_system(path: str, mounts: Path = MOUNTS) -> str:
    """The kind of file system where files below `path` may change without a word from inotify(7); else empty.

    A path that is missing is where it will be.

    Args:
        path: a file or directory.
        mounts: the table of mounts, as proc_pid_mountinfo(5) describes it; where it cannot be read, all is reported.
    """
    try:
        kinds = file_system_kinds(mounts.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    kind = kinds.get(_device_of(path), "")
    return kind if kind in _SILENT or kind.startswith("fuse.") else ""


def file_system_kinds(text: str) -> dict[str, str]:
    """The kind of file system of each device (``major:minor``) in a table of mounts; other lines are skipped."""
    kinds = {}
    for line in text.splitlines():
        mount, separator, source = line.partition(" - ")
        words = mount.split()
        if separator and len(words) >= 3:
            kinds[words[2]] = source.split(" ", 1)[0]
    return kinds


def _device_of(path: str) -> str:
    while True:
        try:
            device = os.stat(path).st_dev
        except OSError:
            above = os.path.dirname(os.path.abspath(path))
            if above == path:
                return ""
            path = above
        else:
            return f"{os.major(device)}:{os.minor(device)}"
