"""Our server with real clients: grpcio (the C core), in a thread of the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
import trio
from grpclib.const import Handler, Status
from grpclib.exceptions import GRPCError

from alloytrio.grpc.server import GrpcServer
from alloytrio.grpc.service import CallContext, raw_handler
from alloytrio.grpc.settings import ServerSettings
from alloytrio.grpc.status import decode_status, retry_info

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
MIB = 1024 * 1024


class Probe:
    """A service of raw methods, one per behaviour."""

    async def echo(self, request: bytes, context: CallContext) -> bytes:
        return request

    async def fail(self, request: bytes, context: CallContext) -> bytes:
        raise GRPCError(Status.UNAVAILABLE, "büsy", [retry_info(30)])

    async def crash(self, request: bytes, context: CallContext) -> bytes:
        raise RuntimeError("a bug")

    async def sleep(self, request: bytes, context: CallContext) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    def __mapping__(self) -> dict[str, Handler]:
        methods = (self.echo, self.fail, self.crash, self.sleep)
        return {f"/probe.Probe/{method.__name__}": raw_handler(method) for method in methods}


@asynccontextmanager
async def serving(settings: ServerSettings | None = None) -> AsyncIterator[int]:
    """A running server's port."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    server = GrpcServer(listeners, [Probe()], settings, on_error=lambda path, error: None)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, stop)
            yield listeners[0].socket.getsockname()[1]
            stop.set()
    finally:
        listeners[0].socket.close()
    assert server.memory.used == 0


async def in_thread(port: int, client: Callable[[grpc.Channel], None]) -> None:
    def run() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            client(channel)

    with trio.fail_after(20):
        await trio.to_thread.run_sync(run)


def method(channel: grpc.Channel, name: str) -> Callable[..., bytes]:
    call: Callable[..., bytes] = channel.unary_unary(f"/probe.Probe/{name}")
    return call


def error_of(channel: grpc.Channel, name: str, request: bytes = b"x", **options: object) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        method(channel, name)(request, **options)
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 4 * MIB])
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_grpcio_gets_its_message_back(size: int, compression: grpc.Compression) -> None:
    """Messages of any size up to the limit arrive whole, compressed or not, and so do their answers."""
    message = (b"0123456789abcdef" * (size // 16 + 1))[:size]

    def client(channel: grpc.Channel) -> None:
        for _ in range(3):
            assert method(channel, "echo")(message, compression=compression) == message

    async with serving() as port:
        await in_thread(port, client)


async def test_grpcio_sees_every_kind_of_failure() -> None:
    """Each failure has its status, and the connection goes on after it."""

    def client(channel: grpc.Channel) -> None:
        error = error_of(channel, "fail")
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "büsy")
        trailers = dict(error.trailing_metadata())
        assert decode_status(trailers["grpc-status-details-bin"]).details == (retry_info(30),)
        assert error_of(channel, "crash").code() == grpc.StatusCode.INTERNAL
        assert error_of(channel, "unknown").code() == grpc.StatusCode.UNIMPLEMENTED
        assert error_of(channel, "sleep", timeout=0.1).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert error_of(channel, "echo", compression=grpc.Compression.Deflate).code() == grpc.StatusCode.UNIMPLEMENTED
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            error = error_of(channel, "echo", bytes(4 * MIB + 1), compression=compression)
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "larger than max" in error.details()
        assert method(channel, "echo")(b"still here") == b"still here"

    async with serving() as port:
        await in_thread(port, client)
