"""The sockets between the lab and its guest, as things that a select(2) loop can wait for and serve."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol


class Stream(Protocol):
    """Something that the loop waits for."""

    def fileno(self) -> int:
        """The descriptor to wait at."""

    def serve(self) -> bool:
        """Deal with what can be read now; False when there will be no more."""

    def close(self) -> None:
        """Let the descriptor go."""


class Requests:
    """A peer that sends lines and gets a line for each."""

    def __init__(self, stream: socket.socket, answer: Callable[[bytes], bytes]) -> None:
        self._stream = stream
        self._answer = answer
        self._received = b""

    def fileno(self) -> int:
        """See `Stream`."""
        return self._stream.fileno()

    def serve(self) -> bool:
        """See `Stream`."""
        try:
            data = self._stream.recv(65536)
            *lines, self._received = (self._received + data).split(b"\n")
            for line in lines:
                self._stream.sendall(self._answer(line))
        except OSError:
            data = b""
        return bool(data)

    def close(self) -> None:
        """See `Stream`."""
        self._stream.close()


class Output:
    """A peer whose bytes are copied to `sink`."""

    def __init__(self, stream: socket.socket, sink: BinaryIO) -> None:
        stream.setblocking(False)
        self.received = 0
        """How many bytes have come."""
        self._stream = stream
        self._sink = sink

    def fileno(self) -> int:
        """See `Stream`."""
        return self._stream.fileno()

    def serve(self) -> bool:
        """See `Stream`."""
        try:
            data = self._stream.recv(1 << 20)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        self.received += len(data)
        self._sink.write(data)
        self._sink.flush()
        return bool(data)

    def close(self) -> None:
        """See `Stream`."""
        self._stream.close()


class Listener:
    """A Unix socket at `path`; every connection is handed to `accepted`."""

    def __init__(self, path: Path, accepted: Callable[[socket.socket], None]) -> None:
        path.unlink(missing_ok=True)
        self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with address_of(path) as address:
            self._stream.bind(address)
        self._stream.listen(4)
        self._accepted = accepted

    def fileno(self) -> int:
        """See `Stream`."""
        return self._stream.fileno()

    def serve(self) -> bool:
        """See `Stream`."""
        self._accepted(self._stream.accept()[0])
        return True

    def close(self) -> None:
        """See `Stream`."""
        self._stream.close()


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """A name for the Unix socket at `path` that is short, however long `path` is: addresses end after 107 bytes."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
