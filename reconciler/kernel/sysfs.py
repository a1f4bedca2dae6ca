"""The small protocol through which everything reaches a host, and the real ``/sys`` behind it.

Paths are relative to the sysfs root, with forward slashes and without a leading one (``bus/ap/apmask``). The
simulated host (`reconciler.simulator`) speaks the same protocol.
"""

import os
import threading
from _queue import Empty, SimpleQueue
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

from reconciler.kernel import paths
from reconciler.kernel.sysinfo import LARGEST_SYSINFO
from reconciler.kernel.vfio_users import VfioUsers
from reconciler.model.errors import HostError
from reconciler.model.observed import Process

PAGE: Final = 4096
"""The most bytes that one read of a sysfs attribute returns (fs/sysfs/file.c)."""

WRITE_SECONDS: Final = 60.0
"""How long a write may take before it is reported: a queue reset of a sick card can block for ever."""

_OWN: Final = "/sys"
"""This machine's."""


class KernelBusy(HostError):
    """The kernel did not finish in time; what was begun may still take effect later."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"kernel busy: {what} did not finish within {seconds:g} s")


class Sysfs(Protocol):
    """A sysfs tree. Every method raises OSError with the kernel's errno, write also `KernelBusy`."""

    def read(self, path: str) -> str:
        """The text of an attribute, in one read, at most `PAGE` bytes."""

    def write(self, path: str, value: str) -> int:
        """Write `value` with one write(2) and return the count of bytes that it took."""

    def list(self, path: str) -> list[str]:
        """The names in a directory, ascending."""

    def link(self, path: str) -> str:
        """The target of a symbolic link, as it is stored (relative)."""

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """Those mediated devices of `uuids` that a VM is known to have open, and its process; None if not known."""

    def sysinfo(self) -> bytes:
        """The content of ``/proc/sysinfo``, at most a byte more than `LARGEST_SYSINFO`."""

    @property
    def release(self) -> str:
        """The kernel's release, for people, and as the last resort where no file says what the kernel can do."""


class RealSysfs:
    """A sysfs tree below `root`: ``/sys`` itself, a mounted simulated host, or a copy of either."""

    def __init__(
        self,
        root: Path,
        write_seconds: float = WRITE_SECONDS,
        vfio_users: VfioUsers | None = None,
        sysinfo: str | None = None,
    ) -> None:
        """Read and write below `root`.

        Args:
            root: where the tree is.
            write_seconds: how long a write may take.
            vfio_users: who may have its devices open. If left out: the processes of this machine where `root` is its
                ``/sys``, otherwise no process, since the devices of another tree are not this machine's.
            sysinfo: the file that says which machine this is, where the tree has none itself. If left out:
                ``/proc/sysinfo`` where `root` is this machine's ``/sys``, otherwise none.
        """
        # A name is enough here, and a Path for each of some thousand attributes costs more than reading them.
        self._root = str(root)
        self._write_seconds = write_seconds
        self._bounded = BoundedCalls()
        is_own = os.path.realpath(root) == _OWN
        self._vfio_users = VfioUsers(_OWN) if vfio_users is None and is_own else vfio_users
        self._sysinfo = f"/{paths.SYSINFO}" if sysinfo is None and is_own else sysinfo

    def read(self, path: str) -> str:
        """See `Sysfs`."""
        descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, PAGE).decode("ascii", "replace")
        finally:
            os.close(descriptor)

    def write(self, path: str, value: str) -> int:
        """See `Sysfs`. The write runs in a thread of its own, since nothing can end one that the kernel blocks.

        Raises:
            ValueError: `value` is empty or not ASCII. An empty value would clear a whole mask.
        """
        if not value.strip():
            raise ValueError(f"refused to write an empty value to {path}")
        content = value.encode("ascii")
        try:
            return self._bounded(lambda: _write_once(f"{self._root}/{path}", content), self._write_seconds)
        except TooSlow:
            raise KernelBusy(f"writing {path}", self._write_seconds) from None

    def list(self, path: str) -> list[str]:
        """See `Sysfs`."""
        return sorted(os.listdir(f"{self._root}/{path}"))

    def link(self, path: str) -> str:
        """See `Sysfs`."""
        return os.readlink(f"{self._root}/{path}")

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """See `Sysfs`."""
        return self._vfio_users.of(uuids) if self._vfio_users else {}

    def sysinfo(self) -> bytes:
        """See `Sysfs`."""
        # The tree's own first: a simulated host can be mounted on /sys, where a kernel's tree has no such file.
        try:
            return _beginning(f"{self._root}/{paths.SYSINFO}", LARGEST_SYSINFO + 1)
        except FileNotFoundError:
            if self._sysinfo is None:
                raise
            return _beginning(self._sysinfo, LARGEST_SYSINFO + 1)

    @property
    def release(self) -> str:
        """See `Sysfs`."""
        return os.uname().release


def _beginning(path: str, most: int) -> bytes:
    # One read gives a page or all that there is, as the file system likes.
    with open(path, "rb") as file:
        return file.read(most)


def _write_once(path: str, content: bytes) -> int:
    # One write(2) is one store in the kernel and its errno is the answer: no buffering, no truncation, no newline
    # of our own.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return os.write(descriptor, content)
    finally:
        os.close(descriptor)


_Result = TypeVar("_Result")
_Task = tuple[Callable[[], object], "SimpleQueue[object]"]


class TooSlow(HostError):
    """A call did not return in time, and goes on."""


class BoundedCalls:
    """Makes calls in a thread of their own, since nothing can end one that the kernel blocks.

    One thread serves all calls; one that does not come back is left to itself, and another takes its place.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task | None] | None = None

    def __call__(self, call: Callable[[], _Result], seconds: float) -> _Result:
        """What `call` returns or raises.

        Raises:
            TooSlow: it did not return within `seconds`.
        """
        answers: SimpleQueue[object] = SimpleQueue()
        tasks, self._tasks = self._tasks or _started(), None
        tasks.put((call, answers))
        try:
            answer = answers.get(timeout=seconds)
        except BaseException as error:
            tasks.put(None)  # whatever becomes of the call, its thread ends after it
            if isinstance(error, Empty):
                raise TooSlow from None
            raise
        self._tasks = tasks
        if isinstance(answer, _Raised):
            raise answer.error
        return answer  # type: ignore[return-value]  # what `call` returned

    def __del__(self) -> None:
        if self._tasks is not None:
            self._tasks.put(None)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _started() -> "SimpleQueue[_Task | None]":
    tasks: SimpleQueue[_Task | None] = SimpleQueue()
    threading.Thread(target=_serve, args=(tasks,), name="bounded calls", daemon=True).start()
    return tasks


def _serve(tasks: "SimpleQueue[_Task | None]") -> None:
    while task := tasks.get():
        call, answers = task
        try:
            answers.put(call())
        except BaseException as error:  # noqa: BLE001  # raised again where the call was asked for
            answers.put(_Raised(error))
