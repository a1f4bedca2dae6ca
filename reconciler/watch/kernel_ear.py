"""Hears what changes on the host, as far as somebody tells."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from reconciler.integrations.uevents import UeventSocket
from reconciler.watch.file_ear import FileEar
from reconciler.watch.triggers import Ear, Trigger

SOURCE: Final = "kernel"
_OWN: Final = "/sys"


class KernelEar:
    """The uevents of this machine."""

    def __init__(self, events: UeventSocket) -> None:
        """Hear `events`."""
        self._events = events

    def fileno(self) -> int:
        """See `reconciler.watch.triggers.Ear`."""
        return self._events.fileno()

    def hear(self) -> list[Trigger]:
        """See `reconciler.watch.triggers.Ear`."""
        return [Trigger(SOURCE, what) for what in self._events.receive()]

    def close(self) -> None:
        """See `reconciler.watch.triggers.Ear`."""
        self._events.close()


def kernel_opener(sysfs: Path, files: Sequence[Path], tell: Callable[[str], None]) -> Callable[[], Ear] | None:
    """What opens the ear for a host; None where nothing reports what changes there, and only looking helps.

    Args:
        sysfs: the root of the host's sysfs.
        files: what a simulated host is kept in, which every command writes; empty for any other host.
        tell: see `FileEar`.
    """
    if files:
        return partial(FileEar, [str(one) for one in files], tell, source=SOURCE)
    if os.path.realpath(sysfs) == _OWN:
        return lambda: KernelEar(UeventSocket.listening())
    return None
