"""The service as somebody at a laptop runs it, for the tests of its pages: OTLP in, a backend, a recorder."""

import time
import urllib.request
from pathlib import Path

from alloytrio.demo.sender import DemoSettings, run_demo
from tests.integration.service import Service, free_port
from tests.recorder.otlp import T0

RECEIVER, RECORDER = "otelcol.receiver.otlp.default", "recorder.memory.default"
SECRET = "s3cret-of-the-backend"
CONFIG = """
[admin]
listen_addr = "127.0.0.1:{admin}"

[storage]
path = "{storage}"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:{otlp}" }}
http = {{ endpoint = "127.0.0.1:{http}" }}

[otelcol.receiver.otlp.default.output]
traces = ["otelcol.processor.batch.default", "recorder.memory.default"]
metrics = ["otelcol.exporter.prometheus.default"]
logs = ["recorder.memory.default"]

[otelcol.processor.batch.default]
timeout = "{timeout}"
output = {{ traces = ["otelcol.exporter.otlp.tempo"] }}

[otelcol.exporter.otlp.tempo]
retry_on_failure = {{ initial_interval = "100ms", max_interval = "500ms", max_elapsed_time = "0s" }}

[otelcol.exporter.otlp.tempo.client]
endpoint = "127.0.0.1:{backend}"
tls = {{ insecure = true }}
headers = {{ authorization = "Bearer {secret}" }}

[otelcol.exporter.prometheus.default]
forward_to = ["recorder.memory.default"]

[recorder.memory.default]
"""


def now() -> float:
    """Seconds after T0, as the makers of requests count."""
    return (time.time_ns() - T0) / 1e9


class PageService(Service):
    """Args: ``backend``: port of an OTLP backend."""

    def __init__(self, directory: Path, *, backend: int) -> None:
        self.http_port = free_port()
        super().__init__(directory, backend=backend)

    @property
    def base(self) -> str:
        """The address that the pages' addresses begin with."""
        return f"http://127.0.0.1:{self.admin_port}"

    def configure(self, **changed: object) -> None:
        """Write the configuration file."""
        self._options |= changed
        self.config.write_text(
            CONFIG.format(
                admin=self.admin_port, otlp=self.otlp_port, http=self.http_port, storage=self.storage,
                backend=self._options["backend"], timeout=self._options["timeout"], secret=SECRET,
            )
        )  # fmt: skip

    def send(self, kind: str, body: bytes) -> None:
        """POST an OTLP request. Args: ``kind``: traces, metrics or logs."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/v1/{kind}",
            data=body,
            headers={"content-type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def tell_stories(self, seconds: float = 1.0) -> int:
        """Let the demo send traces, lines and metrics, some tens of traces a second; returns how many spans."""
        everything = frozenset({"traces", "metrics", "logs"})
        endpoint = f"127.0.0.1:{self.otlp_port}"
        return run_demo(DemoSettings(endpoint, 20, seconds, everything, seed=3), lambda said: None)
