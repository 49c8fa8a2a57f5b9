"""Our server with grpclib's client, our channel with grpclib's server: over TCP, TLS and unix sockets.

grpclib runs on asyncio, in a thread of its own; its messages are plain bytes here.
"""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpclib.client
import grpclib.server
import pytest
import trio
import trustme
from grpclib.client import UnaryUnaryMethod
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError

from alloytrio.grpc.client import GrpcChannel
from alloytrio.grpc.server import GrpcServer
from alloytrio.grpc.target import Target
from alloytrio.handshake import TlsPort
from alloytrio.listeners import Listeners
from tests.grpc.harness import Probe

SIZES = [0, 1, 100_000, 1_000_000]
LINKS = ["tcp", "tls", "unix"]
PATIENCE = 20  # seconds
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1", "localhost")


class Bytes(CodecBase):
    """Messages that are bytes already."""

    __content_subtype__ = "proto"

    def encode(self, message: object, message_type: object) -> bytes:
        assert isinstance(message, bytes)
        return message

    def decode(self, data: bytes, message_type: object) -> bytes:
        return data


def server_side() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    context.set_alpn_protocols(["h2"])
    return context


def client_side() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    return context


# Our server, grpclib's client

Talk = Callable[[grpclib.client.Channel], Awaitable[None]]


@asynccontextmanager
async def our_server(link: str, path: Path) -> AsyncIterator[Callable[[], grpclib.client.Channel]]:
    """A running server; yields what makes a channel of grpclib to it."""
    transport = "unix" if link == "unix" else "tcp"
    listeners = Listeners().open(str(path) if link == "unix" else "127.0.0.1:0", transport=transport)
    stop = trio.Event()
    server = GrpcServer(listeners, [Probe()], tls=TlsPort(server_side) if link == "tls" else None)

    def connect() -> grpclib.client.Channel:
        if link == "unix":
            return grpclib.client.Channel(path=str(path), codec=Bytes())
        port = listeners[0].socket.getsockname()[1]
        return grpclib.client.Channel("127.0.0.1", port, codec=Bytes(), ssl=client_side() if link == "tls" else None)

    try:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.run, stop)
                yield connect
                stop.set()
    finally:
        listeners[0].socket.close()


async def talk(connect: Callable[[], grpclib.client.Channel], client: Talk) -> None:
    """Run a client of grpclib in a thread."""

    async def run() -> None:
        channel = connect()
        try:
            await client(channel)
        finally:
            transport = channel._protocol.connection._transport if channel._protocol else None
            channel.close()
            if transport is not None:
                transport.abort()  # close() would say goodbye over TLS, for which asyncio.run() does not wait

    await trio.to_thread.run_sync(lambda: asyncio.run(run()))


def method(channel: grpclib.client.Channel, name: str) -> UnaryUnaryMethod[bytes, bytes]:
    return UnaryUnaryMethod(channel, f"/probe.Probe/{name}", bytes, bytes)


@pytest.mark.parametrize("link", LINKS)
async def test_grpclib_gets_its_messages_back(link: str, tmp_path: Path) -> None:
    """Messages of every size come back to grpclib's client, several under way at once."""

    async def client(channel: grpclib.client.Channel) -> None:
        messages = [bytes([65 + number]) * size for number, size in enumerate(SIZES)]
        answers = await asyncio.gather(*(method(channel, "echo")(message, timeout=PATIENCE) for message in messages))
        assert answers == messages

    async with our_server(link, tmp_path / "s") as connect:
        await talk(connect, client)


async def test_grpclib_sees_our_errors(tmp_path: Path) -> None:
    """Status and text of a failed call, an unknown method and a deadline arrive as grpclib knows them."""

    async def client(channel: grpclib.client.Channel) -> None:
        with pytest.raises(GRPCError) as failed:
            await method(channel, "fail")(b"")
        assert (failed.value.status, failed.value.message) == (Status.UNAVAILABLE, "büsy")
        with pytest.raises(GRPCError) as unknown:
            await method(channel, "nothing")(b"")
        assert unknown.value.status is Status.UNIMPLEMENTED
        with pytest.raises((asyncio.TimeoutError, GRPCError)) as late:  # whoever looks at the clock first
            await method(channel, "wait")(b"", timeout=0.2)
        assert not isinstance(late.value, GRPCError) or late.value.status is Status.DEADLINE_EXCEEDED
        assert await method(channel, "echo")(b"still there") == b"still there"

    async with our_server("tcp", tmp_path / "s") as connect:
        await talk(connect, client)


# grpclib's server, our channel


class Echo:
    """A service of grpclib's own."""

    async def echo(self, stream: grpclib.server.Stream[bytes, bytes]) -> None:
        message = await stream.recv_message()
        assert message is not None
        await stream.send_message(message)

    async def fail(self, stream: grpclib.server.Stream[bytes, bytes]) -> None:
        raise GRPCError(Status.INVALID_ARGUMENT, "nö")

    async def tenant(self, stream: grpclib.server.Stream[bytes, bytes]) -> None:
        assert stream.metadata is not None
        await stream.send_message(str(stream.metadata["x-tenant"]).encode())

    def __mapping__(self) -> dict[str, Handler]:
        methods = (self.echo, self.fail, self.tenant)
        return {f"/e.E/{each.__name__}": Handler(each, Cardinality.UNARY_UNARY, bytes, bytes) for each in methods}


@contextmanager
def grpclib_server(link: str, path: Path) -> Iterator[int]:
    """grpclib's server in a thread; yields its port (0 for a unix socket)."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    ports: list[int] = []
    servers: list[grpclib.server.Server] = []

    async def serve() -> None:
        server = grpclib.server.Server([Echo()], codec=Bytes())
        servers.append(server)
        if link == "unix":
            await server.start(path=str(path))
            ports.append(0)
        else:
            await server.start("127.0.0.1", 0, ssl=server_side() if link == "tls" else None)
        listening = server._server
        assert isinstance(listening, asyncio.Server)
        if link != "unix":
            ports.append(listening.sockets[0].getsockname()[1])
        started.set()
        await server.wait_closed()
        # The loop must live until it has closed the sockets of all connections.
        while listening._active_count:  # type: ignore[attr-defined]  # noqa: ASYNC110 - asyncio has no event for it
            await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(PATIENCE)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(servers[0].close)
        thread.join(PATIENCE)
        loop.close()


@asynccontextmanager
async def our_channel(link: str, path: Path, port: int) -> AsyncIterator[GrpcChannel]:
    """A running channel."""
    target = Target("", 0, str(path)) if link == "unix" else Target("127.0.0.1", port)
    channel = GrpcChannel(target, ssl_context=client_side() if link == "tls" else None, metadata={"x-tenant": "a"})
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(channel.run)
            yield channel
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("link", LINKS)
async def test_grpclib_answers_our_messages(link: str, tmp_path: Path) -> None:
    """Messages of every size come back from grpclib's server; metadata and errors pass as well."""
    with grpclib_server(link, tmp_path / "s") as port:
        async with our_channel(link, tmp_path / "s", port) as channel:
            for size in SIZES:
                assert await channel.unary("/e.E/echo", b"x" * size) == b"x" * size
            assert await channel.unary("/e.E/tenant", b"") == b"a"
            with pytest.raises(GRPCError) as failed:
                await channel.unary("/e.E/fail", b"")
            assert (failed.value.status, failed.value.message) == (Status.INVALID_ARGUMENT, "nö")
            with pytest.raises(GRPCError) as unknown:
                await channel.unary("/e.E/nothing", b"")
            assert unknown.value.status is Status.UNIMPLEMENTED
