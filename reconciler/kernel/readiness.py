"""Waits, bounded, until the kernel is as far at boot as we need it to be."""

from typing import Final

from reconciler.kernel import paths
from reconciler.kernel.observe import has_vfio_ap
from reconciler.kernel.settle import Clock
from reconciler.kernel.sysfs import Sysfs

_POLL_SECONDS: Final = 0.1
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
        clock.sleep(_POLL_SECONDS)


def await_vfio_ap(sysfs: Sysfs, clock: Clock, seconds: float) -> bool:
    """Wait for at most `seconds` until vfio_ap is there, which was loaded just now; whether it is."""
    deadline = clock.monotonic() + seconds
    while not has_vfio_ap(sysfs):
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(_POLL_SECONDS)
    return True
