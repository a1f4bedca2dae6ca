"""Mounts a simulated host: its files as libfuse (mfusepy) sees them, called until it is unmounted or is to end.

As in sysfs (fs/sysfs/file.c, fs/kernfs/file.c), one write(2) is one store whose errno is the answer to that write,
wherever in the file it is; what is beyond a page is left to a next write. Truncating does nothing. A text is made
when it is read from the start, and reads further on go on in that text. No file has a file descriptor of ours.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EINTR, EISDIR, ENODEV, ENOENT, ENOTCONN, ENOTDIR, EPERM
from itertools import count
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Final, NamedTuple, NoReturn, Protocol

from reconciler.kernel import paths
from reconciler.kernel.processes import run_tool
from reconciler.kernel.sysfs import PAGE, KernelBusy, Sysfs
from reconciler.model.errors import HostError
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.nodes import Directory, Entry, File, refusal

_GONE: Final = (ENOENT, ENOTDIR)

_INTERRUPT_SECONDS: Final = 0.05
"""How often a blocked write looks whether a signal has interrupted it; libfuse cannot be notified."""


class Shown(NamedTuple):
    """A host, and itself or the host with faults (`reconciler.simulator.host`) as what is read and written."""

    host: SimulatedHost
    sysfs: Sysfs


class Caller(Protocol):
    """Who calls the operations, as far as they have to know."""

    def interrupted(self) -> bool:
        """Whether a signal has come to the process for which the calling thread is in an operation."""

    def leave(self) -> None:
        """Serve nothing after the operation that the calling thread is in."""


class _Open:
    __slots__ = ("path", "text")

    def __init__(self, path: str) -> None:
        self.path = path
        self.text = b""


class MountedTree:
    """The operations on one simulated host, named and called as `mfusepy.FUSE` does it; any thread may call any.

    Paths are absolute. Where an operation has an open file, its handle says which, and there is no path. All raise
    OSError with the kernel's errno.

    Attributes:
        stores: how many writes have reached the host.
        started: set when the file system is there.
    """

    use_ns: Final = True
    """For mfusepy: times are nanoseconds ..."""
    flag_nopath: Final = True
    flag_nullpath_ok: Final = True
    """... and a handle is enough, so that libfuse need not lock the path of a blocked write against others."""

    def __init__(self, shown: Shown, owner: tuple[int, int], seconds: int, caller: Caller) -> None:
        """Show a host.

        Args:
            shown: the host.
            owner: user and group that everything belongs to.
            seconds: the time that every file has, since 1970.
            caller: who calls.
        """
        self.stores = 0
        self.started = Event()
        self._host, self._sysfs = shown
        self._owner = owner
        self._nanoseconds = seconds * 10**9
        self._caller = caller
        self._ending = False
        self._open: dict[int, _Open] = {}
        self._handles = count(1)
        # The host is no place for several threads. Whoever waits for it to change waits without having it.
        self._changes = Condition()

    def change(self, act: Callable[[SimulatedHost], None]) -> None:
        """Let `act` have the host for itself, and blocked writes see what has become of it; raises what `act` does."""
        with self._changes:
            act(self._host)
            self._changes.notify_all()

    def replace(self, shown: Shown) -> None:
        """Show another host from now on; what the old one blocks ends with ENODEV."""
        with self._changes:
            self._host, self._sysfs = shown
            self._changes.notify_all()

    def end(self) -> None:
        """Let blocked writes end with ENODEV; the next name that is looked up is the last one."""
        with self._changes:
            self._ending = True
            self._changes.notify_all()

    # What the kernel asks, under libfuse's names ---------------------------------------------------------------------

    def init(self, _path: str) -> None:
        """The file system is there."""
        self.started.set()

    def getattr(self, path: str | None, handle: int | None = None) -> dict[str, int]:
        """What stat(2) returns; also how a name is looked up."""
        if self._ending:
            self._caller.leave()
        found = self._open[handle].path if path is None and handle is not None else _inside(path or "/")
        with self._changes:
            return self._attributes(found, self._host.entry(found))

    def readlink(self, path: str) -> str:
        """Where a link leads."""
        with self._changes:
            return self._sysfs.link(_inside(path))

    def open(self, path: str, flags: int) -> int:
        """The handle of a file; what cannot be read or written cannot be opened so, either."""
        found, access = _inside(path), flags & os.O_ACCMODE
        with self._changes:
            entry = self._host.entry(found)
        if not isinstance(entry, File):
            raise refusal(EISDIR, found)
        # sysfs checks this for root as well, whom permission bits do not stop.
        if (access != os.O_RDONLY and entry.store is None) or (access != os.O_WRONLY and entry.show is None):
            raise refusal(EACCES, found)
        return self._handle(found)

    def read(self, _path: None, size: int, offset: int, handle: int) -> bytes:
        """What is in a file; made anew when it is read from the start."""
        file = self._open[handle]
        with self._changes:
            if offset == 0 or not file.text:
                try:
                    file.text = self._sysfs.read(file.path).encode("utf-8", "surrogateescape")
                except OSError as error:
                    raise _of_open_file(error) from None
            return file.text[offset : offset + size]

    def write(self, _path: None, data: bytes, _offset: int, handle: int) -> int:
        """One store, and how much of `data` it took.

        A write to ``remove`` of a device that a VM has open returns when the device is gone; a write that a fault
        blocks does not return. Either ends with EINTR at a signal, as whoever waits can be killed; the removal
        itself goes on, as in the kernel.
        """
        path, page = self._open[handle].path, data[:PAGE]
        with self._changes:
            self.stores += 1
            try:
                # Latin-1, so that any byte is one character that the simulated kernel may refuse.
                self._sysfs.write(path, page.decode("latin-1"))
            except KernelBusy:
                self._wait_for_removal(path)
            except OSError as error:
                raise _of_open_file(error) from None
        return len(page)

    def opendir(self, path: str) -> int:
        """The handle of a directory."""
        return self._handle(_inside(path))

    def readdir(self, _path: None, handle: int) -> list[tuple[str, dict[str, int], int]]:
        """Names and attributes; the offsets are libfuse's."""
        path = self._open[handle].path
        with self._changes:
            entry = self._host.entry(path)
            if not isinstance(entry, Directory):
                raise refusal(ENOTDIR, path)
            entries: list[tuple[str, Entry]] = [(".", entry), ("..", entry)]
            entries += [(name, found) for name in self._sysfs.list(path) if (found := entry.find(name))]
            return [(name, self._attributes(f"{path}/{name}".lstrip("/"), found), 0) for name, found in entries]

    def release(self, _path: None, handle: int) -> None:
        """The file or directory is closed: no process has it open any more."""
        del self._open[handle]

    releasedir = release

    def statfs(self, _path: str) -> dict[str, int]:
        """What statfs(2) returns: a file system without blocks, as sysfs is one."""
        return {"f_bsize": PAGE, "f_frsize": PAGE, "f_namemax": 255}

    def truncate(self, *_: object) -> None:
        """Nothing happens, as in sysfs."""

    utimens = truncate

    def create(self, _path: str, _mode: int) -> NoReturn:
        """What the kernel's own sysfs says to whoever wants to make a file in it."""
        raise refusal(EACCES)

    def chmod(self, *_: object) -> NoReturn:
        """What is refused to everybody: the tree belongs to the kernel."""
        raise refusal(EPERM)

    chown = link = mkdir = mknod = rename = rmdir = symlink = unlink = chmod

    # ------------------------------------------------------------------------------------------------------------------

    def _handle(self, path: str) -> int:
        handle = next(self._handles)
        self._open[handle] = _Open(path)
        return handle

    def _attributes(self, path: str, entry: Entry) -> dict[str, int]:
        user, group = self._owner
        return {
            # Never 0, which readdir(3) takes for a name that is not there any more.
            "st_ino": hash(path) & 0x7FFF_FFFF_FFFF_FFFF | 1,
            "st_mode": entry.mode,
            "st_nlink": 2 if isinstance(entry, Directory) else 1,
            "st_size": PAGE if isinstance(entry, File) else 0,
            "st_uid": user,
            "st_gid": group,
            **dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), self._nanoseconds),
        }

    def _wait_for_removal(self, path: str) -> None:
        host, uuid = self._host, path.removeprefix(f"{paths.MATRIX}/").partition("/")[0]

        def removing() -> bool:
            mdev = host.state.mdevs.get(uuid)
            return mdev is not None and mdev.removing

        by_fault = not removing()
        while by_fault or removing():
            if self._ending or self._host is not host:
                raise refusal(ENODEV)
            if self._caller.interrupted():
                raise refusal(EINTR)
            self._changes.wait(_INTERRUPT_SECONDS)


def _inside(path: str) -> str:
    return path[1:]


def _of_open_file(error: OSError) -> OSError:
    # The device of an open file went away: the name was found when it was opened, so this is not ENOENT.
    return refusal(ENODEV) if error.errno in _GONE else error


_HELPER_SECONDS: Final = 1.0
_HELPER_TRIES: Final = 20
"""How long fusermount3 may take to notice that a process was killed, and how often to look."""

_END_SECONDS: Final = 10.0
"""How long the last operations may take."""

_MACHINES: Final = ("aarch64", "x86_64")
"""Those whose struct stat mfusepy knows. It takes s390x's for an i686's, and then sizes and owners are wrong."""

_IDLE_THREADS: Final = 10
_MOST_THREADS: Final = 4096
"""Each blocked write keeps a thread; libfuse 3.12 and later start 10 at most if nothing is said, others any number."""

_LONG: Final = 86400
"""Seconds that the kernel may remember the attributes of what it has found there; they never change."""


class MountError(HostError):
    """The host cannot be mounted; the text says why and what to do."""


class Libfuse:
    """libfuse 3, as mfusepy binds it (`reconciler.simulator.mount.Caller`)."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            MountError: it is not there, or is of no use on this machine.
        """
        if platform.machine() not in _MACHINES:
            raise MountError(
                f"cannot mount on this machine, {platform.machine()}: mfusepy does not know its struct stat; "
                f"do it on {' or '.join(_MACHINES)}, or work on the host with --simulate alone"
            )
        # mfusepy prefers libfuse 2 where both are installed.
        os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
        try:
            import mfusepy
        except ImportError:
            raise MountError(
                "cannot mount without the Python package mfusepy: pip install '.[fuse]' in a clone"
            ) from None
        except (OSError, AttributeError):
            raise MountError("cannot mount without libfuse 3: apt-get install fuse3") from None
        self._library = mfusepy

    def interrupted(self) -> bool:
        """See `reconciler.simulator.mount.Caller`; mfusepy has no public name for it."""
        return bool(self._library._libfuse.fuse_interrupted())

    def leave(self) -> None:
        """See `reconciler.simulator.mount.Caller`."""
        self._library.fuse_exit()

    def serve(self, place: Path, tree: MountedTree) -> None:
        """Mount `tree` on `place` and serve it until it is unmounted or calls `leave`; what goes wrong is on stderr.

        libfuse makes / the working directory of this process. Everybody can use what root mounts; what another user
        mounts, that user only. fusermount3 unmounts it should this process be killed.
        """
        version = self._library.fuse_version_major, self._library.fuse_version_minor
        # What may vanish is not to be remembered, and each read(2) and write(2) is to reach the tree as it is.
        remembering = {"entry_timeout": 0, "negative_timeout": 0, "attr_timeout": _LONG, "direct_io": True}
        threads = {"max_idle_threads": _IDLE_THREADS} | ({"max_threads": _MOST_THREADS} if version >= (3, 12) else {})
        # From 3.17 on it hears of a signal only where that is asked for (fuse_lib_init); before, that would end us.
        interrupting = {"intr": True} if version >= (3, 17) else {}
        with suppress(RuntimeError):
            self._library.FUSE(
                tree,
                str(place),
                foreground=True,
                use_ino=True,
                default_permissions=True,
                allow_other=os.getuid() == 0,
                auto_unmount=True,
                nosuid=True,
                nodev=True,
                noexec=True,
                fsname="reconcile",
                subtype="simulated-sysfs",
                **remembering,
                **threads,
                **interrupting,
            )


@contextmanager
def mounted(libfuse: Libfuse, place: Path, tree: MountedTree) -> Iterator[Callable[[], bool]]:
    """Have `tree` mounted on `place` until the block ends; yields a function that says whether it still is.

    Raises:
        MountError: it cannot be mounted.
    """
    _clear(place)
    if not place.is_dir():
        raise MountError(f"cannot mount on {place}: there is no such directory")
    # Not in the main thread, where libfuse would take the signals. A daemon: nothing is lost with it (see below).
    server = Thread(target=libfuse.serve, args=(place, tree), name="libfuse", daemon=True)
    server.start()
    while not tree.started.wait(_HELPER_SECONDS / _HELPER_TRIES):
        if not server.is_alive():
            raise MountError(f"cannot mount on {place}: the line above has libfuse's reason")
    try:
        yield server.is_alive
    finally:
        tree.end()
        # The last operation. It does not arrive where it was unmounted lazily and another process has files open: they
        # are closed when this process ends.
        with suppress(OSError):
            os.stat(place / "the last name")
        server.join(_END_SECONDS)


def _clear(place: Path) -> None:
    # What a killed process has left. Its helper is about to unmount it; only where it cannot (in a bare chroot), we do.
    for _ in range(_HELPER_TRIES):
        if not _is_dead(place):
            return
        time.sleep(_HELPER_SECONDS / _HELPER_TRIES)
    # Lazily: it shall be gone also where another process has a file open or works in it.
    with suppress(OSError, HostError):
        run_tool(["fusermount3", "-u", "-z", "-q", "--", str(place)], _END_SECONDS)


def _is_dead(place: Path) -> bool:
    try:
        place.stat()
    except OSError as error:
        return error.errno == ENOTCONN
    return False
