"""What many readers of the page cost: the loop, which is another process, nothing; `reconcile serve` little.

A loop that looks each second, and `reconcile serve` beside it. First without clients, then with 200 that listen to its
events and 20 that ask for them and read nothing: how long the loop's cycles take, and how much of a processor's time,
how soon ``/healthz`` answers, and how much memory the server has had at most.
"""

import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

from benchmarks.site import write_site

IDLE: Final = 200
SLOW: Final = 20
_GUESTS: Final = 100
_CYCLES: Final = 15
_ASKED: Final = 200
_PATIENCE: Final = 120.0
_LARGEST: Final = 100 << 20
_LATEST: Final = 0.1
_RCVBUF: Final = 4096


class Measured(NamedTuple):
    """What was measured.

    Attributes:
        cycle: the median of the loop's cycles (seconds).
        processor: how much of a processor's time one takes (seconds).
        health: the median of the answers of ``/healthz`` (seconds).
        events: how many each client has read.
    """

    cycle: float
    processor: float
    health: float
    events: float


def report(guests: int = _GUESTS) -> bool:
    """Measure and print; whether the bounds are kept."""
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as name, ExitStack() as stack:
        site = write_site(Path(name), guests, guests)
        run, door = Path(name) / "run", Path(name) / "serve.sock"
        manifests = ["-f", str(site.manifests), "--simulate", str(site.simulated_host)]
        watch = ["watch", "--apply", "--resync", "1s", "--publish-public", "--run-dir", str(run), *manifests]
        stack.enter_context(_running(watch))
        _until((run / "report.json").exists, "a report")
        server = stack.enter_context(_running(["serve", "--listen", str(door), "--run-dir", str(run)]))
        _until(door.exists, "the server")
        without = _measured(run, door, [])
        with _clients(door, IDLE, SLOW) as listening:
            with_clients = _measured(run, door, listening)
        memory = _most_memory(server)
    print(f"\nA loop over {guests} guests, and reconcile serve: {IDLE} clients that listen, {SLOW} that do not read")
    print(f"{'':28} {'without':>10} {'with':>10}")
    for words, one, other in (
        ("cycle of the loop", without.cycle, with_clients.cycle),
        ("processor time of a cycle", without.processor, with_clients.processor),
        ("answer of /healthz", without.health, with_clients.health),
    ):
        print(f"{words:28} {one * 1e3:>7.1f} ms {other * 1e3:>7.1f} ms")
    print(
        f"memory of the server: {memory / (1 << 20):.0f} MiB at most; events to a listener: {with_clients.events:.0f}"
    )
    return memory < _LARGEST and with_clients.health <= _LATEST


def _measured(run: Path, door: Path, listening: Sequence["_Listener"]) -> Measured:
    took: list[float] = []
    health: list[float] = []
    seen, start = 0.0, _used(run)
    before = sum(one.events for one in listening)
    while len(took) < _CYCLES:
        found = json.loads((run / "report.json").read_bytes())
        if found["cycleEnded"] > seen:
            seen = found["cycleEnded"]
            took.append(found["planSeconds"])
        for _ in range(_ASKED // _CYCLES):
            began = time.perf_counter()
            _ask(door, "/healthz")
            health.append(time.perf_counter() - began)
        time.sleep(0.2)
    events = sum(one.events for one in listening) - before
    cycles, used = (after - first for first, after in zip(start, _used(run), strict=True))
    return Measured(
        statistics.median(took[1:]), used / cycles, statistics.median(health), events / max(1, len(listening))
    )


def _used(run: Path) -> tuple[float, float]:
    """How many cycles the loop has run, and the time of processors that it has used (seconds)."""
    found = json.loads((run / "loop.json").read_bytes())
    return found["cycles"], found["usage"]["cpuSeconds"]


def _ask(door: Path, path: str) -> bytes:
    with _connected(door) as one:
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        content = b""
        while more := one.recv(1 << 16):
            content += more
    assert content.startswith(b"HTTP/1.1 200"), content[:200]
    return content


def _connected(door: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(_PATIENCE)
    made.connect(str(door))
    return made


class _Listener:
    """A client of the events, and how many it has read."""

    def __init__(self, door: Path) -> None:
        self.socket = _connected(door)
        self.socket.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.events = 0

    def read(self) -> None:
        """Read what there is."""
        self.events += self.socket.recv(1 << 16).count(b"data: ")


@contextmanager
def _clients(door: Path, idle: int, slow: int) -> Iterator[list[_Listener]]:
    listening, ended = [_Listener(door) for _ in range(idle)], Event()
    silent = [_Listener(door) for _ in range(slow)]
    for one in silent:
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RCVBUF)

    def read() -> None:
        with selectors.DefaultSelector() as selector:
            for one in listening:
                selector.register(one.socket, selectors.EVENT_READ, one)
            while not ended.is_set():
                for key, _ in selector.select(0.2):
                    key.data.read()

    thread = Thread(target=read)
    thread.start()
    try:
        yield listening
    finally:
        ended.set()
        thread.join()
        for one in (*listening, *silent):
            one.socket.close()


@contextmanager
def _running(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "reconciler.cli", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ)) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come")
        time.sleep(0.1)


def _most_memory(process: "subprocess.Popen[bytes]") -> int:
    """The largest resident set of `process` so far, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    line = next(one for one in status.splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) << 10
