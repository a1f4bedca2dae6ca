"""``python3 -m scenarios.virtual_machine UUID``: has a mediated device open until standard input ends."""

import sys

from recorder.holder import Holder, allow_virtual_machines


def main() -> None:
    """Open the device, say so, wait, close it."""
    allow_virtual_machines()
    holder = Holder(f"/sys/bus/mdev/devices/{sys.argv[1]}", sys.argv[1])
    holder.open()
    print("open", flush=True)
    sys.stdin.read()
    holder.close()


if __name__ == "__main__":
    main()
