"""The gRPC server: unary calls over HTTP/2, on trio.

In: connections from listeners. Out: calls of grpclib handlers and raw handlers (``service.py``). Errors: none escape;
what a handler raises besides ``GRPCError`` is reported to ``on_error`` and answered INTERNAL; other calls live on.

One task per connection reads; one task per call runs its handler; whoever has an answer writes it (``transport.py``);
one task for all looks at the clock once a second.
"""

import logging
import math
import os
import random
from collections.abc import Callable, Iterable, Sequence

import trio
from grpclib.const import Handler, Status
from grpclib.exceptions import GRPCError

from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.server_session import Call, ServerSession
from alloytrio.grpc.service import CallContext, Peer, Servable, routes, run_handler
from alloytrio.grpc.settings import ServerSettings
from alloytrio.grpc.transport import Transport
from alloytrio.handshake import TlsPort
from alloytrio.listeners import accept_for_ever

SWEEP_INTERVAL = 1.0  # seconds between looks at the clock: the timeouts are tens of seconds
SMALL_READ = 16_384  # bytes read at once from a connection that sends little
AGE_JITTER = 0.1  # grpc-go's: connections made together do not all end together

OnError = Callable[[str, BaseException], None]


def _log_error(path: str, error: BaseException) -> None:
    logging.getLogger(__name__).error("A handler of %s failed", path, exc_info=error)


def _log_accept_error(error: OSError) -> None:
    logging.getLogger(__name__).warning("Cannot accept connections: %s", error)


class GrpcServer:
    """Serves unary calls until told to stop.

    Args:
        listeners: open and listening; the server accepts from them and leaves closing to their owner.
        services: see ``service.py``.
        settings: see there.
        tls: shakes hands with each client; must offer ALPN ``h2``. None = plaintext.
        on_error: called with the method's path and what its handler raised.
        on_accept_error: called once when no connection can be accepted for want of files or memory.

    Raises:
        ValueError: a service has a method that cannot be served.
    """

    def __init__(
        self,
        listeners: Sequence[trio.SocketListener],
        services: Iterable[Servable],
        settings: ServerSettings | None = None,
        *,
        tls: TlsPort | None = None,
        on_error: OnError = _log_error,
        on_accept_error: Callable[[OSError], None] = _log_accept_error,
    ) -> None:
        self.settings = settings or ServerSettings()
        self.handlers: dict[bytes, Handler] = routes(services)
        self.on_error = on_error
        self._on_accept_error = on_accept_error
        self.limits: Limits = self.settings.limits()
        self.memory = ReceiveMemory(self.settings.memory_limit())
        self._listeners = listeners
        self._tls = tls
        self._connections: set[ServerConnection] = set()
        self._open_sockets = 0

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def run(self, stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop`` is set; then accept no more, finish what is under way, and return.

        Requests that take longer than the caller can wait are cut off by cancelling this.
        """
        async with trio.open_nursery() as housekeeping:
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    for listener in self._listeners:
                        accepting.start_soon(self._accept, listener, connections)
                    housekeeping.start_soon(self._sweep, housekeeping)
                    task_status.started()
                    await stop.wait()
                    accepting.cancel_scope.cancel()
                now = trio.current_time()
                for connection in list(self._connections):
                    connection.session.lifetime.drain(now)
                    housekeeping.start_soon(connection.flush)
            housekeeping.cancel_scope.cancel()

    async def _accept(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        def serve(stream: trio.SocketStream) -> None:
            if self._open_sockets >= self.settings.max_connections:
                stream.socket.close()
            else:
                self._open_sockets += 1
                connections.start_soon(self._serve, stream)

        await accept_for_ever(listener, serve, self._on_accept_error)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            if self._tls is None:
                await self._serve_stream(stream, stream.socket)
            else:
                secured = await self._tls.secure(stream, self.settings.handshake_timeout)
                if secured is not None and secured.selected_alpn_protocol() in ("h2", None):
                    await self._serve_stream(secured, stream.socket)
        finally:
            self._open_sockets -= 1
            stream.socket.close()

    async def _serve_stream(
        self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream], socket: trio.socket.SocketType
    ) -> None:
        age_limit = self.settings.keepalive.max_connection_age or math.inf
        if age_limit < math.inf:
            age_limit *= 1 + random.uniform(-AGE_JITTER, AGE_JITTER)
        connection = ServerConnection(self, stream, socket, age_limit)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            connection.session.close()

    async def _sweep(self, flushing: trio.Nursery) -> None:
        """Look at the clock on behalf of all connections."""
        while True:
            await trio.sleep(SWEEP_INTERVAL)
            now = trio.current_time()
            for connection in list(self._connections):
                if connection.tick(now):
                    flushing.start_soon(connection.flush)


class ServerConnection:
    """One client: reads, runs its calls, writes.

    Args:
        server: whose handlers are run.
        stream: connected.
        socket: below it.
        age_limit: see ``ServerSession``.
    """

    def __init__(
        self,
        server: GrpcServer,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        socket: trio.socket.SocketType,
        age_limit: float,
    ) -> None:
        now = trio.current_time()
        self.session = ServerSession(server.handlers, server.settings, server.limits, server.memory, now, age_limit)
        self._server = server
        self._stream = stream
        self._socket = socket
        self._transport = Transport(stream, self.session.connection)
        self._reading = trio.CancelScope()
        self._running = 0  # calls; while there are any, acknowledgements of PINGs wait for an answer or the next sweep
        self._everything: trio.CancelScope | None = None

    async def run(self) -> None:
        """Serve until the client goes, or is told to."""
        async with trio.open_nursery() as calls:
            self._everything = calls.cancel_scope
            with self._reading:
                await self._read(calls)
            self.session.cancel_calls()  # nobody waits for the answers any more
            await self._transport.part()
            calls.cancel_scope.cancel()

    async def _read(self, calls: trio.Nursery) -> None:
        session, transport = self.session, self._transport
        await transport.flush()
        largest = self._server.settings.read_buffer_size
        size = min(SMALL_READ, largest)
        while not session.lifetime.over and not transport.broken:
            data = await transport.read(size)
            if not data:
                return
            for call in session.receive(data, trio.current_time()):
                self._running += 1
                calls.start_soon(self._run_call, call)
            if len(data) == size:
                size = min(size * 4, largest)
            elif len(data) < SMALL_READ:
                size = min(SMALL_READ, largest)
            if session.connection.urgent_output() or not self._running or session.connection.output_backlog():
                await transport.flush()
                await transport.wait_for_room()

    async def flush(self) -> None:
        """Write what is queued; stop reading if that was the end."""
        await self._transport.flush()
        if self.session.lifetime.over or self._transport.broken:
            self._reading.cancel()

    def tick(self, now: float) -> bool:
        """Look at the clock. Returns whether ``flush`` should be called."""
        self.session.tick(now)
        started = self._transport.write_started_at
        if started >= 0 and now >= started + self._server.settings.write_timeout and self._everything is not None:
            self._everything.cancel()  # the client does not read, not even our last words
            return False
        return bool(self.session.lifetime.over) or self.session.connection.has_output()

    async def _run_call(self, call: Call) -> None:
        if not call.stream.reset:
            await self._answer(call)
        self._running -= 1
        await self.flush()

    async def _answer(self, call: Call) -> None:
        path = call.path.decode("latin-1")
        context = CallContext(path, call.headers, self._peer, call.deadline)
        failure: GRPCError | None = None
        reply = None
        with trio.CancelScope(deadline=call.deadline) as scope:
            call.cancel = scope.cancel
            try:
                request = self.session.read_message(call)
                reply = await run_handler(self._server.handlers[call.path], request, context)
            except GRPCError as error:
                failure = error
            except Exception as error:  # one request: a bug must not harm the others
                self._server.on_error(path, error)
                failure = GRPCError(Status.INTERNAL, "the handler failed")
        now = trio.current_time()
        if reply is not None:
            self.session.reply(call, reply.message, now, reply.metadata, reply.trailers)
        else:
            failure = failure or GRPCError(Status.DEADLINE_EXCEEDED, "the deadline passed")
            self.session.fail(call, failure, now, context.trailing_metadata)

    def _peer(self) -> Peer:
        certificate = None
        if isinstance(self._stream, trio.SSLStream):
            certificate = self._stream.getpeercert()
        try:
            address = self._socket.getpeername()
        except OSError:
            return Peer(None, certificate)
        if isinstance(address, tuple):
            return Peer((str(address[0]), int(address[1])), certificate)
        return Peer(os.fsdecode(address), certificate)
