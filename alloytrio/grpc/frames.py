"""HTTP/2 frames: their numbers, and how each is written.

Source: RFC 9113 sections 4, 6 and 7. Frames are written as complete bytes; the reading half is in ``http2.py``, because
the frame loop is the hot path. Compiled with mypyc: plain functions over bytes.
"""

from typing import Final

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

FLAG_ACK: Final = 0x1
FLAG_END_STREAM: Final = 0x1
FLAG_END_HEADERS: Final = 0x4
FLAG_PADDED: Final = 0x8
FLAG_PRIORITY: Final = 0x20

NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
INTERNAL_ERROR: Final = 2
FLOW_CONTROL_ERROR: Final = 3
SETTINGS_TIMEOUT: Final = 4
STREAM_CLOSED: Final = 5
FRAME_SIZE_ERROR: Final = 6
REFUSED_STREAM: Final = 7
CANCEL: Final = 8
COMPRESSION_ERROR: Final = 9
CONNECT_ERROR: Final = 10
ENHANCE_YOUR_CALM: Final = 11
INADEQUATE_SECURITY: Final = 12
HTTP_1_1_REQUIRED: Final = 13

ERROR_NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)

SETTINGS_HEADER_TABLE_SIZE: Final = 1
SETTINGS_ENABLE_PUSH: Final = 2
SETTINGS_MAX_CONCURRENT_STREAMS: Final = 3
SETTINGS_INITIAL_WINDOW_SIZE: Final = 4
SETTINGS_MAX_FRAME_SIZE: Final = 5
SETTINGS_MAX_HEADER_LIST_SIZE: Final = 6

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_BYTES: Final = 9
DEFAULT_WINDOW: Final = 65_535
DEFAULT_FRAME_SIZE: Final = 16_384  # also the smallest that a peer may set
LARGEST_FRAME_SIZE: Final = 16_777_215
LARGEST_WINDOW: Final = 2_147_483_647
LARGEST_STREAM_ID: Final = 2_147_483_647


def error_name(code: int) -> str:
    """The RFC's name of an error code, or its number in hex when it has none."""
    return ERROR_NAMES[code] if 0 <= code < len(ERROR_NAMES) else hex(code)


def frame_header(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The nine bytes before a payload of ``length`` bytes."""
    return ((length << 48) | (kind << 40) | (flags << 32) | stream_id).to_bytes(9, "big")


def settings_frame(settings: list[tuple[int, int]]) -> bytes:
    """SETTINGS with (identifier, value) pairs."""
    payload = b"".join([((key << 32) | value).to_bytes(6, "big") for key, value in settings])
    return frame_header(len(payload), SETTINGS, 0, 0) + payload


SETTINGS_ACK: Final = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00"


def ping_frame(payload: bytes, *, ack: bool) -> bytes:
    """PING or its acknowledgement; ``payload`` is eight bytes."""
    return frame_header(8, PING, FLAG_ACK if ack else 0, 0) + payload


def reset_frame(stream_id: int, code: int) -> bytes:
    """RST_STREAM."""
    return frame_header(4, RST_STREAM, 0, stream_id) + code.to_bytes(4, "big")


def window_update_frame(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE for a stream, or for the connection when ``stream_id`` is 0."""
    return frame_header(4, WINDOW_UPDATE, 0, stream_id) + increment.to_bytes(4, "big")


def goaway_frame(last_stream_id: int, code: int, debug: bytes) -> bytes:
    """GOAWAY; streams above ``last_stream_id`` were not and will not be processed."""
    payload = ((last_stream_id << 32) | code).to_bytes(8, "big") + debug
    return frame_header(len(payload), GOAWAY, 0, 0) + payload


def headers_frames(stream_id: int, block: bytes, *, end_stream: bool, max_frame: int) -> bytes:
    """HEADERS, and CONTINUATION as far as the block is longer than the peer's frame size."""
    flags = FLAG_END_STREAM if end_stream else 0
    if len(block) <= max_frame:
        return frame_header(len(block), HEADERS, flags | FLAG_END_HEADERS, stream_id) + block
    parts = [frame_header(max_frame, HEADERS, flags, stream_id), block[:max_frame]]
    position = max_frame
    while position < len(block):
        piece = block[position : position + max_frame]
        position += len(piece)
        last = FLAG_END_HEADERS if position == len(block) else 0
        parts += [frame_header(len(piece), CONTINUATION, last, stream_id), piece]
    return b"".join(parts)
