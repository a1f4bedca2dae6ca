"""Serves a mounted simulated host: FUSE messages, requests at the control socket, and saving its state.

One thread does everything: the host is no place for several, and no answer takes long. A write that the simulated
kernel blocks is simply answered later.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EAGAIN, EINTR, ENODEV, ENOENT
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Final, NamedTuple

from reconciler.simulator.control_socket import Answer, ControlSocket
from reconciler.simulator.fuse_messages import LONGEST_MESSAGE
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.mounted_tree import MountedTree, Shown
from reconciler.simulator.requests import carry_out

_QUIET_SECONDS: Final = 0.1
"""After a write the state is saved when nothing has happened for so long ..."""

_SAVE_SECONDS: Final = 1.0
"""... or after so long at the latest."""

_MESSAGES_AT_ONCE: Final = 64
"""How many messages are answered before signals and requests have their turn again."""


class Served(NamedTuple):
    """What is served.

    Attributes:
        shown: the host.
        fresh: the host as it is described, for ``reset``.
        save: keeps the state of a host; raises OSError where it cannot.
        directory: the state directory, where the control socket is.
    """

    shown: Shown
    fresh: Callable[[], Shown]
    save: Callable[[SimulatedHost], None]
    directory: Path


class Server:
    """Serves one mounted host: FUSE messages, requests at the control socket, and saving its state."""

    def __init__(self, served: Served, place: Path) -> None:
        """Prepare to serve `served` at `place`, and listen for requests.

        Raises:
            OSError: the control socket cannot be made.
        """
        self._served = served
        self._place = place
        self._tree = MountedTree(served.shown, (os.getuid(), os.getgid()), int(time.time()))
        self._selector = DefaultSelector()
        self._control = ControlSocket(served.directory, self._selector, self._request)
        self._device = -1
        self._ended = False
        self._saved_stores = 0
        self._saved_at = time.monotonic()

    def close(self) -> None:
        """Stop listening for requests, and save the state.

        Raises:
            OSError: it cannot be saved.
        """
        self._control.close()
        self._selector.close()
        self._save()

    def serve(self, device: int) -> None:
        """Answer until the file system is unmounted, or SIGINT or SIGTERM comes.

        Args:
            device: the descriptor of the FUSE device from `mounted`.
        """
        self._device = device
        self._selector.register(device, EVENT_READ, self._answer_messages)
        with _ending_signals() as ending:
            self._selector.register(ending, EVENT_READ, self._end)
            while not self._ended:
                self._once()

    def _once(self) -> None:
        unsaved = self._tree.stores != self._saved_stores
        ready = self._selector.select(_QUIET_SECONDS if unsaved else None)
        for key, _ in ready:
            key.data()
        if unsaved and (not ready or time.monotonic() - self._saved_at > _SAVE_SECONDS):
            # Where it cannot be saved now, it is tried again; the last try tells (see `close`).
            with suppress(OSError):
                self._save()

    def _end(self) -> None:
        self._ended = True

    def _answer_messages(self) -> None:
        for _ in range(_MESSAGES_AT_ONCE):
            try:
                raw = os.read(self._device, LONGEST_MESSAGE)
            except OSError as error:
                if error.errno in (ENOENT, EINTR):  # whoever asked has gone
                    continue
                if error.errno not in (EAGAIN, ENODEV):
                    raise
                self._ended = error.errno == ENODEV
                return
            self._send(self._tree.answers(raw))

    def _send(self, answers: list[bytes]) -> None:
        for answer in answers:
            try:
                os.write(self._device, answer)
            except OSError as error:
                if error.errno != ENOENT:  # the question was withdrawn
                    raise

    def _request(self, words: list[str]) -> Answer:
        where = {"mount": str(self._place), "pid": os.getpid()}
        try:
            if words == ["reset"]:
                self._send(self._tree.replace(self._served.fresh()))
            else:
                carry_out(self._tree.host, words)
                self._send(self._tree.released())
            self._save()
        except (OSError, ValueError) as error:
            return {"ok": False, "error": str(error), **where}
        return {"ok": True, **where}

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        self._served.save(self._tree.host)
        self._saved_stores = self._tree.stores


@contextmanager
def _ending_signals() -> Iterator[socket.socket]:
    """A socket that becomes readable at SIGINT or SIGTERM."""
    receiver, sender = socket.socketpair()
    with receiver, sender:
        before = {number: signal.signal(number, lambda *_: _ring(sender)) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield receiver
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _ring(sender: socket.socket) -> None:
    sender.send(b"!")
