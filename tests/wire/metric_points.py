"""Random metrics that mean something: few names and keys, so that points meet in the same series, and all kinds."""

import struct
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.prompb import message_class
from tests.wire.metrics_reference import Row
from tests.wire.requests import values

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND

keys = st.sampled_from(
    ["a", "b", "a.b", "a_b", "a-b", "le", "quantile", "job", "instance", "__name__", "_x", "9", "ü", ""]
)
names = st.sampled_from(["x", "x.y", "x_y", "x_count", "x.sum", "http.total", "5xx", "größe", "__", "ratio"])
units = st.sampled_from(["", "1", "s", "By", "By/s", "{request}", "m/min"])
plain_values = st.builds(AnyValue, string_value=st.sampled_from(["", "u", "v"]))
attributes = st.lists(st.builds(KeyValue, key=keys, value=plain_values | values), max_size=3)
times = st.sampled_from(
    [START, START + 1, START + SECOND, START + SECOND, START + 2 * SECOND, START + 90 * SECOND, 0, 2**63]
)
flags = st.sampled_from([0, 0, 0, 0, 1])
doubles = st.floats(allow_nan=True)
exemplars = st.lists(
    st.builds(
        m.Exemplar,
        time_unix_nano=times,
        as_double=st.floats(-2, 12),
        trace_id=st.sampled_from([b"", bytes(16), bytes(range(16))]),
        span_id=st.sampled_from([b"", bytes(8), bytes(range(8))]),
    ),
    max_size=2,
)
common: dict[str, Any] = {
    "attributes": attributes,
    "time_unix_nano": times,
    "start_time_unix_nano": st.just(START - SECOND),
    "flags": flags,
}
number_points = (
    st.builds(m.NumberDataPoint, **common, as_double=doubles, exemplars=exemplars)
    | st.builds(m.NumberDataPoint, **common, as_int=st.integers(-(2**63), 2**63 - 1), exemplars=exemplars)
    | st.builds(m.NumberDataPoint, **common)
)
bounds = st.sampled_from(
    [[], [1.0], [1.0, 2.0, 10.0], [0.5, 1.0, 1.0, 7e-7], [1.0, 1.0, 2.0], [-1.0, 1e21, float("inf")]]
)
counts = st.integers(0, 1000) | st.just(2**62) | st.just(2**64 - 1)


def _histogram(limits: list[float]) -> st.SearchStrategy[m.HistogramDataPoint]:
    few = st.integers(0, 1000)
    return st.builds(
        m.HistogramDataPoint,
        **common,
        explicit_bounds=st.just(limits),
        bucket_counts=st.lists(few, min_size=len(limits) + 1, max_size=len(limits) + 1) | st.lists(counts, max_size=3),
        count=counts,
        sum=st.none() | st.floats(0, 1e9),
        exemplars=exemplars,
    )


histogram_points = bounds.flatmap(_histogram)


def _native(point: m.ExponentialHistogramDataPoint, off_by: int) -> m.ExponentialHistogramDataPoint:
    total = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    point.count = total + off_by
    return point


buckets = st.builds(
    m.ExponentialHistogramDataPoint.Buckets,
    offset=st.integers(-20, 20) | st.just(2**31 - 1),
    bucket_counts=st.lists(st.sampled_from([0, 0, 1, 2, 300]), max_size=8),
)
native_points = st.builds(
    _native,
    st.builds(
        m.ExponentialHistogramDataPoint,
        **common,
        scale=st.integers(-6, 12),
        zero_count=st.integers(0, 9),
        sum=st.none() | doubles,
        positive=buckets,
        negative=buckets,
        exemplars=exemplars,
        zero_threshold=st.sampled_from([0.0, 0.25]),
    ),
    st.sampled_from([0, 0, 0, 0, 1]),
)
summary_points = st.builds(
    m.SummaryDataPoint,
    **common,
    count=st.integers(0, 2**64 - 1),
    sum=st.floats(allow_nan=False),
    quantile_values=st.lists(
        st.builds(
            m.SummaryDataPoint.ValueAtQuantile, quantile=st.sampled_from([0.0, 0.5, 0.99, 1.0]), value=st.floats(0, 9)
        ),
        max_size=3,
    ),
)
temporalities = st.sampled_from([0, 1, 2, 2, 2, 2])


def _metrics(delta_native: bool) -> st.SearchStrategy[m.Metric]:
    def data(kind: type, points: st.SearchStrategy[Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(kind, data_points=st.lists(points, max_size=4), **more)

    named: dict[str, Any] = {"name": names, "unit": units, "description": st.sampled_from(["", "what it is"])}
    native_temporality = temporalities if delta_native else st.sampled_from([0, 2, 2, 2])
    sums = data(m.Sum, number_points, aggregation_temporality=temporalities, is_monotonic=st.booleans())
    return st.one_of(
        st.builds(m.Metric, **named, gauge=data(m.Gauge, number_points)),
        st.builds(m.Metric, **named, sum=sums),
        st.builds(
            m.Metric, **named, histogram=data(m.Histogram, histogram_points, aggregation_temporality=temporalities)
        ),
        st.builds(
            m.Metric,
            **named,
            exponential_histogram=data(
                m.ExponentialHistogram, native_points, aggregation_temporality=native_temporality
            ),
        ),
        st.builds(m.Metric, **named, summary=data(m.Summary, summary_points)),
        st.builds(m.Metric, **named),
    )


resources = st.builds(
    Resource,
    attributes=st.lists(
        st.builds(
            KeyValue,
            key=st.sampled_from(["service.name", "service.namespace", "service.instance.id", "a", "host.name"]),
            value=plain_values,
        ),
        max_size=4,
    ),
)
scopes = st.builds(InstrumentationScope, name=st.sampled_from(["", "lib"]), version=st.sampled_from(["", "1"]))


def requests(*, delta_native: bool = True) -> st.SearchStrategy[ExportMetricsServiceRequest]:
    """Requests with one or two resources, few scopes and metrics."""
    scope_metrics = st.builds(m.ScopeMetrics, scope=scopes, metrics=st.lists(_metrics(delta_native), max_size=3))
    blocks = st.builds(m.ResourceMetrics, resource=resources, scope_metrics=st.lists(scope_metrics, max_size=2))
    return st.builds(ExportMetricsServiceRequest, resource_metrics=st.lists(blocks, min_size=1, max_size=2))


def decode_rows(payload: bytes) -> list[Row]:
    """What a receiver of remote write reads, one row per series; labels must be sorted, unique and not empty."""
    return [_row(series) for series in message_class("WriteRequest").FromString(payload).timeseries]  # type: ignore[attr-defined]  # made at run time


def _labels(items: Any) -> tuple[tuple[str, str], ...]:
    labels = tuple((label.name, label.value) for label in items)
    assert list(labels) == sorted(dict(labels).items())
    assert all(name and value for name, value in labels)
    return labels


def _row(series: Any) -> Row:
    labels = _labels(series.labels)
    assert dict(labels).get("__name__")
    found = tuple(
        (_labels(exemplar.labels), struct.pack("<d", exemplar.value), exemplar.timestamp)
        for exemplar in series.exemplars
    )
    if series.histograms:
        (histogram,) = series.histograms
        assert not series.samples
        return Row(labels, histogram.timestamp, b"", _histogram_content(histogram), found)
    (sample,) = series.samples
    return Row(labels, sample.timestamp, struct.pack("<d", sample.value), (), found)


def _histogram_content(histogram: Any) -> tuple[Any, ...]:
    sides = [
        tuple(sorted(_buckets(spans, deltas).items()))
        for spans, deltas in (
            (histogram.positive_spans, histogram.positive_deltas),
            (histogram.negative_spans, histogram.negative_deltas),
        )
    ]
    threshold = struct.pack("<d", histogram.zero_threshold) if histogram.zero_threshold else b""
    total = struct.pack("<d", histogram.sum)
    return (histogram.count_int, total, histogram.schema, histogram.zero_count_int, threshold, *sides)


def _buckets(spans: Any, deltas: Any) -> dict[int, int]:
    """Counts by native index, as Prometheus reads them."""
    found, index, count, left = {}, 0, 0, list(deltas)
    for span in spans:
        index += span.offset
        for _ in range(span.length):
            count += left.pop(0)
            if count:
                found[index] = count
            index += 1
    assert not left
    return found


def encoded(message: Message) -> bytes:
    """The bytes of a message."""
    return message.SerializeToString()
