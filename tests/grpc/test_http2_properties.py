"""What must hold for any input: cuts do not matter, nothing but a fault comes out of nonsense, memory is given back."""

import hpack
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.grpc import frames
from alloytrio.grpc.headers import encode_headers
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import Limits, ReceiveMemory
from tests.grpc.raw import (
    HELLO,
    REQUEST,
    SERVER_HELLO,
    Frame,
    block,
    data,
    frame,
    output,
    read_frames,
    request,
    summary,
)

EXAMPLES = 150
STREAMS = st.sampled_from([0, 1, 1, 1, 2, 3, 3, 5, 7, 9])
PAYLOAD = st.binary(max_size=40) | st.integers(0, 20_000).map(bytes)
NAMES = st.sampled_from([b"a", b"x-longer-name", b"te", b"content-type", b":path", b"A", b""])
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=4).map(lambda extra: [*REQUEST, *extra])


@st.composite
def header_frames(draw: st.DrawFn) -> bytes:
    """HEADERS, sometimes padded, cut into CONTINUATION, ended or malformed."""
    stream = draw(STREAMS)
    fields = block(draw(HEADERS)) if draw(st.integers(0, 9)) else draw(st.binary(max_size=30))
    ends = frames.FLAG_END_STREAM if draw(st.booleans()) else 0
    cuts = sorted(draw(st.lists(st.integers(0, len(fields)), max_size=3)))
    parts = [fields[start:end] for start, end in zip([0, *cuts], [*cuts, len(fields)], strict=True)]
    first = parts[0]
    flags = ends
    if draw(st.integers(0, 4)) == 0:
        flags |= frames.FLAG_PADDED
        first = b"\x03" + first + b"\0\0\0"
    out = [frame(frames.HEADERS, flags | (0 if cuts else frames.FLAG_END_HEADERS), stream, first)]
    for number, part in enumerate(parts[1:], 1):
        last = frames.FLAG_END_HEADERS if number == len(parts) - 1 else 0
        out.append(frame(frames.CONTINUATION, last, stream, part))
    return b"".join(out)


ANY_FRAME = st.builds(frame, st.integers(0, 12), st.integers(0, 255), STREAMS, PAYLOAD)
DATA_FRAME = st.builds(data, STREAMS, PAYLOAD, ends=st.booleans(), pad=st.none() | st.integers(0, 255))
SETTINGS_FRAME = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1 << 17)), max_size=3).map(frames.settings_frame)
CONTROL_FRAME = st.one_of(
    SETTINGS_FRAME,
    st.just(frames.SETTINGS_ACK),
    st.builds(frames.ping_frame, st.binary(min_size=8, max_size=8), ack=st.booleans()),
    st.builds(frames.reset_frame, STREAMS, st.integers(0, 20)),
    st.builds(frames.window_update_frame, STREAMS, st.integers(0, 1 << 20)),
    st.builds(frames.goaway_frame, STREAMS, st.integers(0, 20), st.binary(max_size=10)),
    st.builds(frame, st.just(frames.PRIORITY), st.just(0), STREAMS, st.just(bytes(5))),
)
CONVERSATION = st.lists(
    st.one_of(header_frames(), STREAMS.map(request), DATA_FRAME, DATA_FRAME, CONTROL_FRAME, ANY_FRAME), max_size=12
).map(b"".join)
CUTS = st.lists(st.integers(1, 5000), max_size=40)


def run(client: bool, received: bytes, cuts: list[int]) -> tuple[list[tuple[object, ...]], list[object], int]:
    """(events, frames sent, bytes held) of a connection that receives these bytes cut at these places."""
    memory = ReceiveMemory(1 << 30)
    connection = Connection(client=client, limits=Limits(max_concurrent_streams=3), memory=memory)
    if client:
        for _ in range(3):
            connection.open_stream(block(REQUEST), [b"body"], 4, 0.0)
    found = []
    position = 0
    for cut in [*cuts, len(received)]:
        found += connection.receive(received[position : position + cut], 0.0)
        position += cut
    summaries = [summary(event) for event in found]
    sent: list[object] = list(output(connection))
    connection.close()
    return summaries, sent, memory.used


@settings(max_examples=EXAMPLES, deadline=None)
@given(client=st.booleans(), conversation=CONVERSATION, cuts=CUTS)
def test_cuts_do_not_matter(client: bool, conversation: bytes, cuts: list[int]) -> None:
    """Any frames, right or wrong, give the same events and answers however the bytes are cut; memory is given back."""
    received = (SERVER_HELLO if client else HELLO) + conversation
    whole = run(client, received, [])
    assert run(client, received, cuts) == whole
    assert run(client, received, [1] * min(len(received), 300)) == whole
    assert whole[2] == 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(client=st.booleans(), noise=st.binary(max_size=300), hello=st.booleans(), cuts=CUTS)
def test_noise_is_a_fault_and_nothing_worse(client: bool, noise: bytes, hello: bool, cuts: list[int]) -> None:
    """Random bytes raise nothing."""
    received = (SERVER_HELLO if client else HELLO if hello else frames.PREFACE) + noise
    assert run(client, received, cuts)[2] == 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60_000), min_size=1, max_size=5),
    window=st.integers(0, 70_000),
    frame_size=st.integers(16_384, 70_000),
    writes=st.lists(st.integers(1, 100_000), min_size=1, max_size=5),
    updates=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40_000)), max_size=30),
)
def test_windows_are_kept(
    sizes: list[int], window: int, frame_size: int, writes: list[int], updates: list[tuple[int, int]]
) -> None:
    """What we send never exceeds the peer's windows and frame size, and all of it is sent once they allow it."""
    connection = Connection(client=True, limits=Limits(), memory=ReceiveMemory(1 << 30))
    hello = [(frames.SETTINGS_INITIAL_WINDOW_SIZE, window), (frames.SETTINGS_MAX_FRAME_SIZE, frame_size)]
    connection.receive(frames.settings_frame(hello), 0.0)
    bodies = {}
    for size in sizes:
        body = bytes(number % 251 for number in range(size))
        stream = connection.open_stream(block(REQUEST), [body[:7], body[7:]] if size > 7 else [body], size, 0.0)
        bodies[stream.id] = body
    room = dict.fromkeys([0, *bodies], window) | {0: frames.DEFAULT_WINDOW}
    received = dict.fromkeys(bodies, b"")
    ended: set[int] = set()
    generous = [(stream, 1 << 20) for stream in room]
    for wanted, increment in [*updates, *generous]:
        key = wanted if wanted in room else 0
        room[key] += increment
        connection.receive(frames.window_update_frame(key, increment), 0.0)
        while connection.has_output():
            taken = connection.take_output(writes[len(ended) % len(writes)])
            assert taken
            for each in read_data(taken):
                assert len(each.payload) <= frame_size
                room[each.stream] -= len(each.payload)
                room[0] -= len(each.payload)
                assert min(room[each.stream], room[0]) >= 0
                received[each.stream] += each.payload
                if each.flags & frames.FLAG_END_STREAM:
                    ended.add(each.stream)
    assert received == bodies
    assert ended == set(bodies)


def read_data(taken: bytes) -> list[Frame]:
    return [each for each in read_frames(taken) if each.kind == frames.DATA]


@settings(max_examples=EXAMPLES, deadline=None)
@given(headers=st.lists(st.tuples(st.binary(min_size=1, max_size=200), st.binary(max_size=5000)), max_size=20))
def test_header_blocks_decode(headers: list[tuple[bytes, bytes]]) -> None:
    """Any list that we encode is read back by hpack, in any state of its table."""
    decoder = hpack.Decoder(max_header_list_size=1 << 20)
    for _ in range(2):
        assert [tuple(pair) for pair in decoder.decode(encode_headers(headers), raw=True)] == headers
    assert len(decoder.header_table.dynamic_entries) == 0
