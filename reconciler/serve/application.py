"""The page, the API, ``/metrics``, ``/healthz`` and ``/readyz`` by HTTP; nothing can be changed here.

Starlette and uvicorn do what HTTP asks for. Ours is what is read for an answer, who gets one, and how long a client may
take.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.model.printable import escaped, escaped_lines, one_line
from reconciler.serve.access import METRICS_ONLY, Access
from reconciler.serve.answers import Health, Now, alive, ready
from reconciler.serve.api import history_answer, plan_answer, status_record
from reconciler.serve.feed import MOST_STREAMS, POLL_SECONDS, Feed, streaming
from reconciler.serve.page import Asked, Pages
from reconciler.serve.snapshot import Snapshot, Snapshots
from reconciler.watch.metrics import Measured, metrics_text
from reconciler.watch.published import NotPublished, Published, PublishedReader

SECONDS: Final = 10.0
"""How long a connection lasts at most, from its beginning to its last byte; but for that of a stream."""

_MOST_CONNECTIONS: Final = MOST_STREAMS + 100
_END_SECONDS: Final = 5
_PIECE: Final = 64 << 10
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def application(
    reader: PublishedReader,
    version: str,
    now: Callable[[], Now],
    access: Access = METRICS_ONLY,
    poll_seconds: float = POLL_SECONDS,
) -> "Application":
    """What answers.

    Args:
        reader: reads what is published.
        version: of reconcile, for the metrics.
        now: the boot and the time that it is judged at.
        access: what is served, and to whom.
        poll_seconds: how often it is looked whether something has changed, while a client wants to hear of that.
    """
    snapshots = Snapshots(reader)
    feed = Feed(lambda: run_in_threadpool(lambda: snapshots.beat(now())), poll_seconds)
    routes = _monitoring(reader, version, now, is_detailed=access.pages)
    if access.pages:
        routes += _pages(snapshots, now, feed)
    app = Starlette(
        routes=[*routes, Route("/{other:path}", _not_found([one.path for one in routes]))],
        exception_handlers={HTTPStatus.METHOD_NOT_ALLOWED: _not_allowed, Exception: _fault},
    )
    return Application(app, access, feed)


class Application:
    """An ASGI application that answers only who may have an answer, with headers for browsers to obey."""

    def __init__(self, app: ASGIApp, access: Access, feed: Feed) -> None:
        """Answer with `app` to whoever has `access`."""
        self._app = app
        self._access = access
        self.feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        host = Headers(scope=scope).get("Host")
        answer = self._app if self._access.takes(host) else _misdirected(host)
        await answer(scope, receive, with_headers)


def server(app: Application) -> uvicorn.Server:
    """What runs `app` at a socket that is given to its `run`."""
    return _Server(
        uvicorn.Config(
            app,
            http=_Impatient,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_END_SECONDS,
        ),
        app.feed,
    )


def serve(listener: socket.socket, app: Application) -> None:
    """Answer at `listener` with `app` until SIGTERM or SIGINT; for the main thread."""
    # uvicorn ends at these signals, and raises them again for the handlers that were there before.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server(app).run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Ends the streams first, which would last as long as their clients."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await self._feed.close()
        await super().shutdown(sockets)


class _Impatient(H11Protocol):
    """Ends each connection in time, however slowly a client sends or reads."""

    transport: asyncio.Transport
    _end: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._end = asyncio.get_running_loop().call_later(SECONDS, transport.abort)
        self.app = partial(_with_connection, self.app, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end.cancel()
        super().connection_lost(exc)

    def last(self, seconds: float) -> None:
        """See `reconciler.serve.feed.Connection`."""
        self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, self.transport.abort)


async def _with_connection(app: Any, connection: _Impatient, scope: Any, receive: Any, send: Any) -> None:
    """Run `app`, which finds the `connection` in its scope."""
    await app({**scope, "reconcile.connection": connection}, receive, send)


def _monitoring(reader: PublishedReader, version: str, now: Callable[[], Now], *, is_detailed: bool) -> list[Route]:
    """Metrics and health; the reasons, which have names of guests and files, where it `is_detailed`."""

    def metrics(request: Request) -> Response:
        accept = ",".join(request.headers.getlist("Accept"))
        content, kind = metrics_text(_measured(reader, now()), version, accept)
        return Response(content, headers={"Content-Type": kind})

    def health(judge: Callable[[Published, Now], Health], words: tuple[str, str]) -> Callable[[Request], Response]:
        def answer(_request: Request) -> Response:
            try:
                made = judge(reader.read(), now())
            except NotPublished as error:
                made = Health(False, one_line(str(error)))
            text = made.text if is_detailed else words[made.good]
            return _text(text, HTTPStatus.OK if made.good else HTTPStatus.SERVICE_UNAVAILABLE)

        return answer

    return [
        Route("/healthz", health(alive, ("not alive", "alive"))),
        Route("/metrics", metrics),
        Route("/readyz", health(ready, ("not ready", "ready"))),
    ]


def _pages(snapshots: Snapshots, now: Callable[[], Now], feed: Feed) -> list[Route]:
    """The page, what belongs to it, and the API."""
    pages = Pages()

    def page(request: Request) -> Response:
        content = pages.page(snapshots.take(now()), Asked.of(request.query_params))
        return _Pieces(content, media_type="text/html")

    def json(made: Callable[[Snapshot], dict[str, Any]]) -> Callable[[Request], Response]:
        def answer(_request: Request) -> Response:
            return _Pieces(pages.json(made, snapshots.take(now())), media_type="application/json")

        return answer

    def static(content: bytes, kind: str) -> Callable[[Request], Response]:
        return lambda _request: _Pieces(content, media_type=kind)

    return [
        Route("/", page),
        Route("/api/events", streaming(feed)),
        Route("/api/history", json(history_answer)),
        Route("/api/plan", json(plan_answer)),
        Route("/api/status", json(status_record)),
        *(Route(f"/static/{name}", static(*one)) for name, one in pages.static.items()),
    ]


class _Pieces(Response):
    """A response that is sent in pieces, so that what a slow client has not read is not copied for it."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """See ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        view = memoryview(self.body)
        for start in range(0, len(view), _PIECE):
            await send({"type": "http.response.body", "body": bytes(view[start : start + _PIECE]), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _measured(reader: PublishedReader, now: Now) -> Measured:
    try:
        found = reader.read()
    except NotPublished:
        return Measured(None, is_up=False)
    loop = found.loop
    is_up = alive(found, now).good
    return Measured(found.report if loop and loop.cycles else None, is_up, loop and loop.usage)


def _not_found(paths: list[str]) -> Callable[[Request], Response]:
    return lambda _request: _text(f"there is {', '.join(paths)}", HTTPStatus.NOT_FOUND)


def _misdirected(host: str | None) -> ASGIApp:
    """The answer to a request for another host: it may come from a page that a browser was led to."""
    asked = "no host" if host is None else f"host {escaped(host[:100])}"
    text = f"{asked} is not served here; to have it served, start reconcile serve with --allowed-host"
    return _text(text, HTTPStatus.MISDIRECTED_REQUEST)


def _not_allowed(_request: Request, _error: Exception) -> Response:
    return _text("only GET and HEAD", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})


def _fault(_request: Request, _error: Exception) -> Response:
    """A fault of ours in one answer; uvicorn logs it."""
    return _text("this could not be made; that is a fault of reconcile", HTTPStatus.INTERNAL_SERVER_ERROR)


def _text(text: str, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(escaped_lines(f"{text}\n"), status, headers)
