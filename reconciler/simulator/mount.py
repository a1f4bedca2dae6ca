"""Mounts a simulated host: libfuse (mfusepy) calls its operations until it is unmounted or is to end."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import ENOTCONN
from pathlib import Path
from threading import Thread
from typing import Final

from reconciler.kernel.processes import run_tool
from reconciler.model.errors import HostError
from reconciler.simulator.mounted_tree import MountedTree

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
    """libfuse 3, as mfusepy binds it (`reconciler.simulator.mounted_tree.Caller`)."""

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
                "cannot mount without the Python package mfusepy: pip install 'vfio-ap-reconciler[fuse]'"
            ) from None
        except (OSError, AttributeError):
            raise MountError("cannot mount without libfuse 3: apt-get install fuse3") from None
        self._library = mfusepy

    def interrupted(self) -> bool:
        """See `reconciler.simulator.mounted_tree.Caller`; mfusepy has no public name for it."""
        return bool(self._library._libfuse.fuse_interrupted())

    def leave(self) -> None:
        """See `reconciler.simulator.mounted_tree.Caller`."""
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
