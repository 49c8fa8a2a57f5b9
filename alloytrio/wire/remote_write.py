"""Prometheus remote write 1.0: writing series, counting and cutting requests, without decoding samples.

A ``WriteRequest`` has one repeated field of series (and one of metadata), so requests laid end to end are one request.
A series that carries one float sample is written as *head*, value, *tail*: the head is everything before the 8 bytes
of the value and depends on the labels only; the tail is the timestamp and is the same for all samples of one moment.

Source: ``prompb/remote.proto`` and ``types.proto`` of Prometheus; labels are sorted by name, unique and not empty.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final

from mypy_extensions import i64

from alloytrio.wire.protobuf import (
    append_bytes,
    append_varint,
    bytes_field,
    read_length,
    read_tag,
    skip_value,
    truncated,
    varint,
    wrong_type,
)

# A time whose milliseconds take 6 bytes as a varint, 1971-02-03 to 2109-05-15: outside of it no head fits.
MIN_TIME_MS: Final = 1 << 35
MAX_TIME_MS: Final = (1 << 42) - 1

STALE: Final = bytes.fromhex("020000000000f07f")
"""The value that means "this series has ended": a NaN with these bits. Arithmetic would change them."""
QUIET_NAN: Final = bytes.fromhex("010000000000f87f")
"""Prometheus' ordinary NaN."""
STALE_COUNT: Final = 0x7FF0000000000002
"""The same in the integer count of a native histogram."""

_SERIES: Final = 0x0A  # WriteRequest.timeseries
_METADATA: Final = 0x1A  # WriteRequest.metadata
_LABEL: Final = 0x0A  # TimeSeries.labels
SAMPLE_BYTES: Final = 18  # tag and length, tag and 8 bytes of value, tag and 6 bytes of time
VALUE_TAG: Final = b"\x12\x10\x09"

pack_double = Struct("<d").pack


def encode_labels(labels: Mapping[str, str]) -> bytes:
    """Label fields of a series, sorted by name; empty values are left out."""
    out = bytearray()
    for name in sorted(labels):
        if labels[name]:
            append_bytes(out, _LABEL, encode_label(name, labels[name]))
    return bytes(out)


def encode_label(name: str, value: str) -> bytes:
    """The content of one Label."""
    out = bytearray()
    append_bytes(out, 0x0A, name.encode())
    append_bytes(out, 0x12, value.encode())
    return bytes(out)


def sample_head(labels: bytes) -> bytes:
    """What stands before the value of a series' sample."""
    return b"\x0a" + varint(len(labels) + SAMPLE_BYTES) + labels + VALUE_TAG


def head_labels(head: bytes) -> bytes:
    """The label fields in a head."""
    return head[read_length(head + bytes(SAMPLE_BYTES), 1, 1 << 30, "head")[0] : len(head) - 3]


def time_tail(time_ms: int) -> bytes:
    """What stands behind the value: the timestamp; within MIN_TIME_MS and MAX_TIME_MS."""
    return b"\x10" + varint(time_ms)


def encode_series(labels: bytes, *fields: bytes) -> bytes:
    """A series in a request, from label fields and fields of samples, exemplars or histograms."""
    return bytes_field(_SERIES, labels + b"".join(fields))


def encode_metadata(kind: int, family: str, description: str, unit: str) -> bytes:
    """Metadata of one metric family in a request; ``kind`` is a number of MetricMetadata.MetricType."""
    out = bytearray()
    if kind:
        out.append(0x08)
        append_varint(out, kind)
    for tag, text in ((0x12, family), (0x22, description), (0x2A, unit)):
        if text:
            append_bytes(out, tag, text.encode())
    return bytes_field(_METADATA, bytes(out))


def count_elements(payload: bytes) -> tuple[int, int, int, int]:
    """Samples, exemplars, native histograms and metadata entries in a request.

    Raises:
        DecodeError: the structure is broken.
    """
    samples = exemplars = histograms = metadata = 0
    for tag, start, stop, _ in _entries(payload):
        if tag == _METADATA:
            metadata += 1
            continue
        at: i64 = start
        end: i64 = stop
        while at < end:
            kind = payload[at]
            at = _next(payload, at, end)
            if kind == 0x12:
                samples += 1
            elif kind == 0x1A:
                exemplars += 1
            elif kind == 0x22:
                histograms += 1
    return samples, exemplars, histograms, metadata


def split_write_request(payload: bytes, max_items: int, max_bytes: int) -> list[tuple[int, bytes]]:
    """Cut a request at the borders of its series, so that each part has at most that many items and bytes.

    A series above a limit stands alone. 0 = no limit.

    Returns:
        The parts in order, as (items, request). Samples, exemplars, histograms and metadata entries count alike.

    Raises:
        DecodeError: the structure is broken.
    """
    parts: list[tuple[int, bytes]] = []
    begin = 0
    end = 0
    items = 0
    for tag, start, stop, at in _entries(payload):
        size = _items(payload, tag, start, stop)
        if end > begin and ((max_items and items + size > max_items) or (max_bytes and stop - begin > max_bytes)):
            parts.append((items, payload[begin:end]))
            begin = at
            items = 0
        items += size
        end = stop
    if end > begin or not parts:
        parts.append((items, payload[begin:]))
    return parts


def halve_write_request(payload: bytes) -> list[tuple[int, bytes]]:
    """Cut a request into two with half of the series each; one series is returned as it is.

    Raises:
        DecodeError: the structure is broken.
    """
    entries = _entries(payload)
    if len(entries) < 2:
        return [(sum([_items(payload, tag, start, stop) for tag, start, stop, _ in entries]), payload)]
    middle = len(entries) // 2
    cut = entries[middle][3]
    first = sum([_items(payload, tag, start, stop) for tag, start, stop, _ in entries[:middle]])
    second = sum([_items(payload, tag, start, stop) for tag, start, stop, _ in entries[middle:]])
    return [(first, payload[:cut]), (second, payload[cut:])]


def split_runs(payload: bytes) -> list[tuple[int, bytes]]:
    """Cut a request before each series that occurs in the part already, so no part holds two samples of one series.

    Sent one after the other, such parts can be repeated: a receiver that has all of a part already takes the same
    samples again, or refuses the part as out of order as a whole.

    Raises:
        DecodeError: the structure is broken.
    """
    parts: list[tuple[int, bytes]] = []
    seen: set[bytes] = set()
    begin = 0
    end = 0
    items = 0
    for tag, start, stop, at in _entries(payload):
        series = payload[start : _labels_end(payload, start, stop)]
        if series in seen:
            parts.append((items, payload[begin:at]))
            begin = at
            items = 0
            seen.clear()
        seen.add(series)
        items += _items(payload, tag, start, stop)
        end = stop
    if end > begin:
        parts.append((items, payload[begin:]))
    return parts


def recurring(run: bytes, following: bytes, limit: int) -> list[bytes]:
    """Series of one run that have a sample in the following run too, as a request each; at most ``limit``.

    Raises:
        DecodeError: the structure is broken.
    """
    later = {following[start : _labels_end(following, start, stop)] for _, start, stop, _ in _entries(following)}
    found: list[bytes] = []
    for _, start, stop, at in _entries(run):
        if len(found) < limit and run[start : _labels_end(run, start, stop)] in later:
            found.append(run[at:stop])
    return found


def _entries(payload: bytes) -> list[tuple[int, int, int, int]]:
    """Tag, content's start and end, and position of each series or metadata entry."""
    found: list[tuple[int, int, int, int]] = []
    at: i64 = 0
    end: i64 = len(payload)
    try:
        while at < end:
            tag, value = read_tag(payload, at, "WriteRequest")
            if tag in (_SERIES, _METADATA):
                start, stop = read_length(payload, value, end, "WriteRequest")
                found.append((tag, start, stop, at))
                at = stop
            else:
                raise wrong_type("WriteRequest", tag, at)
    except IndexError:
        raise truncated(payload, "WriteRequest") from None
    return found


def _items(payload: bytes, tag: int, start: int, stop: int) -> int:
    """What one entry counts for: its samples, exemplars and histograms, or 1."""
    if tag == _METADATA:
        return 1
    items = 0
    at: i64 = _labels_end(payload, start, stop)
    end: i64 = stop
    while at < end:
        at = _next(payload, at, end)
        items += 1
    return items


def _labels_end(payload: bytes, start: int, stop: int) -> int:
    """Where the labels of a series end; they are always written first."""
    at: i64 = start
    end: i64 = stop
    while at < end and payload[at] == _LABEL:
        at = _next(payload, at, end)
    return at


def _next(payload: bytes, at: i64, end: i64) -> i64:
    """The position behind a field of a series."""
    size: i64 = payload[at + 1]
    if payload[at] & 7 == 2 and size < 0x80 and at + 2 + size <= end:
        return at + 2 + size
    tag, value = read_tag(payload, at, "TimeSeries")
    return skip_value(payload, tag, value, end, "TimeSeries")
