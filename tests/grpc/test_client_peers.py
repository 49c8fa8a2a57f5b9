"""Our client with a real server: grpcio (the C core), in threads of the test."""

import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from alloytrio.grpc.client import GrpcChannel
from alloytrio.grpc.compression import CODECS
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.status import encode_status, retry_delay, retry_info
from alloytrio.grpc.target import Target

MIB = 1024 * 1024


def echo(request: bytes, context: grpc.ServicerContext) -> bytes:
    return request


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    details = encode_status(Status.UNAVAILABLE, "büsy", [retry_info(1.5)])
    context.set_trailing_metadata((("grpc-status-details-bin", details),))
    context.abort(grpc.StatusCode.UNAVAILABLE, "büsy")
    raise AssertionError


def slow(request: bytes, context: grpc.ServicerContext) -> bytes:
    time.sleep(0.3)
    return request


def metadata(request: bytes, context: grpc.ServicerContext) -> bytes:
    return repr(sorted((key, value) for key, value in context.invocation_metadata() if key.startswith("x-"))).encode()


class Probe(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A service of unary methods over bytes."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = {"/p.P/echo": echo, "/p.P/fail": fail, "/p.P/slow": slow, "/p.P/metadata": metadata}.get(
            details.method
        )
        return grpc.unary_unary_rpc_method_handler(method) if method else None


def start_server() -> tuple[grpc.Server, int]:
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Probe(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


@asynccontextmanager
async def channel() -> AsyncIterator[tuple[GrpcChannel, Callable[[], None]]]:
    """A channel to a running server, and what stops the server."""
    server, port = start_server()
    connection = GrpcChannel(Target("127.0.0.1", port), metadata={"x-tenant": "a"})
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(connection.run)
            nursery.cancel_scope.deadline = trio.current_time() + 20
            yield connection, lambda: server.stop(0).wait()
            nursery.cancel_scope.cancel()
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 4 * MIB - 1])
async def test_messages_come_back_whole(size: int) -> None:
    """Messages of any size arrive, compressed by the caller or not, and so do their answers."""
    message = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    async with channel() as (connection, _):
        assert await connection.unary("/p.P/echo", message) == message
        assert await connection.unary("/p.P/echo", CODECS["gzip"].compress(message), encoding="gzip") == message


async def test_errors_carry_status_text_and_details() -> None:
    """A server's error is a GRPCError with its words and its RetryInfo."""
    async with channel() as (connection, _):
        with pytest.raises(GRPCError) as caught:
            await connection.unary("/p.P/fail", b"")
        assert (caught.value.status, caught.value.message) == (Status.UNAVAILABLE, "büsy")
        assert retry_delay(caught.value.details) == 1.5
        with pytest.raises(GRPCError) as caught:
            await connection.unary("/p.P/unknown", b"")
        assert caught.value.status is Status.UNIMPLEMENTED


async def test_metadata_is_sent() -> None:
    """The channel's and the call's metadata reach the server."""
    async with channel() as (connection, _):
        answer = await connection.unary("/p.P/metadata", b"", metadata={"X-B-bin": b"\0\1"})
    assert answer == repr([("x-b-bin", b"\0\1"), ("x-tenant", "a")]).encode()


async def test_a_deadline_ends_the_call_only() -> None:
    """A caller that stops waiting leaves the connection to the others."""
    async with channel() as (connection, _):
        with trio.move_on_after(0.1) as scope:
            await connection.unary("/p.P/slow", b"")
        assert scope.cancelled_caught
        assert await connection.unary("/p.P/echo", b"x") == b"x"


async def test_more_calls_than_streams_wait_their_turn() -> None:
    """Three hundred calls at once over one connection are all answered."""
    answers: list[bytes] = []
    async with channel() as (connection, _):

        async def call(number: int) -> None:
            answers.append(await connection.unary("/p.P/echo", b"%d" % number))

        async with trio.open_nursery() as calls:
            for number in range(300):
                calls.start_soon(call, number)
    assert sorted(answers) == sorted(b"%d" % number for number in range(300))


async def test_a_stopped_server_fails_calls_at_once() -> None:
    """Without a server, a call says what is wrong, and that it was certainly not processed."""
    async with channel() as (connection, stop):
        assert await connection.unary("/p.P/echo", b"x") == b"x"
        await trio.to_thread.run_sync(stop)
        for _ in range(2):
            with pytest.raises(TransportError, match="connection refused") as caught:
                await connection.unary("/p.P/echo", b"x")
            assert not caught.value.unknown_outcome
