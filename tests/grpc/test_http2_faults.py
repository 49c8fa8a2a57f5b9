"""Each rule of HTTP/2 that a peer can break ends its connection or stream with the error code of the RFC."""

import pytest

from alloytrio.grpc import frames
from alloytrio.grpc.frames import (
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    FLAG_ACK,
    FLAG_END_HEADERS,
    FLAG_END_STREAM,
    FLAG_PADDED,
    FLAG_PRIORITY,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
)
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import Limits, ReceiveMemory
from tests.grpc.raw import HELLO, REQUEST, block, client, data, failure, frame, output, request, reset, server


def setting(key: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, key.to_bytes(2, "big") + value.to_bytes(4, "big"))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


OPEN = request(1)
CLOSED = request(1, ends=True) + frame(RST_STREAM, 0, 1, bytes(4))

CONNECTION_FAULTS = {
    "frame larger than announced": (
        data(1, b"", ends=True)[:0] + frame(DATA, 0, 1, b"", length=16_385),
        FRAME_SIZE_ERROR,
    ),
    "DATA on stream 0": (data(0, b"x"), PROTOCOL_ERROR),
    "DATA on an idle stream": (data(1, b"x"), PROTOCOL_ERROR),
    "DATA on a closed stream": (CLOSED + data(1, b"x"), STREAM_CLOSED),
    "DATA on a server's stream": (data(2, b"x"), PROTOCOL_ERROR),
    "padding as long as its frame": (OPEN + frame(DATA, FLAG_PADDED, 1, b"\x01"), PROTOCOL_ERROR),
    "padded DATA without a length": (OPEN + frame(DATA, FLAG_PADDED, 1), PROTOCOL_ERROR),
    "HEADERS on stream 0": (request(0), PROTOCOL_ERROR),
    "HEADERS on an even stream": (request(2), PROTOCOL_ERROR),
    "HEADERS on a closed stream": (CLOSED + request(1), STREAM_CLOSED),
    "HEADERS on a lower stream": (request(5) + request(3), STREAM_CLOSED),
    "HEADERS with too much padding": (frame(HEADERS, FLAG_PADDED | FLAG_END_HEADERS, 1, b"\x05abc"), PROTOCOL_ERROR),
    "padded HEADERS without a length": (frame(HEADERS, FLAG_PADDED | FLAG_END_HEADERS, 1), FRAME_SIZE_ERROR),
    "HEADERS too short for priority": (frame(HEADERS, FLAG_PRIORITY | FLAG_END_HEADERS, 1, b"abc"), PROTOCOL_ERROR),
    "a header block that does not decode": (
        frame(HEADERS, FLAG_END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
        COMPRESSION_ERROR,
    ),
    "an index beyond the table": (frame(HEADERS, FLAG_END_HEADERS, 1, b"\xc6"), COMPRESSION_ERROR),
    "a frame inside a header block": (
        frame(HEADERS, 0, 1, block(REQUEST)) + frame(PING, 0, 0, bytes(8)),
        PROTOCOL_ERROR,
    ),
    "CONTINUATION of another stream": (frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 4, 3, b""), PROTOCOL_ERROR),
    "CONTINUATION without HEADERS": (frame(CONTINUATION, 4, 1, block(REQUEST)), PROTOCOL_ERROR),
    "RST_STREAM of a wrong size": (OPEN + frame(RST_STREAM, 0, 1, b"abc"), FRAME_SIZE_ERROR),
    "RST_STREAM on stream 0": (frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "PRIORITY on stream 0": (frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    "PRIORITY of a wrong size": (frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    "PUSH_PROMISE": (OPEN + frame(PUSH_PROMISE, FLAG_END_HEADERS, 1, bytes(4)), PROTOCOL_ERROR),
    "PING of a wrong size": (frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "PING on a stream": (OPEN + frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "SETTINGS of a wrong size": (frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (OPEN + frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "an acknowledgement of SETTINGS with a payload": (frame(SETTINGS, FLAG_ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "ENABLE_PUSH = 2": (setting(frames.SETTINGS_ENABLE_PUSH, 2), PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE = 2^31": (setting(frames.SETTINGS_INITIAL_WINDOW_SIZE, 1 << 31), FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE = 16383": (setting(frames.SETTINGS_MAX_FRAME_SIZE, 16_383), PROTOCOL_ERROR),
    "MAX_FRAME_SIZE = 2^24": (setting(frames.SETTINGS_MAX_FRAME_SIZE, 1 << 24), PROTOCOL_ERROR),
    "WINDOW_UPDATE of a wrong size": (frame(WINDOW_UPDATE, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "WINDOW_UPDATE by 0": (window_update(0, 0), PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (window_update(1, 1), PROTOCOL_ERROR),
    "a connection's window above 2^31-1": (window_update(0, (1 << 31) - 65_535), FLOW_CONTROL_ERROR),
    "a setting that lifts a window above 2^31-1": (
        OPEN + window_update(1, 1) + setting(frames.SETTINGS_INITIAL_WINDOW_SIZE, (1 << 31) - 1),
        FLOW_CONTROL_ERROR,
    ),
    "GOAWAY of a wrong size": (frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (OPEN + frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", CONNECTION_FAULTS)
def test_connection_faults(name: str) -> None:
    """The connection ends with GOAWAY and the right code, and takes in nothing more."""
    received, code = CONNECTION_FAULTS[name]
    connection = server()
    assert failure(connection, received)[0] == code
    assert connection.receive(request(7), 0.0) == []
    assert not connection.has_output()


STREAM_FAULTS = {
    "DATA after the end": (request(1, ends=True) + data(1, b"x"), STREAM_CLOSED),
    "HEADERS after the end": (request(1, ends=True) + request(1), STREAM_CLOSED),
    "a second header list that does not end the stream": (
        OPEN + frame(HEADERS, FLAG_END_HEADERS, 1, block([(b"a", b"b")])),
        PROTOCOL_ERROR,
    ),
    "trailers with a pseudo-header": (
        OPEN + frame(HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, 1, block([(b":path", b"/")])),
        PROTOCOL_ERROR,
    ),
    "WINDOW_UPDATE by 0": (OPEN + window_update(1, 0), PROTOCOL_ERROR),
    "a stream's window above 2^31-1": (OPEN + window_update(1, (1 << 31) - 65_535), FLOW_CONTROL_ERROR),
    "PRIORITY of a wrong size": (OPEN + frame(PRIORITY, 0, 1, bytes(6)), FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_stream_faults(name: str) -> None:
    """Only the stream is reset; another one is served afterwards."""
    received, code = STREAM_FAULTS[name]
    connection = server()
    assert reset(connection, received)[:2] == (1, code)
    assert [type(event).__name__ for event in connection.receive(request(3), 0.0)] == ["HeadersReceived"]


MALFORMED = {
    "no path": REQUEST[:2] + REQUEST[3:],
    "an empty path": [*REQUEST[:2], (b":path", b""), *REQUEST[3:]],
    "no method": REQUEST[1:],
    "no scheme": REQUEST[:1] + REQUEST[2:],
    "a pseudo-header twice": [REQUEST[0], *REQUEST],
    "an unknown pseudo-header": [(b":status", b"200"), *REQUEST],
    "a pseudo-header after a header": [*REQUEST, (b":authority", b"x")],
    "upper case": [*REQUEST, (b"X-A", b"b")],
    "an empty name": [*REQUEST, (b"", b"b")],
    "a space in a name": [*REQUEST, (b"a b", b"b")],
    "a line end in a value": [*REQUEST, (b"a", b"b\r\nc: d")],
    "a line end in the path": [*REQUEST[:2], (b":path", b"/\r\nx"), *REQUEST[3:]],
    "a zero byte in a value": [*REQUEST, (b"a", b"\0")],
    "connection": [*REQUEST, (b"connection", b"close")],
    "transfer-encoding": [*REQUEST, (b"transfer-encoding", b"chunked")],
    "te that is not trailers": [*REQUEST[:-1], (b"te", b"gzip")],
    "nothing": [],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests(name: str) -> None:
    """A malformed header list resets its stream; the header table stays usable."""
    connection = server()
    assert reset(connection, request(1, MALFORMED[name]))[:2] == (1, PROTOCOL_ERROR)
    assert len(connection.receive(request(3), 0.0)) == 1


ANSWERS = {
    "no status": [(b"content-type", b"application/grpc")],
    "a status that is no number": [(b":status", b"2x0")],
    "a request's pseudo-header": [(b":status", b"200"), (b":path", b"/")],
    "upper case": [(b":status", b"200"), (b"A", b"b")],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_malformed_answers(name: str) -> None:
    """A malformed answer resets the client's stream."""
    connection = client()
    connection.open_stream(block(REQUEST), [b"body"], 4, 0.0)
    output(connection)
    assert reset(connection, request(1, ANSWERS[name]))[:2] == (1, PROTOCOL_ERROR)


def test_interim_answers_are_skipped() -> None:
    """A 1xx answer is not the answer."""
    connection = client()
    connection.open_stream(block(REQUEST), [b"body"], 4, 0.0)
    assert connection.receive(request(1, [(b":status", b"103")]), 0.0) == []
    assert len(connection.receive(request(1, [(b":status", b"200")]), 0.0)) == 1


CLIENT_FAULTS = {
    "a server that pushes": (setting(frames.SETTINGS_ENABLE_PUSH, 1), PROTOCOL_ERROR),
    "HEADERS on a stream that we did not open": (request(1, [(b":status", b"200")]), PROTOCOL_ERROR),
    "HEADERS on a server's stream": (request(2, [(b":status", b"200")]), PROTOCOL_ERROR),
    "DATA on a stream that we did not open": (data(3, b"x"), PROTOCOL_ERROR),
    "WINDOW_UPDATE on a stream that we did not open": (window_update(5, 1), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", CLIENT_FAULTS)
def test_faults_of_servers(name: str) -> None:
    """A client holds its server to the rules too."""
    received, code = CLIENT_FAULTS[name]
    assert failure(client(), received)[0] == code


def test_data_before_an_answers_headers() -> None:
    """A server that begins with DATA is cut off."""
    connection = client()
    connection.open_stream(block(REQUEST), [b"body"], 4, 0.0)
    output(connection)
    assert failure(connection, data(1, b"x"))[0] == PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "not HTTP/2"),
        (b"\x16\x03\x01\x02\x00", "a TLS client hello on a plaintext port"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "not HTTP/2"),
        (HELLO[:24] + frame(PING, 0, 0, bytes(8)), "the first frame is not SETTINGS"),
        (HELLO[:24] + frame(SETTINGS, FLAG_ACK, 0), "the first frame is not SETTINGS"),
    ],
)
def test_strangers_are_told_from_clients(received: bytes, reason: str) -> None:
    """What is not HTTP/2 is refused as soon as it shows, byte by byte too."""
    for step in (1, len(received)):
        connection = Connection(client=False, limits=Limits(), memory=ReceiveMemory(1 << 20))
        reasons = []
        for position in range(0, len(received), step):
            reasons += connection.receive(received[position : position + step], 0.0)
        assert [getattr(event, "reason", "") for event in reasons] == [reason]
        assert output(connection)[-1].kind == GOAWAY


def test_late_frames_of_a_stream_that_we_reset_are_dropped() -> None:
    """DATA, trailers, WINDOW_UPDATE and RST_STREAM that were on their way when we reset are no fault."""
    connection = server()
    connection.receive(OPEN, 0.0)
    connection.reset(connection.streams[1], frames.CANCEL)
    trailers = frame(HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, 1, block([(b"a", b"b")]))
    late = data(1, bytes(1000)) + trailers + window_update(1, 5) + frame(RST_STREAM, 0, 1, bytes(4))
    assert connection.receive(late, 0.0) == []
    assert not connection.failed


def test_unknown_frames_are_skipped() -> None:
    """A frame type and a setting that nobody knows are ignored, wherever the input is cut."""
    connection = server()
    received = frame(0xBE, 0xFF, 5, bytes(10_000)) + setting(0xBEEF, 7) + OPEN
    events = []
    for position in range(0, len(received), 100):
        events += connection.receive(received[position : position + 100], 0.0)
    assert [type(event).__name__ for event in events] == ["SettingsReceived", "HeadersReceived"]
