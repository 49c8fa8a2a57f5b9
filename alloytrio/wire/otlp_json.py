"""OTLP/JSON to the same request in protobuf.

Members are written in the order in which they come, so that of several members of a oneof the last one wins, as it
does in protobuf.

Source: the JSON mapping of the OTLP specification: lowerCamelCase keys (snake_case is taken too), ids in hex, other
bytes in base64, 64-bit integers as strings or numbers, enums as integers (their names are taken too), unknown keys
skipped, null like absent. Nesting is limited.
"""

import binascii
from struct import Struct
from typing import Final

import orjson

from alloytrio.errors import DecodeError
from alloytrio.wire import otlp_schema as schema
from alloytrio.wire.otlp_schema import REQUESTS, Table
from alloytrio.wire.protobuf import append_bytes, append_varint, zigzag

MAX_DEPTH: Final = 90  # messages within messages; protobuf decoders stop at 100, and would refuse what we pass on

_DOUBLE: Final = Struct("<d")
_FIXED64: Final = Struct("<Q")
_SFIXED64: Final = Struct("<q")
_FIXED32: Final = Struct("<I")
_SPECIAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_ENUMS: Final[dict[str, int]] = {
    f"{prefix}_{name}": number
    for prefix, names in {
        "SPAN_KIND": ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"],
        "STATUS_CODE": ["UNSET", "OK", "ERROR"],
        "AGGREGATION_TEMPORALITY": ["UNSPECIFIED", "DELTA", "CUMULATIVE"],
        "SEVERITY_NUMBER": ["UNSPECIFIED", *schema.SEVERITIES[1:]],
    }.items()
    for number, name in enumerate(names)
}


class _Bad(Exception):
    """What is wrong with a value; the callers add the path to it, innermost first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = ""


def encode_request(signal: str, text: bytes) -> bytes:
    """The protobuf form of an OTLP/JSON request; ``signal`` is "traces", "metrics" or "logs".

    Raises:
        DecodeError: not JSON, or a value that does not fit its field; the message names the JSON path.
    """
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise DecodeError(f"not JSON: {exc}") from exc
    table = REQUESTS[signal]
    out = bytearray()
    try:
        if not isinstance(request, dict):
            raise _Bad("must be an object")
        _write_message(out, table, request, 0)
    except _Bad as exc:
        raise DecodeError(f"{table.name}{exc.path}: {exc.message}") from exc
    return bytes(out)


def _write_message(out: bytearray, table: Table, members: dict[str, object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Bad(f"nested deeper than {MAX_DEPTH} messages")
    fields = table.fields
    for key, value in members.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        tag, kind, message = field
        try:
            if kind == schema.STRING:
                if not isinstance(value, str):
                    raise _Bad("must be a string")
                append_bytes(out, tag, value.encode())
            elif kind == schema.MESSAGES:
                assert message is not None
                _write_messages(out, tag, message, value, depth)
            elif kind == schema.MESSAGE:
                assert message is not None
                _write_one(out, tag, message, value, depth)
            elif kind <= schema.SPAN_ID:
                append_bytes(out, tag, _octets(kind, value))
            elif kind >= schema.STRINGS:
                _write_list(out, tag, kind, value)
            else:
                append_varint(out, tag)
                _write_number(out, kind, value)
        except _Bad as exc:
            exc.path = f".{key}{exc.path}"
            raise


def _write_one(out: bytearray, tag: int, table: Table, value: object, depth: int) -> None:
    if not isinstance(value, dict):
        raise _Bad("must be an object")
    inner = bytearray()
    _write_message(inner, table, value, depth + 1)
    append_varint(out, tag)
    append_varint(out, len(inner))
    out += inner


def _write_messages(out: bytearray, tag: int, table: Table, values: object, depth: int) -> None:
    if not isinstance(values, list):
        raise _Bad("must be an array")
    for index, value in enumerate(values):
        try:
            _write_one(out, tag, table, value, depth)
        except _Bad as exc:
            exc.path = f"[{index}]{exc.path}"
            raise


def _write_list(out: bytearray, tag: int, kind: int, values: object) -> None:
    if not isinstance(values, list):
        raise _Bad("must be an array")
    if kind == schema.STRINGS:
        for value in values:
            if not isinstance(value, str):
                raise _Bad("must hold strings")
            append_bytes(out, tag, value.encode())
        return
    element = {
        schema.PACKED_FIXED64: schema.FIXED64,
        schema.PACKED_DOUBLE: schema.DOUBLE,
        schema.PACKED_UINT64: schema.UINT64,
    }[kind]
    packed = bytearray()
    for value in values:
        _write_number(packed, element, value)
    append_varint(out, tag)
    append_varint(out, len(packed))
    out += packed


def _write_number(out: bytearray, kind: int, value: object) -> None:
    if kind == schema.DOUBLE:
        out += _DOUBLE.pack(_double(value))
    elif kind == schema.FIXED64:
        out += _FIXED64.pack(_integer(value, 0, 2**64 - 1))
    elif kind == schema.SFIXED64:
        out += _SFIXED64.pack(_integer(value, -(2**63), 2**63 - 1))
    elif kind == schema.INT64:
        append_varint(out, _integer(value, -(2**63), 2**63 - 1) & 0xFFFFFFFFFFFFFFFF)
    elif kind == schema.UINT64:
        append_varint(out, _integer(value, 0, 2**64 - 1))
    elif kind == schema.UINT32:
        append_varint(out, _integer(value, 0, 2**32 - 1))
    elif kind == schema.FIXED32:
        out += _FIXED32.pack(_integer(value, 0, 2**32 - 1))
    elif kind == schema.SINT32:
        append_varint(out, zigzag(_integer(value, -(2**31), 2**31 - 1)))
    elif kind == schema.BOOL:
        if not isinstance(value, bool):
            raise _Bad("must be true or false")
        out.append(1 if value else 0)
    else:
        append_varint(out, _enum(value) & 0xFFFFFFFFFFFFFFFF)


def _integer(value: object, low: int, high: int) -> int:
    if isinstance(value, str):
        try:
            number = int(value) if len(value) <= 20 else high + 1
        except ValueError:
            raise _Bad("must be an integer") from None
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise _Bad("must be an integer")
    if number < low or number > high:
        raise _Bad(f"must be between {low} and {high}")
    return number


def _double(value: object) -> float:
    if isinstance(value, str):
        special = _SPECIAL.get(value)
        if special is not None:
            return special
        try:
            return float(value)
        except ValueError:
            raise _Bad("must be a number") from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _Bad("must be a number")


def _enum(value: object) -> int:
    if isinstance(value, str):
        number = _ENUMS.get(value)
        if number is None:
            raise _Bad("is not a name of this enum; write its number")
        return number
    return _integer(value, -(2**31), 2**31 - 1)


def _octets(kind: int, value: object) -> bytes:
    if not isinstance(value, str):
        raise _Bad("must be a string")
    if kind == schema.BASE64:
        try:
            return binascii.a2b_base64(value + "=" * (-len(value) % 4), strict_mode=True)
        except binascii.Error:
            raise _Bad("must be base64") from None
    size = 16 if kind == schema.TRACE_ID else 8
    try:
        octets = bytes.fromhex(value)
    except ValueError:
        octets = b"?"
    if octets and (len(octets) != size or len(value) != 2 * size):
        raise _Bad(f"must be {2 * size} hex digits, or empty")
    return octets
