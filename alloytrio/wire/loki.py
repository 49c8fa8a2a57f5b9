"""Loki's push format: writing it, counting and cutting it, without decoding entries.

A ``PushRequest`` has one repeated field, so requests laid end to end are one request. Text is written as bytes: what
is not UTF-8 passes unchanged (Loki takes it; the official Python protobuf would refuse).

Source: Loki ``pkg/push/push.proto``; label strings as Go's ``strconv.Quote`` writes them, because Loki parses them as a
selector.
"""

import unicodedata
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.entry import Entry
from alloytrio.wire.protobuf import LENGTH, read_length, read_tag, skip_value, truncated, varint

TENANT_LABEL: Final = "__tenant_id__"

_NANO: Final = 1_000_000_000
_STREAMS: Final = 1 << 3 | LENGTH
_LABELS: Final = 1 << 3 | LENGTH
_ENTRIES: Final = 2 << 3 | LENGTH
_MESSAGE: Final = "push request"
_SMALL = [varint(n) for n in range(2048)]  # lengths are mostly below this
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def quote(value: str) -> str:
    """A label value as Go's ``strconv.Quote`` writes it; a lone surrogate stands for a byte that is not UTF-8."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return '"' + "".join([_escape(char) for char in value]) + '"'


def _escape(char: str) -> str:
    code = ord(char)
    escaped = _ESCAPES.get(code)
    if escaped is not None:
        return escaped
    if code < 32 or code == 127:
        return f"\\x{code:02x}"
    if code < 127:
        return char
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(char)[0] in "LMNPS":
        return char
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class LabelShape:
    """All label sets with the same names: their order, and the text around their values, found once.

    Args:
        names: of the labels, in the order of the dict.
        external: labels that are added where the entry has none of that name.
        moved: names that become structured metadata instead.

    Attributes:
        names: what the stream's label string holds, sorted.
        counted: those of them that come from the entry.
        moved: which labels of an entry become structured metadata.
        tenant: whether an entry names its tenant.
    """

    def __init__(self, names: tuple[str, ...], external: dict[str, str], moved: frozenset[str]) -> None:
        own = [name for name in names if not name.startswith("__")]
        self.tenant: bool = TENANT_LABEL in names
        self.moved: list[str] = [name for name in own if name in moved]
        constants = {name: value for name, value in external.items() if name not in names and value}
        self._values: list[str] = sorted([name for name in own if name not in moved])
        self.counted: list[str] = self._values
        self.names: list[str] = sorted([*self._values, *constants])
        parts = [
            f"{name}={quote(constants[name]).replace('%', '%%')}" if name in constants else f'{name}="%s"'
            for name in self.names
        ]
        self._quoted: str = "{" + ", ".join(parts) + "}"
        self._pieces: list[str] = [
            f"{name}={quote(constants[name])}" if name in constants else "" for name in self.names
        ]

    def stream(self, labels: dict[str, str]) -> bytes:
        """The label string of a stream. An empty value is left out, as Loki would."""
        values = [labels[name] for name in self._values]
        joined = "".join(values)
        if joined.isascii() and joined.isprintable() and '"' not in joined and "\\" not in joined and "" not in values:
            return (self._quoted % tuple(values)).encode()
        parts = [
            piece or f"{name}={quote(labels[name])}"
            for name, piece in zip(self.names, self._pieces, strict=True)
            if piece or labels[name]
        ]
        return ("{" + ", ".join(parts) + "}").encode()

    def longest_value(self, labels: dict[str, str]) -> int:
        """Bytes of the longest value."""
        lengths = [len(labels[name].encode("utf-8", "surrogateescape")) for name in self._values]
        return max(lengths) if lengths else 0


def _field(tag: bytes, value: bytes) -> bytes:
    size = len(value)
    return tag + (_SMALL[size] if size < 2048 else varint(size)) + value


def stream_field(stream: bytes, entries: list[bytes]) -> bytes:
    """The field ``streams`` of a request, with its tag.

    Args:
        stream: its label string.
        entries: its encoded fields ``entries``, with their tags.
    """
    return _field(b"\x0a", _field(b"\x0a", stream) + (entries[0] if len(entries) == 1 else b"".join(entries)))


class PushEncoder:
    """Writes entries. It keeps the second of the latest entry, so use one for entries that follow each other."""

    def __init__(self) -> None:
        self._second: int = -1
        self._second_field: bytes = b""

    def _stamp(self, ts_ns: int) -> bytes:
        """The field ``timestamp`` of an entry."""
        second = ts_ns // _NANO
        nanos = ts_ns - second * _NANO
        if second != self._second:
            self._second = second
            self._second_field = b"\x08" + varint(second)
        if nanos >= 1 << 28:
            stamp = self._second_field + bytes(
                (
                    16,
                    nanos & 127 | 128,
                    nanos >> 7 & 127 | 128,
                    nanos >> 14 & 127 | 128,
                    nanos >> 21 & 127 | 128,
                    nanos >> 28,
                )
            )
        elif nanos:
            stamp = self._second_field + b"\x10" + varint(nanos)
        else:
            stamp = self._second_field
        return b"\x0a" + _SMALL[len(stamp)] + stamp

    def entry(self, ts_ns: int, line: bytes, metadata: dict[str, str] | None) -> bytes:
        """The field ``entries`` of a stream, with its tag."""
        size = len(line)
        body = self._stamp(ts_ns) + b"\x12" + (_SMALL[size] if size < 2048 else varint(size)) + line
        if metadata:
            for name, value in metadata.items():
                pair = _field(b"\x0a", name.encode("utf-8", "surrogateescape"))
                pair += _field(b"\x12", value.encode("utf-8", "surrogateescape"))
                body += _field(b"\x1a", pair)
        size = len(body)
        return b"\x12" + (_SMALL[size] if size < 2048 else varint(size)) + body

    def push(self, entries: list[Entry], streams: list[bytes]) -> bytes:
        """An encoded request.

        Args:
            entries: in the order in which they were read; those of one stream stay in it.
            streams: label string of each entry.
        """
        grouped: dict[bytes, list[bytes]] = {}
        for entry, stream in zip(entries, streams, strict=True):
            body = self.entry(entry.ts_ns, entry.line, entry.metadata)
            group = grouped.get(stream)
            if group is None:
                grouped[stream] = [body]
            else:
                group.append(body)
        return b"".join([stream_field(stream, bodies) for stream, bodies in grouped.items()])


class Stream:
    """One ``StreamAdapter`` inside a request.

    Args:
        labels: its label string.
        entries: how many it holds.
        start: of its field in the request, tag included.
        end: behind its field.
    """

    def __init__(self, labels: bytes, entries: int, start: int, end: int) -> None:
        self.labels = labels
        self.entries = entries
        self.start = start
        self.end = end


def streams_in(payload: bytes) -> list[Stream]:
    """The streams of an encoded request, in order.

    Raises:
        DecodeError: the structure is broken.
    """
    try:
        return _walk(payload)
    except IndexError:
        raise truncated(payload, _MESSAGE) from None


def _walk(payload: bytes) -> list[Stream]:
    streams: list[Stream] = []
    at: i64 = 0
    size: i64 = len(payload)
    while at < size:
        field = at
        tag, at = read_tag(payload, at, _MESSAGE)
        if tag != _STREAMS:
            at = skip_value(payload, tag, at, size, _MESSAGE)
            continue
        inner, end = read_length(payload, at, size, _MESSAGE)
        labels = b""
        entries = 0
        while inner < end:
            tag, inner = read_tag(payload, inner, _MESSAGE)
            if tag == _ENTRIES:
                entries += 1
            if tag == _LABELS:
                start, inner = read_length(payload, inner, end, _MESSAGE)
                labels = payload[start:inner]
            else:
                inner = skip_value(payload, tag, inner, end, _MESSAGE)
        streams.append(Stream(labels, entries, field, end))
        at = end
    return streams


def stream_labels(payload: bytes, last_only: bool) -> list[bytes]:
    """The label strings of the streams of a request that this module encoded, in order; without a look at the entries.

    Raises:
        DecodeError: the structure is broken.
    """
    found: list[bytes] = []
    at: i64 = 0
    size: i64 = len(payload)
    try:
        while at < size:
            inner, end = read_length(payload, read_tag(payload, at, _MESSAGE)[1], size, _MESSAGE)
            if end == size or not last_only:
                start, stop = read_length(payload, read_tag(payload, inner, _MESSAGE)[1], end, _MESSAGE)
                found.append(payload[start:stop])
            at = end
    except IndexError:
        raise truncated(payload, _MESSAGE) from None
    return found


def entries_in(payload: bytes) -> list[bytes]:
    """The encoded ``entries`` fields, tags included, of a request with one stream.

    Raises:
        DecodeError: the structure is broken, or there are several streams.
    """
    streams = streams_in(payload)
    if len(streams) != 1:
        raise DecodeError(f"{_MESSAGE}: {len(streams)} streams where one was expected")
    at, end = read_length(payload, read_tag(payload, streams[0].start, _MESSAGE)[1], len(payload), _MESSAGE)
    entries: list[bytes] = []
    while at < end:
        field = at
        tag, at = read_tag(payload, at, _MESSAGE)
        at = skip_value(payload, tag, at, end, _MESSAGE)
        if tag == _ENTRIES:
            entries.append(payload[field:at])
    return entries


def halve_push(payload: bytes) -> list[tuple[int, bytes]]:
    """Cut a request in two: between streams, or inside the only one, so that each half has about half of the entries.

    Returns:
        (entries, encoded request) of each part; one part if there is a single entry.

    Raises:
        DecodeError: the structure is broken.
    """
    streams = streams_in(payload)
    total = sum([stream.entries for stream in streams])
    if len(streams) == 1:
        if total < 2:
            return [(total, payload)]
        entries = entries_in(payload)
        half = len(entries) // 2
        head = _field(b"\x0a", streams[0].labels)
        return [(len(part), _field(b"\x0a", head + b"".join(part))) for part in (entries[:half], entries[half:])]
    if not streams:
        return [(0, payload)]
    count = 0
    for index, stream in enumerate(streams[:-1]):
        count += stream.entries
        if count * 2 >= total or index == len(streams) - 2:
            return [(count, payload[: stream.end]), (total - count, payload[stream.end :])]
    raise AssertionError("two streams have a border")
