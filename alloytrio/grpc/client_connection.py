"""One connection of a channel: its tasks, and calls over it.

In: header blocks and messages. Out: ``ClientCall`` with its outcome. Errors: none; a lost connection ends its calls
with ``TransportError`` and ``run`` returns.
"""

import trio

from alloytrio.grpc.client_session import ClientCall, ClientSession
from alloytrio.grpc.headers import encode_headers
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.message import format_timeout
from alloytrio.grpc.settings import ClientSettings
from alloytrio.grpc.transport import LINGER, Transport

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class ClientConnection:
    """A connection to one server.

    Args:
        name: of the server, for messages.
        stream: connected; closed with the connection.
        settings: of the channel.
        limits: what the server may ask of us.
        memory: shared by the channel's connections.

    Attributes:
        session: its state.
        ready: the server said hello.
    """

    def __init__(
        self, name: str, stream: Stream, settings: ClientSettings, limits: Limits, memory: ReceiveMemory
    ) -> None:
        self.session = ClientSession(name, settings, limits, memory, trio.current_time())
        self.ready = False
        self._stream = stream
        self._read_size = settings.read_buffer_size
        self._transport = Transport(stream, self.session.connection)
        self._reading = trio.CancelScope()
        self._output = trio.Event()
        self._clock = trio.Event()
        self._clock_at = 0.0
        self._changed = trio.Event()

    async def shake_hands(self) -> None:
        """Exchange HTTP/2's first frames.

        Raises:
            trio.BrokenResourceError: the server does not speak HTTP/2, or left.
        """
        while not self.session.connection.settings_received and not self.session.over:
            await self._transport.flush()
            data = await self._transport.read(self._read_size)
            if not data:
                text = "the server closed the connection before it said hello"
                raise trio.BrokenResourceError(text) from self._transport.lost_by
            self.session.receive(data, trio.current_time())
        if self.session.over:
            raise trio.BrokenResourceError(self.session.over)
        self.ready = True

    async def run(self) -> None:
        """Read, write and look at the clock until the connection is over."""
        try:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(self._write)
                tasks.start_soon(self._look_at_clock)
                with self._reading:
                    await self._read()
                with trio.move_on_after(LINGER):
                    await self._transport.finish()
                tasks.cancel_scope.cancel()
        finally:
            self.close()

    async def call(self, block: bytes, message: bytes, *, compressed: bool) -> ClientCall:
        """Make a call; there must be room for it. The caller's deadline is told to the server."""
        done = trio.Event()
        now = trio.current_time()
        deadline = trio.current_effective_deadline()
        if deadline < float("inf"):
            block += encode_headers([(b"grpc-timeout", format_timeout(deadline - now))])
        call = ClientCall(done.set, now)
        self.session.start(call, block, message, compressed, now)
        self._after()
        try:
            await done.wait()
        finally:
            if not done.is_set():
                self.session.cancel(call, trio.current_time())
            self._after()
        return call

    async def wait_for_change(self) -> None:
        """Wait until there may be room for a call, or the connection is over."""
        await self._changed.wait()

    def close(self) -> None:
        """Let go of the socket; what is under way ends without an answer."""
        self.session.lose("the connection was closed")
        stream = self._stream.transport_stream if isinstance(self._stream, trio.SSLStream) else self._stream
        stream.socket.close()
        self._after()

    def _after(self) -> None:
        """Something happened: let those know that wait for it."""
        if self.session.over:
            self._reading.cancel()
        if self.session.connection.has_output():
            self._output.set()
        if self.session.next_tick() < self._clock_at:
            self._clock.set()
        self._changed.set()
        self._changed = trio.Event()

    async def _read(self) -> None:
        session, transport = self.session, self._transport
        while not session.over:
            data = await transport.read(self._read_size)
            if not data:
                session.over = session.over or "the server closed the connection"
                return
            session.receive(data, trio.current_time())
            self._after()
            await transport.wait_for_room()

    async def _write(self) -> None:
        while not self._transport.broken:
            await self._output.wait()
            self._output = trio.Event()
            await self._transport.flush()
        self.session.over = self.session.over or "the server closed the connection"
        self._reading.cancel()

    async def _look_at_clock(self) -> None:
        while not self.session.over:
            self._clock_at = self.session.next_tick()
            with trio.move_on_at(self._clock_at):
                await self._clock.wait()
            self._clock = trio.Event()
            self.session.tick(trio.current_time())
            self._after()
