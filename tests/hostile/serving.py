"""The whole service with an HTTP port, for tests that attack it."""

import http.client
import socket
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.service import Service, free_port

CONFIG = """
[admin]
listen_addr = "127.0.0.1:{admin}"

[storage]
path = "{storage}"
max_size = "64MiB"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:{otlp}" }}
output = {{ traces = ["otelcol.exporter.otlphttp.backend"] }}

[otelcol.receiver.otlp.default.http]
endpoint = "127.0.0.1:{http}"
read_header_timeout = "1s"
read_timeout = "1s"
write_timeout = "1s"
idle_timeout = "1s"
{keys}

[otelcol.exporter.otlphttp.backend]
client = {{ endpoint = "{url}" }}
retry_on_failure = {{ initial_interval = "100ms", max_interval = "500ms", max_elapsed_time = "0s" }}
"""
PROTOBUF = {"content-type": "application/x-protobuf"}


class HttpService(Service):
    """Args: ``url``: of the backend. ``keys``: more lines of the receiver's http table."""

    def __init__(self, directory: Path, *, url: str, keys: str = "") -> None:
        self.http_port = free_port()
        self._url, self._keys = url, keys
        super().__init__(directory, backend=1)

    def configure(self, **changed: object) -> None:
        """Write the configuration file."""
        self.config.write_text(
            CONFIG.format(
                admin=self.admin_port, otlp=self.otlp_port, http=self.http_port, storage=self.storage,
                url=self._url, keys=self._keys,
            )
        )  # fmt: skip

    def send(self, body: bytes, headers: dict[str, str], path: str = "/v1/traces") -> tuple[int, bytes]:
        """POST a body: (status, answer)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=20)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def connect(self, port: int | None = None) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", port or self.http_port), timeout=20)

    def answers_within(self) -> float:
        """Seconds that an honest request takes, which must be taken."""
        began = time.monotonic()
        status, answer = self.send(one_span(), PROTOBUF)
        assert status == 200, answer
        return time.monotonic() - began


def one_span() -> bytes:
    """A request with one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = b"\x01" * 16, b"\x02" * 8, "x"
    return request.SerializeToString()
