"""Backends that misbehave: the data stays, memory and time stay bounded."""

import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.hostile.serving import PROTOBUF, HttpService, one_span
from tests.http_backend import Answer, HttpBackend

MIB = 1 << 20
PUSHES = """
[admin]
listen_addr = "127.0.0.1:{admin}"

[storage]
path = "{storage}"

[otelcol.receiver.otlp.default]
http = {{ endpoint = "127.0.0.1:{http}" }}
output = {{ logs = ["otelcol.exporter.loki.default"], metrics = ["otelcol.exporter.prometheus.default"] }}

[otelcol.exporter.loki.default]
forward_to = ["loki.write.default"]

[[loki.write.default.endpoint]]
url = "{url}/loki/api/v1/push"
batch_wait = "100ms"
min_backoff_period = "100ms"
max_backoff_period = "200ms"

[otelcol.exporter.prometheus.default]
forward_to = ["prometheus.remote_write.default"]

[[prometheus.remote_write.default.endpoint]]
url = "{url}/api/v1/write"
queue_config = {{ batch_send_deadline = "100ms", min_backoff = "100ms", max_backoff = "200ms" }}
"""


class PushService(HttpService):
    """Log records go to a Loki, metrics to a Prometheus, both at the same address."""

    def configure(self, **changed: object) -> None:
        """Write the configuration file."""
        places = {"admin": self.admin_port, "http": self.http_port, "storage": self.storage, "url": self._url}
        self.config.write_text(PUSHES.format_map(places))


def one_record() -> bytes:
    """An encoded request with one log record."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.body.string_value = "hello"
    return request.SerializeToString()


def one_point() -> bytes:
    """An encoded request with one data point."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="up")
    metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
    return request.SerializeToString()


@pytest.mark.parametrize("status", [200, 503])
def test_endless_answer(tmp_path: Path, status: int) -> None:
    """An answer without end is left after its bound; the batch counts as what its status says."""
    with HttpBackend(Answer(status, endless=True)) as backend, HttpService(tmp_path, url=backend.url) as service:
        before = service.peak_rss()
        service.answers_within()
        wanted = 1 if status == 200 else 2
        backend.wait_until(lambda: len(backend.received) >= wanted)
        service.terminate()
        assert [each.body for each in backend.received] == [one_span()] * wanted
        assert before < 400 * MIB


@pytest.mark.parametrize("status", [200, 503])
def test_endless_answer_to_a_push(tmp_path: Path, status: int) -> None:
    """The same of Loki and Prometheus: what their status says counts, and the rest of the answer is left unread."""
    endless = Answer(status, endless=True)
    with HttpBackend(endless, endless) as backend, PushService(tmp_path, url=backend.url) as service:
        before = service.peak_rss()
        assert service.send(one_record(), PROTOBUF, "/v1/logs")[0] == 200
        assert service.send(one_point(), PROTOBUF, "/v1/metrics")[0] == 200
        wanted = 1 if status == 200 else 2

        def arrived() -> bool:
            paths = [each.path for each in backend.received]
            return min(paths.count("/loki/api/v1/push"), paths.count("/api/v1/write")) >= wanted

        backend.wait_until(arrived)
        assert service.peak_rss() - before < 32 * MIB
        service.terminate()
    assert [each.path for each in backend.received].count("/loki/api/v1/push") == wanted


def test_answer_that_injects_into_the_log(tmp_path: Path) -> None:
    """A backend's words cannot begin a line of our log, or color it."""
    words = b'bad\r\nts=now level=info msg="all is well"\x1b[2J'
    with HttpBackend(Answer(400, words)) as backend, HttpService(tmp_path, url=backend.url) as service:
        service.answers_within()
        service.wait_for_log("set aside")
        service.terminate()
        assert "\nts=now" not in service.log
        assert "\x1b" not in service.log
