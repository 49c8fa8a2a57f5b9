"""OTLP requests for tests, made with protobuf."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

SECOND = 1_000_000_000
T0 = 1_767_225_600 * SECOND  # the start of 2026


def trace_id(number: int) -> str:
    """32 hex digits."""
    return f"{number:032x}"


def span_id(number: int) -> str:
    """16 hex digits."""
    return f"{number:016x}"


def resource_of(resource: Resource, service: str) -> None:
    """Set ``service.name``."""
    if service:
        resource.attributes.add(key="service.name").value.string_value = service


def spans(service: str, *rows: tuple[int, int, int, str, float, float, bool]) -> bytes:
    """A request of spans: (trace, span, parent, name, start s, end s, failed) after T0; parent 0 = root."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    resource_of(group.resource, service)
    scope = group.scope_spans.add()
    scope.scope.name = "scope"
    for trace, span, parent, name, start, end, failed in rows:
        added = scope.spans.add(name=name, kind=2)
        added.trace_id, added.span_id = bytes.fromhex(trace_id(trace)), bytes.fromhex(span_id(span))
        if parent:
            added.parent_span_id = bytes.fromhex(span_id(parent))
        added.start_time_unix_nano, added.end_time_unix_nano = T0 + int(start * SECOND), T0 + int(end * SECOND)
        added.attributes.add(key="http.route").value.string_value = f"/{name}"
        if failed:
            added.status.code = added.status.STATUS_CODE_ERROR
            added.status.message = "no"
    return request.SerializeToString()


def records(service: str, *rows: tuple[float, int, str, int, int]) -> bytes:
    """A request of log records: (time s after T0, severity number, body, trace, span)."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    resource_of(group.resource, service)
    scope = group.scope_logs.add()
    for time, severity, body, trace, span in rows:
        record = scope.log_records.add()
        record.time_unix_nano = T0 + int(time * SECOND)
        record.severity_number = severity  # type: ignore[assignment]
        record.body.string_value = body
        record.attributes.add(key="user").value.string_value = "u1"
        if trace:
            record.trace_id, record.span_id = bytes.fromhex(trace_id(trace)), bytes.fromhex(span_id(span))
    return request.SerializeToString()


def metrics(service: str, *added: Metric) -> bytes:
    """A request of metrics."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    resource_of(group.resource, service)
    group.scope_metrics.add().metrics.extend(added)
    return request.SerializeToString()
