"""Log records of the Python SDK, by gRPC and by HTTP, into Loki and into an OTLP backend at once."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from tests.hostile.serving import HttpService
from tests.http_backend import HttpBackend
from tests.integration.loki_server import LokiServer

RECORDS = 500
LOGS = """
logs = ["otelcol.exporter.loki.default", "otelcol.exporter.otlphttp.backend", "otelcol.exporter.otlp.backend"]
"""
EXPORTERS = """
[otelcol.exporter.loki.default]
forward_to = ["loki.write.default"]

[otelcol.exporter.otlp.backend.client]
endpoint = "127.0.0.1:{port}"
tls = {{ insecure = true }}

[loki.write.default]
endpoint = [{{ url = "{url}", batch_wait = "200ms" }}]
"""
RESOURCE = Resource({"service.name": "checkout", "service.namespace": "shop", "host.name": "größe"})


@pytest.fixture
def backend() -> Iterator[HttpBackend]:
    """An OTLP/HTTP backend."""
    with HttpBackend() as running:
        yield running


class LogsBackend(LogsServiceServicer):
    """An OTLP/gRPC backend for logs: grpcio's server."""

    def __init__(self) -> None:
        self.received = ExportLogsServiceRequest()

    def Export(self, request: ExportLogsServiceRequest, context: grpc.ServicerContext) -> ExportLogsServiceResponse:
        """Keep what came."""
        self.received.MergeFrom(request)
        return ExportLogsServiceResponse()


@pytest.fixture
def grpc_backend() -> Iterator[tuple[int, LogsBackend]]:
    """An OTLP/gRPC backend and its port."""
    servicer, server = LogsBackend(), grpc.server(ThreadPoolExecutor(max_workers=1))
    add_LogsServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, servicer
    server.stop(None).wait(10)


@pytest.fixture
def loki() -> Iterator[LokiServer]:
    """A strict Loki."""
    with LokiServer() as running:
        yield running


@pytest.fixture
def service(
    tmp_path: Path, backend: HttpBackend, grpc_backend: tuple[int, LogsBackend], loki: LokiServer
) -> Iterator[HttpService]:
    """The service between them."""
    made = HttpService(tmp_path, url=backend.url)
    text = made.config.read_text().replace('output = { traces = ["otelcol.exporter.otlphttp.backend"] }', "")
    text = text.replace("[otelcol.receiver.otlp.default.http]", f"[otelcol.receiver.otlp.default.output]{LOGS}\n"
                        "[otelcol.receiver.otlp.default.http]")  # fmt: skip
    made.config.write_text(text + EXPORTERS.format(port=grpc_backend[0], url=loki.url))
    with made:
        yield made


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_logs(
    service: HttpService, backend: HttpBackend, grpc_backend: tuple[int, LogsBackend], loki: LokiServer, transport: str
) -> None:
    """Every record is in Loki once, with labels, line and time, and in both OTLP backends."""
    provider = LoggerProvider(RESOURCE)
    exporter = (
        GrpcExporter(f"127.0.0.1:{service.otlp_port}", insecure=True)
        if transport == "grpc"
        else HttpExporter(f"http://127.0.0.1:{service.http_port}/v1/logs", compression=Compression.Gzip)
    )
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("shop", "1.2")
    began_ns = time.time_ns()
    for number in range(RECORDS):
        logger.emit(
            timestamp=began_ns + number,
            severity_number=SeverityNumber.WARN if number % 2 else SeverityNumber.INFO,
            severity_text="Warnung" if number % 2 else "Info",
            body=f"order {number}: späte Grüße",
            attributes={"order": number, "currency": "€", "loki.attribute.labels": "currency"},
        )
    provider.force_flush()
    provider.shutdown()
    loki.wait_for(RECORDS)
    service.terminate()
    assert loki.loki.problems == []
    assert loki.loki.duplicates == 0
    warned = loki.loki.rows(level="WARN", job="shop/checkout", currency="€", exporter="OTLP")
    assert [row[0] for row in warned] == [began_ns + number for number in range(1, RECORDS, 2)]
    assert [json.loads(row[1]) for row in warned] == [line(number) for number in range(1, RECORDS, 2)]
    assert loki.count(level="INFO") == RECORDS // 2
    arrived = ExportLogsServiceRequest()
    for each in backend.received:
        assert each.path == "/v1/logs"
        arrived.MergeFromString(each.body)
    assert orders(arrived) == orders(grpc_backend[1].received) == list(range(RECORDS))


def orders(request: ExportLogsServiceRequest) -> list[int]:
    """The numbers of the orders in a request, sorted."""
    found = []
    for block in request.resource_logs:
        for scope in block.scope_logs:
            for record in scope.log_records:
                found += [each.value.int_value for each in record.attributes if each.key == "order"]
    return sorted(found)


def line(number: int) -> dict[str, Any]:
    """What a record's line holds."""
    return {
        "body": f"order {number}: späte Grüße",
        "severity": "Warnung" if number % 2 else "Info",
        "attributes": {"order": number},
        "resources": {"host.name": "größe", "service.name": "checkout", "service.namespace": "shop"},
        "instrumentation_scope": {"name": "shop", "version": "1.2"},
    }
