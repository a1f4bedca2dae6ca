"""Reads a site again and again: only files that have changed are read and parsed anew.

A file counts as unchanged while device, inode, size and times of change are the same, wherever its directory is. One
that was changed in the last moments before it was read is read again the next time, since another change might bear the
same time (file systems count in steps, some of whole seconds).

Files that are never written to once they are there (a checkout of git) are told by device, inode, size and the time
when they were written, from the first moment: that they get another name, in the next checkout, is no change.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from reconciler.manifests.files import FoundFile
from reconciler.manifests.site import FileReading, Reading, Site, read_site
from reconciler.model.stopping import Check, unchecked

SETTLED_SECONDS: Final = 2.5
"""So long after its last change a file can be told from a later change by its times."""


class _Stamp(NamedTuple):
    device: int
    inode: int
    size: int
    modified: int
    changed: int | None


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
        self._known: dict[str, _Known] = {}
        self._seen: dict[str, _Known] = {}

    def read_site(
        self, paths: Sequence[str | os.PathLike[str]], *, settled: bool = False, check: Check = unchecked
    ) -> Site:
        """All manifests in `paths`, as `reconciler.manifests.site.read_site` gives them.

        `settled` says that no file there is ever changed in place, and that those which were read the last time are
        there still: so that no other file can have the inode of one of them.
        """
        self._seen = {}
        reading = Reading(check)
        site = read_site(paths, lambda file: self._file(file, reading, settled), check)
        self._known = self._seen
        return site

    def _file(self, file: FoundFile, reading: Reading, settled: bool) -> FileReading:
        # By the name that places have; where it was found is no part of what it says.
        stamp, known = self._stamp(file, settled), self._known.get(file.name)
        if known is None or known.stamp != stamp:
            found = reading.file(file)
            if stamp is None or found.text is None or stamp != self._stamp(file, settled):
                return found  # it may be changed again, has been meanwhile, or could not be read this time
            known = _Known(stamp, found)
        self._seen[file.name] = known
        return known.reading

    def _stamp(self, file: FoundFile, settled: bool) -> _Stamp | None:
        """What tells whether `file` is as it was; None where it cannot be told."""
        try:
            found = os.stat(file.path)
        except OSError:
            return None
        if settled:
            return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, None)
        if self._now() - max(found.st_mtime, found.st_ctime) < SETTLED_SECONDS:
            return None
        return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
