"""Our own lock: one transaction at a time for one state directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.transaction.state_directory import StateDirectory

LOCK: Final = "lock"


class Busy(Exception):
    """Somebody else holds the lock; the text says who."""


@contextmanager
def locked(state: StateDirectory, command: str) -> Iterator[None]:
    """Hold the lock while the block runs; `command` is told to whoever finds it held.

    Raises:
        Busy: another process holds it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(state.path / LOCK, flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 400, 0).decode(errors="replace").strip() or "an unknown process"
            raise Busy(f"another reconcile is at work: {holder}; wait until it is done") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}: {command[:300]}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
