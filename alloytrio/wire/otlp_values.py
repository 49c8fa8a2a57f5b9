"""Attributes as text: what an OpenTelemetry value becomes as a label's value.

Source: ``pcommon.Value.AsString`` of the OpenTelemetry Collector: numbers as JSON writes them, bytes in base64, lists
and maps as compact JSON with sorted keys. Strict where a backend would be: text must be UTF-8, and values nest at most
``MAX_DEPTH`` levels.
"""

import base64
import json
import math
from decimal import Decimal
from struct import Struct
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.protobuf import read_length, read_pair, read_tag, read_varint, skip_value

MAX_DEPTH: Final = 64  # levels of lists and maps; the walk is recursive, so something has to bound it

_unpack_double = Struct("<d").unpack_from


def read_attributes(payload: bytes) -> list[tuple[str, str]]:
    """Keys and texts of encoded attributes, in order; a value that is not set is an empty text.

    Args:
        payload: fields whose content is a KeyValue each, whatever their numbers.

    Raises:
        DecodeError: broken structure, text that is not UTF-8, or too many levels.
        IndexError: it ends inside a field.
    """
    found: list[tuple[str, str]] = []
    at: i64 = 0
    end: i64 = len(payload)
    while at < end:
        value = read_tag(payload, at, "attributes")[1]
        start, at = read_length(payload, value, end, "attributes")
        found.append(_key_value(payload, start, at))
    return found


def _key_value(payload: bytes, at: i64, end: i64) -> tuple[str, str]:
    key, key_end, value, value_end = read_pair(payload, at, end, "KeyValue")
    return read_text(payload, key, key_end), value_text(payload, value, value_end)


def read_scope(payload: bytes, at: i64, end: i64) -> tuple[str, str]:
    """Name and version of an InstrumentationScope.

    Raises:
        DecodeError: broken structure, or text that is not UTF-8.
    """
    name, name_end, version, version_end = read_pair(payload, at, end, "InstrumentationScope")
    return read_text(payload, name, name_end), read_text(payload, version, version_end)


def read_text(payload: bytes, at: i64, end: i64) -> str:
    """UTF-8 between two positions.

    Raises:
        DecodeError: it is not UTF-8.
    """
    try:
        return payload[at:end].decode()
    except UnicodeDecodeError as exc:
        raise DecodeError(f"text at byte {at} is not UTF-8") from exc


def value_text(payload: bytes, at: i64, end: i64) -> str:
    """The text of an AnyValue; empty if it has none. The last of several values counts."""
    text = ""
    while at < end:
        tag, value = read_tag(payload, at, "AnyValue")
        at = skip_value(payload, tag, value, end, "AnyValue")
        if tag == 0x0A:
            text = read_text(payload, read_length(payload, value, end, "AnyValue")[0], at)
        elif tag == 0x10:
            text = "true" if read_varint(payload, value, "AnyValue")[0] else "false"
        elif tag == 0x18:
            text = str(_signed(read_varint(payload, value, "AnyValue")[0]))
        elif tag == 0x21:
            text = double_text(_unpack_double(payload, value)[0])
        elif tag in (0x2A, 0x32):
            start = read_length(payload, value, end, "AnyValue")[0]
            text = _json_text(_array(payload, start, at, 1) if tag == 0x2A else _map(payload, start, at, 1))
        elif tag == 0x3A:
            text = base64.b64encode(payload[read_length(payload, value, end, "AnyValue")[0] : at]).decode()
    return text


def _json_text(json_value: str) -> str:
    """A list or map as text: empty if it holds what JSON cannot, as Go's encoder gives up on it."""
    return "" if "\0" in json_value else json_value


def json_value(payload: bytes, at: i64, end: i64, depth: int) -> str:
    """An AnyValue as JSON, ``depth`` levels down; a number that JSON does not know is a NUL."""
    text = "null"
    while at < end:
        tag, value = read_tag(payload, at, "AnyValue")
        at = skip_value(payload, tag, value, end, "AnyValue")
        if tag in (0x0A, 0x3A):
            text = _quoted(value_text(payload, value - 1, at))
        elif tag in (0x10, 0x18):
            text = value_text(payload, value - 1, at)
        elif tag == 0x21:
            number = _unpack_double(payload, value)[0]
            text = double_text(number) if math.isfinite(number) else "\0"
        elif tag in (0x2A, 0x32):
            if depth >= MAX_DEPTH:
                raise DecodeError(f"value at byte {at} nests more than {MAX_DEPTH} levels")
            start = read_length(payload, value, end, "AnyValue")[0]
            text = _array(payload, start, at, depth + 1) if tag == 0x2A else _map(payload, start, at, depth + 1)
    return text


def _array(payload: bytes, at: i64, end: i64, depth: int) -> str:
    parts: list[str] = []
    while at < end:
        tag, value = read_tag(payload, at, "ArrayValue")
        at = skip_value(payload, tag, value, end, "ArrayValue")
        if tag == 0x0A:
            parts.append(json_value(payload, read_length(payload, value, end, "ArrayValue")[0], at, depth))
    return "[" + ",".join(parts) + "]"


def _map(payload: bytes, at: i64, end: i64, depth: int) -> str:
    parts: dict[str, str] = {}
    while at < end:
        tag, value = read_tag(payload, at, "KeyValueList")
        at = skip_value(payload, tag, value, end, "KeyValueList")
        if tag == 0x0A:
            start = read_length(payload, value, end, "KeyValueList")[0]
            key, text = _json_key_value(payload, start, at, depth)
            parts[key] = text
    return "{" + ",".join([f"{_quoted(key)}:{parts[key]}" for key in sorted(parts)]) + "}"


def _json_key_value(payload: bytes, at: i64, end: i64, depth: int) -> tuple[str, str]:
    key, key_end, value, value_end = read_pair(payload, at, end, "KeyValue")
    return read_text(payload, key, key_end), json_value(payload, value, value_end, depth)


def _quoted(text: str) -> str:
    """A JSON string as Go writes it: these two separators are escaped, for the sake of JavaScript."""
    return json.dumps(text, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def double_text(number: float) -> str:
    """A double as JavaScript and Go's JSON write it: plain for 1e-6 ≤ abs < 1e21 and 0, else with an exponent."""
    if number != number:
        return "NaN"
    if number in (math.inf, -math.inf):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return plain_text(number)
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:  # repr writes an exponent from 1e16 and below 1e-4 only; not reached in between
        return mantissa
    return f"{mantissa.removesuffix('.0')}e{exponent[0] if exponent[0] in '+-' else '+'}{exponent.lstrip('+-0')}"


def plain_text(number: float) -> str:
    """The shortest digits that read back to the same finite double, never with an exponent: ``le`` and ``quantile``."""
    if number == math.inf:
        return "+Inf"
    if number == -math.inf:
        return "-Inf"
    if number != number:
        return "NaN"
    text = repr(number)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")
