"""SIGHUP is a trigger, SIGTERM and SIGINT end the loop: the handlers do nothing, a pipe tells the number.

The pipe is written to by the interpreter itself, whatever the handler is. So a signal that a transaction holds back
(`reconciler.transaction.lock`) is found here as well, after the transaction has heeded it.
"""

import os
import signal
from collections.abc import Iterator
from typing import Final

from reconciler.watch.triggers import Trigger

HEARD: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_MOST: Final = 65536
"""As much as a pipe holds: everything that can be there is read at once."""


class SignalEar:
    """Listens to signals, in the main thread; from `close` on they mean what they meant before."""

    def __init__(self) -> None:
        """Listen to those signals that are not ignored: nohup(1) ignores some."""
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        heard = [number for number in HEARD if signal.getsignal(number) is not signal.SIG_IGN]
        # First the pipe: no signal may find our handler and nothing that remembers it.
        self._descriptor_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _do_nothing) for number in heard}

    def fileno(self) -> int:
        """See `reconciler.watch.triggers.Ear`."""
        return self._read

    def hear(self) -> Iterator[Trigger]:
        """See `reconciler.watch.triggers.Ear`."""
        try:
            numbers = set(os.read(self._read, _MOST))
        except BlockingIOError:
            return
        for number in self._before:
            if number in numbers:
                yield Trigger("signal", signal.Signals(number).name)

    def close(self) -> None:
        """See `reconciler.watch.triggers.Ear`."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._descriptor_before)
        os.close(self._read)
        os.close(self._write)


def _do_nothing(*_: object) -> None:
    """What a handler must be for the interpreter to tell the pipe."""
