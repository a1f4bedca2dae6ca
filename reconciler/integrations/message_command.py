"""A message given to a program that the administrator names: on its standard input, without a shell."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Final

from reconciler.integrations.webhook import NotSent

_SECONDS: Final = 30.0


class MessageCommand:
    """Runs one program for each message, in a process group of its own."""

    def __init__(self, words: Sequence[str], seconds: float = _SECONDS) -> None:
        """Run `words` (a program and its arguments), for at most `seconds`.

        Raises:
            ValueError: there is no program.
        """
        if not words or not words[0]:
            raise ValueError("a command to notify has at least the name of a program")
        self._words = tuple(words)
        self._seconds = seconds
        self._guard = Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.name = f"command {os.path.basename(words[0])}"
        """For people; without arguments, which may be secret."""

    def send(self, content: bytes) -> None:
        """Run it with `content` as its input; what it prints is not kept.

        Raises:
            NotSent: it is not there, failed, or had to be killed with everything that it had started.
        """
        try:
            process = self._start()
        except OSError as error:
            raise NotSent(f"cannot be run: {error.strerror}", again=False) from error
        try:
            process.communicate(content, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            raise NotSent(f"was killed, since it took more than {self._seconds:g} seconds", again=False) from None
        finally:
            self._end(process)
        if process.returncode:
            raise NotSent(f"ended with exit code {process.returncode}", again=process.returncode > 0)

    def close(self) -> None:
        """Kill what runs; nothing is started any more."""
        with self._guard:
            self._closed = True
            if self._running and self._running.returncode is None:
                _kill_group(self._running.pid)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._guard:
            if self._closed:
                raise NotSent("the loop has ended", again=False)
            self._running = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            return self._running

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._guard:
            if process.returncode is None:
                _kill_group(process.pid)
            self._running = None
        process.wait()
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
