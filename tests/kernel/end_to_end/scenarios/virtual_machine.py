"""``python3 -m kernel.end_to_end.scenarios.virtual_machine UUID [group-closed]``: has a device open until it is told.

That is, until standard input ends; if so asked, without keeping the device's group open as well.
"""

import os
import sys
from contextlib import suppress

from lab.recorder.holder import Holder, allow_virtual_machines


def main() -> None:
    """Open the device, say so, wait, close it."""
    allow_virtual_machines()
    holder = Holder(f"/sys/bus/mdev/devices/{sys.argv[1]}", sys.argv[1])
    holder.open()
    if sys.argv[2:]:
        _close_group()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    sys.stdin.read()
    if not sys.argv[2:]:
        holder.close()


def _close_group() -> None:
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(FileNotFoundError):  # the one that listed them
            if os.readlink(f"/proc/self/fd/{descriptor}").removeprefix("/dev/vfio/").isdigit():
                os.close(descriptor)


if __name__ == "__main__":
    main()
