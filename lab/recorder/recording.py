"""Carries out steps and prints a JSON line for each."""

import errno
import glob
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Final, TextIO

from .state import BUS, MDEVS, State, changes, state, text_of

ALL_ONES: Final = f"0x{'f' * 64}"

_CONTROL: Final = "/dev/virtio-ports/lab.control"
_IGNORED_SUBSYSTEMS: Final = ("bdi", "module", "drivers")
_KOBJECT_UEVENT: Final = 15  # NETLINK_KOBJECT_UEVENT in linux/netlink.h

Request = dict[str, object]
"""A request to the emulated hardware, with ``op``."""


class Recording:
    """A record on `stream`. Every step reads the whole state afterwards and keeps what has changed."""

    def __init__(self, stream: TextIO, look: Callable[[], State] = state) -> None:
        self._stream = stream
        self._look = look
        self._state: State = {}
        self._scenario = ""
        self._step = 0
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _KOBJECT_UEVENT)
        self._events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._events.bind((0, 1))
        self._events.setblocking(False)

    def header(self, **facts: object) -> None:
        """Describe the machine."""
        self._print({"header": facts})

    def scenario(self, name: str, about: str) -> None:
        """Start a scenario: back to a clean state, which is recorded in full."""
        self._clean_up()
        self._scenario, self._step = name, 0
        self._uevents()
        self._state = self._look()
        self._print({"scenario": name, "about": about, "state": self._state})

    def write(self, path: str, value: str, *, settle: bool = False, note: str = "") -> str:
        """Write `value` with one write(2) and return ``ok`` or the error's name; `settle`: wait for what it starts."""
        started = time.perf_counter()
        result, count = _write_once(path, value)
        document = {"op": "write", "path": path, "value": value, "result": result, "written": count}
        more = {"microseconds": _microseconds_since(started)} | ({"note": note} if note else {})
        self._finish({**document, **more}, settle=settle)
        return result

    def read(self, path: str) -> None:
        """Record the text of a file."""
        started = time.perf_counter()
        value, result = None, "ok"
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                value = os.read(descriptor, 65536).decode()
            finally:
                os.close(descriptor)
        except OSError as error:
            result = _name_of(error)
        document = {"op": "read", "path": path, "value": value, "result": result}
        self._finish(document | {"microseconds": _microseconds_since(started)})

    def listing(self, path: str) -> None:
        """Record the names in a directory with their modes, or targets for links."""
        entries, result = {}, "ok"
        try:
            for name in sorted(os.listdir(path)):
                full = os.path.join(path, name)
                link = os.path.islink(full)
                entries[name] = f"-> {os.readlink(full)}" if link else oct(os.lstat(full).st_mode)
        except OSError as error:
            result = _name_of(error)
        self._finish({"op": "list", "path": path, "entries": entries, "result": result})

    def hardware(self, **request: object) -> None:
        """Change the emulated hardware and let the AP bus notice."""
        answer = asked_of_hardware(request)
        started = time.perf_counter()
        _write_once(f"{BUS}/scans", "1")
        document = {"op": "hardware", "request": request, "answer": answer, "rescan": True}
        self._finish(document | {"microseconds": _microseconds_since(started)}, settle=True)

    def external(self, act: Callable[[], str], description: str) -> str:
        """Record the effect of something other than one access to sysfs and return what it returned."""
        started = time.perf_counter()
        try:
            result = act()
        except OSError as error:
            result = _name_of(error)
        document = {"op": "external", "what": description, "result": result}
        self._finish(document | {"microseconds": _microseconds_since(started)}, settle=True)
        return result

    def _finish(self, document: dict[str, object], *, settle: bool = False) -> None:
        if settle:
            _wait_until_settled()
        now = self._look()
        document |= {"changed": changes(self._state, now), "uevents": self._uevents()}
        self._state = now
        self._step += 1
        self._print({"scenario": self._scenario, "step": self._step, **document})

    def _print(self, document: dict[str, object]) -> None:
        self._stream.write(f"{json.dumps(document)}\n")
        self._stream.flush()

    def _uevents(self) -> list[dict[str, str]]:
        """The kernel's uevents since the last call."""
        events: list[dict[str, str]] = []
        while True:
            try:
                words = self._events.recv(65536).split(b"\0")[1:]
            except BlockingIOError:
                return events
            pairs = (word.decode(errors="replace").partition("=") for word in words if b"=" in word)
            event = {key: value for key, _, value in pairs if key != "SEQNUM"}
            if event.get("SUBSYSTEM") not in _IGNORED_SUBSYSTEMS:
                events.append(event)

    @staticmethod
    def _clean_up() -> None:
        for path in glob.glob(f"{MDEVS}/*"):
            _write_once(f"{path}/remove", "1")
        asked_of_hardware({"op": "restore"})
        _write_once(f"{BUS}/scans", "1")
        for name in ("apmask", "aqmask"):
            _write_once(f"{BUS}/{name}", ALL_ONES)
        _write_once(f"{BUS}/scans", "1")
        for path in glob.glob(f"{BUS}/devices/card*"):
            if text_of(f"{path}/config") == "0\n":
                _write_once(f"{path}/config", "1")
        _write_once(f"{BUS}/scans", "1")
        _wait_until_settled()


def asked_of_hardware(request: Request) -> Request:
    """Send a request to the emulated hardware and return its answer."""
    descriptor = os.open(_CONTROL, os.O_RDWR)
    try:
        os.write(descriptor, json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(descriptor, 65536)
    finally:
        os.close(descriptor)
    parsed: Request = json.loads(answer)
    return parsed


def _write_once(path: str, value: str) -> tuple[str, int | None]:
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError as error:
        return f"open:{_name_of(error)}", None
    try:
        return "ok", os.write(descriptor, value.encode())
    except OSError as error:
        return _name_of(error), None
    finally:
        os.close(descriptor)


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _microseconds_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1e6)


def _wait_until_settled() -> None:
    """Wait, at most a second, until binding and scanning change nothing any more."""
    before: State = {}
    for _ in range(20):
        time.sleep(0.05)
        now = state()
        if now == before:
            return
        before = now
