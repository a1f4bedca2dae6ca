"""The directory where `reconcile` keeps what it must not forget; private to its owner (0700, files 0600)."""

import os
import stat
from itertools import takewhile
from pathlib import Path


class UnsafeState(Exception):
    """The state directory cannot be trusted or used; the text says why and what to do."""


class StateDirectory:
    """Files below `path`, written so that a crash leaves the old content or the new, never a part."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make the directory where it is missing, on disk when it returns; refuse one that others can write to.

        Raises:
            UnsafeState: it belongs to somebody else, others can write to it, or it cannot be made.
        """
        try:
            missing = list(takewhile(lambda one: not one.exists(), (self.path, *self.path.parents)))
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for one in missing:
                _sync(one.parent)
            found = self.path.lstat()
        except OSError as error:
            raise UnsafeState(
                f"the state directory {self.path} cannot be used: {error.strerror}; choose one with --state-dir"
            ) from error
        if not stat.S_ISDIR(found.st_mode):
            raise UnsafeState(f"{self.path} must be a directory, not a link or a file")
        if found.st_uid != os.geteuid():
            raise UnsafeState(f"the state directory {self.path} belongs to user {found.st_uid}, not to you")
        if found.st_mode & 0o022:
            raise UnsafeState(f"others can write to the state directory {self.path}; type: chmod 700 {self.path}")

    def read(self, name: str) -> bytes | None:
        """The content of file `name`, or None where there is none; links are not followed."""
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read()

    def names(self) -> list[str]:
        """The names of all files, in no order.

        Raises:
            FileNotFoundError: the directory is not there.
        """
        return os.listdir(self.path)

    def replace(self, name: str, content: bytes) -> None:
        """Make `content` the content of file `name`, on disk when it returns."""
        temporary = f".{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        _write_synced(os.open(self.path / temporary, flags, 0o600), content)
        os.replace(self.path / temporary, self.path / name)
        _sync(self.path)

    def append(self, name: str, content: bytes) -> None:
        """Add `content` to file `name`, on disk when it returns."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        _write_synced(os.open(f"{self.path}/{name}", flags), content)

    def remove(self, name: str) -> None:
        """Remove file `name` where it exists, on disk when it returns."""
        (self.path / name).unlink(missing_ok=True)
        _sync(self.path)


def _write_synced(descriptor: int, content: bytes) -> None:
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
