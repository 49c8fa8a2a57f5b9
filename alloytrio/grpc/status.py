"""``grpc-status-details-bin``: the google.rpc.Status message with its details, RetryInfo above all.

Source: google/rpc/status.proto and error_details.proto. Status {1 code, 2 message, 3 repeated Any}; Any {1 type_url, 2
value}; RetryInfo {1 Duration}; Duration {1 seconds, 2 nanos}. Coded by hand: three small messages, and the values come
from backends that we do not trust.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grpclib.const import Status

from alloytrio.errors import DecodeError
from alloytrio.wire.protobuf import (
    LENGTH,
    VARINT,
    bytes_field,
    read_length,
    read_tag,
    read_varint,
    skip_value,
    truncated,
    varint,
)

RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
MAX_DETAILS = 64  # more details than any real answer has; a hostile one must not cost us time
_LARGEST_DELAY = 86_400.0 * 365  # seconds; a longer wait is nonsense, and must not overflow arithmetic


@dataclass(frozen=True, slots=True)
class StatusDetail:
    """One google.protobuf.Any: what it is, and its encoded message."""

    type_url: str
    value: bytes


@dataclass(frozen=True, slots=True)
class RichStatus:
    """A google.rpc.Status; ``code`` is the number as sent, which may be unknown to us."""

    code: int
    message: str
    details: tuple[StatusDetail, ...]


def retry_info(delay: float) -> StatusDetail:
    """The detail that asks a client to try again after ``delay`` seconds."""
    nanoseconds = round(delay * 1e9)
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    duration = (_varint_field(1, seconds) if seconds else b"") + (_varint_field(2, nanos) if nanos else b"")
    return StatusDetail(RETRY_INFO, _bytes_field(1, duration))


def retry_delay(details: object) -> float | None:
    """Seconds after which a ``GRPCError.details`` asks us to try again; None when it does not.

    RetryInfo without a delay means 0.0: trying again is welcome.
    """
    if not isinstance(details, (list, tuple)):
        return None
    for detail in details:
        if isinstance(detail, StatusDetail) and detail.type_url == RETRY_INFO:
            try:
                return _decode_retry_info(detail.value)
            except DecodeError:
                return None
    return None


def encode_status(status: Status, message: str, details: Sequence[StatusDetail]) -> bytes:
    """An encoded google.rpc.Status."""
    parts = [_varint_field(1, status.value)] if status.value else []
    if message:
        parts.append(_bytes_field(2, message.encode()))
    for detail in details:
        any_value = _bytes_field(1, detail.type_url.encode()) + _bytes_field(2, detail.value)
        parts.append(_bytes_field(3, any_value))
    return b"".join(parts)


def decode_status(data: bytes) -> RichStatus:
    """A google.rpc.Status from its encoding.

    Raises:
        DecodeError: not a protobuf message, or more than MAX_DETAILS details.
    """
    code, message = 0, ""
    details: list[StatusDetail] = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            code = value
        elif number == 2 and isinstance(value, bytes):
            message = value.decode(errors="replace")
        elif number == 3 and isinstance(value, bytes):
            if len(details) == MAX_DETAILS:
                raise DecodeError(f"a status with more than {MAX_DETAILS} details")
            details.append(_decode_any(value))
    return RichStatus(code, message, tuple(details))


def _decode_any(data: bytes) -> StatusDetail:
    type_url, encoded = "", b""
    for number, value in _fields(data):
        if isinstance(value, bytes) and number == 1:
            type_url = value.decode(errors="replace")
        elif isinstance(value, bytes) and number == 2:
            encoded = value
    return StatusDetail(type_url, encoded)


def _decode_retry_info(data: bytes) -> float:
    delay = 0.0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            parts = {key: part for key, part in _fields(value) if isinstance(part, int)}
            delay = _signed(parts.get(1, 0)) + _signed(parts.get(2, 0)) / 1e9
    return min(max(delay, 0.0), _LARGEST_DELAY)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint_field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return bytes_field(number << 3 | LENGTH, value)


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a message in order; fixed-size ones are skipped."""
    fields: list[tuple[int, int | bytes]] = []
    position, end = 0, len(data)
    try:
        while position < end:
            tag, position = read_tag(data, position, "status")
            if tag & 7 == VARINT:
                value, position = read_varint(data, position, "status")
                fields.append((tag >> 3, value))
            elif tag & 7 == LENGTH:
                start, position = read_length(data, position, end, "status")
                fields.append((tag >> 3, data[start:position]))
            else:
                position = skip_value(data, tag, position, end, "status")
    except IndexError:
        raise truncated(data, "status") from None
    return fields
