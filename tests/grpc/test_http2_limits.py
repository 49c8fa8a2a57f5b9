"""Each bound on what a peer may ask holds exactly: what reaches it passes, one more ends it with its own error code."""

import hpack
import pytest

from alloytrio.grpc import events, frames
from alloytrio.grpc.frames import (
    CONTINUATION,
    DATA,
    ENHANCE_YOUR_CALM,
    FLAG_END_HEADERS,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADERS,
    PING,
    PRIORITY,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import CHUNK_OVERHEAD, Limits, ReceiveMemory, TokenBucket
from tests.grpc.raw import REQUEST, block, client, data, failure, frame, output, request, reset, server

MIB = 1 << 20


def test_frame_size() -> None:
    """A frame may be as large as announced, and no larger; seen in its header, before its payload."""
    limits = Limits(max_frame_size=20_000)
    connection = server(limits)
    connection.receive(request(1) + data(1, bytes(20_000)), 0.0)
    assert failure(connection, frame(DATA, 0, 1, length=20_001)) == (
        FRAME_SIZE_ERROR,
        "a frame is larger than announced",
    )


def test_control_frame_size() -> None:
    """Frames that are buffered whole have a bound of their own below a large max_frame_size."""
    limits = Limits(max_frame_size=MIB, max_control_frame_size=1002, max_header_list_size=MIB)
    connection = server(limits)
    connection.receive(frame(SETTINGS, 0, 0, bytes(1002)), 0.0)
    assert failure(connection, frame(SETTINGS, 0, 0, length=1003))[0] == ENHANCE_YOUR_CALM


def headers_of_size(size: int) -> list[tuple[bytes, bytes]]:
    """A request's header list of so many bytes, counted as in RFC 9113."""
    used = sum(len(name) + len(value) + 32 for name, value in REQUEST)
    return [*REQUEST, (b"x", bytes(size - used - 33).replace(b"\0", b"y"))]


def test_header_list_size() -> None:
    """A header list may have max_header_list_size bytes; one more ends the connection."""
    limits = Limits(max_header_list_size=2000)
    assert len(server(limits).receive(request(1, headers_of_size(2000)), 0.0)) == 1
    assert failure(server(limits), request(1, headers_of_size(2001)))[0] == ENHANCE_YOUR_CALM


def test_header_list_that_is_small_on_the_wire() -> None:
    """References to one table entry that add up to a huge list are not inflated (HPACK bomb)."""
    entry = b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000  # the latest entry of the table: index 62
    bomb = bytes(hpack.Encoder().encode(REQUEST)) + entry + b"\xbe" * 10_000
    assert len(bomb) < 16_384
    connection = server(Limits(max_header_list_size=16_384))
    assert failure(connection, frame(HEADERS, FLAG_END_HEADERS, 1, bomb))[0] == ENHANCE_YOUR_CALM


def test_compressed_header_block_size() -> None:
    """A block spread over CONTINUATION frames is cut off at max_header_list_size, before it is decoded."""
    limits = Limits(max_header_list_size=1000)
    start = frame(HEADERS, 0, 1, bytes(600))
    assert failure(server(limits), start + frame(CONTINUATION, 0, 1, bytes(401)))[0] == ENHANCE_YOUR_CALM


def test_header_count() -> None:
    """max_header_count fields pass; one more resets the stream only."""
    limits = Limits(max_header_count=10)
    extra = [(b"x", b"y")] * (10 - len(REQUEST))
    connection = server(limits)
    assert len(connection.receive(request(1, REQUEST + extra), 0.0)) == 1
    assert reset(connection, request(3, [*REQUEST, *extra, (b"x", b"y")]))[:2] == (3, ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("empty", [False, True])
def test_continuation_count(empty: bool) -> None:
    """max_continuations frames may follow HEADERS; one more ends the connection (CONTINUATION flood)."""
    limits = Limits(max_continuations=4)
    fields = block(REQUEST)
    start = frame(HEADERS, 0, 1, b"" if empty else fields[:5])
    middle = [b"" if empty else fields[5 + i : 6 + i] for i in range(4)]
    middle[3] = fields if empty else fields[8:]
    good = start + b"".join(
        frame(CONTINUATION, FLAG_END_HEADERS if i == 3 else 0, 1, part) for i, part in enumerate(middle)
    )
    assert [type(event).__name__ for event in server(limits).receive(good, 0.0)] == ["HeadersReceived"]
    flood = start + frame(CONTINUATION, 0, 1, b"") * 5
    assert failure(server(limits), flood) == (ENHANCE_YOUR_CALM, "too many CONTINUATION frames")


def test_concurrent_streams() -> None:
    """max_concurrent_streams may be open; a further one is refused, and there is room again when one ends."""
    connection = server(Limits(max_concurrent_streams=2))
    assert len(connection.receive(request(1) + request(3), 0.0)) == 2
    assert connection.receive(request(5), 0.0) == []
    (refusal,) = output(connection)
    assert (refusal.kind, refusal.stream, refusal.payload) == (RST_STREAM, 5, REFUSED_STREAM.to_bytes(4, "big"))
    connection.receive(frame(RST_STREAM, 0, 1, bytes(4)), 0.0)
    assert len(connection.receive(request(7), 0.0)) == 1


def flood(limit: str, burst: int) -> tuple[Connection, Limits]:
    limits = Limits(**{limit: (burst, 1)})  # type: ignore[arg-type]
    return server(limits), limits


FLOODS = {
    "resets": lambda n: request(2 * n + 1) + frame(RST_STREAM, 0, 2 * n + 1, bytes(4)),
    "pings": lambda n: frame(PING, 0, 0, bytes(8)),
    "settings": lambda n: frame(SETTINGS, 0, 0),
    "window_updates": lambda n: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
    "empty_frames": lambda n: frame(PRIORITY, 0, 1, bytes(5)),
}


@pytest.mark.parametrize("limit", FLOODS)
def test_floods(limit: str) -> None:
    """A burst passes, one more does not; after a second, one more passes again."""
    burst = 10
    used = 1 if limit == "settings" else 0  # the client's hello
    for late in (False, True):
        connection, _ = flood(limit, burst)
        for number in range(burst - used):
            connection.receive(FLOODS[limit](number), 0.0)
        assert not connection.failed
        last = FLOODS[limit](burst)
        if late:
            connection.receive(last, 1.0)
            assert not connection.failed
        else:
            assert failure(connection, last) == (ENHANCE_YOUR_CALM, f"too many {limit.replace('_', ' ')}")


@pytest.mark.parametrize(
    "empty",
    [data(1, b""), data(1, b"", pad=10), frame(0x77, 0, 0, b"abc")],
    ids=["DATA", "padding only", "unknown type"],
)
def test_frames_that_carry_nothing(empty: bytes) -> None:
    """Empty DATA, padding and unknown types count as empty frames."""
    connection, _ = flood("empty_frames", 5)
    connection.receive(request(1) + empty * 5, 0.0)
    assert not connection.failed
    assert failure(connection, empty)[0] == ENHANCE_YOUR_CALM


def test_refused_streams_count_as_resets() -> None:
    """Opening streams beyond the limit again and again is a flood."""
    connection = server(Limits(max_concurrent_streams=1, resets=(3, 1)))
    connection.receive(b"".join(request(number) for number in (1, 3, 5, 7)), 0.0)
    assert failure(connection, request(9)) == (ENHANCE_YOUR_CALM, "too many resets")


def test_provoked_resets_count_as_resets() -> None:
    """A peer that makes us reset its streams, by faults, is stopped like one that resets them itself."""
    connection = server(Limits(resets=(3, 1)))
    fault = frame(WINDOW_UPDATE, 0, 0, bytes(4))
    assert len(fault) == 13
    bad = [request(number) + frame(WINDOW_UPDATE, 0, number, bytes(4)) for number in (1, 3, 5, 7)]
    connection.receive(b"".join(bad[:3]), 0.0)
    assert not connection.failed
    assert failure(connection, bad[3])[0] == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("limit", ["pings", "window_updates"])
def test_answers_allow_more(limit: str) -> None:
    """A client may ping and give windows back for each DATA frame that it got."""
    connection, _ = flood(limit, 4)
    for number in range(1, 101, 2):
        connection.receive(request(number, ends=True), 0.0)
        connection.respond(
            connection.streams[number], block([(b":status", b"200")]), [b"x"], 1, block([(b"a", b"b")]), 0.0
        )
        connection.receive(FLOODS[limit](0) * 2, 0.0)
    assert not connection.failed


def test_window_of_a_stream() -> None:
    """A peer may send initial_window bytes; one more resets the stream. Padding is given back."""
    limits = Limits(max_frame_size=MIB, initial_window=100_000)
    connection = server(limits)
    connection.receive(request(1) + data(1, bytes(99_000)) + data(1, bytes(900), pad=99), 0.0)
    (update,) = output(connection)
    assert (update.stream, int.from_bytes(update.payload, "big")) == (1, 100)
    connection.receive(data(1, bytes(100)), 0.0)
    assert not connection.failed
    assert reset(connection, data(1, b"x"))[:2] == (1, FLOW_CONTROL_ERROR)


def test_window_of_the_connection() -> None:
    """All streams together may send connection_window bytes before we give any back."""
    limits = Limits(max_frame_size=MIB, initial_window=MIB, connection_window=100_000)
    connection = server(limits)
    connection.receive(request(1) + request(3) + request(5), 0.0)
    connection.receive(frame(DATA, 0, 1, length=49_999) + bytes(49_998), 0.0)
    assert output(connection) == []
    connection.receive(b"\0" + data(3, b"x"), 0.0)
    (update,) = output(connection)
    assert (update.kind, update.stream, int.from_bytes(update.payload, "big")) == (WINDOW_UPDATE, 0, 50_000)
    assert failure(connection, frame(DATA, 0, 5, length=100_001))[0] == FLOW_CONTROL_ERROR


def test_windows_grow_with_the_expected_body() -> None:
    """Once a body's length is known, all of it may be sent, in steps of the initial window; not a byte more."""
    limits = Limits(max_frame_size=MIB, initial_window=65_536)
    connection = server(limits)
    connection.receive(request(1), 0.0)
    stream = connection.streams[1]
    connection.expect_body(stream, 1_000_000)
    window, sent = 65_536, 0
    while sent < 1_000_000:
        step = min(window, 50_000, 1_000_000 - sent)
        assert step > 0
        connection.receive(data(1, bytes(step)), 0.0)
        sent += step
        updates = [each for each in output(connection) if each.kind == WINDOW_UPDATE and each.stream == 1]
        window += sum(int.from_bytes(each.payload, "big") for each in updates) - step
    assert not connection.failed
    assert stream.received == 1_000_000
    assert window == 0


def test_a_body_beyond_its_limit_is_refused_and_freed() -> None:
    """More bytes than expected are refused once, and nothing of the body is held any longer."""
    connection = server()
    connection.receive(request(1), 0.0)
    stream = connection.streams[1]
    connection.expect_body(stream, 10)
    found = connection.receive(data(1, bytes(11)) + data(1, bytes(1000)), 0.0)
    assert [type(event) for event in found] == [events.BodyRefused]
    assert stream.chunks == []
    assert stream.charged == 0


def test_memory_is_shared_and_given_back() -> None:
    """Bodies of all connections share one bound; the one that passes it is refused; done streams make room."""
    memory = ReceiveMemory(10 * (1000 + CHUNK_OVERHEAD))
    connections = [Connection(client=False, limits=Limits(), memory=memory) for _ in range(2)]
    for connection in connections:
        connection.receive(frames.PREFACE + frame(SETTINGS, 0, 0), 0.0)
    for number in range(10):
        found = connections[number % 2].receive(request(2 * number + 1) + data(2 * number + 1, bytes(1000)), 0.0)
        assert not [event for event in found if isinstance(event, events.BodyRefused)]
    (refused,) = connections[0].receive(request(21) + data(21, b"x"), 0.0)[1:]
    assert isinstance(refused, events.BodyRefused)
    assert refused.out_of_memory
    assert memory.used == memory.limit
    connections[0].receive(frame(RST_STREAM, 0, 1, bytes(4)), 0.0)
    assert memory.used == memory.limit - 1000 - CHUNK_OVERHEAD
    for connection in connections:
        connection.close()
    assert memory.used == 0


def test_tiny_pieces_are_not_free() -> None:
    """A body in single bytes is counted with what each piece costs to hold."""
    connection = server(memory=100 * (CHUNK_OVERHEAD + 1))
    received = request(1) + data(1, b"x") * 101
    found = connection.receive(received, 0.0)
    assert any(isinstance(event, events.BodyRefused) for event in found)


def test_held_frames_count_as_memory() -> None:
    """The beginning of a frame is counted while the rest is missing, and a connection without room for it ends."""
    memory = ReceiveMemory(3000)
    connection = Connection(client=False, limits=Limits(), memory=memory)
    connection.receive(frames.PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 0, 1, bytes(2000), length=5000), 1.0)
    assert memory.used == 2009
    assert connection.unfinished_since == 1.0
    assert failure(connection, bytes(1000))[0] == ENHANCE_YOUR_CALM
    assert memory.used == 0


def test_unfinished_frames_have_a_beginning() -> None:
    """unfinished_since is when a frame or header block began to be incomplete; negative when all are complete."""
    connection = server()
    headers = frame(HEADERS, 0, 1, block(REQUEST))
    steps = [(headers[:5], 1.0, 1.0), (headers[5:9], 2.0, 1.0), (headers[9:], 3.0, 3.0)]
    steps += [(frame(CONTINUATION, 0, 1), 4.0, 4.0), (frame(CONTINUATION, FLAG_END_HEADERS, 1), 5.0, -1.0)]
    for received, now, since in steps:
        connection.receive(received, now)
        assert connection.unfinished_since == since


def test_a_flooded_client_does_not_count_resets() -> None:
    """A server may reset every call of ours: that is its right, and ends no connection."""
    connection = client(Limits(resets=(1, 1)))
    for _ in range(10):
        stream = connection.open_stream(block(REQUEST), [b"x"], 1, 0.0)
        connection.receive(frame(RST_STREAM, 0, stream.id, bytes(4)), 0.0)
    assert not connection.failed


def test_token_bucket() -> None:
    """A burst at once, then so many per second; credit allows more, up to the burst."""
    bucket = TokenBucket(2, 10, 0.0)
    assert [bucket.spend(0.0) for _ in range(3)] == [True, True, False]
    assert [bucket.spend(0.1), bucket.spend(0.1)] == [True, False]
    bucket.credit(1, 1)
    bucket.credit(1, 1)
    assert [bucket.spend(0.1), bucket.spend(0.1)] == [True, False]
    bucket.credit(100, 5)
    assert [bucket.spend(0.1) for _ in range(3)] == [True, True, False]
