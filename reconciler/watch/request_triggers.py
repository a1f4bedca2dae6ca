"""Triggers of `reconcile trigger`: a Unix socket in the state directory, for root and for the user of the loop.

The lock beside it is what keeps a second loop out; it ends with the process that holds it, however that ends.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.kernel.own_files import socket_address
from reconciler.watch.requests import (
    LOCK,
    LONGEST_LINE,
    SOCKET,
    BadRequest,
    RecordsRequest,
    Request,
    answer_line,
    locked,
    read_request,
)
from reconciler.watch.triggers import RECORDS_CHANGED, TRIGGER, TRIGGER_OLDER, Listening, Noticed, Trigger

MOST_CLIENTS: Final = 32
MOST_REASONS: Final = 4
_LONGEST_SENTENCE: Final = 400
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group


class _Client:
    """A connection, and for which cycle's end it waits (None: it has not asked for that)."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.cycle: int | None = None

    def send(self, answer: dict[str, object]) -> None:
        """Send `answer`, which fits into the buffer, and end the connection."""
        with suppress(OSError):
            self.writer.write(answer_line(answer))
        self.writer.close()

    def refuse(self, error: str) -> None:
        self.send({"accepted": False, "error": error})


class RequestTriggers:
    """Requests in a state directory, and their answers. The loop says when a cycle begins and ends."""

    name: str = Noticed.REQUEST

    def __init__(self, directory: Path) -> None:
        """Take the lock; one loop for each state directory.

        Args:
            directory: the state directory, which is there and can be trusted.

        Raises:
            AlreadyWatching: another process has it.
            OSError: there can be none.
        """
        self._directory = directory
        self._begun = 0
        self._clients: list[_Client] = []
        self._asked: asyncio.Queue[Trigger] = asyncio.Queue()
        self._lock = locked(directory / LOCK)

    async def listen(self) -> AsyncGenerator[Listening | tuple[Trigger, ...], None]:
        """See `reconciler.watch.triggers.TriggerSource`."""
        with socket_address(self._directory, SOCKET) as name:
            listener = _listener(self._directory, name)
            # A line that is too long is found when it is one byte longer than the limit.
            server = await asyncio.start_unix_server(
                self._serve, sock=listener, limit=LONGEST_LINE - 1, backlog=MOST_CLIENTS
            )
            try:
                yield Listening()
                while True:
                    yield (await self._asked.get(),)
            finally:
                server.close()
                for client in self._clients:  # a client that waits for an answer sees the end of the connection
                    client.writer.transport.abort()
                (self._directory / SOCKET).unlink(missing_ok=True)

    def begin(self, cycle: int) -> None:
        """Cycle `cycle` (1 or more, ascending) begins: what is asked for from now on is done by the next one."""
        self._begun = cycle

    def answer(
        self,
        cycle: int,
        condition: str,
        summary: str,
        refused: Sequence[str] = (),
        unreachable: str = "",
        suspended: Sequence[str] = (),
    ) -> None:
        """Cycle `cycle` has ended: answer the clients that wait for it with how the host stands.

        Args:
            cycle: its number.
            condition: how the host stands to the configuration that is enforced.
            summary: one sentence about it.
            refused: why the newest configuration is not used; the answer has as many as fit.
            unreachable: why the repository cannot be asked; empty where it can.
            suspended: the names of suspended guests that differ; the answer has as many as fit.
        """
        answer: dict[str, object] = {
            "accepted": True, "cycle": cycle, "condition": condition, "summary": _cut(summary)
        }  # fmt: skip
        if refused:
            answer["refused"] = [_cut(reason) for reason in refused[:MOST_REASONS]]
        if unreachable:
            answer["unreachable"] = _cut(unreachable)
        if suspended:
            answer["suspended"] = list(suspended[:MOST_REASONS])
        for client in self._clients:
            if client.cycle is not None and client.cycle <= cycle:
                client.send(answer)

    def close(self) -> None:
        """Give back the lock; from now on another loop may begin. May be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Converse with one client until it, or we, have nothing more to say."""
        client = _Client(writer)
        if _user_of(writer) not in {0, os.geteuid()}:
            client.refuse("only root and the user that the loop runs as may ask")
        elif len(self._clients) >= MOST_CLIENTS and not self._drop_silent():
            client.refuse("too many are waiting; try again later")
        else:
            self._clients.append(client)
            try:
                await self._converse(client, reader)
            except (OSError, asyncio.IncompleteReadError):
                pass  # it has gone
            finally:
                if client in self._clients:
                    self._clients.remove(client)
                writer.close()

    async def _converse(self, client: _Client, reader: asyncio.StreamReader) -> None:
        try:
            request = read_request(await _line(reader))
        except BadRequest as error:
            client.refuse(str(error))
            return
        self._asked.put_nowait(_trigger_of(request))
        if not request.wait:
            client.send({"accepted": True, "cycle": self._begun + 1})
            return
        client.cycle = self._begun + 1
        # It has asked already and has nothing more to say: whatever comes now is the end of the connection.
        await reader.read(1)

    def _drop_silent(self) -> bool:
        """Drop the client that has been connected longest without asking anything; whether there was one."""
        silent = next((client for client in self._clients if client.cycle is None), None)
        if silent:
            self._clients.remove(silent)
            silent.writer.transport.abort()
        return silent is not None


def _trigger_of(request: Request) -> Trigger:
    if isinstance(request, RecordsRequest):
        return RECORDS_CHANGED
    return TRIGGER_OLDER if request.allow_older else TRIGGER


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The first line, or the beginning of one that is too long to be a request."""
    try:
        return await reader.readuntil()
    except asyncio.LimitOverrunError as error:
        return await reader.read(error.consumed)


def _listener(directory: Path, name: str) -> socket.socket:
    """A socket at the address `name`, which is in `directory`."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before bind: from then on others could connect.
        os.fchmod(made.fileno(), 0o600)
        (directory / SOCKET).unlink(missing_ok=True)
        made.bind(name)
    except BaseException:
        made.close()
        raise
    return made


def _cut(sentence: str) -> str:
    """So much of it that an answer fits into its line, where each letter may take six bytes; the log has all of it."""
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[: _LONGEST_SENTENCE - 1]}…"


def _user_of(writer: asyncio.StreamWriter) -> int:
    connection = writer.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])
