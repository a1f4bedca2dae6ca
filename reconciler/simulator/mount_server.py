"""Serves a mounted simulated host: requests at the control socket, saving its state, and ending in order.

libfuse has threads of its own for the file operations; this one does the rest.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from selectors import DefaultSelector
from typing import Final, NamedTuple

from reconciler.model.printable import error_text
from reconciler.simulator.control_socket import Answer, ControlSocket
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.mount import Libfuse, mounted
from reconciler.simulator.mounted_tree import MountedTree, Shown
from reconciler.simulator.requests import carry_out

_QUIET_SECONDS: Final = 0.1
"""After a write the state is saved when there has been no other one for so long ..."""

_SAVE_SECONDS: Final = 1.0
"""... or after so long at the latest."""


class Served(NamedTuple):
    """What is served.

    Attributes:
        shown: the host.
        fresh: the host as it is described, for ``reset``.
        save: keeps the state of a host; raises OSError where it cannot.
        directory: the state directory, where the control socket is. Absolute, as everything that is saved.
    """

    shown: Shown
    fresh: Callable[[], Shown]
    save: Callable[[SimulatedHost], None]
    directory: Path


class Server:
    """Serves one mounted host."""

    def __init__(self, served: Served, place: Path) -> None:
        """Prepare to serve `served` at `place`, and listen for requests.

        Raises:
            MountError: this machine lacks what is needed.
            OSError: the control socket cannot be made.
        """
        self._served = served
        self._place = place
        self._libfuse = Libfuse()
        self._tree = MountedTree(served.shown, (os.getuid(), os.getgid()), int(time.time()), self._libfuse)
        self._selector = DefaultSelector()
        self._control = ControlSocket(served.directory, self._selector, self._request)
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

    def serve(self, ready: Callable[[], None]) -> None:
        """Mount the host and serve it until somebody unmounts it, or SIGINT, SIGTERM or SIGHUP comes.

        Args:
            ready: is called when the file system is there.

        Raises:
            MountError: it cannot be mounted.
        """
        with self._ending_signals(), mounted(self._libfuse, self._place, self._tree) as is_there:
            ready()
            while is_there() and not self._ended:
                self._once()

    def _once(self) -> None:
        # Writes, signals and the end of the mount are noticed ten times a second, requests at once.
        stores = self._tree.stores
        ready = self._selector.select(_QUIET_SECONDS)
        for key, _ in ready:
            key.data()
        quiet = not ready and stores == self._tree.stores
        if stores != self._saved_stores and (quiet or time.monotonic() - self._saved_at > _SAVE_SECONDS):
            # Where it cannot be saved now, it is tried again; the last try tells (see `close`).
            with suppress(OSError):
                self._save()

    def _request(self, words: list[str]) -> Answer:
        where = {"mount": str(self._place), "pid": os.getpid()}
        try:
            if words == ["reset"]:
                self._tree.replace(self._served.fresh())
            else:
                self._tree.change(lambda host: carry_out(host, words))
            self._save()
        except (OSError, ValueError) as error:
            return {"ok": False, "error": error_text(error), **where}
        return {"ok": True, **where}

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        stores = self._tree.stores
        self._tree.change(self._served.save)
        self._saved_stores = stores

    @contextmanager
    def _ending_signals(self) -> Iterator[None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under nohup(1)
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._end) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, *_: object) -> None:
        self._ended = True
