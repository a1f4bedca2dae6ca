"""``python3 -m kernel.end_to_end.scenarios.virtual_machine UUID``: has a device open until standard input ends."""

import sys

from kernel.lab.recorder.holder import Holder, allow_virtual_machines


def main() -> None:
    """Open the device, say so, wait, close it."""
    allow_virtual_machines()
    holder = Holder(f"/sys/bus/mdev/devices/{sys.argv[1]}", sys.argv[1])
    holder.open()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    sys.stdin.read()
    holder.close()


if __name__ == "__main__":
    main()
