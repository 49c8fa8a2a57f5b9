"""What the server answers to calls, right and wrong; a client that writes frames itself asks."""

import base64
from collections.abc import Mapping

import pytest
import trio
from google.protobuf.wrappers_pb2 import StringValue
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from alloytrio.grpc import frames
from alloytrio.grpc.server import GrpcServer
from alloytrio.grpc.service import CallContext, UnaryStream, raw_handler
from alloytrio.grpc.settings import ServerSettings
from alloytrio.grpc.status import decode_status, retry_delay, retry_info
from tests.grpc.harness import Answer, Probe, RawPeer, call, headers_for, serving
from tests.grpc.raw import Headers, data, frame, grpc_message, request

MIB = 1 << 20


async def ask(peer: RawPeer, stream: int, *sent: bytes) -> Answer:
    await peer.send(*sent)
    return await peer.answer(stream)


async def test_an_echo() -> None:
    """A message comes back, with the headers that gRPC asks for."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, "echo", b"hello"))
        assert answer.message == b"hello"
        assert answer.headers[0] == [(b":status", b"200"), (b"content-type", b"application/grpc")]
        assert answer.headers[1] == [(b"grpc-status", b"0")]
        assert (await ask(peer, 3, call(3, "empty", b""))).message == b""


REFUSED: dict[str, tuple[bytes, Status, str]] = {
    "unknown method": (call(1, "nothing", b"x"), Status.UNIMPLEMENTED, "unknown method /probe.Probe/nothing"),
    "no message": (request(1, headers_for("echo"), ends=True), Status.INTERNAL, "a request without a message"),
    "half a prefix": (request(1, headers_for("echo")) + data(1, b"\0\0\0", ends=True), Status.INTERNAL, "ends inside"),
    "half a message": (
        request(1, headers_for("echo")) + data(1, grpc_message(b"hello")[:-1], ends=True),
        Status.INTERNAL,
        "a request that ends inside its message",
    ),
    "two messages": (
        request(1, headers_for("echo")) + data(1, grpc_message(b"a") + grpc_message(b"b"), ends=True),
        Status.INTERNAL,
        "more than one message",
    ),
    "a second message later": (
        request(1, headers_for("echo")) + data(1, grpc_message(b"a")) + data(1, grpc_message(b"b"), ends=True),
        Status.INTERNAL,
        "more than one message",
    ),
    "an unknown flag": (
        request(1, headers_for("echo")) + data(1, b"\x02\0\0\0\0", ends=True),
        Status.INTERNAL,
        "a message with an unknown flag",
    ),
    "compressed without an encoding": (
        request(1, headers_for("echo")) + data(1, b"\x01\0\0\0\0", ends=True),
        Status.INTERNAL,
        "a compressed message without grpc-encoding",
    ),
    "an encoding that nobody knows": (
        call(1, "echo", b"x", (b"grpc-encoding", b"br")),
        Status.UNIMPLEMENTED,
        'grpc: Decompressor is not installed for grpc-encoding "br"',
    ),
    "a broken timeout": (call(1, "echo", b"x", (b"grpc-timeout", b"5")), Status.INTERNAL, "malformed grpc-timeout"),
    "a timeout of nine digits": (
        call(1, "echo", b"x", (b"grpc-timeout", b"123456789m")),
        Status.INTERNAL,
        "malformed grpc-timeout",
    ),
    "four gigabytes declared": (
        request(1, headers_for("echo")) + data(1, b"\0\xff\xff\xff\xff"),
        Status.RESOURCE_EXHAUSTED,
        "grpc: received message larger than max (4294967295 vs. 4194304)",
    ),
    "one byte above the limit": (
        request(1, headers_for("echo")) + data(1, b"\0" + (4 * MIB + 1).to_bytes(4, "big")),
        Status.RESOURCE_EXHAUSTED,
        "grpc: received message larger than max (4194305 vs. 4194304)",
    ),
    "an error of the handler": (call(1, "fail", b"x"), Status.UNAVAILABLE, "büsy"),
    "a bug of the handler": (call(1, "crash", b"x"), Status.INTERNAL, "the handler failed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals(name: str) -> None:
    """Each failure has its status and text, and the connection serves the next call."""
    sent, status, text = REFUSED[name]
    async with serving([Probe()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, sent)
        assert answer.status[0] is status
        assert text in answer.status[1]
        assert (await ask(peer, 3, call(3, "echo", b"still here"))).message == b"still here"
        assert [(path, type(error)) for path, error in running.errors] == (
            [("/probe.Probe/crash", RuntimeError)] if name == "a bug of the handler" else []
        )


@pytest.mark.parametrize(
    ("name", "value", "http_status"),
    [
        (b":method", b"GET", b"405"),
        (b"content-type", b"application/json", b"415"),
        (b"content-type", b"application/grpcfoo", b"415"),
        (b"content-type", b"", b"415"),
    ],
)
async def test_what_is_not_grpc(name: bytes, value: bytes, http_status: bytes) -> None:
    """A wrong method or content type is answered in HTTP's words as well."""
    headers = [(key, value if key == name else old) for key, old in headers_for("echo")]
    async with serving([Probe()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, request(1, headers) + data(1, grpc_message(b"x"), ends=True))
        assert answer.headers[0][0] == (b":status", http_status)
        assert answer.status[0] is Status.INTERNAL


@pytest.mark.parametrize("content_type", [b"application/grpc+proto", b"application/grpc;charset=utf-8"])
async def test_content_types_of_grpc(content_type: bytes) -> None:
    """A suffix or parameter does not matter."""
    headers = [(key, content_type if key == b"content-type" else old) for key, old in headers_for("echo")]
    async with serving([Probe()]) as running:
        peer = await running.connect()
        assert (await ask(peer, 1, request(1, headers), data(1, grpc_message(b"x"), ends=True))).message == b"x"


async def test_unknown_encodings_are_told_which_are_known() -> None:
    """The answer to an unknown grpc-encoding lists those that are."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, "echo", b"x", (b"grpc-encoding", b"br")))
        assert dict(answer.headers[0])[b"grpc-accept-encoding"].split(b",")[:2] == [b"identity", b"gzip"]


async def test_an_early_refusal_stops_the_sender() -> None:
    """A refusal before the end of the request is followed by RST_STREAM NO_ERROR; what still comes is dropped."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        await peer.send(request(1, headers_for("echo")), data(1, b"\0\xff\xff\xff\xff" + bytes(10_000)))
        assert (await peer.next_of(frames.HEADERS)).flags & frames.FLAG_END_STREAM
        assert (await peer.next_of(frames.RST_STREAM)).payload == bytes(4)
        await peer.send(*[data(1, bytes(16_000)) for _ in range(20)], data(1, b"", ends=True))
        assert (await ask(peer, 3, call(3, "echo", b"x"))).message == b"x"


async def test_full_memory_asks_to_try_again() -> None:
    """When bodies of other requests fill the memory, a request is RESOURCE_EXHAUSTED with RetryInfo."""
    settings = ServerSettings(max_recv_msg_size=50_000, max_buffered_bytes=100_000, retry_delay=7.0)
    probe = Probe()
    async with serving([probe], settings) as running:
        peer = await running.connect()
        await peer.send(*[call(stream, "wait", bytes(30_000)) for stream in (1, 3, 5)])
        answer = await ask(peer, 7, call(7, "echo", bytes(30_000)))
        assert answer.status[0] is Status.RESOURCE_EXHAUSTED
        details = decode_status(details_of(answer.headers[-1])).details
        assert retry_delay(details) == 7.0
        probe.release.set()
        for stream in (1, 3, 5):
            assert (await peer.answer(stream)).message == b"done"
        assert (await ask(peer, 9, call(9, "echo", bytes(30_000)))).message == bytes(30_000)


def details_of(trailers: Headers) -> bytes:
    """grpc-status-details-bin, decoded."""
    value = dict(trailers)[b"grpc-status-details-bin"]
    return base64.b64decode(value + b"=" * (-len(value) % 4))


async def test_messages_in_any_pieces() -> None:
    """A message that comes in single bytes, with padding and empty frames, is whole; trailers are allowed."""
    body = grpc_message(b"0123456789")
    pieces = [data(1, body[i : i + 1], pad=3 if i % 4 == 0 else None) for i in range(len(body))]
    trailers = frame(frames.HEADERS, frames.FLAG_END_HEADERS | frames.FLAG_END_STREAM, 1, b"\x00\x01a\x01b")
    async with serving([Probe()]) as running:
        peer = await running.connect()
        assert (await ask(peer, 1, request(1, headers_for("echo")), *pieces, trailers)).message == b"0123456789"


async def test_a_big_answer_waits_for_windows() -> None:
    """An answer larger than the client's windows is sent as they open."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        await peer.send(call(1, "big", b"200000"))
        received = 0
        while received < 200_005:
            each = await peer.next_of(frames.DATA)
            received += len(each.payload)
            update = frames.window_update_frame(0, len(each.payload)) + frames.window_update_frame(1, len(each.payload))
            await peer.send(update)
        last = await peer.next_of(frames.HEADERS)
        assert last.flags & frames.FLAG_END_STREAM
        assert received == 200_005


class Typed:
    """What betterproto and grpclib generate: handlers that take a stream and messages."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    async def greet(self, stream: UnaryStream) -> None:
        message = await stream.recv_message()
        assert isinstance(message, StringValue)
        self.seen += [dict(stream.metadata), stream.peer.addr(), stream.peer.cert(), stream.user_agent]
        self.seen.append(stream.deadline.time_remaining() if stream.deadline else None)
        assert await stream.recv_message() is None
        await stream.send_initial_metadata(metadata={"x-first": "1"})
        await stream.send_message(StringValue(value=f"hello {message.value}"))
        await stream.send_trailing_metadata(metadata={"x-last-bin": b"\0"})

    async def refuse(self, stream: UnaryStream) -> None:
        await stream.send_trailing_metadata(
            status=Status.ABORTED, status_message="no", status_details=[retry_info(1)], metadata={"x-why": "so"}
        )

    async def forget(self, stream: UnaryStream) -> None:
        await stream.recv_message()

    async def twice(self, stream: UnaryStream) -> None:
        await stream.send_message(StringValue())
        await stream.send_message(StringValue())

    async def cancel(self, stream: UnaryStream) -> None:
        await stream.cancel()

    def __mapping__(self) -> Mapping[str, Handler]:
        methods = (self.greet, self.refuse, self.forget, self.twice, self.cancel)
        kind = Cardinality.UNARY_UNARY
        return {f"/probe.Probe/{each.__name__}": Handler(each, kind, StringValue, StringValue) for each in methods}


async def test_grpclib_handlers() -> None:
    """A grpclib handler gets messages, metadata, deadline and peer, and its metadata arrives before and behind."""
    service = Typed()
    extra = ((b"x-a", b"b"), (b"x-c-bin", b"AAE"), (b"user-agent", b"me"), (b"grpc-timeout", b"5S"))
    async with serving([service]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, "greet", StringValue(value="you").SerializeToString(), *extra))
        assert StringValue.FromString(answer.message).value == "hello you"
        assert dict(answer.headers[0])[b"x-first"] == b"1"
        assert dict(answer.headers[1])[b"x-last-bin"] == b"AA"
        address = peer.stream.socket.getsockname()
        assert service.seen == [{"x-a": "b", "x-c-bin": b"\0\1"}, address, None, "me", pytest.approx(5, abs=1)]


@pytest.mark.parametrize(
    ("method", "message", "status", "text"),
    [
        ("refuse", b"", Status.ABORTED, "no"),
        ("forget", b"", Status.INTERNAL, "the handler did not answer"),
        ("forget", b"\xff", Status.INTERNAL, "failed to unmarshal"),
        ("twice", b"", Status.INTERNAL, "more than one answer"),
        ("cancel", b"", Status.CANCELLED, ""),
    ],
)
async def test_grpclib_handlers_that_fail(method: str, message: bytes, status: Status, text: str) -> None:
    """A grpclib handler's own status, and those that it earns."""
    async with serving([Typed()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, method, message))
        assert answer.status[0] is status
        assert text in answer.status[1]
        if method == "refuse":
            assert dict(answer.headers[0])[b"x-why"] == b"so"


async def test_broken_metadata_is_the_callers_fault() -> None:
    """A -bin value that is not base64 is INVALID_ARGUMENT."""
    async with serving([Typed()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, "greet", b"", (b"x-bin", b"\xff")))
        assert answer.status[0] is Status.INVALID_ARGUMENT


def test_streaming_methods_are_not_served() -> None:
    """A streaming handler, and two handlers for one path, are refused when the server is made."""

    class Streaming:
        def __mapping__(self) -> Mapping[str, Handler]:
            return {"/a/b": Handler(None, Cardinality.UNARY_STREAM, bytes, bytes)}

    with pytest.raises(ValueError, match="streaming"):
        GrpcServer([], [Streaming()])
    with pytest.raises(ValueError, match="twice"):
        GrpcServer([], [Probe(), Probe()])


async def test_context_of_raw_handlers() -> None:
    """A raw handler sees path, metadata and deadline, and may add trailing metadata."""
    seen: list[object] = []

    class Service:
        async def method(self, message: bytes, context: CallContext) -> bytes:
            seen.extend([context.path, context.header(b"x-a"), context.header(b"x-b"), context.deadline])
            context.trailing_metadata = [(b"x-t", b"u")]
            if message:
                raise GRPCError(Status.NOT_FOUND, "gone")
            return b""

        def __mapping__(self) -> Mapping[str, Handler]:
            return {"/probe.Probe/method": raw_handler(self.method)}

    async with serving([Service()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, "method", b"", (b"x-a", b"1")))
        assert answer.headers[1] == [(b"grpc-status", b"0"), (b"x-t", b"u")]
        answer = await ask(peer, 3, call(3, "method", b"x"))
        assert answer.headers[0][-1] == (b"x-t", b"u")
    assert seen[:4] == ["/probe.Probe/method", b"1", b"", None]


async def test_long_texts_and_details_are_cut() -> None:
    """A text of megabytes does not make an answer that no client takes."""

    class Service:
        async def method(self, message: bytes, context: CallContext) -> bytes:
            raise GRPCError(Status.ABORTED, "x" * MIB, [retry_info(1)] * 1000)

        def __mapping__(self) -> Mapping[str, Handler]:
            return {"/probe.Probe/method": raw_handler(self.method)}

    async with serving([Service()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, call(1, "method", b""))
        assert answer.status == (Status.ABORTED, "x" * 2048)


async def test_many_calls_at_once() -> None:
    """A hundred calls on one connection are all answered, in any order."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        with trio.fail_after(5):
            await peer.send(*[call(2 * number + 1, "echo", b"%d" % number) for number in range(100)])
            found: set[tuple[int, bytes]] = set()
            while len(found) < 100:
                each = await peer.next_of(frames.DATA)
                found.add((each.stream, each.payload[5:]))
        assert found == {(2 * number + 1, b"%d" % number) for number in range(100)}
