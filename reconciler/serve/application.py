"""``/metrics``, ``/healthz`` and ``/readyz`` by HTTP; nothing can be changed here.

Starlette and uvicorn do what HTTP asks for. Ours is what is read for an answer, and how long a client may take.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.model.printable import escaped_lines, one_line
from reconciler.serve.answers import Health, Now, alive, ready
from reconciler.watch.metrics import Measured, metrics_text
from reconciler.watch.published import NotPublished, Published, PublishedReader

SECONDS: Final = 10.0
"""How long a connection lasts at most, from its beginning to its last byte."""

_MOST_CONNECTIONS: Final = 100
_END_SECONDS: Final = 5
_HEADERS: Final = {"Cache-Control": "no-store"}


def application(reader: PublishedReader, version: str, now: Callable[[], Now]) -> Starlette:
    """What answers.

    Args:
        reader: reads what is published.
        version: of reconcile, for the metrics.
        now: the boot and the time that it is judged at.
    """

    def metrics(request: Request) -> Response:
        accept = ",".join(request.headers.getlist("Accept"))
        content, kind = metrics_text(_measured(reader, now()), version, accept)
        return Response(content, headers={**_HEADERS, "Content-Type": kind})

    def page(judge: Callable[[Published, Now], Health]) -> Callable[[Request], Response]:
        def answer(_request: Request) -> Response:
            try:
                made = judge(reader.read(), now())
            except NotPublished as error:
                made = Health(False, one_line(str(error)))
            return _text(made.text, HTTPStatus.OK if made.good else HTTPStatus.SERVICE_UNAVAILABLE)

        return answer

    return Starlette(
        routes=[
            Route("/healthz", page(alive)),
            Route("/metrics", metrics),
            Route("/readyz", page(ready)),
            Route("/{other:path}", _not_found),
        ],
        exception_handlers={HTTPStatus.METHOD_NOT_ALLOWED: _not_allowed, Exception: _fault},
    )


def server(app: Starlette) -> uvicorn.Server:
    """What runs `app` at a socket that is given to its `run`."""
    return uvicorn.Server(
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
        )
    )


def serve(listener: socket.socket, app: Starlette) -> None:
    """Answer at `listener` with `app` until SIGTERM or SIGINT; for the main thread."""
    # uvicorn ends at these signals, and raises them again for the handlers that were there before.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server(app).run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Impatient(H11Protocol):
    """Ends each connection in time, however slowly a client sends or reads."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(SECONDS, transport.abort)


def _measured(reader: PublishedReader, now: Now) -> Measured:
    try:
        found = reader.read()
    except NotPublished:
        return Measured(None, is_up=False)
    loop = found.loop
    is_up = alive(found, now).good
    return Measured(found.report if loop and loop.cycles else None, is_up, loop and loop.usage)


def _not_found(_request: Request) -> Response:
    return _text("there is /healthz, /metrics, /readyz", HTTPStatus.NOT_FOUND)


def _not_allowed(_request: Request, _error: Exception) -> Response:
    return _text("only GET and HEAD", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})


def _fault(_request: Request, _error: Exception) -> Response:
    """A fault of ours in one answer; uvicorn logs it."""
    return _text("this could not be made; that is a fault of reconcile", HTTPStatus.INTERNAL_SERVER_ERROR)


def _text(text: str, status: HTTPStatus, headers: Mapping[str, str] = _HEADERS) -> Response:
    return PlainTextResponse(escaped_lines(f"{text}\n"), status, {**_HEADERS, **headers})
