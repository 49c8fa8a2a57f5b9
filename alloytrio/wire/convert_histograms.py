"""Points of classic histograms to float samples: sum, count and one per bucket.

Plain classes, compiled with mypyc.
"""

from struct import Struct
from typing import Final, cast

from mypy_extensions import i64

from alloytrio.wire.catalog import Catalog
from alloytrio.wire.convert_numbers import count_at, double_at, may_send
from alloytrio.wire.emit import OUT_OF_ORDER, Emitter, sample_field
from alloytrio.wire.exemplars import new_exemplars
from alloytrio.wire.families import Family
from alloytrio.wire.points import PointFields, read_fixed64
from alloytrio.wire.remote_write import STALE, encode_series, head_labels, pack_double
from alloytrio.wire.series import VALUE_BYTES, BucketLayout, DeltaState, HistogramSeries, series_prefix

INVALID_HISTOGRAM: Final = "invalid_histogram"
MAX_COUNT: Final = 1 << 62  # of all buckets together; more is nonsense, and would not fit in 64 bits with a sign

_unpack_double = Struct("<d").unpack_from


def convert_histogram(catalog: Catalog, family: Family, fields: PointFields, payload: bytes) -> None:
    """One HistogramDataPoint, already read into ``fields``."""
    emitter = catalog.emitter
    found = family.series.get(fields.attributes)
    if found is not None and found.shard < 0:
        emitter.drop(found.refusal)
        return
    series = cast(HistogramSeries, found) if found is not None else None
    layout = _layout(catalog, fields, payload, series)
    if layout is None:
        emitter.drop_with(INVALID_HISTOGRAM, f"{family.name}: bounds do not ascend")
        return
    if series is None:
        series = catalog.histogram(family, fields.attributes, layout)
        if series is None:
            return
    counts = _cumulative_counts(layout, fields, payload)
    if counts is None:
        emitter.drop_with(INVALID_HISTOGRAM, f"{family.name}: a count is above 2**62")
        return
    if not may_send(catalog, emitter, series, fields, payload, False):
        return
    if series.layout is not layout and not catalog.change_layout(family, fields.attributes, series, layout):
        return
    total = count_at(payload, fields.count_at)
    sum_value = double_at(payload, fields.sum_at)
    has_sum = fields.sum_at >= 0 or fields.flags != 0
    if family.is_delta:
        if emitter.time_ms <= series.last_ms:
            emitter.drop(OUT_OF_ORDER)
            return
        _accumulate(emitter, series, counts, fields, payload)
        state = cast(DeltaState, series.delta)
        counts = state.buckets
        total = pack_double(float(state.count))
        sum_value = pack_double(state.total)
    if not emitter.admit(series):
        return
    if fields.flags:
        _write_stale(emitter, series)
    elif fields.has_exemplars and catalog.settings.exemplars:
        _write_with_exemplars(emitter, series, fields, payload, counts, total, sum_value if has_sum else b"")
    else:
        _write(emitter, series, counts, total, sum_value if has_sum else b"")


def _layout(
    catalog: Catalog, fields: PointFields, payload: bytes, series: HistogramSeries | None
) -> BucketLayout | None:
    """The layout for the point's bounds; that of the series, if it has none and ends it. None: they do not ascend."""
    raw = payload[fields.bounds_at : fields.bounds_end] if fields.bounds_at >= 0 else b""
    if series is not None and (raw == series.layout.raw or (fields.flags and not raw)):
        return series.layout
    known = catalog.known_layout(raw)
    if known is not None:
        return known
    if len(raw) % 8:
        return None
    bounds: list[float] = []
    for at in range(0, len(raw), 8):
        bound: float = _unpack_double(raw, at)[0]
        if bound != bound or (bounds and bound < bounds[-1]):
            return None
        bounds.append(bound)
    return catalog.layout(raw, bounds)


def _cumulative_counts(layout: BucketLayout, fields: PointFields, payload: bytes) -> list[int] | None:
    """Running totals of the bucket counts, at most one per bound; None: a count is too large."""
    counts: list[int] = []
    at = fields.counts_at
    if at < 0:
        return counts
    left: i64 = len(layout.bounds)
    end = fields.counts_end - 7
    total: i64 = 0
    while at < end and left > 0:
        count = read_fixed64(payload, at)
        if count < 0 or count > MAX_COUNT - total:
            return None
        total += count
        counts.append(total)
        at += 8
        left -= 1
    return counts


def _write(emitter: Emitter, series: HistogramSeries, counts: list[int], total: bytes, sum_value: bytes) -> None:
    """All samples of the point, piece by piece. An empty ``sum_value``: the point has no sum."""
    output = emitter.outputs[series.shard]
    parts = output.parts
    tail = emitter.tail
    series.slot = len(parts)
    items: i64 = 0
    heads = series.heads
    if heads is not None:
        for head, value in ((heads.sum, sum_value), (heads.count, total)):
            if head and value:
                parts.append(head)
                parts.append(value)
                parts.append(tail)
                items += 1
        items += _write_heads(heads.buckets, parts, counts, total, tail)
    else:
        names = series.names
        before = series.before
        after = series.after
        rest: i64 = len(before) + len(after) + VALUE_BYTES
        if sum_value:
            parts += [series_prefix(rest + len(names.sum)), names.sum, before, after, sum_value, tail]
            items += 1
        parts += [series_prefix(rest + len(names.count)), names.count, before, after, total, tail]
        items += 1
        labels = series.layout.labels
        before = names.bucket + before
        rest += len(names.bucket)
        for index in range(len(counts)):
            label = labels[index]
            if label:
                parts.append(series_prefix(rest + len(label)))
                parts.append(before)
                parts.append(label)
                parts.append(after)
                parts.append(pack_double(float(counts[index])))
                parts.append(tail)
                items += 1
        label = labels[-1]
        parts.append(series_prefix(rest + len(label)))
        parts.append(before)
        parts.append(label)
        parts.append(after)
        parts.append(total)
        parts.append(tail)
        items += 1
    series.slots = len(parts) - series.slot
    series.items = items
    output.items += items


def _write_heads(heads: list[bytes], parts: list[bytes], counts: list[int], total: bytes, tail: bytes) -> i64:
    """The bucket samples of a series set whose heads are kept one by one; returns how many."""
    items: i64 = 0
    last = len(heads) - 1
    for index in range(len(counts) + 1):
        at = index if index < len(counts) else last
        head = heads[at]
        if head:
            parts.append(head)
            parts.append(pack_double(float(counts[index])) if index < len(counts) else total)
            parts.append(tail)
            items += 1
    return items


def _write_stale(emitter: Emitter, series: HistogramSeries) -> None:
    """The staleness marker for each series of the set."""
    heads = series.zero_heads()
    pieces = [head + STALE + emitter.tail for head in heads]
    emitter.write_whole(series, b"".join(pieces), len(pieces))


def _write_with_exemplars(
    emitter: Emitter,
    series: HistogramSeries,
    fields: PointFields,
    payload: bytes,
    counts: list[int],
    total: bytes,
    sum_value: bytes,
) -> None:
    """All samples of the point, with the exemplars in the series of their buckets."""
    by_bucket: dict[int, list[bytes]] = {}
    for exemplar in new_exemplars(emitter, fields, payload, series):
        bucket = series.layout.bucket_of(exemplar.value)
        by_bucket.setdefault(bucket, []).append(exemplar.field)
    pieces: list[bytes] = []
    for head, value in ((series.sum_head(), sum_value), (series.count_head(), total)):
        if head and value:
            pieces.append(head + value + emitter.tail)
    written = len(pieces)
    last = len(series.layout.labels) - 1
    for index in range(last + 1):
        if index >= len(counts) and index != last:
            continue
        head = series.bucket_head(index)
        if not head:
            continue
        value = total if index == last else pack_double(float(counts[index]))
        exemplars = by_bucket.get(index)
        written += 1
        if exemplars:
            written += len(exemplars)
            pieces.append(encode_series(head_labels(head), sample_field(value, emitter.tail), b"".join(exemplars)))
        else:
            pieces.append(head + value + emitter.tail)
    emitter.write_whole(series, b"".join(pieces), written)


def _accumulate(
    emitter: Emitter, series: HistogramSeries, counts: list[int], fields: PointFields, payload: bytes
) -> None:
    """Add a delta to the series' totals. Other bounds than before start them anew, as a restart would."""
    state = series.delta
    if state is None:
        state = DeltaState()
    emitter.receipt.deltas.append((series, state))
    state = state.copy() if len(state.buckets) == len(counts) or not counts else DeltaState()
    series.delta = state
    if fields.flags:
        return
    if not state.buckets:
        state.buckets = [0] * len(counts)
    for index in range(len(counts)):
        state.buckets[index] += counts[index]
    if fields.count_at >= 0:
        state.count += int.from_bytes(payload[fields.count_at : fields.count_at + 8], "little")
    if fields.sum_at >= 0:
        state.total += _unpack_double(payload, fields.sum_at)[0]
