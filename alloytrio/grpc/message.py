"""What gRPC adds to HTTP/2: the five bytes before a message, timeouts, and the header lists of calls and answers.

Source: grpc/doc/PROTOCOL-HTTP2.md, http-grpc-status-mapping.md, grpc-web excluded. Sans-IO.
"""

import binascii
import re
from collections.abc import Collection, Mapping, Sequence

from grpclib.const import Status
from grpclib.metadata import (
    decode_bin_value,
    decode_grpc_message,
    decode_timeout,
    encode_bin_value,
    encode_grpc_message,
    encode_metadata,
    encode_timeout,
)

from alloytrio.grpc.compression import accepted_encodings
from alloytrio.grpc.events import Headers
from alloytrio.grpc.headers import encode_headers
from alloytrio.grpc.status import StatusDetail, encode_status

Metadata = Mapping[str, str | bytes] | Collection[tuple[str, str | bytes]]

PREFIX_BYTES = 5
MAX_STATUS_MESSAGE = 2048  # characters of grpc-message that we send: peers limit their header lists to 8 KiB and up
MAX_STATUS_DETAILS = 4096  # bytes of google.rpc.Status that we send, for the same reason
_LARGEST_TIMEOUT = 99_999_999.0  # eight digits
_TIMEOUT = re.compile(r"[0-9]{1,8}[HMSmun]")

_CONTENT_TYPE = (b"content-type", b"application/grpc")
OK_HEADERS = encode_headers([(b":status", b"200"), _CONTENT_TYPE])
OK_TRAILERS = encode_headers([(b"grpc-status", b"0")])

_HTTP_STATUSES = {
    b"400": Status.INTERNAL,
    b"401": Status.UNAUTHENTICATED,
    b"403": Status.PERMISSION_DENIED,
    b"404": Status.UNIMPLEMENTED,
    b"429": Status.UNAVAILABLE,
    b"502": Status.UNAVAILABLE,
    b"503": Status.UNAVAILABLE,
    b"504": Status.UNAVAILABLE,
}


def message_prefix(size: int, *, compressed: bool) -> bytes:
    """The five bytes before a message of ``size`` bytes on the wire."""
    return (size | (compressed << 32)).to_bytes(PREFIX_BYTES, "big")


def read_prefix(chunks: Sequence[bytes]) -> tuple[int, int]:
    """(flag, length) from pieces of at least five bytes in all."""
    prefix = chunks[0] if len(chunks[0]) >= PREFIX_BYTES else b"".join(chunks[:PREFIX_BYTES])
    return prefix[0], int.from_bytes(prefix[1:PREFIX_BYTES], "big")


def without_prefix(chunks: list[bytes]) -> list[bytes]:
    """The same pieces without the first five bytes."""
    if len(chunks[0]) < PREFIX_BYTES:
        chunks = [b"".join(chunks)]
    if len(chunks) == 1:
        return [chunks[0][PREFIX_BYTES:]]
    return [chunks[0][PREFIX_BYTES:], *chunks[1:]]


def is_grpc(content_type: bytes) -> bool:
    """Whether a content-type is ``application/grpc``, with or without a suffix or parameters."""
    return content_type == b"application/grpc" or content_type.startswith((b"application/grpc+", b"application/grpc;"))


def parse_timeout(value: bytes) -> float:
    """Seconds of a ``grpc-timeout``.

    Raises:
        ValueError: it has more than eight digits, or is none at all.
    """
    text = value.decode("ascii", "replace")
    if _TIMEOUT.fullmatch(text) is None:
        raise ValueError("malformed grpc-timeout")
    return float(decode_timeout(text))


def format_timeout(seconds: float) -> bytes:
    """The ``grpc-timeout`` for so many seconds: never longer than they are, at least a nanosecond."""
    if seconds <= 1e-9:
        return b"1n"
    return encode_timeout(min(seconds, _LARGEST_TIMEOUT)).encode()


def failure_headers(
    status: Status,
    message: str,
    details: Sequence[StatusDetail] = (),
    metadata: Headers | None = None,
    *,
    http_status: bytes = b"200",
    advertise_encodings: bool = False,
) -> bytes:
    """The block of an answer without a body (trailers-only)."""
    headers: Headers = [(b":status", http_status), _CONTENT_TYPE]
    if advertise_encodings:
        headers.append((b"grpc-accept-encoding", accepted_encodings()))
    return encode_headers(headers + trailer_fields(status, message, details, metadata))


def trailer_fields(
    status: Status, message: str, details: Sequence[StatusDetail] = (), metadata: Headers | None = None
) -> Headers:
    """``grpc-status`` and what goes with it. A text or details that are too long are cut or left out."""
    fields: Headers = [(b"grpc-status", str(status.value).encode())]
    message = message[:MAX_STATUS_MESSAGE]
    if message:
        fields.append((b"grpc-message", encode_grpc_message(message).encode()))
    if details:
        encoded = encode_status(status, message, details)
        if len(encoded) <= MAX_STATUS_DETAILS:
            fields.append((b"grpc-status-details-bin", encode_bin_value(encoded)))
    return fields + (metadata or [])


def metadata_headers(metadata: Metadata) -> Headers:
    """User metadata as header fields; names are lower-cased, the values of ``-bin`` names are bytes.

    Raises:
        ValueError: a name or value that HTTP/2 does not allow, or a reserved name.
        TypeError: a value of the wrong type.
    """
    items = metadata.items() if isinstance(metadata, Mapping) else metadata
    lowered = [(name.lower(), value) for name, value in items]
    return [(name.encode(), value.encode()) for name, value in encode_metadata(lowered)]


def read_status(trailers: Headers) -> tuple[int, str, bytes] | None:
    """(grpc-status, grpc-message, decoded grpc-status-details-bin) of trailers; None without a readable status."""
    code, message, details = -1, "", b""
    for name, value in trailers:
        if name == b"grpc-status":
            code = int(value) if value.isdigit() and len(value) < 10 else Status.UNKNOWN.value
        elif name == b"grpc-message":
            message = decode_grpc_message(value.decode("latin-1"))
        elif name == b"grpc-status-details-bin":
            try:
                details = decode_bin_value(value)
            except (binascii.Error, ValueError):
                details = b""
    return None if code < 0 else (code, message, details)


def status_of_http(http_status: bytes) -> Status:
    """The status of an answer that is no gRPC at all."""
    return _HTTP_STATUSES.get(http_status, Status.UNKNOWN)
