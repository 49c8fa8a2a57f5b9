"""The OpenTelemetry Python SDK (over grpcio's C core) sends, grpcio receives: nothing lost, changed or doubled."""

from collections.abc import Iterable, Iterator

import pytest
from grpc import Compression
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from tests.integration.backend import Backend
from tests.integration.conftest import StartService
from tests.integration.link import Link

SPANS = 50_000
BATCH = 1024
Content = tuple[bytes, str, bytes, str, bytes]  # resource, its schema, scope, its schema, span


def contents(requests: Iterable[ExportTraceServiceRequest]) -> Iterator[tuple[bytes, Content]]:
    """Each span's id and all that the wire says about it, in a form that can be compared."""
    for request in requests:
        for resource in request.resource_spans:
            resource_bytes = resource.resource.SerializeToString(deterministic=True)
            for scope in resource.scope_spans:
                scope_bytes = scope.scope.SerializeToString(deterministic=True)
                for span in scope.spans:
                    about = (resource_bytes, resource.schema_url, scope_bytes, scope.schema_url)
                    yield span.span_id, (*about, span.SerializeToString(deterministic=True))


def make_spans(tracers: list[Tracer], count: int) -> None:
    """Traces of five spans with all that a span can hold: attributes of each type, events, links, errors."""
    for number in range(count // 5):
        tracer = tracers[number % len(tracers)]
        with tracer.start_as_current_span(f"GET /articles/{number % 50}", kind=SpanKind.SERVER) as root:
            root.set_attributes({"http.route": "/articles/{id}", "seq": number, "ratio": number / 7, "cached": False})
            for child in range(3):
                with tracer.start_as_current_span("SELECT articles", kind=SpanKind.CLIENT) as span:
                    span.set_attributes({"db.system": "postgresql", "rows": [child, number], "ü": "späte Grüße €"})
                    span.add_event("row fetched", {"index": child})
            links = [trace.Link(root.get_span_context(), {"why": "batch"})]
            with tracer.start_as_current_span("publish", kind=SpanKind.PRODUCER, links=links) as last:
                if number % 10 == 0:
                    last.record_exception(ValueError(f"no such article: {number}"))
                    last.set_status(StatusCode.ERROR, "no such article")


@pytest.mark.slow
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip], ids=["identity", "gzip"])
def test_every_span_arrives_once_and_unchanged(start_service: StartService, compression: Compression) -> None:
    """50 000 spans of the SDK's batch processor: each arrives once, with equal content, in batches as configured."""
    with Backend(keep_requests=True) as backend, Link(backend.port) as link:
        service = start_service(backend=link.port, timeout="5s", size=BATCH, max_size=BATCH)
        made = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": "shop", "host.cpu.count": 2}))
        exporter = OTLPSpanExporter(f"127.0.0.1:{service.otlp_port}", insecure=True, compression=compression)
        provider.add_span_processor(SimpleSpanProcessor(made))
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=SPANS, max_export_batch_size=512))
        make_spans([provider.get_tracer("shop.web", "1.2"), provider.get_tracer("shop.jobs")], SPANS)
        assert provider.force_flush(60_000)
        provider.shutdown()
        backend.wait_until(lambda: len(backend.spans) >= SPANS)
        service.terminate()

        spans = made.get_finished_spans()
        expected = dict(contents(encode_spans(spans[at : at + 512]) for at in range(0, SPANS, 512)))
        arrived = list(contents(backend.requests))
        assert len(arrived) == SPANS
        assert dict(arrived) == expected
        # Only a timeout, which the end of the sending brings, makes a batch smaller than the configured size.
        assert max(backend.sizes) == BATCH
        assert sum(size < BATCH for size in backend.sizes) <= 2
        assert link.connections == 1
        assert link.sent_bytes < sum(request.ByteSize() for request in backend.requests) / 3, "not compressed"
