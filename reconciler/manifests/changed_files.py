"""Reads a site again and again: only files that have changed are read and parsed anew.

A file counts as unchanged while device, inode, size and times of change are the same. One that was changed in the last
moments before it was read is read again the next time, since another change might bear the same time (file systems
count in steps, some of whole seconds).
"""

import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from reconciler.manifests.files import FoundFile
from reconciler.manifests.site import FileReading, Reading, Site, read_site

SETTLED_SECONDS: Final = 2.5
"""So long after its last change a file can be told from a later change by its times."""


class _Stamp(NamedTuple):
    device: int
    inode: int
    size: int
    modified: int
    changed: int


class _Known(NamedTuple):
    stamp: _Stamp
    reading: FileReading


class ChangedFiles:
    """What is known of files since the last read.

    Args:
        now: seconds since 1970.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[FoundFile, _Known] = {}
        self._seen: dict[FoundFile, _Known] = {}

    def read_site(self, paths: Sequence[str | os.PathLike[str]]) -> Site:
        """All manifests in `paths`, as `reconciler.manifests.site.read_site` gives them."""
        self._seen = {}
        reading = Reading()
        site = read_site(paths, lambda file: self._file(file, reading))
        self._known = self._seen
        return site

    def _file(self, file: FoundFile, reading: Reading) -> FileReading:
        stamp, known = self._stamp(file), self._known.get(file)
        if known is None or known.stamp != stamp:
            found = reading.file(file)
            if stamp is None or stamp != self._stamp(file):
                return found  # it may be changed again, or has been meanwhile
            known = _Known(stamp, found)
        self._seen[file] = known
        return known.reading

    def _stamp(self, file: FoundFile) -> _Stamp | None:
        """What tells whether `file` is as it was; None where it cannot be told."""
        try:
            found = os.stat(file.path)
        except OSError:
            return None
        if self._now() - max(found.st_mtime, found.st_ctime) < SETTLED_SECONDS:
            return None
        return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
