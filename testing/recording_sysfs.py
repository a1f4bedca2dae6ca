"""Any host, with a list of all writes to it."""

from collections.abc import Callable, Iterable, Mapping

from reconciler.kernel.sysfs import Sysfs
from reconciler.model.observed import Process
from reconciler.model.steps import Write


class RecordingSysfs:
    """Any host, with a list of all writes and a call after each of them."""

    def __init__(self, sysfs: Sysfs, after_write: Callable[[Write], None] | None = None) -> None:
        """Wrap `sysfs`; `after_write` is called after every write, also after one that was refused."""
        self._sysfs = sysfs
        self._after_write = after_write
        self.writes: list[Write] = []

    def read(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._sysfs.read(path)

    def write(self, path: str, value: str) -> int:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        write = Write(path, value)
        self.writes.append(write)
        try:
            return self._sysfs.write(path, value)
        finally:
            if self._after_write:
                self._after_write(write)

    def list(self, path: str) -> list[str]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._sysfs.list(path)

    def link(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._sysfs.link(path)

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._sysfs.opened(uuids)

    def sysinfo(self) -> bytes:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._sysfs.sysinfo()

    @property
    def release(self) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._sysfs.release
