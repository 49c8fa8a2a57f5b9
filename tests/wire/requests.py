"""Random OTLP requests, made with protobuf's own classes."""

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

Request = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest

REQUESTS: dict[str, type[Request]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}

texts = st.text(max_size=8) | st.sampled_from(["", "x" * 127, "y" * 128, "z" * 300])
uint64s = st.integers(0, 2**64 - 1)
values = st.recursive(
    st.builds(AnyValue, string_value=texts)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=st.floats())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=4))
    | st.just(AnyValue()),
    lambda inner: st.lists(inner, max_size=2).map(lambda items: AnyValue(array_value=ArrayValue(values=items))),
    max_leaves=3,
)
attributes = st.lists(st.builds(KeyValue, key=texts, value=values), max_size=3)
resources = st.none() | st.builds(Resource, attributes=attributes, dropped_attributes_count=st.integers(0, 9))
scopes = st.none() | st.builds(InstrumentationScope, name=texts, version=texts, attributes=attributes)
trace_ids = st.binary(min_size=16, max_size=16) | st.just(b"")
span_ids = st.binary(min_size=8, max_size=8) | st.just(b"")

spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=span_ids,
    trace_state=st.sampled_from(["", "a=b"]),
    name=texts,
    kind=st.integers(0, 5),
    start_time_unix_nano=uint64s,
    attributes=attributes,
    flags=st.integers(0, 2**32 - 1),
)
log_records = st.builds(
    LogRecord,
    trace_id=trace_ids,
    span_id=span_ids,
    body=values,
    attributes=attributes,
    time_unix_nano=uint64s,
    severity_number=st.integers(0, 24),
)
number_points = st.builds(metrics.NumberDataPoint, attributes=attributes, time_unix_nano=uint64s, as_double=st.floats())
histogram_points = st.builds(
    metrics.HistogramDataPoint, attributes=attributes, bucket_counts=st.lists(uint64s, max_size=3), sum=st.floats()
)
exponential_points = st.builds(metrics.ExponentialHistogramDataPoint, attributes=attributes, scale=st.integers(-9, 9))
summary_points = st.builds(metrics.SummaryDataPoint, attributes=attributes, count=uint64s)
temporalities = st.integers(0, 2)


def _metrics() -> st.SearchStrategy[metrics.Metric]:
    def points(point: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
        return st.lists(point, max_size=4)

    named = {"name": texts, "description": texts, "unit": texts, "metadata": attributes}
    gauges = st.builds(metrics.Gauge, data_points=points(number_points))
    sums = st.builds(
        metrics.Sum,
        data_points=points(number_points),
        aggregation_temporality=temporalities,
        is_monotonic=st.booleans(),
    )
    histograms = st.builds(
        metrics.Histogram, data_points=points(histogram_points), aggregation_temporality=temporalities
    )
    exponentials = st.builds(
        metrics.ExponentialHistogram, data_points=points(exponential_points), aggregation_temporality=temporalities
    )
    summaries = st.builds(metrics.Summary, data_points=points(summary_points))
    return (
        st.builds(metrics.Metric, **named, gauge=gauges)
        | st.builds(metrics.Metric, **named, sum=sums)
        | st.builds(metrics.Metric, **named, histogram=histograms)
        | st.builds(metrics.Metric, **named, exponential_histogram=exponentials)
        | st.builds(metrics.Metric, **named, summary=summaries)
        | st.builds(metrics.Metric, **named)
    )


trace_requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans,
            resource=resources,
            schema_url=texts,
            scope_spans=st.lists(
                st.builds(ScopeSpans, scope=scopes, schema_url=texts, spans=st.lists(spans, max_size=4)), max_size=3
            ),
        ),
        max_size=3,
    ),
)
log_requests = st.builds(
    ExportLogsServiceRequest,
    resource_logs=st.lists(
        st.builds(
            ResourceLogs,
            resource=resources,
            schema_url=texts,
            scope_logs=st.lists(
                st.builds(ScopeLogs, scope=scopes, schema_url=texts, log_records=st.lists(log_records, max_size=4)),
                max_size=3,
            ),
        ),
        max_size=3,
    ),
)
metric_requests = st.builds(
    ExportMetricsServiceRequest,
    resource_metrics=st.lists(
        st.builds(
            metrics.ResourceMetrics,
            resource=resources,
            schema_url=texts,
            scope_metrics=st.lists(
                st.builds(
                    metrics.ScopeMetrics, scope=scopes, schema_url=texts, metrics=st.lists(_metrics(), max_size=3)
                ),
                max_size=2,
            ),
        ),
        max_size=2,
    ),
)
any_requests = (
    st.tuples(st.just("traces"), trace_requests)
    | st.tuples(st.just("metrics"), metric_requests)
    | st.tuples(st.just("logs"), log_requests)
)


def points_of(metric: metrics.Metric) -> list[object]:
    """The data points of a metric, whatever its kind."""
    kind = metric.WhichOneof("data")
    return list(getattr(metric, kind).data_points) if kind else []


def flatten(signal: str, request: Request) -> list[tuple[bytes, ...]]:
    """Each item with the headers above it, encoded one by one, in order; a block without items counts as one."""
    rows: list[tuple[bytes, ...]] = []
    lists = {"traces": ("scope_spans", "spans"), "logs": ("scope_logs", "log_records")}
    for block in getattr(request, "resource_metrics" if signal == "metrics" else "resource_" + lists[signal][0][6:]):
        blocks = block.scope_metrics if signal == "metrics" else getattr(block, lists[signal][0])
        top = (block.resource.SerializeToString(), block.schema_url.encode())
        if not blocks:
            rows.append(top)
        for scope in blocks:
            head = (*top, scope.scope.SerializeToString(), scope.schema_url.encode())
            if signal == "metrics":
                for metric in scope.metrics:
                    bare = metrics.Metric()
                    bare.CopyFrom(metric)
                    kind = metric.WhichOneof("data")
                    if kind:
                        del getattr(bare, kind).data_points[:]
                    heads = (*head, kind.encode() if kind else b"", bare.SerializeToString())
                    rows.extend((*heads, point.SerializeToString()) for point in points_of(metric))  # type: ignore[attr-defined]  # a union of messages
                    if not points_of(metric):
                        rows.append(heads)
                if not scope.metrics:
                    rows.append(head)
                continue
            items = getattr(scope, lists[signal][1])
            rows.extend((*head, item.SerializeToString()) for item in items)
            if not items:
                rows.append(head)
    return rows


def count(signal: str, request: Request) -> int:
    """Items of a decoded request."""
    width = {"traces": 5, "logs": 5, "metrics": 7}[signal]
    return sum(len(row) == width for row in flatten(signal, request))
