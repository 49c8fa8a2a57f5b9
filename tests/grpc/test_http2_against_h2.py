"""Our HTTP/2 connection and ``h2``'s, wired to each other: a second implementation is the judge."""

import h2.config
import h2.connection
import h2.events
import h2.settings
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.grpc import events
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import Limits, ReceiveMemory
from tests.grpc.raw import REQUEST, block

EXAMPLES = 100
STATUS = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0"), (b"x-long", b"v" * 300)]
SIZES = st.lists(st.integers(1, 70_000), min_size=1, max_size=4)
TEXT = bytes(i % 251 for i in range(70_000))
CUTS = st.lists(st.integers(1, 40_000), min_size=1, max_size=10)
WINDOWS = st.sampled_from([1, 100, 16_384, 65_535, 200_000])
TURNS = 1000  # far more than any example needs


def in_cuts(data: bytes, cuts: list[int]) -> list[bytes]:
    """The same bytes: first pieces of these sizes, then the rest."""
    pieces, position = [], 0
    for cut in cuts:
        pieces.append(data[position : position + cut])
        position += cut
    return [piece for piece in [*pieces, data[position:]] if piece]


class H2Peer:
    """An ``h2`` connection that keeps what it was told, and gives all windows back at once."""

    def __init__(self, *, client: bool, window: int) -> None:
        config = h2.config.H2Configuration(client_side=client, header_encoding=False)
        self.connection = h2.connection.H2Connection(config)
        self.connection.local_settings = h2.settings.Settings(
            client=client,
            initial_values={
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window,
                h2.settings.SettingCodes.MAX_FRAME_SIZE: 16_384 + window % 1000,
            },
        )
        self.connection.max_inbound_frame_size = self.connection.local_settings.max_frame_size
        self.connection.initiate_connection()
        self.headers: dict[int, list[tuple[bytes, bytes]]] = {}
        self.bodies: dict[int, bytes] = {}
        self.trailers: dict[int, list[tuple[bytes, bytes]]] = {}
        self.ended: list[int] = []
        self.resets: dict[int, int] = {}

    def receive(self, data: bytes) -> None:
        """Take in bytes; raises what h2 finds wrong with them."""
        for event in self.connection.receive_data(data):
            match event:
                case h2.events.RequestReceived() | h2.events.ResponseReceived():
                    assert event.stream_id is not None
                    self.headers[event.stream_id] = [(bytes(name), bytes(value)) for name, value in event.headers or []]
                case h2.events.DataReceived():
                    assert event.stream_id is not None
                    self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + (event.data or b"")
                    self.connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                case h2.events.TrailersReceived():
                    assert event.stream_id is not None
                    self.trailers[event.stream_id] = [
                        (bytes(name), bytes(value)) for name, value in event.headers or []
                    ]
                case h2.events.StreamEnded():
                    assert event.stream_id is not None
                    self.ended.append(event.stream_id)
                case h2.events.StreamReset():
                    assert event.stream_id is not None
                    self.resets[event.stream_id] = int(event.error_code or 0)
                case h2.events.ConnectionTerminated():
                    raise AssertionError(f"we ended the connection: {event.additional_data!r}")
                case _:
                    pass

    def send_body(self, stream: int, body: bytes, *, ends: bool) -> bytes:
        """Send as much of a body as windows allow; gives the rest. The last piece may end the stream."""
        while body:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if room <= 0:
                return body
            self.connection.send_data(stream, body[:room], end_stream=ends and room >= len(body))
            body = body[room:]
        return b""


@settings(max_examples=EXAMPLES, deadline=None)
@given(sizes=SIZES, window=WINDOWS, ours=WINDOWS, cuts=CUTS, writes=CUTS)
def test_our_client_and_h2(sizes: list[int], window: int, ours: int, cuts: list[int], writes: list[int]) -> None:
    """Requests of our client arrive at an h2 server as they were, and its answers arrive here, whatever the windows."""
    bodies = [TEXT[: min(size, 100 * window)] for size in sizes]  # a small window makes many turns
    limits = Limits(initial_window=max(ours, 65_535), connection_window=max(ours, 65_535))
    memory = ReceiveMemory(1 << 30)
    connection = Connection(client=True, limits=limits, memory=memory)
    peer = H2Peer(client=False, window=window)
    streams: dict[int, bytes] = {}
    answered: dict[int, bytes] = {}
    ended: dict[int, tuple[bytes, list[tuple[bytes, bytes]]]] = {}
    for _ in range(TURNS):
        while connection.has_output():
            for piece in in_cuts(connection.take_output(writes[len(streams) % len(writes)]), cuts):
                peer.receive(piece)
        if len(streams) < len(bodies) and connection.settings_received:
            body = bodies[len(streams)]
            streams[connection.open_stream(block(REQUEST), [body], len(body), 0.0).id] = body
        for stream in [each for each in peer.ended if each not in answered]:
            peer.connection.send_headers(stream, STATUS)
            answered[stream] = streams[stream][::-1]
        for stream, rest in answered.items():
            if rest:
                answered[stream] = peer.send_body(stream, rest, ends=False)
                if not answered[stream]:
                    peer.connection.send_headers(stream, TRAILERS, end_stream=True)
        for piece in in_cuts(peer.connection.data_to_send(), cuts):
            for event in connection.receive(piece, 0.0):
                assert not isinstance(event, events.ConnectionFailed), event.reason
                if isinstance(event, events.PrefixReceived):
                    connection.expect_body(event.stream, 70_000)
                elif isinstance(event, events.StreamEnded):
                    ended[event.stream.id] = (b"".join(event.stream.chunks), event.stream.trailers)
        if len(ended) == len(bodies):
            break
    assert peer.headers == dict.fromkeys(streams, REQUEST)
    assert peer.bodies == streams
    assert ended == {stream: (body[::-1], TRAILERS) for stream, body in streams.items()}
    assert memory.used == 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    sizes=SIZES,
    window=WINDOWS,
    ours=WINDOWS,
    cuts=CUTS,
    writes=CUTS,
    pads=st.lists(st.none() | st.integers(0, 255), min_size=1, max_size=3),
    abandoned=st.integers(0, 3),
)
def test_our_server_and_h2(
    sizes: list[int],
    window: int,
    ours: int,
    cuts: list[int],
    writes: list[int],
    pads: list[int | None],
    abandoned: int,
) -> None:
    """An h2 client gets its answers from our server, with padding, priorities, pings, resets and small windows."""
    bodies = [TEXT[: min(size, 100 * window)] for size in sizes]  # a small window makes many turns
    limits = Limits(initial_window=max(ours, 65_535), connection_window=max(ours, 65_535))
    memory = ReceiveMemory(1 << 30)
    connection = Connection(client=False, limits=limits, memory=memory)
    peer = H2Peer(client=True, window=window)
    left: dict[int, bytes] = {}
    sent: dict[int, bytes] = {}
    for number, body in enumerate(bodies):
        stream = peer.connection.get_next_available_stream_id()
        peer.connection.send_headers(stream, REQUEST, priority_weight=number + 1, priority_depends_on=0)
        pad = pads[number % len(pads)]
        if pad is not None:
            peer.connection.send_data(stream, b"", pad_length=pad)
        if number < abandoned:
            peer.connection.reset_stream(stream, 8)
        else:
            left[stream] = sent[stream] = body
        peer.connection.ping(b"12345678")
    received: dict[int, bytes] = {}
    resets = 0
    for _ in range(TURNS):
        for stream, rest in left.items():
            if rest:
                left[stream] = peer.send_body(stream, rest, ends=True)
        for piece in in_cuts(peer.connection.data_to_send(), cuts):
            for event in connection.receive(piece, 0.0):
                assert not isinstance(event, events.ConnectionFailed), event.reason
                if isinstance(event, events.PrefixReceived):
                    connection.expect_body(event.stream, 70_000)
                elif isinstance(event, events.StreamReset):
                    assert event.remote
                    resets += 1
                elif isinstance(event, events.StreamEnded):
                    body = b"".join(event.stream.chunks)
                    received[event.stream.id] = body
                    connection.respond(event.stream, block(STATUS), [body[::-1]], len(body), block(TRAILERS), 0.0)
        while connection.has_output():
            for piece in in_cuts(connection.take_output(writes[len(received) % len(writes)]), cuts):
                peer.receive(piece)
        if len(peer.ended) == len(sent):
            break
    assert received == sent
    assert resets == min(abandoned, len(bodies))
    assert peer.headers == dict.fromkeys(sent, STATUS)
    assert peer.bodies == {stream: body[::-1] for stream, body in sent.items()}
    assert peer.trailers == dict.fromkeys(sent, TRAILERS)
    assert memory.used == 0
    assert connection.streams == {}
