"""A running channel, and the server that it connects to, played by the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from grpclib.exceptions import GRPCError

from alloytrio.grpc import frames
from alloytrio.grpc.client import GrpcChannel
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.settings import ClientSettings
from alloytrio.grpc.target import Target
from tests.grpc.harness import RawPeer, answer_frames, decode
from tests.grpc.raw import SERVER_HELLO, Headers

PATH = "/p.P/m"


@dataclass
class Outcome:
    """What became of a call."""

    message: bytes | None = None
    error: Exception | None = None
    done: trio.Event = field(default_factory=trio.Event)

    @property
    def transport_error(self) -> TransportError:
        assert isinstance(self.error, TransportError), self.error
        return self.error

    @property
    def grpc_error(self) -> GRPCError:
        assert isinstance(self.error, GRPCError), self.error
        return self.error


class Pair:
    """A running channel and the listener that it connects to."""

    def __init__(self, channel: GrpcChannel, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        self.channel = channel
        self.listener = listener
        self._nursery = nursery
        self.peers: list[RawPeer] = []

    def call(self, message: bytes = b"request") -> Outcome:
        """Begin a call."""
        outcome = Outcome()

        async def run() -> None:
            try:
                outcome.message = await self.channel.unary(PATH, message)
            except (GRPCError, TransportError) as error:
                outcome.error = error
            outcome.done.set()

        self._nursery.start_soon(run)
        return outcome

    async def accept(self, hello: bytes = SERVER_HELLO) -> RawPeer:
        """The server's end of the next connection; the client's hello is read."""
        peer = RawPeer(await self.listener.accept())
        self.peers.append(peer)
        await peer.send(hello)
        if hello:
            await peer.next_of(frames.SETTINGS)
        return peer


@asynccontextmanager
async def pair(settings: ClientSettings | None = None) -> AsyncIterator[Pair]:
    """A channel and its server's listener; all memory must be given back at the end."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    channel = GrpcChannel(Target("127.0.0.1", listener.socket.getsockname()[1]), settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(channel.run)
        both = Pair(channel, listener, nursery)
        try:
            yield both
        finally:
            for peer in both.peers:
                peer.stream.socket.close()
            listener.socket.close()
        nursery.cancel_scope.cancel()
    assert channel._memory.used == 0


async def request_of(peer: RawPeer) -> tuple[int, Headers, bytes]:
    """(stream, header list, body) of the next whole request."""
    headers = await peer.next_of(frames.HEADERS)
    body = b""
    while True:
        each = await peer.next_of(frames.DATA)
        body += each.payload
        if each.flags & frames.FLAG_END_STREAM:
            return headers.stream, decode(headers.payload), body


async def answer_next(peer: RawPeer) -> bytes:
    """Answer the next request with "answer"; gives its body."""
    stream, _, body = await request_of(peer)
    await peer.send(answer_frames(stream, b"answer"))
    return body
