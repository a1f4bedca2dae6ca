"""Server-sent events: whoever listens hears within a second that something that the page shows has changed.

An event says which state there is now, not what has changed: its id is that of the state. So a client that comes back
with the id that it has seen last hears of anything that it has missed, also after a restart of the loop, or of ours,
and nothing has to be kept for it. A client that does not read is closed: at most one event waits for it in our memory,
and a few kilobytes in the kernel's.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, Protocol, Self

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from reconciler.render.text import iso_time
from reconciler.serve.api import json_text
from reconciler.serve.snapshot import Beat

MOST_STREAMS: Final = 256
MOST_BUFFERED: Final = 64 << 10
"""In bytes, of what waits for one client."""

POLL_SECONDS: Final = 0.5
"""How often it is looked whether something has changed, while anybody listens."""

QUIET_SECONDS: Final = 15.0
"""After how long without an event a comment is sent, by which a client that is gone is noticed."""

SLOW_SECONDS: Final = 10.0
"""How long a client may take to read what it was sent."""

LONGEST_SECONDS: Final = 3600.0
"""How long a stream lasts; the client comes back by itself."""

RETRY_MILLISECONDS: Final = 1000
_KERNEL_BUFFER: Final = 16 << 10
_LONGEST: Final = 1000


class Connection(Protocol):
    """The connection to a client, beneath HTTP."""

    def last(self, seconds: float) -> None:
        """End it in so many `seconds`, in place of when it was to end."""

    @property
    def transport(self) -> asyncio.Transport:
        """What its bytes go through."""


class Feed:
    """Knows which state there is, and wakes who waits for another one; in one event loop."""

    def __init__(self, beat: Callable[[], Awaitable[Beat]], poll_seconds: float = POLL_SECONDS) -> None:
        """Look every `poll_seconds` at what `beat` says, as long as anybody listens."""
        self._beat = beat
        self._poll_seconds = poll_seconds
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._current: Beat | None = None
        self.listeners = 0
        self.is_closed = False

    async def __aenter__(self) -> Self:
        self.listeners += 1
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.listeners -= 1
        if not self.listeners and self._task is not None:
            self._task.cancel()
            self._task = self._current = None

    async def after(self, seen: str, seconds: float) -> Beat | None:
        """The state, as soon as it is another one than `seen`; None where it is not within `seconds`, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.is_closed or self._is_news(seen))
        return self._current if self._is_news(seen) else None

    async def close(self) -> None:
        """End every stream."""
        self.is_closed = True
        async with self._changed:
            self._changed.notify_all()

    def _is_news(self, seen: str) -> bool:
        return self._current is not None and self._current.id != seen

    async def _run(self) -> None:
        while True:
            found = await self._beat()
            if self._current is None or found.id != self._current.id:
                self._current = found
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(self._poll_seconds)


class EventStream(Response):
    """The stream of events to one client."""

    def __init__(self, feed: Feed, seen: str) -> None:
        """Begin after the state `seen`, which the client has seen last; empty: with the state that there is."""
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._feed = feed
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        connection: Connection = scope["reconcile.connection"]
        async with self._feed:
            await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            _keep_small(connection)
            tasks = asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(self._stream(connection, send))
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _stream(self, connection: Connection, send: Send) -> None:
        try:
            await _sent(connection, send, f"retry: {RETRY_MILLISECONDS}\n\n")
            while not self._feed.is_closed:
                beat = await self._feed.after(self._seen, QUIET_SECONDS)
                await _sent(connection, send, event_text(beat) if beat else ": nothing has changed\n\n")
                self._seen = beat.id if beat else self._seen
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            connection.transport.abort()


async def _sent(connection: Connection, send: Send, text: str) -> None:
    """Send `text`, and return when the client, or the kernel's small buffer for it, has taken it.

    Raises:
        TimeoutError: it does not, or too much waits for it already.
    """
    content = text.encode()
    if connection.transport.get_write_buffer_size() + len(content) > MOST_BUFFERED:
        raise TimeoutError
    body: Message = {"type": "http.response.body", "body": content, "more_body": True}
    async with asyncio.timeout(SLOW_SECONDS):
        await send(body)
        await send({**body, "body": b""})  # which waits until the one before it has been taken


def _keep_small(connection: Connection) -> None:
    """Have little wait for a client that does not read, and the connection end later."""
    connection.last(LONGEST_SECONDS)
    connection.transport.set_write_buffer_limits(high=0)
    found: Any = connection.transport.get_extra_info("socket")
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def event_text(beat: Beat) -> str:
    """The event that says which state there is."""
    report = beat.published.report
    record = {
        "id": beat.id,
        "alive": beat.health.good,
        "condition": report.condition.value if report else None,
        "summary": report.summary[:_LONGEST] if report else None,
        "generation": report.generation if report else None,
        "cycleEnded": iso_time(report.cycle_ended) if report else None,
    }
    return f"id: {beat.id}\ndata: {json_text(record)}\n\n"


def streaming(feed: Feed) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of the stream; where there are too many of them, a client gets 503 and comes back."""

    async def endpoint(request: Request) -> Response:
        if feed.listeners >= MOST_STREAMS:
            text = f"there are {MOST_STREAMS} streams already; try again\n"
            return PlainTextResponse(text, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "10"})
        return EventStream(feed, request.headers.get("Last-Event-ID", ""))

    return endpoint
