"""One boot: start QEMU with a kernel and emulated adapters, run a command in the guest, collect what it produced."""

import io
import select
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from lab import qemu
from lab.ap_hardware import ApHardware
from lab.cache import Cache
from lab.control import Control
from lab.emulator import SYMBOLS, Emulator
from lab.gdb_remote import GdbRemote, GuestEnded
from lab.job_disk import extract_results, make_disk, write_job_disk
from lab.kernels import write_initramfs
from lab.streams import Listener, Output, Requests, Stream

_PORTS: Final = ("control", "stdout", "stderr", "results")
_PROBE_SECONDS: Final = 120
_TAIL: Final = 3000
CONTROL_SOCKET: Final = "control.sock"
"""In the run directory: where requests are taken from beside the guest."""


class GuestFailed(Exception):
    """The guest did not come to an end of its own, or to no proper one."""


class Job(NamedTuple):
    """What a guest is to do.

    Attributes:
        command: shell command line, run as root in ``/job``.
        files: by name below ``/job``, what is copied there.
        results: where to put what the command leaves in ``/results``; None for nowhere.
        seconds: how long the whole run may take.
        load_modules: whether kvm, vfio_ap and zcrypt_cex4 are loaded before.
        parameters: additional kernel parameters.
        disk: a disk image that keeps what the guest changes in its file system, made where there is none; None: it is
            forgotten.
        systemd: whether the guest's own systemd and udev boot it, as on any host, and start the command last of all;
            drivers are then loaded by them alone.
        root: an ext4 image that is the guest's file system; None: that of the kernel's suite.
    """

    command: str
    files: Mapping[str, Path] = {}
    results: Path | None = None
    seconds: float = 300
    load_modules: bool = True
    parameters: str = ""
    disk: Path | None = None
    systemd: bool = False
    root: Path | None = None


class Outcome(NamedTuple):
    """How a run went.

    Attributes:
        status: the exit status of the command.
        seconds: how long everything took.
        emulating: of these, how many went into emulated instructions.
        milestones: when the guest came by, in seconds from the start.
        traps: how often each kind of instruction was emulated.
    """

    status: int
    seconds: float
    emulating: float
    milestones: dict[str, float]
    traps: dict[str, int]


class Machine:
    """A kernel of `cache` on a machine with `hardware`; logs and the control socket go to `directory`, which exists."""

    def __init__(self, cache: Cache, kernel: str, hardware: ApHardware, directory: Path) -> None:
        self._cache = cache
        self._kernel = cache.kernel(kernel)
        self._hardware = hardware
        self._directory = directory

    def run(self, job: Job, stdout: BinaryIO, stderr: BinaryIO) -> Outcome:
        """Boot, do `job`, power off. What the command prints is copied to `stdout` and `stderr` as it comes.

        Raises:
            GuestFailed: it did not end in time, or without a status.
            OSError: QEMU cannot be started, or a file or socket not be made.
        """
        write_job_disk(self._path("job.tar"), job.command, job.files)
        write_initramfs(self._path("initramfs"), self._kernel.initramfs)
        if job.disk is not None and not job.disk.exists():
            make_disk(job.disk)
        results = io.BytesIO()
        with self._path("emulator.log").open("w", encoding="utf-8") as log, _Run(self._hardware, log.write) as run:
            run.connect({"stdout": stdout, "stderr": stderr, "results": results})
            run.listen(self._path(CONTROL_SOCKET))
            with self._started(run, job):
                in_time = run.serve(self._kernel.symbols(), self._kernel.image.read_bytes(), job.seconds)
        if job.results is not None:
            extract_results(results.getvalue(), job.results)
        if not in_time:
            raise GuestFailed(f"the guest did not end within {job.seconds:g} s{self._last_words()}")
        if run.control.exit_status is None:
            raise GuestFailed(f"the guest ended without a status{self._last_words()}")
        return run.outcome(run.control.exit_status)

    def _started(self, run: "_Run", job: Job) -> "_Process":
        load = "" if job.load_modules and not job.systemd else "lab.load=no "
        load += "lab.init=systemd " if job.systemd else ""
        arguments = [
            *qemu.machine(self._cache.qemu),
            *qemu.console(self._path("console.log")),
            *qemu.debugger(run.descriptors["debugger"]),
            *qemu.kernel(self._kernel.image, self._path("initramfs"), load + job.parameters),
            *qemu.disk("root", job.root or self._cache.guest_system(self._kernel.facts().suite)),
            *qemu.disk("job", self._path("job.tar")),
            *(qemu.disk("kept", job.disk, writable=True) if job.disk else ()),
            *qemu.ports({name: run.descriptors[name] for name in _PORTS}),
        ]
        return _Process(arguments, self._path("qemu.log"), run.guest_ends)

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _last_words(self) -> str:
        words = ""
        for name in ("qemu.log", "console.log"):
            path = self._path(name)
            text = path.read_text(encoding="utf-8", errors="replace")[-_TAIL:] if path.exists() else ""
            words += f"; end of {name}:\n{text}" if text else ""
        return words


def probed_symbols(cache: Cache, kernel: str, directory: Path) -> dict[str, int]:
    """Boot once, without adapters, to learn the addresses of the functions in `SYMBOLS`.

    Raises:
        GuestFailed: some are not to be had.
    """
    prepared, log = cache.kernel(kernel), directory / "probe.log"
    arguments = [
        *qemu.machine(cache.qemu),
        *qemu.console(log),
        *qemu.kernel(prepared.image, prepared.initramfs, f"lab.symbols={','.join(SYMBOLS)}"),
    ]
    subprocess.run(arguments, stdin=subprocess.DEVNULL, timeout=_PROBE_SECONDS, check=True)
    text = log.read_text(encoding="utf-8", errors="replace")
    symbols = printed_symbols(text)
    if missing := set(SYMBOLS) - set(symbols):
        raise GuestFailed(f"no address for {', '.join(sorted(missing))}; end of the console:\n{text[-_TAIL:]}")
    return symbols


def printed_symbols(console: str) -> dict[str, int]:
    """The addresses that the guest's init printed for ``lab.symbols``, out of the console's text."""
    lines = [line.split() for line in console.splitlines() if line.startswith("lab-symbol: ")]
    return {words[3]: int(words[1], 16) for words in lines}


class _Process:
    """QEMU while it runs: ended, where need be, when the block ends."""

    def __init__(self, arguments: list[str], log: Path, guest_ends: list[socket.socket]) -> None:
        descriptors = [end.fileno() for end in guest_ends]
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, pass_fds=descriptors
            )
        for end in guest_ends:
            end.close()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class _Run:
    """The loop of one run, and what it counts."""

    def __init__(self, hardware: ApHardware, write_log: Callable[[str], object]) -> None:
        self._started = time.monotonic()
        self._write_log = write_log
        self._hardware = hardware
        self._emulating = 0.0
        self._traps: dict[str, int] = {}
        self._streams: list[Stream] = []
        pairs = {name: socket.socketpair() for name in (*_PORTS, "debugger")}
        self._ours = {name: ours for name, (ours, _) in pairs.items()}
        self.guest_ends = [guest for _, guest in pairs.values()]
        self.descriptors = {name: guest.fileno() for name, (_, guest) in pairs.items()}
        self._outputs: dict[str, Output] = {}
        self.control = Control(hardware, self._elapsed, self._note, lambda: self._outputs["results"].received)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.close()
        for end in (*self._ours.values(), *self.guest_ends):
            end.close()

    def connect(self, sinks: Mapping[str, BinaryIO]) -> None:
        """Serve the guest's ports: requests, and outputs that are copied to `sinks`."""
        self._accept(self._ours["control"])
        self._outputs = {name: Output(self._ours[name], sink) for name, sink in sinks.items()}
        self._streams += self._outputs.values()

    def listen(self, path: Path) -> None:
        """Take requests at a Unix socket, too."""
        self._streams.append(Listener(path, self._accept))

    def serve(self, symbols: Mapping[str, int], image: bytes, seconds: float) -> bool:
        """Run the guest to its end; False where `seconds` were not enough."""
        gdb = GdbRemote(self._ours["debugger"])
        emulator = Emulator(gdb, self._hardware, symbols, self._note)
        self._traps = emulator.traps
        try:
            emulator.arm(image)
            gdb.resume()
            while (left := seconds - self._elapsed()) > 0:
                self._serve_once(gdb, emulator, left)
        except GuestEnded:
            self._note("the guest ended")
            self._drain()
            return True
        return False

    def outcome(self, status: int) -> Outcome:
        """How the run went."""
        return Outcome(status, self._elapsed(), self._emulating, self.control.milestones, dict(self._traps))

    def _serve_once(self, gdb: GdbRemote, emulator: Emulator, seconds: float) -> None:
        waiting: list[GdbRemote | Stream] = [gdb, *self._streams]
        ready, _, _ = select.select(waiting, [], [], seconds)
        for stream in [stream for stream in self._streams if stream in ready]:
            if not stream.serve():
                self._streams.remove(stream)
                stream.close()
        if gdb.stopped(readable=gdb in ready):
            before = time.monotonic()
            emulator.on_stop()
            gdb.resume()
            self._emulating += time.monotonic() - before

    def _drain(self) -> None:
        """Read what the guest wrote before it ended."""
        waiting = [stream for stream in self._streams if not isinstance(stream, Listener)]
        while waiting:
            ready, _, _ = select.select(waiting, [], [], 0)
            waiting = [stream for stream in ready if stream.serve()]

    def _accept(self, connection: socket.socket) -> None:
        self._streams.append(Requests(connection, self.control.answer))

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _note(self, text: str) -> None:
        self._write_log(f"{self._elapsed():9.3f} {text}\n")
