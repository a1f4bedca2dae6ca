"""The messages between the kernel's FUSE driver and whoever serves a mount, as bytes (include/uapi/linux/fuse.h).

Spoken directly, without libfuse: numbers have fixed widths and the machine's byte order, so that it is the same on
every architecture, and a write can stay unanswered for as long as the simulated kernel blocks it. Of the protocol,
version 7.31, only what a tree of sysfs needs is here.
"""

import errno
from struct import Struct
from typing import Final, NamedTuple

LOOKUP: Final = 1
FORGET: Final = 2
GETATTR: Final = 3
SETATTR: Final = 4
READLINK: Final = 5
SYMLINK: Final = 6
MKNOD: Final = 8
MKDIR: Final = 9
UNLINK: Final = 10
RMDIR: Final = 11
RENAME: Final = 12
LINK: Final = 13
OPEN: Final = 14
READ: Final = 15
WRITE: Final = 16
STATFS: Final = 17
RELEASE: Final = 18
INIT: Final = 26
OPENDIR: Final = 27
READDIR: Final = 28
RELEASEDIR: Final = 29
CREATE: Final = 35
INTERRUPT: Final = 36
DESTROY: Final = 38
BATCH_FORGET: Final = 42
RENAME2: Final = 45

ROOT_NODE: Final = 1
"""The number of the node that is mounted."""

LONGEST_MESSAGE: Final = 16384
"""Bytes; a read(2) of the FUSE device must offer at least 8192 and room for the longest write."""

_LONGEST_WRITE: Final = 8192
_LONG: Final = 86400
"""Seconds that the kernel may remember something."""

_PROTOCOL: Final = (7, 31)
_ATOMIC_O_TRUNC: Final = 1 << 3
_BIG_WRITES: Final = 1 << 5
_DIRECT_IO: Final = 1 << 0
_PARALLEL_DIRECT_WRITES: Final = 1 << 6
_CHANGES_OWNER_OR_MODE: Final = 0b111

_HEADER_IN: Final = Struct("=IIQQIIIHH")
_HEADER_OUT: Final = Struct("=IiQ")
_INIT_OUT: Final = Struct("=IIIIHHIIHHI28x")
_ATTRIBUTES: Final = Struct("=QQQQQQIIIIIIIIII")
_ENTRY_OUT: Final = Struct("=QQQQII")
_GETATTR_OUT: Final = Struct("=QII")
_OPEN_OUT: Final = Struct("=QII")
_WRITE_OUT: Final = Struct("=II")
_STATFS_OUT: Final = Struct("=QQQQQIIII24x")
_OPEN_IN: Final = Struct("=II")
_TRANSFER_IN: Final = Struct("=QQIIQII")
_HANDLE_IN: Final = Struct("=Q")
_FORGET_ONE: Final = Struct("=QQ")
_COUNT: Final = Struct("=II")
_DIRECTORY_ENTRY: Final = Struct("=QQII")


class Message(NamedTuple):
    """What the kernel asks: `opcode`, a number that the answer repeats, the node it is about, and the rest."""

    opcode: int
    unique: int
    node: int
    body: bytes

    @property
    def name(self) -> str:
        """The name that is looked up."""
        return self.body[:-1].decode("utf-8", "surrogateescape")

    @property
    def open_flags(self) -> int:
        """The flags of open(2)."""
        flags, _ = _OPEN_IN.unpack_from(self.body)
        return int(flags)

    @property
    def number(self) -> int:
        """The first number: a handle that is released, a message that is interrupted, how often a node is forgotten."""
        return int(_HANDLE_IN.unpack_from(self.body)[0])

    @property
    def forgotten(self) -> list[tuple[int, int]]:
        """The nodes of a batch that are forgotten, and how often."""
        count, _ = _COUNT.unpack_from(self.body)
        return [_FORGET_ONE.unpack_from(self.body, _COUNT.size + index * _FORGET_ONE.size) for index in range(count)]

    @property
    def changes_owner_or_mode(self) -> bool:
        """Whether attributes are to be set that a sysfs of ours does not let anybody set."""
        return bool(self.body[0] & _CHANGES_OWNER_OR_MODE)


class Transfer(NamedTuple):
    """What a read or a write is about: the open file, where in it, how much, and what is written."""

    handle: int
    offset: int
    size: int
    data: bytes


class Attributes(NamedTuple):
    """What stat(2) tells of a node; `seconds` is the one time that everything has."""

    inode: int
    mode: int
    size: int
    owner: tuple[int, int]
    seconds: int


def message_of(raw: bytes) -> Message:
    """The message that was read from the FUSE device."""
    _, opcode, unique, node, *_ = _HEADER_IN.unpack_from(raw)
    return Message(opcode, unique, node, raw[_HEADER_IN.size :])


def transfer_of(message: Message) -> Transfer:
    """What a READ, READDIR or WRITE asks for."""
    handle, offset, size, *_ = _TRANSFER_IN.unpack_from(message.body)
    return Transfer(handle, offset, size, message.body[_TRANSFER_IN.size :])


def answer(unique: int, content: bytes = b"") -> bytes:
    """The answer to the message with the number `unique`: done, with `content`."""
    return _HEADER_OUT.pack(_HEADER_OUT.size + len(content), 0, unique) + content


def refused(unique: int, code: int) -> bytes:
    """The answer to the message with the number `unique`: errno `code`."""
    return _HEADER_OUT.pack(_HEADER_OUT.size, -code, unique)


def init_content() -> bytes:
    """What the server can do. O_TRUNC comes with the open, and no write is cut into pages, since each is one store."""
    flags = _ATOMIC_O_TRUNC | _BIG_WRITES
    return _INIT_OUT.pack(*_PROTOCOL, 0, flags, 0, 0, _LONGEST_WRITE, 1, 0, 0, 0)


def entry_content(node: int, attributes: Attributes, *, stays: bool) -> bytes:
    """A node that was looked up, and whether it `stays`, so that the kernel may remember that it is there."""
    return _ENTRY_OUT.pack(node, 0, _LONG if stays else 0, _LONG, 0, 0) + _packed(attributes)


def attributes_content(attributes: Attributes) -> bytes:
    """The attributes of a node, which never change."""
    return _GETATTR_OUT.pack(_LONG, 0, 0) + _packed(attributes)


def open_content(handle: int) -> bytes:
    """An open file or directory: each read(2) and write(2) is to reach the server as it is."""
    return _OPEN_OUT.pack(handle, _DIRECT_IO | _PARALLEL_DIRECT_WRITES, 0)


def written_content(count: int) -> bytes:
    """How many bytes a write took."""
    return _WRITE_OUT.pack(count, 0)


def statfs_content() -> bytes:
    """What statfs(2) tells: a file system without blocks, as sysfs is one."""
    return _STATFS_OUT.pack(0, 0, 0, 0, 0, 4096, 255, 4096, 0)


def directory_content(entries: list[tuple[str, int, int]], offset: int, size: int) -> bytes:
    """As many `entries` (name, inode, mode) of a directory, from the one at `offset` on, as fit into `size` bytes."""
    content = bytearray()
    for index in range(offset, len(entries)):
        name, inode, mode = entries[index]
        encoded = name.encode("utf-8", "surrogateescape")
        length = _DIRECTORY_ENTRY.size + len(encoded)
        padding = -length % 8
        if len(content) + length + padding > size:
            break
        content += _DIRECTORY_ENTRY.pack(inode, index + 1, len(encoded), mode >> 12) + encoded + bytes(padding)
    return bytes(content)


def _packed(attributes: Attributes) -> bytes:
    inode, mode, size, owner, seconds = attributes
    links = 2 if mode >> 12 == 4 else 1  # S_IFDIR
    return _ATTRIBUTES.pack(inode, size, 0, seconds, seconds, seconds, 0, 0, 0, mode, links, *owner, 0, 4096, 0)


MAKES_NAMES: Final = {
    # What the kernel's own sysfs says to whoever wants to make, remove or rename something in it.
    CREATE: errno.EACCES,
    **dict.fromkeys((SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, RENAME2, LINK), errno.EPERM),
}
"""The messages that want a name made or removed, and the errno of each."""
