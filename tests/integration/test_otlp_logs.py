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


def push(service: HttpService, transport: str, records: int) -> int:
    """Send records about orders with the SDK; returns the time of the first, in nanoseconds."""
    provider = LoggerProvider(RESOURCE)
    exporter = (
        GrpcExporter(f"127.0.0.1:{service.otlp_port}", insecure=True)
        if transport == "grpc"
        else HttpExporter(f"http://127.0.0.1:{service.http_port}/v1/logs", compression=Compression.Gzip)
    )
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("shop", "1.2")
    began_ns = time.time_ns()
    for number in range(records):
        logger.emit(
            timestamp=began_ns + number,
            severity_number=SeverityNumber.WARN if number % 2 else SeverityNumber.INFO,
            severity_text="Warnung" if number % 2 else "Info",
            body=f"order {number}: späte Grüße",
            attributes={"order": number, "currency": "€", "loki.attribute.labels": "currency"},
        )
    provider.force_flush()
    provider.shutdown()
    return began_ns


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_logs(
    service: HttpService, backend: HttpBackend, grpc_backend: tuple[int, LogsBackend], loki: LokiServer, transport: str
) -> None:
    """Every record is in Loki once, with labels, line and time, and in both OTLP backends."""
    began_ns = push(service, transport, RECORDS)
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


DEPLOYMENT = Path(__file__).parents[2] / "config" / "alloytrio.toml"


class Switched(HttpService):
    """config/alloytrio.toml with its lines about pushed log records switched on, as its comment says, or not."""

    def __init__(self, directory: Path, *, url: str, on: bool) -> None:
        self._on = on
        super().__init__(directory, url=url)

    def configure(self, **changed: object) -> None:
        """Write the configuration with ports and a Loki of a test."""
        text = DEPLOYMENT.read_text()
        if self._on:
            processor = '"otelcol.processor.batch.default"'
            changes = {
                f"output = {{ traces = [{processor}]": f"output = {{ logs = [{processor}], traces = [{processor}]",
                "output = { traces = [": 'output = { logs = ["otelcol.exporter.loki.default"], traces = [',
                "#[otelcol.exporter.loki.default]": "[otelcol.exporter.loki.default]",
                "#forward_to": "forward_to",
                "#structured_metadata": "structured_metadata",
            }
            for old, new in changes.items():
                assert text.count(old) == 1, old
                text = text.replace(old, new)
        for old, new in {
            "0.0.0.0:4317": f"127.0.0.1:{self.otlp_port}",
            "0.0.0.0:4318": f"127.0.0.1:{self.http_port}",
            "0.0.0.0:12345": f"127.0.0.1:{self.admin_port}",
            "http://loki:3100/loki/api/v1/push": self._url,
            "/var/lib/alloytrio/data": str(self.storage),
            "/var/run/docker.sock": "/nonexistent/docker.sock",
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text)


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_the_deployment_with_its_lines_switched_on(tmp_path: Path, loki: LokiServer, transport: str) -> None:
    """What the comment in config/alloytrio.toml says takes pushed records to Loki, their bodies as lines."""
    with Switched(tmp_path, url=loki.url, on=True) as service:
        push(service, transport, 20)
        loki.wait_for(20, patience=30)
        rows = loki.loki.rows(level="WARN", job="shop/checkout", exporter="OTLP")
        assert [row[1] for row in rows] == [f"order {number}: späte Grüße" for number in range(1, 20, 2)]
        assert loki.loki.problems == []


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_the_deployment_as_it_is(tmp_path: Path, loki: LokiServer, transport: str) -> None:
    """Without them the sender is refused, and the service says which key is missing."""
    with Switched(tmp_path, url=loki.url, on=False) as service:
        push(service, transport, 1)
        service.wait_for_log("no output takes its signal")
        assert "set=output.logs" in service.log
        assert loki.count() == 0


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
