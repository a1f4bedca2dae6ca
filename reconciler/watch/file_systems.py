"""Whether the kernel can tell us of changes below a path: of those that other machines make on a network, it cannot."""

import os
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")

# Names as in mountinfo. Of FUSE only the programs that are known to keep files here tell what happens (fuseblk).
_UNTOLD: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4",
        "ocfs2", "smb3", "virtiofs",
    }
)  # fmt: skip


def is_untold(path: str, mounts: Path = MOUNTS) -> bool:
    """Whether files below `path` may change without inotify(7) telling; a path that is missing is where it will be.

    Args:
        path: a file or directory.
        mounts: the table of mounts, as proc_pid_mountinfo(5) describes it; where it cannot be read, all is told.
    """
    try:
        kinds = file_system_kinds(mounts.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False
    kind = kinds.get(_device_of(path), "")
    return kind in _UNTOLD or kind.startswith("fuse.")


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
