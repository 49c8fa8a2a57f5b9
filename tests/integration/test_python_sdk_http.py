"""The OpenTelemetry Python SDK by HTTP: traces, metrics and logs arrive as they were made."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.hostile.serving import HttpService
from tests.http_backend import HttpBackend
from tests.integration.test_python_sdk import contents, make_spans

SPANS = 2_000
RECORDS = 500
RESOURCE = Resource.create({"service.name": "checkout", "größe": 7})


@pytest.fixture
def backend() -> Iterator[HttpBackend]:
    """A backend that takes everything."""
    with HttpBackend() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, backend: HttpBackend) -> Iterator[HttpService]:
    """The service, all three signals connected."""
    made = HttpService(tmp_path, url=backend.url)
    edge = '["otelcol.exporter.otlphttp.backend"]'
    text = made.config.read_text()
    made.config.write_text(text.replace(f"traces = {edge}", f"traces = {edge}, metrics = {edge}, logs = {edge}"))
    with made:
        yield made


def bodies(backend: HttpBackend, signal: str) -> list[bytes]:
    """What arrived for a signal."""
    return [each.body for each in backend.received if each.path == f"/v1/{signal}"]


def test_traces(service: HttpService, backend: HttpBackend) -> None:
    """Every span arrives once with equal content."""
    made = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(made))
    url = f"http://127.0.0.1:{service.http_port}/v1/traces"
    exporter = OTLPSpanExporter(url, compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=SPANS))
    make_spans([provider.get_tracer("shop.web", "1.2"), provider.get_tracer("shop.jobs")], SPANS)
    assert provider.force_flush(60_000)
    provider.shutdown()
    service.terminate()
    arrived = list(contents(map(ExportTraceServiceRequest.FromString, bodies(backend, "traces"))))
    assert len(arrived) == SPANS
    assert dict(arrived) == dict(contents([encode_spans(made.get_finished_spans())]))


def test_metrics(service: HttpService, backend: HttpBackend) -> None:
    """Counters, gauges and histograms arrive as the SDK encoded them."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], RESOURCE).get_meter("shop")
    meter.create_counter("orders", "1").add(3, {"currency": "€"})
    meter.create_up_down_counter("open").add(-2)
    histogram = meter.create_histogram("seconds", "s")
    for number in range(100):
        histogram.record(number / 10)
    data = reader.get_metrics_data()
    assert data is not None
    url = f"http://127.0.0.1:{service.http_port}/v1/metrics"
    OTLPMetricExporter(url, compression=Compression.Gzip).export(data)
    service.terminate()
    (body,) = bodies(backend, "metrics")
    assert ExportMetricsServiceRequest.FromString(body) == encode_metrics(data)


def test_logs(service: HttpService, backend: HttpBackend) -> None:
    """Log records arrive once, in order, with their attributes and severities."""
    made = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(made))
    url = f"http://127.0.0.1:{service.http_port}/v1/logs"
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(url, compression=Compression.Gzip)))
    logger = provider.get_logger("shop", "1.2")
    for number in range(RECORDS):
        logger.emit(
            timestamp=1_700_000_000_000_000_000 + number,
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body=f"order {number}: späte Grüße",
            attributes={"order": number, "express": number % 2 == 0},
        )
    provider.force_flush()
    provider.shutdown()
    service.terminate()
    expected = encode_logs(made.get_finished_logs())
    arrived = ExportLogsServiceRequest()
    for body in bodies(backend, "logs"):
        arrived.MergeFromString(body)
    assert records(arrived) == records(expected)


def records(request: ExportLogsServiceRequest) -> list[bytes]:
    """The records of a request, in order of their time."""
    found = [
        (resource.resource.SerializeToString(deterministic=True), record.SerializeToString(deterministic=True))
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    return sorted(b"".join(each) for each in found)
