"""Loads the kernel module vfio_ap with modprobe(8)."""

import subprocess
from typing import Final

from reconciler.model.printable import error_text

_SECONDS: Final = 30.0


class CannotLoad(Exception):
    """The module cannot be loaded; the text says why."""


def load_vfio_ap() -> None:
    """Have vfio_ap in the kernel; where it is loaded or built in already, nothing happens.

    Never while the lock of the s390-tools is held: what the module's appearance starts (mdevctl, by udev) waits for it.

    Raises:
        CannotLoad: it cannot be had, or it takes too long.
    """
    try:
        done = subprocess.run(
            ["modprobe", "vfio_ap"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotLoad(f"modprobe vfio_ap: {error_text(error)}") from error
    if done.returncode:
        raise CannotLoad(done.stderr.strip() or f"modprobe vfio_ap ended with status {done.returncode}")
