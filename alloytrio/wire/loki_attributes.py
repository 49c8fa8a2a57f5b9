"""The attributes of log records: which become labels, and how the others stand in a line.

Source: the OpenTelemetry Collector's translator for Loki.
"""

from json.encoder import encode_basestring
from struct import Struct
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.metric_names import label_name
from alloytrio.wire.otlp_values import MAX_DEPTH, json_value, plain_text, read_text, value_text
from alloytrio.wire.protobuf import read_length, read_pair, read_tag, skip_value

ATTRIBUTE_LABELS: Final = "loki.attribute.labels"
RESOURCE_LABELS: Final = "loki.resource.labels"
TENANT: Final = "loki.tenant"
FORMAT: Final = "loki.format"
HINTS: Final = frozenset({ATTRIBUTE_LABELS, RESOURCE_LABELS, TENANT, FORMAT})
_STRING: Final = 0x0A
_DOUBLE: Final = 0x21
_ARRAY: Final = 0x2A
_MAP: Final = 0x32
_BYTES: Final = 0x3A

_unpack_double = Struct("<d").unpack_from


class Attributes:
    """A list of attributes: their keys, and where their values are."""

    def __init__(self, payload: bytes) -> None:
        self.payload: bytes = payload
        self.keys: list[str] = []
        self.borders: list[tuple[int, int]] = []

    def add(self, at: i64, end: i64) -> None:
        """Take an encoded ``KeyValue``."""
        payload = self.payload
        key, key_end, start, stop = read_pair(payload, at, end, "KeyValue")
        self.keys.append(read_text(payload, key, key_end))
        self.borders.append((start, stop))

    def find(self, key: str) -> int:
        """The number of the first attribute with a key; -1 if there is none."""
        return self.keys.index(key) if key in self.keys else -1

    def text(self, number: int) -> str:
        """The value of one as text."""
        start, stop = self.borders[number]
        return value_text(self.payload, start, stop)

    def names(self, number: int) -> list[str]:
        """What a hint names: texts with commas between them, or a list."""
        start, stop = self.borders[number]
        tag, inner, inner_end = content(self.payload, start, stop)
        if tag != _ARRAY:
            text = self.text(number)
            return [each.strip() for each in text.split(",")] if tag == _STRING else [text]
        return [value_text(self.payload, start, stop).strip() for start, stop in _items(self.payload, inner, inner_end)]

    def select(self, names: list[str], labels: dict[str, str]) -> None:
        """Add those that are there to the labels; ``a.b`` may be the key of one, or ``b`` inside the map ``a``."""
        for name in names:
            number = self.find(name)
            if number >= 0:
                labels[name] = self.text(number)
                continue
            borders = self._nested(name)
            if borders is not None:
                labels[name] = value_text(self.payload, borders[0], borders[1])

    def _nested(self, name: str) -> tuple[int, int] | None:
        attributes = self
        for _ in range(MAX_DEPTH):
            left, _, name = name.partition(".")
            number = attributes.find(left)
            if number < 0:
                return None
            if not name:
                return attributes.borders[number]
            start, stop = attributes.borders[number]
            tag, inner, inner_end = content(self.payload, start, stop)
            if tag != _MAP:
                return None
            attributes = Attributes(self.payload)
            for start, stop in _items(self.payload, inner, inner_end):
                attributes.add(start, stop)
        return None

    def json(self, without: dict[str, str]) -> str:
        """A JSON object of all but hints and labels, sorted by key; empty if nothing is left."""
        parts: dict[str, str] = {}
        for number, key in enumerate(self.keys):
            if key not in without and key not in HINTS:
                start, stop = self.borders[number]
                parts[key] = json_value(self.payload, start, stop, 0)
        if not parts:
            return ""
        return "{" + ",".join([f"{encode_basestring(key)}:{parts[key]}" for key in sorted(parts)]) + "}"

    def pairs(self, prefix: str, without: dict[str, str], pairs: list[tuple[str, str]]) -> None:
        """Add all but hints and labels to the pairs of a logfmt line."""
        for number, key in enumerate(self.keys):
            if key not in without and key not in HINTS:
                start, stop = self.borders[number]
                flatten(prefix + key, self.payload, start, stop, 0, pairs)

    def metadata(self, without: dict[str, str], metadata: dict[str, str]) -> None:
        """Add all but hints and labels to structured metadata."""
        for number, key in enumerate(self.keys):
            if key not in without and key not in HINTS:
                text = self.text(number)
                if key and text:
                    metadata[label_name(key)] = text


def content(payload: bytes, at: i64, end: i64) -> tuple[i64, i64, i64]:
    """The tag of what an AnyValue holds (0: nothing) and, for what has a length, its borders."""
    found: i64 = 0
    start: i64 = 0
    stop: i64 = 0
    while at < end:
        tag, value = read_tag(payload, at, "AnyValue")
        at = skip_value(payload, tag, value, end, "AnyValue")
        if tag <= 0x3A:
            found = tag
            if tag & 7 == 2:
                start, stop = read_length(payload, value, end, "AnyValue")
    return found, start, stop


def _items(payload: bytes, at: i64, end: i64) -> list[tuple[int, int]]:
    """The borders of what a list or map holds."""
    found: list[tuple[int, int]] = []
    while at < end:
        tag, value = read_tag(payload, at, "values")
        at = skip_value(payload, tag, value, end, "values")
        if tag == 0x0A:
            start, stop = read_length(payload, value, end, "values")
            found.append((start, stop))
    return found


def flatten(key: str, payload: bytes, at: int, end: int, depth: int, pairs: list[tuple[str, str]]) -> None:
    """Add a value under its key, or what is in a list or map under longer keys."""
    if depth >= MAX_DEPTH:
        raise DecodeError(f"value at byte {at} nests more than {MAX_DEPTH} levels")
    tag, start, stop = content(payload, at, end)
    prefix = key + "_" if key else ""
    if tag == _MAP:
        attributes = Attributes(payload)
        for inner, inner_end in _items(payload, start, stop):
            attributes.add(inner, inner_end)
        for name, borders in zip(attributes.keys, attributes.borders, strict=True):
            flatten(prefix + name, payload, borders[0], borders[1], depth + 1, pairs)
    elif tag == _ARRAY:
        for number, borders in enumerate(_items(payload, start, stop)):
            flatten(f"{prefix}{number}", payload, borders[0], borders[1], depth + 1, pairs)
    elif tag:
        pairs.append((key, _plain_text(payload, at, end, tag, start, stop)))


def _plain_text(payload: bytes, at: int, end: int, tag: int, start: int, stop: int) -> str:
    """A value that is no list or map as Go's ``fmt`` prints it."""
    if tag == _BYTES:
        return payload[start:stop].decode("utf-8", "replace")
    if tag == _DOUBLE:
        return go_double(_unpack_double(payload, end - 8)[0])
    return value_text(payload, at, end)


def go_double(number: float) -> str:
    """A double as Go prints it: with an exponent of two digits below 1e-4 and from 1e21."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    if number == 0 or 1e-4 <= abs(number) < 1e21:
        return plain_text(number)
    digits, _, exponent = f"{number:e}".partition("e") if "e" not in repr(number) else repr(number).partition("e")
    return f"{digits.removesuffix('.0')}e{exponent[0]}{exponent[1:].rjust(2, '0')}"
