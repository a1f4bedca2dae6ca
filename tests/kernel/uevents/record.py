"""Runs in the kernel lab and prints the kernel's uevents as they came: one JSON line for each thing that was done.

``./run lab run --kernel 6.12 --files tests/kernel/uevents -- python3 record.py > tests/kernel/uevents/6.12.jsonl``
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable

AP = "/sys/bus/ap"
MATRIX = "/sys/devices/vfio_ap/matrix"
TYPE = f"{MATRIX}/mdev_supported_types/vfio_ap-passthrough"
UUID = "00000000-0000-4000-8000-00000000000a"
QUIET_SECONDS = 1.5
KOBJECT_UEVENT = 15  # NETLINK_KOBJECT_UEVENT in linux/netlink.h


def main() -> None:
    """Do one thing after the other."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT)
    events.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    events.bind((0, 1))
    emit({"kernel": os.uname().release})
    heard(events, 0)
    for what, action, seconds in steps():
        failure = ""
        try:
            action()
        except (OSError, subprocess.CalledProcessError) as error:
            failure = str(error)
        emit({"done": what, "failure": failure, "datagrams": heard(events, seconds)})


def steps() -> list[tuple[str, Callable[[], object], float]]:
    """What is done, and how long to listen at least."""
    mdev = f"{MATRIX}/{UUID}"
    return [
        ("modprobe -r vfio_ap", lambda: run("modprobe", "-r", "vfio_ap"), 0),
        ("modprobe vfio_ap", load, 0),
        ("apmask -5", lambda: write(f"{AP}/apmask", "-5"), 0),
        ("aqmask -4", lambda: write(f"{AP}/aqmask", "-4"), 0),
        ("apmask -5 again, which changes nothing", lambda: write(f"{AP}/apmask", "-5"), 0),
        ("create", lambda: write(f"{TYPE}/create", UUID), 0),
        ("assign_adapter 5", lambda: write(f"{mdev}/assign_adapter", "5"), 0),
        ("assign_domain 4", lambda: write(f"{mdev}/assign_domain", "4"), 0),
        ("assign_control_domain 4", lambda: write(f"{mdev}/assign_control_domain", "4"), 0),
        ("unassign_domain 4", lambda: write(f"{mdev}/unassign_domain", "4"), 0),
        ("ap_config", lambda: write(f"{mdev}/ap_config", ",".join(bits(one) for one in (5, 4, 4))), 0),
        ("apmask +5", lambda: write(f"{AP}/apmask", "+5"), 0),
        ("plug 9", lambda: hardware("plug", "9", "type=CEX8", "mode=ep11"), 0),
        ("card 9 offline", lambda: write(f"{AP}/devices/card09/online", "0"), 0),
        ("set 9 configured=false", lambda: hardware("set", "9", "configured=false"), 0),
        ("set 9 configured=true", lambda: hardware("set", "9", "configured=true"), 0),
        ("set 9 checkstopped=true", lambda: hardware("set", "9", "checkstopped=true"), 0),
        ("set 9 checkstopped=false", lambda: hardware("set", "9", "checkstopped=false"), 0),
        ("domains control=4", lambda: hardware("domains", "control=4"), 0),
        ("unplug 9", lambda: hardware("unplug", "9"), 0),
        ("scan without a change", lambda: run("aphw", "--rescan", "show"), 0),
        ("nothing, for 65 seconds", lambda: None, 65),
        ("remove", lambda: write(f"{mdev}/remove", "1"), 0),
        ("apmask +5", lambda: write(f"{AP}/apmask", "+5"), 0),
    ]


def load() -> None:
    """Load the driver, and before it what the lab needs (lab/README.md)."""
    run("modprobe", "lab_helper")
    run("modprobe", "vfio_ap")


def bits(number: int) -> str:
    """A mask with one bit."""
    return f"0x{1 << (255 - number):064x}"


def write(path: str, value: str) -> None:
    """One write(2)."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def hardware(*words: str) -> None:
    """A change of the emulated hardware, then a scan."""
    run("aphw", "--rescan", *words)


def run(*words: str) -> None:
    """Run a program; what it prints goes to standard error."""
    subprocess.run(words, check=True, stdout=sys.stderr)


def heard(events: socket.socket, seconds: float) -> list[str]:
    """The datagrams that come until it has been quiet for a while, `seconds` at least."""
    found, until = [], time.monotonic() + seconds
    while select.select([events], [], [], max(QUIET_SECONDS, until - time.monotonic()))[0]:
        data, _, _, (port, groups) = events.recvmsg(65536, 64)
        if (port, groups) != (0, 1):
            print(f"port {port}, groups {groups}", file=sys.stderr)
        found.append(data.decode("latin-1"))
    return found


def emit(line: object) -> None:
    """One line."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
