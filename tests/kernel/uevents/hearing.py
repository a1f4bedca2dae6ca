"""Runs in the kernel lab: what the loop notices of a real kernel, one JSON line for each thing that was done."""

import os
import select
import socket
import time
from collections.abc import Callable

from kernel.uevents import record
from reconciler.integrations.uevents import UeventSocket
from reconciler.watch.triggers import Debounce, Trigger


def main() -> None:
    """Do one thing after the other, and say what is noticed of it within three seconds."""
    events = UeventSocket.listening()
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
        record.emit({"done": what, "heard": noticed(events)})
    events.close()


def noticed(events: UeventSocket) -> list[str]:
    """What is noticed from now on, joined as the loop joins it, in order."""
    found, ends = Debounce(), time.monotonic() + 3
    while (now := time.monotonic()) < (ends if (due := found.due()) is None else due):
        select.select([events], [], [], (ends if due is None else due) - now)
        for what in events.receive():
            found = found.add(Trigger("kernel", what), time.monotonic())
    return [trigger.what for trigger in found.take()[0]]


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
