"""HTTP/2 at the level of frames: writing any frame, right or wrong, and reading what came back."""

from dataclasses import dataclass

import hpack

from alloytrio.grpc import events, frames
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import Limits, ReceiveMemory

Headers = list[tuple[bytes, bytes]]

REQUEST: Headers = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/probe.Probe/echo"),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
]
MEMORY = 1 << 30


@dataclass(frozen=True)
class Frame:
    """One frame; ``kind`` and ``flags`` as on the wire."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """Any frame; ``length`` may lie."""
    return frames.frame_header(len(payload) if length is None else length, kind, flags, stream) + payload


def block(headers: Headers) -> bytes:
    """A header block that needs no table."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(headers))


def request(stream: int, headers: Headers | None = None, *, ends: bool = False) -> bytes:
    """HEADERS of a request."""
    flags = frames.FLAG_END_HEADERS | (frames.FLAG_END_STREAM if ends else 0)
    return frame(frames.HEADERS, flags, stream, block(REQUEST if headers is None else headers))


def data(stream: int, payload: bytes, *, ends: bool = False, pad: int | None = None) -> bytes:
    """DATA, with ``pad`` bytes of padding if given."""
    flags = frames.FLAG_END_STREAM if ends else 0
    if pad is not None:
        return frame(frames.DATA, flags | frames.FLAG_PADDED, stream, bytes([pad]) + payload + bytes(pad))
    return frame(frames.DATA, flags, stream, payload)


def grpc_message(payload: bytes) -> bytes:
    """With its five-byte prefix, not compressed."""
    return len(payload).to_bytes(5, "big") + payload


HELLO = frames.PREFACE + frame(frames.SETTINGS, 0, 0)
SERVER_HELLO = frame(frames.SETTINGS, 0, 0)


def read_frames(output: bytes) -> list[Frame]:
    """The frames in what a connection sent; a preface is skipped."""
    output = output.removeprefix(frames.PREFACE)
    found = []
    while output:
        length = int.from_bytes(output[:3], "big")
        stream = int.from_bytes(output[5:9], "big")
        found.append(Frame(output[3], output[4], stream, output[9 : 9 + length]))
        output = output[9 + length :]
    return found


def server(limits: Limits | None = None, memory: int = MEMORY) -> Connection:
    """A server's connection whose client said hello already; its own hello is taken away."""
    connection = Connection(client=False, limits=limits or Limits(), memory=ReceiveMemory(memory))
    connection.receive(HELLO, 0.0)
    connection.take_output(1 << 30)
    return connection


def client(limits: Limits | None = None) -> Connection:
    """A client's connection whose server said hello already; its own hello is taken away."""
    connection = Connection(client=True, limits=limits or Limits(), memory=ReceiveMemory(MEMORY))
    connection.receive(SERVER_HELLO, 0.0)
    connection.take_output(1 << 30)
    return connection


def output(connection: Connection) -> list[Frame]:
    """The frames that a connection has to send."""
    return read_frames(connection.take_output(1 << 30))


def summary(event: events.Event) -> tuple[object, ...]:
    """An event as a value that can be compared."""
    match event:
        case events.HeadersReceived():
            return ("headers", event.stream.id, tuple(event.stream.headers), event.end_stream)
        case events.StreamEnded():
            return ("ended", event.stream.id, b"".join(event.stream.chunks), tuple(event.stream.trailers))
        case events.StreamReset():
            return ("reset", event.stream.id, event.code, event.remote, event.reason)
        case events.BodyRefused():
            return ("refused", event.stream.id, event.out_of_memory)
        case events.PrefixReceived():
            return ("prefix", event.stream.id)
        case events.PingAcknowledged():
            return ("pong", event.payload)
        case events.GoawayReceived():
            return ("goaway", event.last_stream_id, event.code, event.debug)
        case events.ConnectionFailed():
            return ("failed", event.code, event.reason)
        case _:
            return (type(event).__name__,)


def failure(connection: Connection, received: bytes, now: float = 0.0) -> tuple[int, str]:
    """(code, reason) by which a connection fails when it receives this; GOAWAY must say the same."""
    found = [event for event in connection.receive(received, now) if isinstance(event, events.ConnectionFailed)]
    assert len(found) == 1, "the connection did not fail"
    goaway = output(connection)[-1]
    assert goaway.kind == frames.GOAWAY
    assert int.from_bytes(goaway.payload[4:8], "big") == found[0].code
    assert goaway.payload[8:].decode() == found[0].reason
    return found[0].code, found[0].reason


def reset(connection: Connection, received: bytes, now: float = 0.0) -> tuple[int, int, str]:
    """(stream, code, reason) by which a stream is reset when this is received; the connection lives on."""
    found = [event for event in connection.receive(received, now) if isinstance(event, events.StreamReset)]
    assert len(found) == 1, "no stream was reset"
    assert not connection.failed
    sent = [each for each in output(connection) if each.kind == frames.RST_STREAM]
    assert [(each.stream, int.from_bytes(each.payload, "big")) for each in sent] == [
        (found[0].stream.id, found[0].code)
    ]
    return found[0].stream.id, found[0].code, found[0].reason
