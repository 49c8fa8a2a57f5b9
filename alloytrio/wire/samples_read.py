"""Remote write 1.0 requests to plain Python values, for people to look at. Nothing that is delivered goes through here.

Source: Prometheus ``prompb/remote.proto`` and ``types.proto``; native histograms are shown by their count and sum.
"""

from struct import Struct
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.protobuf import read_length, read_pair, read_tag, read_varint, skip_value, truncated

_DOUBLE: Final = Struct("<d")
_NAME: Final = "WriteRequest"


class SampleSeries:
    """One time series of a request.

    Attributes:
        labels: ``__name__`` included.
        samples: (milliseconds since 1970, value).
        histograms: (milliseconds since 1970, count, sum).
    """

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.samples: list[tuple[int, float]] = []
        self.histograms: list[tuple[int, float, float]] = []


def read_samples(payload: bytes) -> list[SampleSeries]:
    """All series of an encoded ``WriteRequest``.

    Raises:
        DecodeError: it is not one.
    """
    try:
        return [_series(payload, start, end) for start, end in _messages(payload, 0x0A)]
    except IndexError as exc:
        raise truncated(payload, _NAME) from exc


class FamilyInfo:
    """What is known of a metric family.

    Attributes:
        kind: a number of Prometheus' ``MetricMetadata.MetricType``: 1 counter, 2 gauge, 3 histogram, 5 summary, 6 info.
        name: without ``_bucket``, ``_sum`` and the like.
        description: its help.
        unit: as its instrument has it.
    """

    def __init__(self) -> None:
        self.kind = 0
        self.name = ""
        self.description = ""
        self.unit = ""


def read_metadata(payload: bytes) -> list[FamilyInfo]:
    """All metadata in an encoded ``WriteRequest``.

    Raises:
        DecodeError: it is not one.
    """
    try:
        return [_family(payload, start, end) for start, end in _messages(payload, 0x1A)]
    except IndexError as exc:
        raise truncated(payload, _NAME) from exc


def _messages(payload: bytes, wanted: i64) -> list[tuple[int, int]]:
    """The borders of all fields of a ``WriteRequest`` with one tag."""
    found: list[tuple[int, int]] = []
    at: i64 = 0
    end: i64 = len(payload)
    while at < end:
        tag, value = read_tag(payload, at, _NAME)
        at = skip_value(payload, tag, value, end, _NAME)
        if tag == wanted:
            start, stop = read_length(payload, value, end, _NAME)
            found.append((start, stop))
    return found


def _family(payload: bytes, at: i64, end: i64) -> FamilyInfo:
    family = FamilyInfo()
    while at < end:
        tag, at = read_tag(payload, at, "MetricMetadata")
        if tag == 0x08:
            kind, at = read_varint(payload, at, "MetricMetadata")
            family.kind = int(kind)
        elif tag == 0x12 or tag == 0x22 or tag == 0x2A:
            start, at = read_length(payload, at, end, "MetricMetadata")
            text = _text(payload, start, at)
            if tag == 0x12:
                family.name = text
            elif tag == 0x22:
                family.description = text
            else:
                family.unit = text
        else:
            at = skip_value(payload, tag, at, end, "MetricMetadata")
    return family


def _series(payload: bytes, at: i64, end: i64) -> SampleSeries:
    series = SampleSeries()
    while at < end:
        tag, at = read_tag(payload, at, "TimeSeries")
        if tag & 7 != 2:
            at = skip_value(payload, tag, at, end, "TimeSeries")
            continue
        start, at = read_length(payload, at, end, "TimeSeries")
        if tag == 0x0A:
            name, name_end, value, value_end = read_pair(payload, start, at, "Label")
            series.labels[_text(payload, name, name_end)] = _text(payload, value, value_end)
        elif tag == 0x12:
            series.samples.append(_point(payload, start, at, 0x09, 0x10))
        elif tag == 0x22:
            series.histograms.append(_histogram(payload, start, at))
    return series


def _point(payload: bytes, at: i64, end: i64, value_tag: i64, time_tag: i64) -> tuple[int, float]:
    """(milliseconds, the double at ``value_tag``) of a message."""
    stamp, value = 0, 0.0
    while at < end:
        tag, at = read_tag(payload, at, "Sample")
        if tag == value_tag:
            value = _DOUBLE.unpack(payload[at : at + 8].ljust(8, b"\0"))[0]
            at += 8
        elif tag == time_tag:
            stamp, at = read_varint(payload, at, "Sample")
        else:
            at = skip_value(payload, tag, at, end, "Sample")
    if at > end:
        raise DecodeError("Sample: a field reaches over the end of its message")
    return (stamp - (1 << 64) if stamp >= 1 << 63 else stamp), value


def _histogram(payload: bytes, at: i64, end: i64) -> tuple[int, float, float]:
    stamp, total = _point(payload, at, end, 0x19, 0x78)
    count = 0.0
    while at < end:
        tag, at = read_tag(payload, at, "Histogram")
        if tag == 0x08:
            whole, at = read_varint(payload, at, "Histogram")
            count = float(whole)
        elif tag == 0x11:
            count = _DOUBLE.unpack(payload[at : at + 8].ljust(8, b"\0"))[0]
            at += 8
        else:
            at = skip_value(payload, tag, at, end, "Histogram")
    return stamp, count, total


def _text(payload: bytes, at: i64, end: i64) -> str:
    return payload[at:end].decode("utf-8", "replace")
