"""A simulated host as the answers to FUSE messages: the semantics of sysfs files, without any file descriptor.

As in sysfs (fs/sysfs/file.c, fs/kernfs/file.c), one write(2) is one store whose errno is the answer to that write,
wherever in the file it is; what is beyond a page is left to a next write. Truncating does nothing. A text is made
when it is read from the start, and reads further on go on in that text. Devices come and go: the kernel may remember
what is permanent, and modes, which never change.
"""

import os
from collections.abc import Callable
from errno import EACCES, EINTR, EISDIR, ENODEV, ENOENT, ENOSYS, ENOTDIR, EPERM
from typing import Final, NamedTuple

from reconciler.kernel import paths
from reconciler.kernel.sysfs import PAGE, KernelBusy, Sysfs
from reconciler.simulator import fuse_messages as fuse
from reconciler.simulator.fuse_messages import Attributes, Message
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.node_numbers import NodeNumbers
from reconciler.simulator.nodes import Directory, Entry, File
from reconciler.simulator.refusal import refusal

_GONE: Final = (ENOENT, ENOTDIR)
_PERMANENT: Final = frozenset(
    ("bus", "devices", "devices/ap", paths.AP_BUS, paths.AP_DEVICES, paths.APMASK, paths.AQMASK)
)
"""What is there whatever happens, and is on the way to almost everything else."""


class Shown(NamedTuple):
    """A host, and itself or the host with faults (`reconciler.simulator.faults`) as what is read and written."""

    host: SimulatedHost
    sysfs: Sysfs


class _OpenFile:
    __slots__ = ("path", "text")

    def __init__(self, path: str) -> None:
        self.path = path
        self.text: bytes | None = None


class MountedTree:
    """Answers messages about one simulated host. Not safe for several threads at once.

    Attributes:
        host: the host.
        stores: how many writes have reached the host.
    """

    def __init__(self, shown: Shown, owner: tuple[int, int], seconds: int) -> None:
        """Show a host.

        Args:
            shown: the host.
            owner: user and group that everything belongs to.
            seconds: the time that every file has, since 1970.
        """
        self.host, self._sysfs = shown
        self.stores = 0
        self._owner = owner
        self._seconds = seconds
        self._nodes = NodeNumbers()
        self._files: dict[int, _OpenFile] = {}
        self._listings: dict[int, list[tuple[str, int, int]]] = {}
        self._handles = 0
        self._blocked: dict[int, tuple[str | None, int]] = {}
        self._answers: dict[int, Callable[[Message], bytes | None]] = {
            fuse.LOOKUP: self._lookup,
            fuse.GETATTR: self._getattr,
            fuse.SETATTR: self._setattr,
            fuse.READLINK: self._readlink,
            fuse.OPEN: self._open,
            fuse.READ: self._read,
            fuse.WRITE: self._write,
            fuse.RELEASE: self._release,
            fuse.OPENDIR: self._opendir,
            fuse.READDIR: self._readdir,
            fuse.RELEASEDIR: self._releasedir,
            fuse.STATFS: lambda _: fuse.statfs_content(),
            fuse.INIT: lambda _: fuse.init_content(),
            fuse.DESTROY: lambda _: b"",
        }

    def answers(self, raw: bytes) -> list[bytes]:
        """What is to be written to the FUSE device after `raw` was read from it; each item is one write.

        A write to ``remove`` of a device that a VM has open gets no answer before `released` gives it; a write that a
        fault blocks gets none.
        """
        message = fuse.message_of(raw)
        match message.opcode:
            case fuse.FORGET:
                self._nodes.forget(message.node, message.number)
            case fuse.BATCH_FORGET:
                for node, count in message.forgotten:
                    self._nodes.forget(node, count)
            case fuse.INTERRUPT:
                return self._interrupted(message.number)
            case _:
                return self._answered(message)
        return []

    def released(self) -> list[bytes]:
        """The answers to blocked writes whose device is gone by now; to be asked for after every change."""
        there = self.host.state.mdevs
        done = [unique for unique, (uuid, _) in self._blocked.items() if uuid is not None and uuid not in there]
        return [fuse.answer(unique, fuse.written_content(self._blocked.pop(unique)[1])) for unique in done]

    def replace(self, shown: Shown) -> list[bytes]:
        """Show another host from now on; returns the answers to the writes that the old one blocked."""
        self.host, self._sysfs = shown
        blocked, self._blocked = self._blocked, {}
        return [fuse.refused(unique, ENODEV) for unique in blocked]

    def _answered(self, message: Message) -> list[bytes]:
        find = self._answers.get(message.opcode)
        if find is None:
            return [fuse.refused(message.unique, fuse.MAKES_NAMES.get(message.opcode, ENOSYS))]
        try:
            content = find(message)
        except OSError as error:
            return [fuse.refused(message.unique, error.errno or ENOSYS)]
        return [] if content is None else [fuse.answer(message.unique, content)]

    def _interrupted(self, unique: int) -> list[bytes]:
        # The removal itself goes on, as in the kernel; only the writer need not wait for it any longer.
        return [fuse.refused(unique, EINTR)] if self._blocked.pop(unique, None) else []

    def _attributes(self, path: str, entry: Entry) -> Attributes:
        size = PAGE if isinstance(entry, File) else 0
        return Attributes(_inode(path), entry.mode, size, self._owner, self._seconds)

    def _lookup(self, message: Message) -> bytes:
        path = _joined(self._nodes.path(message.node), message.name)
        attributes = self._attributes(path, self.host.entry(path))
        return fuse.entry_content(self._nodes.found(path), attributes, stays=path in _PERMANENT)

    def _getattr(self, message: Message) -> bytes:
        path = self._nodes.path(message.node)
        return fuse.attributes_content(self._attributes(path, self.host.entry(path)))

    def _setattr(self, message: Message) -> bytes:
        if message.changes_owner_or_mode:
            raise refusal(EPERM)
        return self._getattr(message)

    def _readlink(self, message: Message) -> bytes:
        return self._sysfs.link(self._nodes.path(message.node)).encode()

    def _open(self, message: Message) -> bytes:
        path = self._nodes.path(message.node)
        entry, access = self.host.entry(path), message.open_flags & os.O_ACCMODE
        if not isinstance(entry, File):
            raise refusal(EISDIR, path)
        # sysfs checks this for root as well, whom permission bits do not stop.
        if (access != os.O_RDONLY and entry.store is None) or (access != os.O_WRONLY and entry.show is None):
            raise refusal(EACCES, path)
        self._handles += 1
        self._files[self._handles] = _OpenFile(path)
        return fuse.open_content(self._handles)

    def _read(self, message: Message) -> bytes:
        transfer = fuse.transfer_of(message)
        file = self._files[transfer.handle]
        if file.text is None or transfer.offset == 0:
            try:
                file.text = self._sysfs.read(file.path).encode()
            except OSError as error:
                raise _of_open_file(error) from None
        return file.text[transfer.offset : transfer.offset + transfer.size]

    def _write(self, message: Message) -> bytes | None:
        transfer = fuse.transfer_of(message)
        path, page = self._files[transfer.handle].path, transfer.data[:PAGE]
        self.stores += 1
        try:
            # Latin-1, so that any byte is one character that the simulated kernel may refuse.
            self._sysfs.write(path, page.decode("latin-1"))
        except KernelBusy:
            self._blocked[message.unique] = self._awaited(path), len(page)
            return None
        except OSError as error:
            raise _of_open_file(error) from None
        return fuse.written_content(len(page))

    def _awaited(self, path: str) -> str | None:
        uuid = path.removeprefix(f"{paths.MATRIX}/").partition("/")[0]
        mdev = self.host.state.mdevs.get(uuid)
        return uuid if mdev and mdev.removing else None

    def _release(self, message: Message) -> bytes:
        del self._files[message.number]
        return b""

    def _opendir(self, _message: Message) -> bytes:
        self._handles += 1
        self._listings[self._handles] = []
        return fuse.open_content(self._handles)

    def _readdir(self, message: Message) -> bytes:
        transfer = fuse.transfer_of(message)
        if transfer.offset == 0:
            self._listings[transfer.handle] = self._listing(self._nodes.path(message.node))
        return fuse.directory_content(self._listings[transfer.handle], transfer.offset, transfer.size)

    def _releasedir(self, message: Message) -> bytes:
        del self._listings[message.number]
        return b""

    def _listing(self, path: str) -> list[tuple[str, int, int]]:
        entry = self.host.entry(path)
        if not isinstance(entry, Directory):
            raise refusal(ENOTDIR, path)
        entries: list[tuple[str, Entry]] = [(".", entry), ("..", entry)]
        entries += [(name, found) for name in self._sysfs.list(path) if (found := entry.find(name))]
        return [(name, _inode(_joined(path, name)), found.mode) for name, found in entries]


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _inode(path: str) -> int:
    # Never 0, which readdir(3) takes for a name that is not there any more.
    return hash(path) & 0x7FFF_FFFF_FFFF_FFFF | 1


def _of_open_file(error: OSError) -> OSError:
    # The device of an open file went away: the name was found when it was opened, so this is not ENOENT.
    return refusal(ENODEV) if error.errno in _GONE else error
