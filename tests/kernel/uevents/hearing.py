"""Runs in the kernel lab: what the loop's ear hears of a real kernel, one JSON line for each thing that was done."""

import os
import socket
import time
from collections.abc import Callable

from kernel.uevents import record
from reconciler.integrations.uevents import UeventSocket
from reconciler.watch.ears import Ears
from reconciler.watch.kernel_ear import KernelEar


def main() -> None:
    """Do one thing after the other, and say what is heard of it within three seconds."""
    with Ears(time, lambda told: record.emit({"told": told})) as ears:
        events = UeventSocket.listening()
        ears.add("kernel", lambda: KernelEar(events))
        steps: list[tuple[str, Callable[[], object]]] = [
            ("mask", lambda: record.write(f"{record.AP}/apmask", "-5")),
            ("plug", lambda: record.hardware("plug", "9", "type=CEX8", "mode=ep11")),
            ("create", lambda: record.write(f"{record.TYPE}/create", record.UUID)),
            ("forged", forge),
            ("nothing", lambda: None),
            ("too much", lambda: overflow(events)),
        ]
        for what, action in steps:
            action()
            record.emit({"done": what, "heard": [trigger.what for trigger in ears.wait(3)]})


def forge() -> None:
    """What a process with all capabilities can send to whoever listens to the kernel."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, record.KOBJECT_UEVENT) as sender:
        sender.bind((0, 0))
        sender.sendto(b"change@/devices/ap\0ACTION=change\0SUBSYSTEM=ap\0APMASK=0x0\0", (0, 1))


def overflow(events: UeventSocket) -> None:
    """Make more events than there is room for."""
    with socket.socket(fileno=os.dup(events.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    for _ in range(3):
        record.write(f"{record.AP}/apmask", "+5")
        record.write(f"{record.AP}/apmask", "-5")


if __name__ == "__main__":
    main()
