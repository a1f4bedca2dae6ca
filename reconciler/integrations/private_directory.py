"""A directory of our own that one process at a time works in."""

import fcntl
import os
import stat
from pathlib import Path


class NotOurs(Exception):
    """The directory cannot be used; the text says why."""


class PrivateDirectory:
    """The directory `path` (0700), ours alone until it is closed, or until this process ends in any way."""

    def __init__(self, path: Path) -> None:
        """Make the directory where it is missing, and take it.

        Raises:
            NotOurs: others can write to it, or another process works in it.
            OSError: it cannot be made.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise NotOurs(f"{path} must be a directory that belongs to you and that nobody else can write to")
        self.path = path
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._lock = os.fdopen(descriptor, "wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise NotOurs(f"another process works in {path}") from error

    def close(self) -> None:
        """Let others have the directory."""
        self._lock.close()
