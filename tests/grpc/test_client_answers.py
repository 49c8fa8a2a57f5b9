"""Each answer that a server may give, right or wrong, is one clear outcome of the call."""

from collections.abc import Callable

import pytest
import trio
from grpclib.exceptions import GRPCError
from trio.testing import MockClock

from alloytrio.grpc import frames
from alloytrio.grpc.compression import CODECS
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.settings import ClientSettings
from tests.grpc.playing import answer_next, pair, request_of
from tests.grpc.raw import block, data, frame

OK = [(b":status", b"200"), (b"content-type", b"application/grpc")]


async def test_a_compressed_answer(autojump_clock: MockClock) -> None:
    """An answer in an encoding that we offered is inflated; one in another is an error of the transport."""
    for encoding, known in ((b"gzip", True), (b"br", False)):
        async with pair() as both:
            outcome = both.call()
            peer = await both.accept()
            stream, _, _ = await request_of(peer)
            payload = CODECS["gzip"].compress(b"long" * 100)
            fields = block([*OK, (b"grpc-encoding", encoding)])
            await peer.send(
                frame(frames.HEADERS, frames.FLAG_END_HEADERS, stream, fields),
                data(stream, b"\1" + len(payload).to_bytes(4, "big") + payload),
                frame(frames.HEADERS, 5, stream, block([(b"grpc-status", b"0")])),
            )
            await outcome.done.wait()
            if known:
                assert outcome.message == b"long" * 100
            else:
                assert "'br', which we did not offer" in str(outcome.transport_error)


def trailers_only(*fields: tuple[bytes, bytes]) -> Callable[[int], bytes]:
    return lambda stream: frame(frames.HEADERS, 5, stream, block(list(fields)))


ANSWERS: dict[str, tuple[Callable[[int], bytes], type[Exception], str]] = {
    "a status": (
        trailers_only(*OK, (b"grpc-status", b"5"), (b"grpc-message", b"not%20here")),
        GRPCError,
        "(<Status.NOT_FOUND: 5>, 'not here', [])",
    ),
    "a status that nobody knows": (trailers_only(*OK, (b"grpc-status", b"99")), GRPCError, "UNKNOWN"),
    "a status that is no number": (trailers_only(*OK, (b"grpc-status", b"x")), GRPCError, "UNKNOWN"),
    "broken details": (
        trailers_only(*OK, (b"grpc-status", b"14"), (b"grpc-status-details-bin", b"/w")),
        GRPCError,
        "(<Status.UNAVAILABLE: 14>, '', [])",
    ),
    "HTTP 503": (trailers_only((b":status", b"503"), (b"content-type", b"text/html")), GRPCError, "UNAVAILABLE"),
    "HTTP 404 with a body": (
        lambda stream: frame(frames.HEADERS, 4, stream, block([(b":status", b"404")])) + data(stream, b"no", ends=True),
        GRPCError,
        "UNIMPLEMENTED",
    ),
    "not gRPC": (
        lambda stream: frame(frames.HEADERS, 4, stream, block([(b":status", b"200"), (b"content-type", b"text/html")])),
        TransportError,
        "the answer is not gRPC",
    ),
    "OK without a message": (trailers_only(*OK, (b"grpc-status", b"0")), TransportError, "without a message"),
    "headers only": (trailers_only(*OK), TransportError, "an answer without a status"),
    "no trailers": (
        lambda stream: frame(frames.HEADERS, 4, stream, block(OK)) + data(stream, b"\0\0\0\0\1x", ends=True),
        TransportError,
        "an answer without a status",
    ),
    "half a message": (
        lambda stream: (
            frame(frames.HEADERS, 4, stream, block(OK))
            + data(stream, b"\0\0\0\0\5x")
            + frame(frames.HEADERS, 5, stream, block([(b"grpc-status", b"0")]))
        ),
        TransportError,
        "ends inside its message",
    ),
    "two messages": (
        lambda stream: frame(frames.HEADERS, 4, stream, block(OK)) + data(stream, b"\0\0\0\0\1x\0\0\0\0\1x"),
        TransportError,
        "not one gRPC message",
    ),
    "an unknown flag": (
        lambda stream: frame(frames.HEADERS, 4, stream, block(OK)) + data(stream, b"\7\0\0\0\1x"),
        TransportError,
        "not one gRPC message",
    ),
    "4 GiB declared": (
        lambda stream: frame(frames.HEADERS, 4, stream, block(OK)) + data(stream, b"\0\xff\xff\xff\xff"),
        TransportError,
        "an answer of 4294967295 bytes is larger than 4194304",
    ),
    "broken gzip": (
        lambda stream: (
            frame(frames.HEADERS, 4, stream, block([*OK, (b"grpc-encoding", b"gzip")]))
            + data(stream, b"\1\0\0\0\3abc")
            + frame(frames.HEADERS, 5, stream, block([(b"grpc-status", b"0")]))
        ),
        TransportError,
        "does not decode",
    ),
    "a reset": (lambda stream: frames.reset_frame(stream, frames.INTERNAL_ERROR), TransportError, "INTERNAL_ERROR"),
    "malformed headers": (trailers_only((b"a", b"b")), TransportError, "broke HTTP/2: no :status"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers(name: str, autojump_clock: MockClock) -> None:
    """Each kind of bad answer is one clear error, and the connection serves the next call."""
    answer, kind, text = ANSWERS[name]
    async with pair() as both:
        outcome = both.call()
        peer = await both.accept()
        stream, _, _ = await request_of(peer)
        await peer.send(answer(stream))
        await outcome.done.wait()
        assert type(outcome.error) is kind
        assert text in repr(outcome.error)
        if isinstance(outcome.error, TransportError):
            assert outcome.error.unknown_outcome
        outcome = both.call()
        await answer_next(peer)
        await outcome.done.wait()
        assert outcome.message == b"answer"


async def test_a_second_message_later(autojump_clock: MockClock) -> None:
    """Bytes behind the message that come in a later read are refused as well."""
    async with pair() as both:
        outcome = both.call()
        peer = await both.accept()
        stream, _, _ = await request_of(peer)
        await peer.send(frame(frames.HEADERS, 4, stream, block(OK)), data(stream, b"\0\0\0\0\1x"))
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(data(stream, b"\0"))
        await outcome.done.wait()
        assert "too large" in str(outcome.transport_error)


async def test_an_endless_answer(autojump_clock: MockClock) -> None:
    """A server that never stops sending is cut off at what the message may have, and memory stays small."""
    async with pair(ClientSettings(max_recv_msg_size=100_000)) as both:
        outcome = both.call()
        peer = await both.accept()
        stream, _, _ = await request_of(peer)
        await peer.send(frame(frames.HEADERS, 4, stream, block(OK)), data(stream, b"\0" + (100_000).to_bytes(4, "big")))
        sent = 0
        while not outcome.done.is_set():
            await peer.send(data(stream, bytes(16_000)))
            sent += 16_000
            await trio.testing.wait_all_tasks_blocked()
        assert "too large" in str(outcome.transport_error)
        assert sent < 150_000


async def test_endless_headers(autojump_clock: MockClock) -> None:
    """A header block without end ends the connection."""
    async with pair() as both:
        outcome = both.call()
        peer = await both.accept()
        stream, _, _ = await request_of(peer)
        await peer.send(frame(frames.HEADERS, 0, stream, b"\x88"), frame(frames.CONTINUATION, 0, stream, b"") * 100)
        await outcome.done.wait()
        assert "too many CONTINUATION frames" in str(outcome.transport_error)
        goaway = await peer.next_of(frames.GOAWAY)
        assert goaway.payload[4:8] == frames.ENHANCE_YOUR_CALM.to_bytes(4, "big")
