"""Waits, bounded, until the kernel is as far as we need: queues bound after a mask write, the bus ready at boot."""

from collections.abc import Iterable
from typing import Final, Protocol

from reconciler.kernel import paths
from reconciler.kernel.observe import driver_of, has_vfio_ap
from reconciler.kernel.sysfs import KernelBusy, Sysfs
from reconciler.model.matrix import Matrix, Queue

REBIND_SECONDS: Final = 30.0
"""How long re-binding may take: seen 9 to 100 ms a queue on an emulated CPU."""

_POLL_SECONDS: Final = 0.05


class Clock(Protocol):
    """Time as a parameter."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    def time(self) -> float:
        """Seconds since 1970, UTC."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


def wait_for_rebinding(sysfs: Sysfs, clock: Clock, pool: Matrix, queues: Iterable[Queue]) -> None:
    """Return when each of `queues` is bound according to `pool`, or is gone.

    Args:
        sysfs: the host.
        clock: time.
        pool: the host pool that is in force.
        queues: present queues that had a driver before the write (others are not re-bound).

    Raises:
        KernelBusy: some queue was not re-bound within `REBIND_SECONDS`.
    """
    waiting = list(queues)
    deadline = clock.monotonic() + REBIND_SECONDS
    while waiting := [queue for queue in waiting if not _is_rebound(sysfs, queue, pool)]:
        if clock.monotonic() >= deadline:
            names = ", ".join(map(str, waiting[:8]))
            raise KernelBusy(f"re-binding {names}{' …' if len(waiting) > 8 else ''}", REBIND_SECONDS)
        clock.sleep(_POLL_SECONDS)


def _is_rebound(sysfs: Sysfs, queue: Queue, pool: Matrix) -> bool:
    driver = driver_of(sysfs, paths.queue(queue))
    if driver is None:
        return not _is_present(sysfs, queue)
    return (driver == "vfio_ap") != pool.has(queue)


def _is_present(sysfs: Sysfs, queue: Queue) -> bool:
    try:
        sysfs.list(paths.queue(queue))
    except OSError:
        return False
    return True


_BOOT_POLL_SECONDS: Final = 0.1
_COMPLETE: Final = "(complete)"


def await_bindings(sysfs: Sysfs, clock: Clock, seconds: float) -> str:
    """Wait until the AP bus has looked at its hardware, and each of its queues has a driver.

    Args:
        sysfs: the host.
        clock: time.
        seconds: for how long. A queue that no driver takes, such as one that the kernel's command line takes from the
            host before vfio_ap is loaded, keeps the bus from ever being done.

    Returns:
        What the bus said last, such as ``12/16``, where it was not done in that time; empty where it was, or where the
        kernel does not say.
    """
    deadline = clock.monotonic() + seconds
    while True:
        try:
            text = sysfs.read(paths.BINDINGS).strip()
        except OSError:
            return ""
        if text.endswith(_COMPLETE):
            return ""
        if clock.monotonic() >= deadline:
            return text
        clock.sleep(_BOOT_POLL_SECONDS)


def await_vfio_ap(sysfs: Sysfs, clock: Clock, seconds: float) -> bool:
    """Wait for at most `seconds` until vfio_ap is there, which was loaded just now; whether it is."""
    deadline = clock.monotonic() + seconds
    while not has_vfio_ap(sysfs):
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(_BOOT_POLL_SECONDS)
    return True
