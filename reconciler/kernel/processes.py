"""Programs of others, run so that each ends: in time, with a bounded answer, or when the run is stopped.

Every program that we start is started here: git and what checks signatures, the commands of notifications, modprobe,
systemctl, systemd-run, fusermount3 and ansible-playbook; and the one process that is to outlive us (`start_detached`).
"""

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from errno import EFBIG
from pathlib import Path
from select import select
from typing import BinaryIO, Final, NamedTuple

from reconciler.model.errors import HostError, InputError

OUTPUT_LIMIT: Final = 64 << 20
"""How many bytes a program may write into one file, its answer among them, where nothing else is said."""

_SAID: Final = 64 << 10
"""How much is read of what a program says about errors."""

_MOMENT: Final = 5.0
"""How long a killed process may take to be gone, in seconds; one that waits for a dead disk never is."""


_GLANCE: Final = 0.1
"""How often we look whether a program has ended that writes nothing, in seconds."""


class TooLong(HostError):
    """The program was ended since its time was up; the text says so."""


class TooMuch(HostError):
    """The program was ended since it wrote more than it may; the text says how much."""


class Stopped(InputError):
    """Programs are not run any more: `Processes.stop` was called."""


class Bounds(NamedTuple):
    """What a program may use.

    Attributes:
        seconds: how long it may take.
        limit: how many bytes a file that it writes may have, its answer among them; None where there is no limit, and
            what it writes is not kept.
        goes_on: whether it gets an error when a file is too large, and stops by itself, as programs do whose children
            write; otherwise it is killed.
    """

    seconds: float
    limit: int | None = OUTPUT_LIMIT
    goes_on: bool = False


class Completed(NamedTuple):
    """How a program ended: its exit code, what it wrote, and what it said about errors. Its holder closes `output`."""

    code: int
    output: BinaryIO
    said: str


class Processes:
    """Runs programs, each in a session of its own: without a terminal, so that none can ask, and killed as a whole.

    Answers go through unnamed files, not pipes: what a program leaves running behind it (a daemon that keeps
    passwords or connections) would keep a pipe open, and we would wait for it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Answers are kept in `folder`, the system's own for temporary files if left out."""
        self._folder = folder
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self,
        words: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        bounds: Bounds,
        given: bytes = b"",
    ) -> Completed:
        """Run the program `words` in `directory` with `given` as its input, within `bounds`.

        Raises:
            TooLong: its time was up.
            TooMuch: it wrote too much.
            Stopped: `stop` was called, before or meanwhile.
            OSError: there is no such program, or no room for its answer.
        """
        kept = bounds.limit is not None
        output = _file(self._folder, kept=kept)
        try:
            with _file(kept=kept) as errors, _file() as source:
                source.write(given)
                source.seek(0)
                process = self._start(words, directory, environment, (source, output, errors), bounds)
                code = self._wait(process, bounds.seconds)
                errors.seek(0)
                said = errors.read(_SAID).decode("utf-8", "replace")
            _refuse_too_much(code, said, bounds.limit)
            output.seek(0)
        except BaseException:
            output.close()
            raise
        return Completed(code, output, said)

    def stop(self) -> None:
        """Kill what runs, and let nothing be run any more; may be called from any thread."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)

    def _start(
        self,
        words: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        streams: tuple[BinaryIO, BinaryIO, BinaryIO],
        bounds: Bounds,
    ) -> subprocess.Popen[bytes]:
        given, output, errors = streams
        with self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                words,
                cwd=directory,
                env=dict(environment),
                stdin=given,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                # Python ignores SIGXFSZ; a child that inherits that gets an error for a file that is too large.
                restore_signals=not bounds.goes_on,
            )
            self._running.add(process)
        # Set from outside, since code between fork and exec is not safe beside threads. What the program writes in
        # its first moment is not much.
        if bounds.limit is None:
            return process
        with suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (bounds.limit, bounds.limit))
        return process

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> int:
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TooLong(f"it took more than {seconds:g} seconds") from None
        finally:
            _kill(process)
            with self._lock:
                self._running.discard(process)
                stopped = self._stopped
            with suppress(subprocess.TimeoutExpired):
                process.wait(_MOMENT)
        if stopped and code == -signal.SIGKILL:
            raise Stopped
        return code


class Done(NamedTuple):
    """How a tool of the system ended: its exit code, what it wrote, and what it said about errors."""

    code: int
    output: str
    said: str


def run_tool(words: Sequence[str], seconds: float) -> Done:
    """Run `words`, a tool of the system, in our own environment, for at most so many `seconds`.

    Raises:
        TooLong: its time was up.
        TooMuch: it wrote too much.
        OSError: there is no such program.
    """
    answer = Processes().run(words, directory=Path("/"), environment=os.environ, bounds=Bounds(seconds))
    with answer.output as output:
        return Done(answer.code, output.read().decode("utf-8", "replace"), answer.said.strip())


def run_shown(
    words: Sequence[str], *, directory: Path, environment: Mapping[str, str], line: Callable[[bytes], object]
) -> int:
    """Run `words`, a program that takes as long as it takes, and show what it writes; returns its exit code.

    It has no terminal and no input, so that it cannot ask. Where we are ended, it is killed with its children.

    Args:
        words: the program.
        directory: where it runs.
        environment: of the program.
        line: is given each line that it writes, also about errors, without its line feed; a very long one in parts.

    Raises:
        OSError: there is no such program.
    """
    process = subprocess.Popen(
        words,
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        for one in _lines(process):
            line(one)
        return process.wait()
    finally:
        _kill(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_MOMENT)
        assert process.stdout is not None
        process.stdout.close()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The lines that `process` writes; what it leaves running may keep the pipe open, and is not waited for."""
    assert process.stdout is not None
    descriptor, rest = process.stdout.fileno(), b""
    while True:
        has_ended = process.poll() is not None  # asked first: all that it wrote is there when we look then
        found, _, _ = select([descriptor], [], [], _GLANCE)
        if not found and has_ended:
            break
        if found:
            part = os.read(descriptor, _SAID)
            if not part:
                break
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
            if len(rest) >= _SAID:
                yield rest
                rest = b""
    if rest:
        yield rest


def start_detached(words: Sequence[str], log: int, ready: bytes, seconds: float) -> bool:
    """Start `words` so that it outlives us: in a session of its own, which no terminal and no connection takes with it.

    Args:
        words: the program.
        log: the descriptor of the file that it writes errors to.
        ready: the line that it writes when it has begun.
        seconds: how long it may take until then.

    Returns:
        Whether it has begun; otherwise it was killed.

    Raises:
        OSError: there is no such program.
    """
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd="/", start_new_session=True
    )
    assert process.stdout is not None
    with process.stdout as stdout:
        found, _, _ = select([stdout], [], [], seconds)
        if not (found and stdout.readline() == ready):
            process.kill()
            process.wait()
            return False
    process.returncode = 0  # it outlives us, and is not waited for
    return True


def _file(folder: Path | None = None, *, kept: bool = True) -> BinaryIO:
    import tempfile  # takes 10 ms, and most commands run nothing

    return tempfile.TemporaryFile(dir=folder) if kept else open(os.devnull, "r+b", buffering=0)


def _refuse_too_much(code: int, said: str, limit: int | None) -> None:
    if limit is not None and (code == -signal.SIGXFSZ or (code and os.strerror(EFBIG) in said)):
        raise TooMuch(f"it wrote more than {limit >> 20} MiB")


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
