"""``python3 -m kernel.walks.in_guest SEED COUNT > walk.jsonl``: a walk on the real kernel; runs in the lab's guest."""

import errno
import os
import platform
import sys
import threading
from typing import Final

from kernel.walks.operations import (
    BUS,
    MATRIX,
    BeginRemoval,
    Change,
    Close,
    EndRemoval,
    Open,
    Operation,
    Read,
    Write,
    mdev,
)
from kernel.walks.walk import VERSION, walk
from lab.recorder.holder import Holder, allow_virtual_machines
from lab.recorder.recording import Recording, asked_of_hardware
from lab.recorder.state import state

_PAGE: Final = 4096
_BLOCKED_SECONDS: Final = 2
_END_SECONDS: Final = 30


class OpenFiles:
    """Attributes that stay open between looks at them, as opening takes most of a look on an emulated CPU.

    A read starts at the beginning and so asks the kernel anew; one that belongs to a device or a driver that has gone
    since fails for ever.
    """

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}

    def text_of(self, path: str) -> str | None:
        """The text of a file; None if it cannot be read."""
        try:
            return os.pread(self._descriptors[path], _PAGE, 0).decode()
        except KeyError:
            pass
        except OSError:
            os.close(self._descriptors.pop(path))
        try:
            self._descriptors[path] = os.open(path, os.O_RDONLY)
            return os.pread(self._descriptors[path], _PAGE, 0).decode()
        except OSError:
            return None


class Removal:
    """A removal in a thread of its own, as it may block."""

    def __init__(self, uuid: str) -> None:
        self._path = mdev(uuid, "remove")
        self._outcome = "still blocked"
        self._thread = threading.Thread(target=self._remove, daemon=True)

    def begin(self) -> str:
        """Start it and return how it ended, or ``still blocked``."""
        self._thread.start()
        return self._after(_BLOCKED_SECONDS)

    def end(self) -> str:
        """Wait for it and return the same."""
        return self._after(_END_SECONDS)

    def _after(self, seconds: float) -> str:
        self._thread.join(seconds)
        return self._outcome

    def _remove(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY)
            try:
                os.write(descriptor, b"1")
            finally:
                os.close(descriptor)
        except OSError as error:
            self._outcome = errno.errorcode[error.errno or 0]
        else:
            self._outcome = "ok"


class Walker:
    """Does operations and has them recorded."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._holders: dict[str, Holder] = {}
        self._removals: dict[str, Removal] = {}

    def do(self, operation: Operation) -> None:
        """Do one operation."""
        match operation:
            case Write(path, value):
                self._recording.write(path, value)
            case Read(path):
                self._recording.read(path)
            case Change(request):
                self._recording.hardware(**request)
            case Open(uuid):
                self._recording.external(lambda: self._open(uuid), f"open {uuid}")
            case Close(uuid):
                self._recording.external(lambda: self._close(uuid), f"close {uuid}")
            case BeginRemoval(uuid):
                removal = self._removals[uuid] = Removal(uuid)
                self._recording.external(removal.begin, f"remove {uuid}")
            case EndRemoval(uuid):
                self._recording.external(self._removals.pop(uuid).end, f"removed {uuid}")

    def _open(self, uuid: str) -> str:
        holder = Holder(f"{MATRIX}/{uuid}", uuid)
        try:
            result = holder.open()
        except OSError:
            holder.close()
            raise
        self._holders[uuid] = holder
        return result

    def _close(self, uuid: str) -> str:
        holder = self._holders.pop(uuid, None)
        return holder.close() if holder else "not open"


def main(seed: int, count: int) -> None:
    """Walk at least `count` operations of the walk of `seed` and print a transcript."""
    allow_virtual_machines()
    files = OpenFiles()
    recording = Recording(sys.stdout, lambda: state(files.text_of))
    facts = {"kernel": platform.release(), "hardware": asked_of_hardware({"op": "show"})}
    recording.header(**facts, walk={"version": VERSION, "seed": seed, "count": count})
    # The kernel's own scans are to stay out of the way: none may come between a change and the scan that follows it.
    with open(f"{BUS}/config_time", "w", encoding="ascii") as stream:
        stream.write("120")
    recording.scenario(f"walk {seed}", "random operations")
    walker = Walker(recording)
    for operation in walk(seed, count):
        walker.do(operation)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
