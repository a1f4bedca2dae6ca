"""A file among other people's that is wholly ours: one line of it says so, and how it goes away again."""

import os
import stat
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

_LARGEST: Final = 1 << 16


class NotOurs(Exception):
    """What has our name there was made by somebody else; nothing was done."""


class Installed(StrEnum):
    """What an installation has done."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


class OurFile(NamedTuple):
    """A kind of file that we install.

    Attributes:
        name: of the file.
        mark: a line that stands among its first two.
        maker: the command that makes it, for people.
        mode: its permissions.
    """

    name: str
    mark: str
    maker: str
    mode: int

    def install(self, directory: Path, text: str) -> Installed:
        """Make `text` the file in `directory`; whoever reads it sees the old one or the new, never a part.

        Raises:
            NotOurs: there is a file of that name that we did not make.
            OSError: it cannot be written; the directory above has to exist.
        """
        path = directory / self.name
        before = self.ours(path)
        if before == text:
            path.chmod(self.mode)
            return Installed.SAME
        directory.mkdir(mode=0o755, exist_ok=True)
        temporary = directory / f".{self.name}.new"
        temporary.unlink(missing_ok=True)  # what a crash has left
        try:
            self._write(temporary, text)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return Installed.NEW if before is None else Installed.CHANGED

    def _write(self, path: Path, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), self.mode)
            os.fsync(stream.fileno())

    def uninstall(self, directory: Path) -> bool:
        """Remove the file from `directory`; whether there was one.

        Raises:
            NotOurs: there is a file of that name that we did not make.
            OSError: it cannot be removed.
        """
        path = directory / self.name
        if self.ours(path) is None:
            return False
        path.unlink()
        return True

    def ours(self, path: Path) -> str | None:
        """The text of the file that we made at `path`; None where there is nothing.

        Raises:
            NotOurs: we did not make it.
        """
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise NotOurs(f"{path} is no regular file, so it was not made by '{self.maker}'; remove it first")
            with path.open(encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read(_LARGEST)
        except FileNotFoundError:
            return None
        if self.mark not in text.splitlines()[:2]:
            raise NotOurs(f"{path} was not made by '{self.maker}'; move it away first")
        return text
