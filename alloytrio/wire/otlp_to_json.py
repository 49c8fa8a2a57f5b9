"""A request in protobuf to the same in OTLP/JSON: the other direction of ``otlp_json.py``.

Members are written in the order in which they come, the last of several of a oneof last. What is not in the message is
not in the JSON; unknown fields are left out.

Source: the JSON mapping of the OTLP specification: lowerCamelCase keys, ids in lower-case hex, other bytes in base64,
64-bit integers as strings, enums as integers, NaN and infinities as strings. Nesting is limited.
"""

import binascii
import math
from struct import Struct
from typing import Final

import orjson
from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire import otlp_schema as schema
from alloytrio.wire.otlp_json import MAX_DEPTH
from alloytrio.wire.otlp_schema import REQUESTS, Table
from alloytrio.wire.protobuf import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    overrun,
    read_length,
    read_tag,
    read_varint,
    skip_value,
    truncated,
    wrong_type,
)

_DOUBLE: Final = Struct("<d")
_FIXED64: Final = Struct("<Q")
_SFIXED64: Final = Struct("<q")
_FIXED32: Final = Struct("<I")
_ELEMENTS: Final = {
    schema.PACKED_FIXED64: schema.FIXED64,
    schema.PACKED_DOUBLE: schema.DOUBLE,
    schema.PACKED_UINT64: schema.UINT64,
}
_VARINTS: Final = frozenset((schema.UINT64, schema.INT64, schema.UINT32, schema.BOOL, schema.ENUM, schema.SINT32))
_EIGHT_BYTES: Final = frozenset((schema.FIXED64, schema.SFIXED64, schema.DOUBLE))


def decode_request(signal: str, payload: bytes) -> bytes:
    """The OTLP/JSON form of an encoded request; ``signal`` is "traces", "metrics" or "logs".

    Raises:
        DecodeError: not such a request, or nested too deeply.
    """
    table = REQUESTS[signal]
    try:
        return orjson.dumps(_read_message(table, payload, 0, len(payload), 0))
    except IndexError:
        raise truncated(payload, table.name) from None


def _read_message(table: Table, payload: bytes, at: i64, end: i64, depth: int) -> dict[str, object]:
    if depth > MAX_DEPTH:
        raise DecodeError(f"{table.name}: nested deeper than {MAX_DEPTH} messages")
    name, numbers = table.name, table.numbers
    members: dict[str, object] = {}
    while at < end:
        tag, at = read_tag(payload, at, name)
        field = numbers.get(int(tag >> 3))
        if field is None:
            at = skip_value(payload, tag, at, end, name)
            continue
        key, kind, message = field
        if kind == schema.MESSAGES or kind == schema.STRINGS:
            start, at = _inner(payload, tag, at, end, name)
            value = (
                _text(payload, start, at) if message is None else _read_message(message, payload, start, at, depth + 1)
            )
            _list(members, key).append(value)
        elif kind in _ELEMENTS:
            at = _read_elements(_list(members, key), _ELEMENTS[kind], payload, tag, at, end, name)
        else:
            members.pop(key, None)  # the last one counts, and stands where it came
            if message is not None:
                start, at = _inner(payload, tag, at, end, name)
                members[key] = _read_message(message, payload, start, at, depth + 1)
            elif kind <= schema.SPAN_ID:
                start, at = _inner(payload, tag, at, end, name)
                members[key] = _octets(kind, payload, start, at)
            else:
                members[key], at = _read_number(kind, payload, tag & 7, at, end, name)
    return members


def _list(members: dict[str, object], key: str) -> list[object]:
    found = members.get(key)
    if isinstance(found, list):
        return found
    made: list[object] = []
    members[key] = made
    return made


def _inner(payload: bytes, tag: i64, at: i64, end: i64, name: str) -> tuple[i64, i64]:
    if tag & 7 != LENGTH:
        raise wrong_type(name, int(tag), int(at))
    return read_length(payload, at, end, name)


def _text(payload: bytes, start: i64, end: i64) -> str:
    return payload[start:end].decode("utf-8", "replace")


def _octets(kind: int, payload: bytes, start: i64, end: i64) -> str:
    if kind == schema.STRING:
        return _text(payload, start, end)
    octets = payload[start:end]
    if kind == schema.BASE64:
        return binascii.b2a_base64(octets, newline=False).decode("ascii")
    return octets.hex()


def _read_elements(
    into: list[object], kind: int, payload: bytes, tag: i64, at: i64, end: i64, name: str
) -> i64:  # fmt: skip
    """Numbers of a repeated field, packed or one by one; returns the position behind them."""
    if tag & 7 != LENGTH:
        value, at = _read_number(kind, payload, tag & 7, at, end, name)
        into.append(value)
        return at
    start, stop = read_length(payload, at, end, name)
    wire: i64 = FIXED64 if kind in _EIGHT_BYTES else VARINT
    while start < stop:
        value, start = _read_number(kind, payload, wire, start, stop, name)
        into.append(value)
    return stop


def _read_number(kind: int, payload: bytes, wire: i64, at: i64, end: i64, name: str) -> tuple[object, i64]:
    """One number in the form that it has in JSON, and the position behind it."""
    wanted: i64 = VARINT if kind in _VARINTS else FIXED64 if kind in _EIGHT_BYTES else FIXED32
    if wire != wanted:
        raise wrong_type(name, int(wire), int(at))
    if wanted == VARINT:
        number, behind = read_varint(payload, at, name)
        if behind > end:
            raise overrun(name, int(at))
        return _from_varint(kind, number), behind
    behind = at + (8 if wanted == FIXED64 else 4)
    if behind > len(payload):
        raise IndexError
    if behind > end:
        raise overrun(name, int(at))
    octets = payload[at:behind]
    if kind == schema.DOUBLE:
        return _double(_DOUBLE.unpack(octets)[0]), behind
    if kind == schema.FIXED64:
        return str(_FIXED64.unpack(octets)[0]), behind
    if kind == schema.SFIXED64:
        return str(_SFIXED64.unpack(octets)[0]), behind
    return _FIXED32.unpack(octets)[0], behind


def _double(value: float) -> object:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _from_varint(kind: int, number: int) -> object:
    if kind == schema.UINT64:
        return str(number)
    if kind == schema.INT64:
        return str(number - (1 << 64) if number >> 63 else number)
    if kind == schema.BOOL:
        return number != 0
    low = number & 0xFFFFFFFF
    if kind == schema.UINT32:
        return low
    if kind == schema.SINT32:
        return (low >> 1) ^ -(low & 1)
    return low - (1 << 32) if low >> 31 else low
