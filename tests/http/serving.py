"""A server under test, apps for it, and raw clients."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from alloytrio.handshake import TlsPort
from alloytrio.http import HttpSettings, serve_http
from alloytrio.http.server import local_addresses
from alloytrio.telemetry import LogSettings, Telemetry

SETTINGS = HttpSettings(
    max_body_bytes=1000,
    header_timeout=20,
    body_timeout=10,
    write_timeout=5,
    drain_bytes=4000,
    drain_timeout=2,
)
App = Callable[[Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]


@dataclass
class Served:
    """A server under test."""

    address: str
    stop: trio.Event
    ended: trio.Event
    telemetry: Telemetry

    async def connect(self) -> trio.SocketStream:
        """A raw connection."""
        host, port = self.address.rsplit(":", 1)
        return await trio.open_tcp_stream(host, int(port))


@asynccontextmanager
async def serving(
    app: App,
    settings: HttpSettings = SETTINGS,
    grace: float = 3,
    tls: TlsPort | None = None,
) -> AsyncIterator[Served]:
    """Serve the app on a free port of the loopback; ends it at the end of the block."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    telemetry = Telemetry(LogSettings(level="debug", repeat_burst=0))
    served = Served(local_addresses(listeners)[0], trio.Event(), trio.Event(), telemetry)

    start = partial(
        serve_http, app, listeners, settings=settings, stop=served.stop, grace=grace, log=telemetry.log, tls=tls
    )

    async def run(accepting: trio.Event) -> None:
        async with trio.open_nursery() as server:
            await server.start(start)
            accepting.set()
        served.ended.set()

    try:
        async with trio.open_nursery() as nursery:
            accepting = trio.Event()
            nursery.start_soon(run, accepting)
            await accepting.wait()
            yield served
            served.stop.set()
    finally:
        for listener in listeners:
            await listener.aclose()


async def respond(send: ASGISendCallable, body: bytes, status: int = 200, *, more: bool = False) -> None:
    """Send an answer, or its beginning."""
    headers = [] if more else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def read_body(receive: ASGIReceiveCallable) -> bytes:
    """The whole body."""
    body = b""
    while True:
        event = await receive()
        assert event["type"] == "http.request"
        body += event["body"]
        if not event["more_body"]:
            return body


async def echo(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answers with the body."""
    await respond(send, await read_body(receive))


async def ignore_body(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answers 404 without reading."""
    await respond(send, b"no", 404)


async def endless(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Sends for ever."""
    await respond(send, b"", more=True)
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


async def read_all(stream: trio.SocketStream) -> bytes:
    """Everything until the end of the stream; a reset counts as the end."""
    received = b""
    try:
        async for data in stream:
            received += data
    except trio.BrokenResourceError:
        pass
    return received


async def send_for_ever(stream: trio.SocketStream) -> None:
    """Send until the peer closes."""
    while True:
        await stream.send_all(b"x" * 1000)


POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
