"""Protobuf's wire format: reading fields in place, appending fields.

Nothing is decoded into objects. A reader is called with a position and the end of the message that it is in, and
returns the position behind what it read. Reading past the end of ``payload`` raises IndexError, which the entry
points of the walkers turn into DecodeError (see ``truncated``); reading past the end of an inner message is caught
where the inner length is checked.

Source: https://protobuf.dev/programming-guides/encoding/. Stricter than it: groups are refused, as are varints of more
than ten bytes, lengths above 2 GiB and field number 0.
"""

from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

MAX_LENGTH: Final = 0x7FFFFFFF  # protobuf's own limit on a message
MAX_TAG: Final = 0xFFFFFFFF  # 29 bits of field number, three of wire type


def truncated(payload: bytes, message: str) -> DecodeError:
    """The error for bytes that stop in the middle of a field."""
    return DecodeError(f"{message}: ends inside a field, at byte {len(payload)}")


def overrun(message: str, at: int) -> DecodeError:
    """The error for a field that reaches over the end of the message that it is in."""
    return DecodeError(f"{message}: a field at byte {at} reaches over the end of its message")


def wrong_type(message: str, tag: int, at: int) -> DecodeError:
    """The error for a known field with another wire type than the schema says."""
    return DecodeError(f"{message}: field {tag >> 3} has wire type {tag & 7}, at byte {at}")


def read_varint(payload: bytes, at: i64, message: str) -> tuple[int, i64]:
    """An unsigned varint of up to 64 bits, and the position behind it."""
    byte: i64 = payload[at]
    if byte < 0x80:
        return byte, at + 1
    value: int = byte & 0x7F
    shift = 7
    position = at + 1
    while shift < 70:
        byte = payload[position]
        position += 1
        if byte < 0x80:
            if shift == 63 and byte > 1:
                break
            return value | int(byte) << shift, position
        value |= int(byte & 0x7F) << shift
        shift += 7
    raise DecodeError(f"{message}: over-long varint at byte {at}")


def read_small(payload: bytes, at: i64, limit: i64, message: str) -> tuple[i64, i64]:
    """A varint that must not exceed ``limit`` (below 2**35), and the position behind it: tags and lengths."""
    byte: i64 = payload[at]
    if byte < 0x80:
        return byte, at + 1
    value: i64 = byte & 0x7F
    shift: i64 = 7
    position = at + 1
    while shift < 35:
        byte = payload[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > limit:
                break
            return value, position
        shift += 7
    raise DecodeError(f"{message}: over-long varint at byte {at}")


def read_tag(payload: bytes, at: i64, message: str) -> tuple[i64, i64]:
    """A field's tag (number << 3 | wire type), and the position behind it."""
    tag, position = read_small(payload, at, MAX_TAG, message)
    if tag < 8:
        raise DecodeError(f"{message}: field number 0 at byte {at}")
    return tag, position


def read_length(payload: bytes, at: i64, end: i64, message: str) -> tuple[i64, i64]:
    """The borders of a length-delimited value whose length stands at ``at``: its start and the position behind it."""
    size, start = read_small(payload, at, MAX_LENGTH, message)
    if start + size > end:
        raise overrun(message, at)
    return start, start + size


def skip_value(payload: bytes, tag: i64, at: i64, end: i64, message: str) -> i64:
    """The position behind the value of a field that is of no interest here; ``at`` is behind its tag."""
    wire = tag & 7
    if wire == LENGTH:
        return read_length(payload, at, end, message)[1]
    if wire == VARINT:
        position = read_varint(payload, at, message)[1]
    elif wire == FIXED64:
        position = at + 8
    elif wire == FIXED32:
        position = at + 4
    elif wire == 3 or wire == 4:
        raise DecodeError(f"{message}: a group at byte {at}")
    else:
        raise DecodeError(f"{message}: wire type {wire} at byte {at}")
    if position > end:
        raise overrun(message, at)
    return position


def read_pair(payload: bytes, at: i64, end: i64, message: str) -> tuple[i64, i64, i64, i64]:
    """Borders of fields 1 and 2 of a message, such as a key and its value: start, end, start, end.

    Both are length-delimited. The borders of one that is missing are 0 and 0; the last of several counts.

    Raises:
        DecodeError: broken structure.
    """
    first: i64 = 0
    first_end: i64 = 0
    second: i64 = 0
    second_end: i64 = 0
    while at < end:
        tag, value = read_tag(payload, at, message)
        at = skip_value(payload, tag, value, end, message)
        if tag == 0x0A:
            first, first_end = read_length(payload, value, end, message)
        elif tag == 0x12:
            second, second_end = read_length(payload, value, end, message)
    return first, first_end, second, second_end


def append_varint(out: bytearray, value: int) -> None:
    """Append an unsigned varint; ``value`` is within 0 … 2**64 - 1."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def varint(value: int) -> bytes:
    """An unsigned varint; ``value`` is within 0 … 2**64 - 1."""
    out = bytearray()
    append_varint(out, value)
    return bytes(out)


def zigzag(value: int) -> int:
    """The unsigned form of a signed number that fits in 64 bits, for sint32 and sint64."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def append_bytes(out: bytearray, tag: int, value: bytes) -> None:
    """Append a length-delimited field: text, bytes or a message. ``tag`` includes the wire type."""
    append_varint(out, tag)
    append_varint(out, len(value))
    out += value


def bytes_field(tag: int, value: bytes) -> bytes:
    """A length-delimited field: text, bytes or a message. ``tag`` includes the wire type."""
    out = bytearray()
    append_bytes(out, tag, value)
    return bytes(out)
