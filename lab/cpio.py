"""The kernel's initramfs format, written without cpio(1).

Source: Documentation/driver-api/early-userspace/buffer-format.rst, "newc".
"""

import stat
from pathlib import PurePosixPath


class CpioArchive:
    """An archive under construction. Names are relative, with forward slashes; missing parents are added."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._directories: set[str] = set()

    def directory(self, name: str) -> None:
        """Add a directory, mode 755, unless it is there."""
        for path in (*reversed(PurePosixPath(name).parents), PurePosixPath(name)):
            if str(path) != "." and str(path) not in self._directories:
                self._directories.add(str(path))
                self._member(str(path), stat.S_IFDIR | 0o755)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._parents(name)
        self._member(name, stat.S_IFREG | mode, content)

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link to `target`."""
        self._parents(name)
        self._member(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a character device node."""
        self._parents(name)
        self._member(name, stat.S_IFCHR | mode, device=(major, minor))

    def finished(self) -> bytes:
        """The archive, complete with its trailer; nothing can be added afterwards."""
        self._member("TRAILER!!!", 0)
        return b"".join(self._parts)

    def _parents(self, name: str) -> None:
        self.directory(str(PurePosixPath(name).parent))

    def _member(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        path = name.encode() + b"\0"
        inode = len(self._parts) + 1
        # inode, mode, uid, gid, links, time, size, device, device node, size of the name, checksum
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._parts.append(_padded(header) + _padded(content))


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
