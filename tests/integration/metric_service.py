"""The service with the path of metrics: OTLP → batches → Prometheus' names → remote write."""

from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from tests.integration.service import Service, free_port

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
WRITER = "prometheus.remote_write.default"
CONFIG = """
[admin]
listen_addr = "127.0.0.1:{admin}"

[storage]
path = "{storage}"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:{otlp}" }}
http = {{ endpoint = "127.0.0.1:{http}" }}
output = {{ metrics = ["otelcol.processor.batch.default"] }}

[otelcol.processor.batch.default]
timeout = "100ms"
output = {{ metrics = ["otelcol.exporter.prometheus.default"] }}

[otelcol.exporter.prometheus.default]
forward_to = ["prometheus.remote_write.default"]
{exporter}

[[prometheus.remote_write.default.endpoint]]
url = "{url}"
send_native_histograms = true
metadata_config = {{ send_interval = "1s" }}
{endpoint}
"""


class MetricService(Service):
    """One alloytrio in front of one Prometheus.

    Args:
        directory: an empty folder for its configuration, data and logs.
        url: where the samples go.
        exporter: more lines of the exporter's table.
        endpoint: more lines of the endpoint's table.
    """

    def __init__(self, directory: Path, url: str, *, exporter: str = "", endpoint: str = "") -> None:
        directory.mkdir()
        self.http_port = free_port()
        self._texts = {"url": url, "exporter": exporter, "endpoint": endpoint}
        super().__init__(directory, backend=0)

    def configure(self, **changed: object) -> None:
        """Write the configuration file."""
        places = {"otlp": self.otlp_port, "http": self.http_port, "admin": self.admin_port, "storage": self.storage}
        self.config.write_text(CONFIG.format(**places, **self._texts))

    @property
    def set_aside(self) -> list[Path]:
        """Files with what a receiver refused for good."""
        return [path for path in self.storage.rglob("*") if path.is_file() and "rejected" in str(path)]

    def dropped(self) -> dict[str, float]:
        """Data points left out, by reason."""
        name = "alloytrio_exporter_dropped_metric_points_total{"
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(name)]
        return {line.split('reason="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


def request_of(*metrics: m.Metric, job: str = "test") -> ExportMetricsServiceRequest:
    """A request of one resource with these metrics."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = job
    resource.scope_metrics.add().metrics.extend(metrics)
    return request


class MetricSender:
    """Sends requests over grpcio and repeats what had no answer, as the OpenTelemetry SDKs do."""

    def __init__(self, port: int) -> None:
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._export = self._channel.unary_unary(EXPORT)

    def send(self, payload: bytes, attempts: int = 1) -> Any:
        """Send one encoded request.

        Raises:
            grpc.RpcError: the last attempt failed too.
        """
        for left in reversed(range(attempts)):
            try:
                return self._export(payload, timeout=30.0, wait_for_ready=True)
            except grpc.RpcError:
                if not left:
                    raise
        return None

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
