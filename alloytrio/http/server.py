"""Accepts connections, gives each to hypercorn, and ends them all by a deadline.

In: listeners that are open already (they stay open: a reload hands them on); an ASGI app without lifespan.
Out: HTTP/1.1 and HTTP/2 (by ALPN, prior knowledge, or upgrade), with TLS when a context is given.
Errors: none from a peer; a listener's own failure (``OSError``) ends the server.

Going down: on ``stop`` nothing more is accepted, idle connections close at once, requests in flight may finish; after
``grace`` seconds every socket is closed, which also ends what hypercorn shields.
"""

import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import trio
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendEvent, Scope
from structlog.typing import FilteringBoundLogger

import alloytrio.http.backpressure  # noqa: F401 - puts a bounded buffer into hypercorn
from alloytrio.handshake import TlsPort
from alloytrio.http.exchange import Exchange, ExchangeLimits
from alloytrio.http.flood import FrameBudget
from alloytrio.http.stream import ServedStream, TlsServedStream
from alloytrio.listeners import accept_for_ever


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Bounds of an HTTP server; times in seconds. The defaults are those of ``otelcol.receiver.otlp``'s HTTP block.

    Args:
        max_connections: open at once; beyond it the one idle for longest makes room.
        max_body_bytes: of one request, as sent (before any decompression).
        header_timeout: from the connection, or the end of the last request, to the end of a request's headers.
        body_timeout: from the headers to the end of the body.
        write_timeout: for the peer to take one piece of an answer.
        handshake_timeout: TLS.
        max_header_bytes: of one request.
        max_concurrent_streams: of one HTTP/2 connection.
        drain_bytes: read and thrown away after an early answer, so that the peer gets to see it.
        drain_timeout: for that.
        frame_budget: what an HTTP/2 peer may spend on resets (10), settings (5), pings (1) at once; see ``flood.py``.
        frame_refill: units per second that come back.
    """

    max_connections: int = 4_096
    max_body_bytes: int = 20 * 1024 * 1024
    header_timeout: float = 60.0
    body_timeout: float = 60.0
    write_timeout: float = 30.0
    handshake_timeout: float = 10.0
    max_header_bytes: int = 64 * 1024
    max_concurrent_streams: int = 100
    drain_bytes: int = 1024 * 1024
    drain_timeout: float = 2.0
    frame_budget: float = 2_000.0
    frame_refill: float = 200.0


class _Connection:
    """One accepted connection: hypercorn's app wrapper, and what we know about the peer."""

    def __init__(self, server: "_Server", stream: ServedStream) -> None:
        self._server = server
        self.stream = stream
        self.requests = 0  # in flight
        self.idle_since = trio.current_time()

    async def __call__(
        self,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
        sync_spawn: object,
        call_soon: object,
    ) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
        self.requests += 1
        try:
            exchange = Exchange(scope, receive, send, self._server.limits, self.stream.close_now)
            await exchange.run(self._server.app, self._server.log)
        finally:
            self.requests -= 1
            self._server.touch(self)


class _Connected(TCPServer):
    """hypercorn's connection, which ends when its peer has ended it.

    hypercorn begins to wait for the next request when an answer is sent, also where the peer has closed the connection
    meanwhile: then it would keep the socket until the idle timeout.
    """

    _reading_ended = False

    async def _read_data(self) -> None:
        await super()._read_data()
        self._reading_ended = True
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        """Pass on what the protocol wants, but wait for no further request if none can come."""
        if not (self._reading_ended and isinstance(event, Updated) and event.idle):
            await super().protocol_send(event)


class _Server:
    def __init__(
        self,
        app: ASGIFramework,
        settings: HttpSettings,
        log: FilteringBoundLogger,
        tls: TlsPort | None,
    ) -> None:
        self.app = app
        self.log = log
        self.limits = ExchangeLimits(
            max_body_bytes=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            write_timeout=settings.write_timeout,
            drain_bytes=settings.drain_bytes,
            drain_timeout=settings.drain_timeout,
        )
        self._settings = settings
        self._tls = tls
        self.context = WorkerContext(None)
        self._config = _hypercorn_config(settings)
        self._connections: OrderedDict[_Connection, None] = OrderedDict()  # the longest idle first
        self._empty = trio.Event()

    async def accept(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        """Accept until cancelled; one bad accept does not end it."""

        def serve(accepted: trio.SocketStream) -> None:
            self._make_room()
            connection = _Connection(self, self._wrap(accepted))
            self._connections[connection] = None
            connections.start_soon(self._serve, connection)

        def report(error: OSError) -> None:
            self.log.warning("cannot accept connections", error=error)

        await accept_for_ever(listener, serve, report)

    def _make_room(self) -> None:
        if len(self._connections) < self._settings.max_connections:
            return
        idle = next((connection for connection in self._connections if not connection.requests), None)
        self.log.warning("too many connections", limit=self._settings.max_connections, closed_an_idle_one=bool(idle))
        oldest = idle or next(iter(self._connections))
        self._connections.pop(oldest)
        oldest.stream.close_now()

    async def _serve(self, connection: _Connection) -> None:
        stream = connection.stream
        try:
            # hypercorn's own state is empty: we serve no lifespan.
            await _Connected(connection, self._config, self.context, {}, stream).run()  # type: ignore[arg-type]
        except* Exception as group:  # a peer's oddity that hypercorn does not foresee ends this connection only
            self.log.debug("connection failed", error=group.exceptions[0])
        finally:
            stream.close_now()
            self._connections.pop(connection, None)
            if not self._connections:
                self._empty.set()

    def _wrap(self, accepted: trio.SocketStream) -> ServedStream:
        budget = FrameBudget(self._settings.frame_budget, self._settings.frame_refill, trio.current_time())

        def check(received: bytes) -> bool:
            return budget.feed(received, trio.current_time())

        if self._tls is None:
            return ServedStream(accepted, self._settings.write_timeout, check)
        return TlsServedStream(
            accepted, self._tls, self._settings.handshake_timeout, self._settings.write_timeout, check
        )

    def touch(self, connection: _Connection) -> None:
        """Note that the connection was of use just now."""
        connection.idle_since = trio.current_time()
        if connection in self._connections:
            self._connections.move_to_end(connection)

    async def close_idle(self) -> None:
        """Close what has no request for long, for ever: hypercorn forgets HTTP/2 peers that never begin one."""
        timeout = self._settings.header_timeout
        while True:
            await trio.sleep(timeout / 2)
            now = trio.current_time()
            idle = [each for each in self._connections if not each.requests and now - each.idle_since > timeout]
            for connection in idle:
                connection.stream.close_now()

    async def end(self, grace: float) -> None:
        """Let requests in flight finish, for ``grace`` seconds at most."""
        await self.context.terminated.set()
        if self._connections:
            self._empty = trio.Event()
            with trio.move_on_after(grace):
                await self._empty.wait()

    def close_all(self) -> None:
        """Close every socket now."""
        for connection in self._connections:
            connection.stream.close_now()


def _hypercorn_config(settings: HttpSettings) -> Config:
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.error")  # not "-", which would add a handler of its own
    config.accesslog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = settings.max_header_bytes
    config.h2_max_header_list_size = settings.max_header_bytes
    config.h2_max_concurrent_streams = settings.max_concurrent_streams
    config.keep_alive_timeout = settings.header_timeout
    config.keep_alive_max_requests = 2**62  # its guard against rapid resets cuts honest senders; ours is flood.py
    config.ssl_handshake_timeout = math.inf  # TlsPort has its own
    return config


async def serve_http(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    settings: HttpSettings,
    stop: trio.Event,
    grace: float,
    log: FilteringBoundLogger,
    tls: TlsPort | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until ``stop``, then end within ``grace`` seconds.

    Args:
        app: an ASGI 3 app; its lifespan is not run.
        listeners: open sockets; left open.
        settings: bounds.
        stop: nothing is accepted from when this is set.
        grace: seconds for requests in flight.
        log: for what goes wrong.
        tls: shakes hands with each client; should offer ``h2`` and ``http/1.1`` by ALPN. None = no TLS.
    """
    server = _Server(app, settings, log, tls)
    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(server.close_idle)
                for listener in listeners:
                    accepting.start_soon(server.accept, listener, connections)
                task_status.started()
                await stop.wait()
                accepting.cancel_scope.cancel()
            await server.end(grace)
        finally:
            server.close_all()
            connections.cancel_scope.cancel()


def local_addresses(listeners: Sequence[trio.SocketListener]) -> list[str]:
    """The listeners' addresses as ``host:port``, IPv6 in brackets."""
    names = [cast(tuple[str, int], listener.socket.getsockname()[:2]) for listener in listeners]
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in names]
