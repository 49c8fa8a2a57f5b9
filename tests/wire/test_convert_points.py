"""Data points of each kind to samples, by tables."""

import math
import struct
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from alloytrio.wire.convert import Converter
from alloytrio.wire.families import ConvertSettings
from alloytrio.wire.protobuf import bytes_field
from tests.wire.metric_points import SECOND, START, decode_rows
from tests.wire.metrics_reference import NAN, STALE, Row

CUMULATIVE: m.AggregationTemporality.ValueType = m.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA: m.AggregationTemporality.ValueType = m.AGGREGATION_TEMPORALITY_DELTA


def converter(**options: Any) -> Converter:
    """A converter without target_info, to keep tables short."""
    return Converter(ConvertSettings(lambda labels: labels, **{"include_target_info": False, **options}))


def request(*metrics: m.Metric) -> bytes:
    """A request with these metrics."""
    message = ExportMetricsServiceRequest()
    message.resource_metrics.add().scope_metrics.add().metrics.extend(metrics)
    return message.SerializeToString()


def convert(target: Converter, *metrics: m.Metric) -> list[Row]:
    """The rows of one request."""
    return [row for _, _, payload in target.convert(request(*metrics), 0) for row in decode_rows(payload)]


def simple(rows: list[Row]) -> dict[str, float]:
    """Value by series, written as Prometheus does, without quotes."""
    found = {}
    for row in rows:
        labels = dict(row.labels)
        name = labels.pop("__name__")
        inner = ",".join(f"{key}={value}" for key, value in labels.items())
        found[f"{name}{{{inner}}}" if inner else name] = struct.unpack("<d", row.value)[0]
    return found


def gauge(*points: m.NumberDataPoint, name: str = "g") -> m.Metric:
    """A gauge."""
    return m.Metric(name=name, gauge=m.Gauge(data_points=points))


def counter(*points: m.NumberDataPoint, temporality: m.AggregationTemporality.ValueType = CUMULATIVE) -> m.Metric:
    """A monotonic sum."""
    return m.Metric(name="c", sum=m.Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=True))


def number(value: float, at: float = 0, **more: Any) -> m.NumberDataPoint:
    """A point ``at`` seconds after the start."""
    return m.NumberDataPoint(time_unix_nano=START + round(at * SECOND), as_double=value, **more)


def histogram(
    counts: list[int],
    bounds: list[float],
    at: float = 0,
    *,
    temporality: m.AggregationTemporality.ValueType = CUMULATIVE,
    **more: Any,
) -> m.Metric:
    """A classic histogram of one point."""
    point = m.HistogramDataPoint(
        time_unix_nano=START + round(at * SECOND),
        bucket_counts=counts,
        explicit_bounds=bounds,
        count=sum(counts),
        **more,
    )
    return m.Metric(name="h", histogram=m.Histogram(data_points=[point], aggregation_temporality=temporality))


def native(at: float = 0, *, temporality: m.AggregationTemporality.ValueType = CUMULATIVE, **fields: Any) -> m.Metric:
    """An exponential histogram of one point; its count is that of its buckets."""
    point = m.ExponentialHistogramDataPoint(time_unix_nano=START + round(at * SECOND), **fields)
    point.count = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    data = m.ExponentialHistogram(data_points=[point], aggregation_temporality=temporality)
    return m.Metric(name="n", exponential_histogram=data)


def buckets(offset: int, *counts: int) -> m.ExponentialHistogramDataPoint.Buckets:
    """One side of an exponential histogram."""
    return m.ExponentialHistogramDataPoint.Buckets(offset=offset, bucket_counts=counts)


def test_histogram() -> None:
    """Buckets are running totals; the last one is the count; sums are left out where there are none."""
    rows = convert(converter(), histogram([1, 2, 3], [0.5, 2.0], sum=7.5))
    assert simple(rows) == {
        "h_sum": 7.5, "h_count": 6, "h_bucket{le=0.5}": 1, "h_bucket{le=2}": 3, "h_bucket{le=+Inf}": 6,
    }  # fmt: skip
    assert simple(convert(converter(), histogram([], []))) == {"h_count": 0, "h_bucket{le=+Inf}": 0}


def test_equal_and_infinite_bounds_collapse() -> None:
    """Equal bounds are one bucket with the last total; an explicit +Inf is not sent twice."""
    rows = convert(converter(), histogram([1, 2, 4, 8], [1.0, 1.0, math.inf]))
    assert simple(rows) == {"h_count": 15, "h_bucket{le=1}": 3, "h_bucket{le=+Inf}": 15}


@pytest.mark.parametrize("bounds", [[2.0, 1.0], [1.0, math.nan], [math.nan]])
def test_bounds_that_do_not_ascend(bounds: list[float]) -> None:
    """Such a point is left out and counted; others of the request arrive."""
    target = converter()
    assert simple(convert(target, histogram([1] * 3, bounds), gauge(number(1)))) == {"g": 1}
    assert target.emitter.take_dropped() == ({"invalid_histogram": 1}, {"invalid_histogram": "h: bounds do not ascend"})


def test_bounds_that_change() -> None:
    """A histogram whose bounds change goes on with the new buckets, in both directions."""
    target = converter()
    for at, bounds in enumerate(([1.0], [1.0, 2.0], [], [1.0])):
        rows = simple(convert(target, histogram([1] * (len(bounds) + 1), bounds, at)))
        assert list(rows) == ["h_count", *(f"h_bucket{{le={bound:g}}}" for bound in bounds), "h_bucket{le=+Inf}"]
    assert target.catalog.series == 4


@pytest.mark.parametrize("packed", [True, False])
def test_counts_in_several_pieces(packed: bool) -> None:
    """Counts and bounds that an encoder wrote one by one, or in two pieces, are read as one."""

    def pieces(tag: int, *values: bytes) -> bytes:
        if packed:
            return bytes_field(tag, values[0]) + bytes_field(tag, b"".join(values[1:]))
        return b"".join(bytes([tag - 1]) + value for value in values)

    counts = [struct.pack("<Q", value) for value in (1, 2, 3)]
    bounds = [struct.pack("<d", value) for value in (0.5, 2.0)]
    point = (
        b"\x19"
        + struct.pack("<Q", START)
        + b"\x21"
        + struct.pack("<Q", 6)
        + pieces(0x32, *counts)
        + pieces(0x3A, *bounds)
    )
    metric = bytes_field(0x0A, b"h") + bytes_field(0x4A, bytes_field(0x0A, point) + b"\x10\x02")
    payload = bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, metric)))
    ((_, items, encoded),) = converter().convert(payload, 0)
    assert items == 4
    assert simple(decode_rows(encoded)) == {
        "h_count": 6, "h_bucket{le=0.5}": 1, "h_bucket{le=2}": 3, "h_bucket{le=+Inf}": 6,
    }  # fmt: skip


def test_staleness_markers() -> None:
    """A point without a recorded value ends all series of its set with the exact marker, known buckets included."""
    target = converter(native_histograms=True)
    convert(target, histogram([1, 2], [1.0], sum=1.0), gauge(number(1)), native(positive=buckets(0, 1)))
    ended = [histogram([], [], 1, flags=1), gauge(number(5, 1, flags=1)), native(1, flags=1)]
    rows = convert(target, *ended)
    assert [row.value for row in rows[:-1]] == [STALE] * 5
    assert rows[-1].histogram[:2] == (0x7FF0000000000002, STALE)
    assert simple(convert(target, gauge(number(2, 2)))) == {"g": 2}, "a series may begin again"


@pytest.mark.parametrize(
    ("bits", "sent"),
    [
        (0x7FF0000000000002, NAN),
        (0xFFF8000000000000, NAN),
        (0x7FF8DEADBEEF0001, NAN),
        (0x7FF0000000000000, struct.pack("<d", math.inf)),
        (0xFFF0000000000000, struct.pack("<d", -math.inf)),
        (0x7FEFFFFFFFFFFFFF, struct.pack("<Q", 0x7FEFFFFFFFFFFFFF)),
    ],
)
def test_nan_payloads(bits: int, sent: bytes) -> None:
    """A value whose bits happen to be the staleness marker does not end its series: every NaN is the ordinary one."""
    encoded = request(gauge(number(1.0))).replace(struct.pack("<d", 1.0), struct.pack("<Q", bits))
    ((_, _, payload),) = converter().convert(encoded, 0)
    assert decode_rows(payload)[0].value == sent


def exemplar(value: float, at: float, trace: int = 1) -> m.Exemplar:
    """An exemplar with a trace and a span id."""
    return m.Exemplar(
        as_double=value, time_unix_nano=START + round(at * SECOND), trace_id=bytes([trace] * 16), span_id=bytes([2] * 8)
    )


def test_exemplars_of_counters() -> None:
    """Each exemplar is sent once, in order of time, with the ids in hexadecimal; gauges have none."""
    target = converter()
    first = [exemplar(5, 2), exemplar(4, 1)]
    (row,) = convert(target, counter(number(1, 3, exemplars=first)))
    assert [(value, at - START // 10**6) for _, value, at in row.exemplars] == [
        (struct.pack("<d", 4.0), 1000), (struct.pack("<d", 5.0), 2000),
    ]  # fmt: skip
    assert row.exemplars[0][0] == (("span_id", "02" * 8), ("trace_id", "01" * 16))
    (row,) = convert(target, counter(number(2, 4, exemplars=[*first, exemplar(6, 3)])))
    assert [value for _, value, _ in row.exemplars] == [struct.pack("<d", 6.0)]
    (row,) = convert(target, gauge(number(1, 3, exemplars=first)))
    assert row.exemplars == ()
    (row,) = convert(converter(exemplars=False), counter(number(1, 3, exemplars=first)))
    assert row.exemplars == ()


def test_exemplars_of_histograms() -> None:
    """An exemplar belongs to the bucket whose bound is equal to or above its value."""
    found = [exemplar(0.5, 0.1), exemplar(1.0, 0.2), exemplar(1.1, 0.3), exemplar(9.0, 0.4)]
    rows = convert(converter(), histogram([1, 1, 1], [1.0, 2.0], 1, exemplars=found))
    by_bucket = {dict(row.labels).get("le"): [at % 1000 for _, _, at in row.exemplars] for row in rows}
    assert by_bucket == {None: [], "1": [100, 200], "2": [300], "+Inf": [400]}


@pytest.mark.parametrize(
    ("scale", "offset", "counts", "schema", "expected"),
    [
        (0, -1, [2, 1, 3, 2, 0, 0, 3], 0, {0: 2, 1: 1, 2: 3, 3: 2, 6: 3}),
        (0, 0, [0, 0, 0, 0, 5, 3], 0, {5: 5, 6: 3}),
        (9, 0, [0, 0, 3, 4, 5], 8, {2: 7, 3: 5}),
        (10, -3, [1, 1, 1, 1, 1], 8, {0: 3, 1: 2}),
        (20, -4096, [1, 2], 8, {0: 3}),
        (8, 5, [7], 8, {6: 7}),
        (-4, 0, [1], -4, {1: 1}),
    ],
)
def test_native_histograms(scale: int, offset: int, counts: list[int], schema: int, expected: dict[int, int]) -> None:
    """Buckets are numbered by their upper bound; scales above 8 are brought down by adding up, zeros or not."""
    (row,) = convert(converter(native_histograms=True), native(scale=scale, positive=buckets(offset, *counts)))
    assert row.histogram[2] == schema
    assert dict(row.histogram[5]) == expected


def test_native_histogram_bytes() -> None:
    """The reference's histogram, but for the later time and its place in a series."""
    point = native(scale=0, positive=buckets(-1, 2, 1, 3), zero_count=1, sum=12.5)
    ((_, _, encoded),) = converter(native_histograms=True).convert(request(point), 0)
    expected = "0807190000000000002940" + "2000" + "299d978ccf08ba5b2530015a04080010036203040104" + "78"
    assert expected in encoded.hex()


def test_native_spans() -> None:
    """Gaps of one or two empty buckets are filled with zeros, larger ones begin a new span."""
    point = native(scale=0, positive=buckets(0, 1, 0, 0, 2, 0, 0, 0, 3), negative=buckets(-2, 4))
    ((_, _, encoded),) = converter(native_histograms=True).convert(request(point), 0)
    spans_and_deltas = "420408011001" + "4a0108" + "5a0408021004" + "5a0408061001" + "620502010004" + "02"
    assert spans_and_deltas in encoded.hex()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (native(scale=-5, positive=buckets(0, 1)), "scale -5 is below -4"),
        (native(scale=0, positive=buckets(2**31 - 1, 1)), "more than 32 bits"),
    ],
)
def test_native_histograms_that_prometheus_refuses(metric: m.Metric, words: str) -> None:
    """They are left out and counted, so that they do not take a whole request with them."""
    target = converter(native_histograms=True)
    assert convert(target, metric) == []
    dropped, examples = target.emitter.take_dropped()
    assert dropped == {"invalid_histogram": 1}
    assert words in examples["invalid_histogram"]


def test_native_histograms_are_off_by_default() -> None:
    """As in Alloy they are not sent by default; here that is counted, with a name."""
    target = converter()
    assert convert(target, native(positive=buckets(0, 1))) == []
    assert target.emitter.take_dropped() == ({"native_histograms_disabled": 1}, {"native_histograms_disabled": "n"})


def test_delta_sums_are_dropped_by_default() -> None:
    """Delta points are counted and the metric is named."""
    target = converter()
    assert convert(target, counter(number(1), number(2, 1), temporality=DELTA)) == []
    assert target.emitter.take_dropped() == ({"delta_temporality": 2}, {"delta_temporality": "c_total"})


def test_delta_sums_are_added_up() -> None:
    """With the option, deltas become a running total per series; what is out of order is not added."""
    target = converter(delta_to_cumulative=True)
    totals = []
    for at, value in ((1, 5.0), (2, 2.5), (2, 100.0), (1, 100.0), (3, 1.0)):
        rows = convert(target, counter(number(value, at), temporality=DELTA))
        totals += [struct.unpack("<d", row.value)[0] for row in rows]
    assert totals == [5.0, 7.5, 8.5]
    assert target.emitter.take_dropped()[0] == {"out_of_order": 2}


def test_delta_histograms_are_added_up() -> None:
    """Classic histograms are added up too; other bounds start them anew."""
    target = converter(delta_to_cumulative=True)
    convert(target, histogram([1, 2], [1.0], 1, temporality=DELTA, sum=2.0))
    rows = simple(convert(target, histogram([3, 4], [1.0], 2, temporality=DELTA, sum=0.5)))
    assert rows == {"h_sum": 2.5, "h_count": 10, "h_bucket{le=1}": 4, "h_bucket{le=+Inf}": 10}
    rows = simple(convert(target, histogram([1, 0], [5.0], 3, temporality=DELTA, sum=1.0)))
    assert rows == {"h_sum": 1, "h_count": 1, "h_bucket{le=5}": 1, "h_bucket{le=+Inf}": 1}


def test_delta_native_histograms_are_added_up() -> None:
    """Exponential histograms are added up at the smaller scale of both."""
    target = converter(delta_to_cumulative=True, native_histograms=True)
    convert(target, native(1, temporality=DELTA, scale=1, positive=buckets(0, 1, 1, 1), sum=3.0, zero_count=1))
    (row,) = convert(target, native(2, temporality=DELTA, scale=0, positive=buckets(0, 5), sum=1.0))
    assert row.histogram[:4] == (9, struct.pack("<d", 4.0), 0, 1)
    assert dict(row.histogram[5]) == {1: 7, 2: 1}
    wide = native(3, temporality=DELTA, scale=0, positive=buckets(0, *[1] * 700))
    (row,) = convert(target, wide)
    assert row.histogram[0] == 709
    assert len(row.histogram[5]) <= 320
    assert row.histogram[2] == -2


def test_start_times() -> None:
    """With the option, a zero is sent at the start of a cumulative series, once per start, where it is in order."""
    target = converter(start_timestamp_zero_ingestion=True)

    def rows_at(at: float, start: float) -> list[tuple[int, float]]:
        rows = convert(target, counter(number(9, at, start_time_unix_nano=START + round(start * SECOND))))
        return [(row.time_ms - START // 10**6, struct.unpack("<d", row.value)[0]) for row in rows]

    assert rows_at(2, 1) == [(1000, 0), (2000, 9)]
    assert rows_at(3, 1) == [(3000, 9)]
    assert rows_at(5, 4) == [(4000, 0), (5000, 9)]
    assert rows_at(6, 4.5) == [(6000, 9)]
    rows = convert(target, histogram([1, 1], [1.0], 9, sum=2.0, start_time_unix_nano=START + 8 * SECOND))
    assert [row.value for row in rows[:4]] == [bytes(8)] * 4
    assert len(rows) == 8
