"""Hears `reconcile trigger`: a Unix socket in the state directory, for root and for the user that the loop runs as."""

import fcntl
import os
import selectors
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.model.errors import BusyError
from reconciler.watch.requests import (
    LONGEST_LINE,
    SOCKET,
    BadRequest,
    TriggerRequest,
    address,
    answer_line,
    read_request,
)
from reconciler.watch.triggers import Trigger

TRIGGER: Final = Trigger("request", "trigger")
TRIGGER_OLDER: Final = Trigger("request", "trigger --allow-older")
"""As `TRIGGER`; besides, an older git commit may be used in the turn that this leads to."""

LOCK: Final = "watch.lock"
MOST_CLIENTS: Final = 32
MOST_REASONS: Final = 4
_LONGEST_SENTENCE: Final = 400
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group


class AlreadyWatching(BusyError):
    """Another loop has this state directory; the text says which."""


class _Client:
    """A connection: what has been received, and for which turn's end it waits (None: for nothing)."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.turn: int | None = None


class RequestEar:
    """Listens in a state directory. The loop says when a turn begins and ends."""

    def __init__(self, directory: Path) -> None:
        """Listen; one loop for each state directory.

        Args:
            directory: the state directory, which is there and can be trusted.

        Raises:
            AlreadyWatching: another process does.
            OSError: it cannot listen there.
        """
        self._directory = directory
        self._begun = 0
        self._clients: dict[int, _Client] = {}
        # The lock ends with the process that holds it, however that ends: a socket without one listens no more.
        self._lock = _locked(directory / LOCK)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._selector = selectors.EpollSelector()
        try:
            self._listen()
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """See `reconciler.watch.triggers.Ear`."""
        return self._selector.fileno()

    def hear(self) -> Iterator[Trigger]:
        """See `reconciler.watch.triggers.Ear`."""
        for key, _ in self._selector.select(0):
            if key.data is None:
                self._accept()
            elif trigger := self._request(key.data):
                yield TRIGGER_OLDER if trigger.allow_older else TRIGGER

    def begin(self, turn: int) -> None:
        """Turn `turn` (1 or more, ascending) begins: what is asked for from now on is done by the next one."""
        self._begun = turn
        with suppress(KeyError):  # the usual: it is registered
            self._selector.register(self._listener, selectors.EVENT_READ)

    def answer(
        self,
        turn: int,
        condition: str,
        summary: str,
        refused: Sequence[str] = (),
        unreachable: str = "",
        suspended: Sequence[str] = (),
    ) -> None:
        """Turn `turn` has ended: tell whoever waits for it how the host stands.

        Args:
            turn: its number.
            condition: how the host stands to the configuration that is enforced.
            summary: one sentence about it.
            refused: why the newest configuration is not used; the answer has as many as fit.
            unreachable: why the repository cannot be asked; empty where it can.
            suspended: the names of suspended guests that differ; the answer has as many as fit.
        """
        answer = {"accepted": True, "turn": turn, "condition": condition, "summary": _cut(summary)}
        if refused:
            answer["refused"] = [_cut(reason) for reason in refused[:MOST_REASONS]]
        if unreachable:
            answer["unreachable"] = _cut(unreachable)
        if suspended:
            answer["suspended"] = list(suspended[:MOST_REASONS])
        for client in list(self._clients.values()):
            if client.turn is not None and client.turn <= turn:
                self._send(client, answer)
                self._drop(client)

    def close(self) -> None:
        """See `reconciler.watch.triggers.Ear`. Who waits for an answer sees the end of the connection."""
        for client in list(self._clients.values()):
            self._drop(client)
        if self._listener.fileno() >= 0:
            if self._bound():
                (self._directory / SOCKET).unlink(missing_ok=True)
            self._listener.close()
            self._selector.close()
            os.close(self._lock)

    def _listen(self) -> None:
        self._listener.setblocking(False)
        # Before bind: from then on others could connect.
        os.fchmod(self._listener.fileno(), 0o600)
        (self._directory / SOCKET).unlink(missing_ok=True)
        with address(self._directory) as name:
            self._listener.bind(name)
        self._listener.listen()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _bound(self) -> bool:
        return bool(self._listener.getsockname())

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # who wanted to connect has gone
            return
        except OSError:
            # No descriptors are left: whoever knocks is let in at the next turn, instead of being heard without end.
            self._selector.unregister(self._listener)
            return
        connection.setblocking(False)
        client = _Client(connection)
        if _user_of(connection) not in {0, os.geteuid()}:
            self._refuse(client, "only root and the user that the loop runs as may ask")
        elif len(self._clients) >= MOST_CLIENTS and not self._drop_silent():
            self._refuse(client, "too many are waiting; try again later")
        else:
            self._clients[connection.fileno()] = client
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _drop_silent(self) -> bool:
        """Drop who has been connected longest without asking anything; whether there was one."""
        silent = next((client for client in self._clients.values() if client.turn is None), None)
        if silent:
            self._drop(silent)
        return silent is not None

    def _request(self, client: _Client) -> TriggerRequest | None:
        try:
            arrived = client.connection.recv(LONGEST_LINE)
        except BlockingIOError:
            return None
        except OSError:
            arrived = b""
        # Who waits has asked already and has nothing more to say: this is the end of the connection.
        if not arrived or client.turn is not None:
            self._drop(client)
            return None
        client.received += arrived
        line, end, _ = client.received.partition(b"\n")
        if not end and len(client.received) < LONGEST_LINE:
            return None
        return self._accepted(client, line)

    def _accepted(self, client: _Client, line: bytes) -> TriggerRequest | None:
        try:
            trigger = read_request(line)
        except BadRequest as error:
            self._refuse(client, str(error))
            return None
        if trigger.wait:
            client.turn, client.received = self._begun + 1, b""
        else:
            self._send(client, {"accepted": True, "turn": self._begun + 1})
            self._drop(client)
        return trigger

    def _refuse(self, client: _Client, error: str) -> None:
        self._send(client, {"accepted": False, "error": error})
        self._drop(client)

    def _send(self, client: _Client, answer: Mapping[str, object]) -> None:
        with suppress(OSError):  # who asked may have gone; otherwise a line fits into an empty buffer
            client.connection.send(answer_line(answer))

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None):
            self._selector.unregister(client.connection)
        client.connection.close()


def _cut(sentence: str) -> str:
    """So much of it that an answer fits into its line, where each letter may take six bytes; the log has all of it."""
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[: _LONGEST_SENTENCE - 1]}…"


def is_watched(directory: Path) -> bool:
    """Whether a loop watches with the state directory `directory`; one that was killed does not."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        process = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f"process {process}" if process.isdigit() else "another process"
        raise AlreadyWatching(
            f"{who} is watching with the state directory {path.parent}; end it, or choose another one with --state-dir"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
