"""OTLP in protobuf to plain Python values, for people to look at: the live view, the viewer pages, rejected payloads.

Nothing that is delivered goes through here. Messages become dictionaries with the snake_case names of the .proto
files, lists of ``KeyValue`` become dictionaries, an ``AnyValue`` becomes the value that it holds, ids become hex.
Unknown fields are left out; text that is not UTF-8 is shown with replacement characters.

Source: the OTLP .proto files, by the tables of ``otlp_schema.py``.
"""

from struct import Struct
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire import otlp_schema as schema
from alloytrio.wire.otlp_schema import REQUESTS, Table
from alloytrio.wire.protobuf import read_length, read_tag, read_varint, skip_value, truncated, wrong_type

MAX_DEPTH: Final = 40  # messages within messages; what is deeper is shown as TOO_DEEP
TOO_DEEP: Final = "… (nested deeper than can be shown)"

_DOUBLE: Final = Struct("<d")
_FIXED64: Final = Struct("<Q")
_SFIXED64: Final = Struct("<q")
_FIXED32: Final = Struct("<I")
_SKIMMED: Final = frozenset(
    {"Span.attributes", "Span.events", "Span.links", "Span.trace_state", "InstrumentationScope.attributes"}
)
"""What a list of traces does not show; leaving it out is 3 times faster."""
_PACKED: Final = {schema.PACKED_FIXED64: 1, schema.PACKED_DOUBLE: 1, schema.PACKED_UINT64: 0}  # kind → wire type of one


class Reader:
    """The fields of one message by tag, and readers for the messages in them.

    Args:
        table: the message.
        readers: all readers made so far, by the name of their message; this one adds itself.
        leave_out: fields that are skipped, as ``Message.key``.
    """

    def __init__(self, table: Table, readers: "dict[str, Reader]", leave_out: frozenset[str]) -> None:
        self.name = table.name
        self.is_any_value = table.name == "AnyValue"
        self.is_key_value = table.name == "KeyValue"
        self.fields: dict[int, tuple[str, int, Reader | None]] = {}
        readers[table.name] = self
        for key, (tag, kind, message) in table.fields.items():
            if tag in self.fields or f"{table.name}.{key}" in leave_out:
                continue  # the same field's other spelling, or of no interest
            inner = None if message is None else readers.get(message.name) or Reader(message, readers, leave_out)
            self.fields[tag] = (key, kind, inner)
            if kind in _PACKED:
                self.fields[tag & ~7 | _PACKED[kind]] = (key, kind, inner)  # senders may leave such lists unpacked


def _readers(leave_out: frozenset[str]) -> dict[str, Reader]:
    return {signal: Reader(table, {}, leave_out) for signal, table in REQUESTS.items()}


_WHOLE_READERS: Final = _readers(frozenset())
_SKIMMING_READERS: Final = _readers(_SKIMMED)


def read_request(signal: str, payload: bytes) -> dict[str, object]:
    """An ``Export…ServiceRequest`` as dictionaries and lists.

    Args:
        signal: "traces", "metrics" or "logs".
        payload: the encoded request.

    Raises:
        DecodeError: it is not one.
    """
    return _read(_WHOLE_READERS[signal], payload)


def skim_request(signal: str, payload: bytes) -> dict[str, object]:
    """The same without the attributes, events and links of spans, for lists and searches."""
    return _read(_SKIMMING_READERS[signal], payload)


def _read(reader: Reader, payload: bytes) -> dict[str, object]:
    try:
        return _message(reader, payload, 0, len(payload), 0)
    except (IndexError, ValueError) as exc:
        raise truncated(payload, reader.name) from exc


def _message(reader: Reader, payload: bytes, at: i64, end: i64, depth: int) -> dict[str, object]:
    found: dict[str, object] = {}
    fields = reader.fields
    while at < end:
        tag, at = read_tag(payload, at, reader.name)
        field = fields.get(tag)
        if field is None:
            at = skip_value(payload, tag, at, end, reader.name)
            continue
        key, kind, inner = field
        if kind == schema.MESSAGES:
            assert inner is not None
            start, at = read_length(payload, at, end, reader.name)
            if inner.is_key_value:
                name, value = _key_value(inner, payload, start, at, depth + 1)
                _attributes(found, key)[name] = value
            else:
                _list(found, key).append(_inner(inner, payload, start, at, depth + 1))
        elif kind == schema.MESSAGE:
            assert inner is not None
            start, at = read_length(payload, at, end, reader.name)
            found[key] = _inner(inner, payload, start, at, depth + 1)
        elif tag & 7 == 2:
            start, at = read_length(payload, at, end, reader.name)
            _length_delimited(found, key, kind, payload, start, at)
        else:
            value, at = _scalar(kind, tag, payload, at, reader.name)
            if kind in _PACKED:
                _list(found, key).append(value)
            else:
                found[key] = value
    if at != end:
        raise DecodeError(f"{reader.name}: ends inside a field, at byte {at}")
    return found


def _inner(reader: Reader, payload: bytes, at: i64, end: i64, depth: int) -> object:
    if depth > MAX_DEPTH:
        return TOO_DEEP
    message = _message(reader, payload, at, end, depth)
    return any_value(message) if reader.is_any_value else message


def _key_value(reader: Reader, payload: bytes, at: i64, end: i64, depth: int) -> tuple[str, object]:
    if depth > MAX_DEPTH:
        return "…", TOO_DEEP
    message = _message(reader, payload, at, end, depth)
    key = message.get("key", "")
    return (key if isinstance(key, str) else ""), message.get("value")


def any_value(message: dict[str, object]) -> object:
    """What an ``AnyValue`` holds; None if nothing."""
    for key, value in message.items():
        if isinstance(value, dict):  # ArrayValue, KeyValueList
            return value.get("values", [] if key == "array_value" else {})
        return value
    return None


def _attributes(found: dict[str, object], key: str) -> dict[str, object]:
    values = found.get(key)
    if not isinstance(values, dict):
        values = {}
        found[key] = values
    return values


def _list(found: dict[str, object], key: str) -> list[object]:
    values = found.get(key)
    if not isinstance(values, list):
        values = []
        found[key] = values
    return values


def _length_delimited(found: dict[str, object], key: str, kind: int, payload: bytes, start: i64, end: i64) -> None:
    part = payload[start:end]
    if kind == schema.STRING:
        found[key] = part.decode("utf-8", "replace")
    elif kind == schema.STRINGS:
        _list(found, key).append(part.decode("utf-8", "replace"))
    elif kind == schema.TRACE_ID or kind == schema.SPAN_ID:
        found[key] = part.hex()
    elif kind == schema.PACKED_FIXED64:
        _list(found, key).extend([each[0] for each in _FIXED64.iter_unpack(part)])
    elif kind == schema.PACKED_DOUBLE:
        _list(found, key).extend([each[0] for each in _DOUBLE.iter_unpack(part)])
    elif kind == schema.PACKED_UINT64:
        at: i64 = 0
        values = _list(found, key)
        while at < len(part):
            value, at = read_varint(part, at, key)
            values.append(value)
    else:
        found[key] = part


def _scalar(kind: int, tag: i64, payload: bytes, at: i64, message: str) -> tuple[object, i64]:
    wire = tag & 7
    if wire == 0:
        value, at = read_varint(payload, at, message)
        if kind == schema.BOOL:
            return value != 0, at
        if kind == schema.SINT32:
            return value >> 1 if value & 1 == 0 else -((value + 1) >> 1), at
        if (kind == schema.INT64 or kind == schema.ENUM) and value >= 1 << 63:
            return value - (1 << 64), at
        return value, at
    if wire == 5:
        return _FIXED32.unpack(payload[at : at + 4])[0], at + 4
    if wire != 1:
        raise wrong_type(message, tag, at)
    part = payload[at : at + 8]
    if len(part) < 8:
        raise truncated(payload, message)
    if kind == schema.DOUBLE or kind == schema.PACKED_DOUBLE:
        return _DOUBLE.unpack(part)[0], at + 8
    if kind == schema.SFIXED64:
        return _SFIXED64.unpack(part)[0], at + 8
    return _FIXED64.unpack(part)[0], at + 8
