"""Points of exponential histograms to Prometheus' native histograms.

Both kinds have the same buckets, but a native one is numbered by its upper bound: OpenTelemetry's bucket i is bucket
i + 1. A scale above 8 is brought down by adding neighbours up; the collector's translation adds before it removes
empty buckets, which misplaces counts, so ours first adds the counts of each index, then lays them out.

Source: Prometheus ``model/histogram`` and ``prompb``; OpenTelemetry data model, "Exponential Scale".
Plain classes, compiled with mypyc.
"""

from struct import Struct
from typing import Final, cast

from mypy_extensions import i64

from alloytrio.wire.catalog import Catalog
from alloytrio.wire.convert_histograms import INVALID_HISTOGRAM
from alloytrio.wire.convert_numbers import ZERO, double_at, may_send
from alloytrio.wire.emit import OUT_OF_ORDER, Emitter
from alloytrio.wire.exemplars import new_exemplars
from alloytrio.wire.families import Family
from alloytrio.wire.points import PointFields
from alloytrio.wire.protobuf import (
    append_bytes,
    append_varint,
    bytes_field,
    read_length,
    read_tag,
    read_varint,
    skip_value,
    zigzag,
)
from alloytrio.wire.remote_write import STALE, STALE_COUNT, encode_series, pack_double
from alloytrio.wire.series import DeltaState, NativeSeries

MAX_SCALE: Final = 8  # Prometheus' schemas go from -4 to 8
MIN_SCALE: Final = -4
MAX_GAP: Final = 2  # empty buckets that are written as zeros; a larger gap begins a new span
MAX_DELTA_BUCKETS: Final = 320  # per side; when added up deltas need more, the scale is brought down
ZERO_THRESHOLD: Final = bytes.fromhex("9d978ccf08ba5b25")  # 1e-128: what Prometheus takes for zero

_unpack_double = Struct("<d").unpack_from


class NativeHistogram:
    """The content of one native histogram. ``positive`` and ``negative`` have the counts by native index."""

    def __init__(self) -> None:
        self.scale: i64 = 0
        self.count = 0
        self.sum = ZERO
        self.zero_count = 0
        self.zero_threshold = ZERO_THRESHOLD
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}


def convert_native(catalog: Catalog, family: Family, fields: PointFields, payload: bytes) -> None:
    """One ExponentialHistogramDataPoint, already read into ``fields``."""
    emitter = catalog.emitter
    found = family.series.get(fields.attributes)
    if found is None:
        found = catalog.native(family, fields.attributes)
        if found is None:
            return
    if not may_send(catalog, emitter, found, fields, payload, True):
        return
    series = cast(NativeSeries, found)
    histogram = _read(fields, payload)
    problem = _problem(histogram) if not fields.flags else ""
    if problem:
        emitter.drop_with(INVALID_HISTOGRAM, f"{family.name}: {problem}")
        return
    if family.is_delta:
        if emitter.time_ms <= series.last_ms:
            emitter.drop(OUT_OF_ORDER)
            return
        _accumulate(emitter, series, histogram)
    if not emitter.admit(series):
        return
    field = bytes_field(0x22, _encode(histogram, emitter.tail) if not fields.flags else _encode_stale(emitter.tail))
    exemplars = b""
    items = 1
    if fields.has_exemplars and catalog.settings.exemplars:
        found_exemplars = new_exemplars(emitter, fields, payload, series)
        exemplars = b"".join([exemplar.field for exemplar in found_exemplars])
        items += len(found_exemplars)
    emitter.histograms += 1
    emitter.write_whole(series, encode_series(series.labels, exemplars, field), items)


def _read(fields: PointFields, payload: bytes) -> NativeHistogram:
    histogram = NativeHistogram()
    scale = fields.scale
    shift: i64 = 0
    if scale > MAX_SCALE:
        shift = scale - MAX_SCALE
        scale = MAX_SCALE
    histogram.scale = scale
    histogram.count = _count(payload, fields.count_at)
    histogram.zero_count = _count(payload, fields.zero_count_at)
    histogram.sum = double_at(payload, fields.sum_at)
    if fields.zero_threshold_at >= 0:
        threshold = _unpack_double(payload, fields.zero_threshold_at)[0]
        if threshold > 0:
            histogram.zero_threshold = pack_double(threshold)
    _add_buckets(histogram.positive, payload, fields.positive, min(shift, 63))
    _add_buckets(histogram.negative, payload, fields.negative, min(shift, 63))
    return histogram


def _count(payload: bytes, at: i64) -> int:
    return int.from_bytes(payload[at : at + 8], "little") if at >= 0 else 0


def _add_buckets(buckets: dict[int, int], payload: bytes, borders: list[int], shift: int) -> None:
    """Add one side's counts by native index; messages that occur twice are read as one."""
    offset = 0
    counts: list[int] = []
    for index in range(0, len(borders), 2):
        at: i64 = borders[index]
        end: i64 = borders[index + 1]
        while at < end:
            tag, value = read_tag(payload, at, "Buckets")
            at = skip_value(payload, tag, value, end, "Buckets")
            if tag == 0x08:
                raw = read_varint(payload, value, "Buckets")[0] & 0xFFFFFFFF
                offset = (raw >> 1) ^ -(raw & 1)
            elif tag == 0x10:
                counts.append(read_varint(payload, value, "Buckets")[0])
            elif tag == 0x12:
                value = read_length(payload, value, end, "Buckets")[0]
                while value < at:
                    count, value = read_varint(payload, value, "Buckets")
                    counts.append(count)
    for position in range(len(counts)):
        if counts[position]:
            native = ((offset + position) >> shift) + 1
            buckets[native] = buckets.get(native, 0) + counts[position]


def _problem(histogram: NativeHistogram) -> str:
    """What Prometheus would refuse the histogram for; empty: nothing."""
    if histogram.scale < MIN_SCALE:
        return f"scale {histogram.scale} is below {MIN_SCALE}"
    buckets = histogram.zero_count + sum(histogram.positive.values()) + sum(histogram.negative.values())
    total: float = _unpack_double(histogram.sum)[0]
    if buckets > histogram.count or (buckets != histogram.count and total == total):
        return f"{buckets} observations in its buckets, but a count of {histogram.count}"
    if histogram.count >> 63:
        return "its count is above 2**63"
    for side in (histogram.positive, histogram.negative):
        if side and (min(side) < -(1 << 31) or max(side) >= 1 << 31):
            return "a bucket's index has more than 32 bits"
    return ""


def _accumulate(emitter: Emitter, series: NativeSeries, histogram: NativeHistogram) -> None:
    """Add a delta to the series' totals, at the smaller scale of both, and put the totals into ``histogram``."""
    state = series.delta
    if state is None:
        state = DeltaState()
        state.scale = histogram.scale
    emitter.receipt.deltas.append((series, state))
    state = series.delta = state.copy()
    scale = min(state.scale, histogram.scale)
    positive = _merged(state.positive, state.scale - scale, histogram.positive, histogram.scale - scale)
    negative = _merged(state.negative, state.scale - scale, histogram.negative, histogram.scale - scale)
    while scale > MIN_SCALE and (len(positive) > MAX_DELTA_BUCKETS or len(negative) > MAX_DELTA_BUCKETS):
        scale -= 1
        positive = _merged(positive, 1, {}, 0)
        negative = _merged(negative, 1, {}, 0)
    state.scale = scale
    state.positive = positive
    state.negative = negative
    state.count += histogram.count
    state.zero_count += histogram.zero_count
    state.total += _unpack_double(histogram.sum)[0]
    histogram.scale = scale
    histogram.positive = positive
    histogram.negative = negative
    histogram.count = state.count
    histogram.zero_count = state.zero_count
    histogram.sum = pack_double(state.total)


def _merged(first: dict[int, int], first_shift: int, second: dict[int, int], second_shift: int) -> dict[int, int]:
    """The sum of two sides, each brought down by its number of scales; indexes are native ones."""
    merged: dict[int, int] = {}
    for side, shift in ((first, first_shift), (second, second_shift)):
        for index, count in side.items():
            lower = ((index - 1) >> shift) + 1
            merged[lower] = merged.get(lower, 0) + count
    return merged


def _encode(histogram: NativeHistogram, tail: bytes) -> bytes:
    """The content of a Histogram message; ``tail`` holds the time."""
    out = bytearray(b"\x08")
    append_varint(out, histogram.count)
    out += b"\x19"
    out += histogram.sum
    append_varint(out, 0x20)
    append_varint(out, zigzag(histogram.scale))
    out += b"\x29"
    out += histogram.zero_threshold
    out += b"\x30"
    append_varint(out, histogram.zero_count)
    _append_side(out, histogram.negative, 0x42, 0x4A)
    _append_side(out, histogram.positive, 0x5A, 0x62)
    out += b"\x78"
    out += tail[1:]
    return bytes(out)


def _encode_stale(tail: bytes) -> bytes:
    """A Histogram message that ends its series."""
    out = bytearray(b"\x08")
    append_varint(out, STALE_COUNT)
    out += b"\x19"
    out += STALE
    out += b"\x78"
    out += tail[1:]
    return bytes(out)


def _append_side(out: bytearray, buckets: dict[int, int], span_tag: int, delta_tag: int) -> None:
    """Spans and deltas of one side: consecutive buckets, small gaps filled with zeros."""
    if not buckets:
        return
    deltas = bytearray()
    length = 0
    offset = 0
    previous_index = 0
    previous_count = 0
    for index in sorted(buckets):
        gap = index - previous_index - 1
        if length and gap <= MAX_GAP:
            for _ in range(gap):
                append_varint(deltas, zigzag(-previous_count))
                previous_count = 0
                length += 1
        elif length:
            append_bytes(out, span_tag, _span(offset, length))
            offset = gap
            length = 0
        else:
            offset = index
        append_varint(deltas, zigzag(buckets[index] - previous_count))
        previous_count = buckets[index]
        previous_index = index
        length += 1
    append_bytes(out, span_tag, _span(offset, length))
    append_bytes(out, delta_tag, bytes(deltas))


def _span(offset: int, length: int) -> bytes:
    out = bytearray(b"\x08")
    append_varint(out, zigzag(offset))
    out += b"\x10"
    append_varint(out, length)
    return bytes(out)
