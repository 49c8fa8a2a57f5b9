"""The deployment in Alloy's language, as it is shipped, with real traffic of all three kinds."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.docker.fake import SECOND, FakeDocker
from tests.http_backend import HttpBackend
from tests.integration.backend import Backend
from tests.integration.service import Service, free_port, poll
from tests.prompb import message_class
from tests.wire.test_loki import Push

CONFIG = Path(__file__).parents[2] / "config" / "config.alloy"
COMPOSE_SERVICE = "com.docker.compose.service"


@pytest.fixture
def backends() -> Iterator[tuple[HttpBackend, HttpBackend]]:
    """What stands for Prometheus and for Loki."""
    with HttpBackend() as prometheus, HttpBackend() as loki:
        yield prometheus, loki


def samples(prometheus: HttpBackend) -> dict[str, float]:
    """The last value of each metric."""
    kind = message_class("WriteRequest")
    found: dict[str, float] = {}
    for request in list(prometheus.received):
        for series in kind.FromString(request.body).timeseries:  # type: ignore[attr-defined]  # made at run time
            name = next(label.value for label in series.labels if label.name == "__name__")
            for sample in series.samples:
                found[name] = sample.value
    return found


def lines(loki: HttpBackend) -> list[tuple[str, str]]:
    """The label set and text of every line, sorted."""
    return sorted(
        (stream.labels.decode(), entry.line.decode())
        for request in list(loki.received)
        for stream in Push.FromString(request.body).streams
        for entry in stream.entries
    )


def exercise(service: Service, backend: Backend, prometheus: HttpBackend, loki: HttpBackend, docker: Path) -> None:
    """Run the file with addresses of this test, send a span and a metric, and wait for all three."""
    http_port = free_port()
    component = "ALLOYTRIO_{}__DEFAULT__{}".format
    environment = {
        component("OTELCOL__RECEIVER__OTLP", "GRPC__ENDPOINT"): f"127.0.0.1:{service.otlp_port}",
        component("OTELCOL__RECEIVER__OTLP", "HTTP__ENDPOINT"): f"127.0.0.1:{http_port}",
        component("OTELCOL__PROCESSOR__BATCH", "TIMEOUT"): "100ms",
        "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__ENDPOINT": f"127.0.0.1:{backend.port}",
        component("PROMETHEUS__REMOTE_WRITE", "ENDPOINT__0__URL"): f"{prometheus.url}/api/v1/write",
        component("PROMETHEUS__REMOTE_WRITE", "ENDPOINT__0__QUEUE_CONFIG__BATCH_SEND_DEADLINE"): "100ms",
        component("DISCOVERY__DOCKER", "HOST"): f"unix://{docker}",
        component("LOKI__SOURCE__DOCKER", "HOST"): f"unix://{docker}",
        component("LOKI__WRITE", "ENDPOINT__0__URL"): f"{loki.url}/loki/api/v1/push",
    }
    service.spawn(
        environment,
        [
            f"--storage.path={service.storage}",
            f"--server.http.listen-addr=127.0.0.1:{service.admin_port}",
            "--server.http.ui-path-prefix=/alloy",
            "--stability.level=generally-available",
            "--disable-reporting",
        ],
    )
    try:
        poll(service.is_ready, "the service to be ready")
        target = f"127.0.0.1:{service.otlp_port}"
        tracing = TracerProvider()
        tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(target, insecure=True)))
        with tracing.get_tracer("test").start_as_current_span("checkout"):
            pass
        tracing.shutdown()
        metering = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(target, insecure=True))])
        metering.get_meter("test").create_counter("orders.placed").add(3)
        metering.shutdown()
        backend.wait_until(lambda: len(backend.spans) == 1)
        prometheus.wait_until(lambda: samples(prometheus).get("orders_placed_total") == 3)
        loki.wait_until(lambda: len(lines(loki)) == 3)
        assert service.get("/alloy/")[0] == 200
        assert service.get("/")[0] == 404
        service.terminate()
    finally:
        service.kill()


def written(tmp_path: Path, in_folder: bool) -> Path:
    """The configuration as one file, or as two in a folder."""
    text = CONFIG.read_text()
    if not in_folder:
        (tmp_path / "config.alloy").write_text(text)
        return tmp_path / "config.alloy"
    folder = tmp_path / "alloy"
    folder.mkdir()
    otlp, mark, logs = text.partition("// Container logs")
    assert mark
    (folder / "otlp.alloy").write_text(otlp)
    (folder / "logs.alloy").write_text(mark + logs)
    return folder


@pytest.mark.parametrize("in_folder", [False, True])
async def test_all_signals(
    tmp_path: Path, backend: Backend, backends: tuple[HttpBackend, HttpBackend], in_folder: bool
) -> None:
    """Traces, metrics and container logs arrive, with the labels that the file, or a folder of two, asks for."""
    prometheus, loki = backends
    service = Service(tmp_path, backend=backend.port)
    service.config = written(tmp_path, in_folder)
    socket = trio.socket.socket(trio.socket.AF_UNIX)
    await socket.bind(str(tmp_path / "docker.sock"))
    socket.listen(64)
    async with trio.open_nursery() as connections:
        docker = FakeDocker(connections)
        docker.mutable_clock_ns = time.time_ns() - 10 * SECOND  # what is older than a week is not for Loki
        shop = docker.add("shop-1", labels={COMPOSE_SERVICE: "shop"})
        for number, line in enumerate(('{"level":"ERROR","trace_id":"a1","span_id":"b2"}', "not JSON", '{"level":7}')):
            shop.write(line, ts_ns=docker.mutable_clock_ns + number * SECOND)
        docker.add("alloy", labels={COMPOSE_SERVICE: "alloy"}).write("of its own", ts_ns=docker.mutable_clock_ns)
        connections.start_soon(trio.serve_listeners, docker.serve, [trio.SocketListener(socket)])
        await trio.to_thread.run_sync(exercise, service, backend, prometheus, loki, tmp_path / "docker.sock")
        connections.cancel_scope.cancel()
    common = 'container="shop-1"', 'service="shop"'
    assert lines(loki) == [
        ("{" + ", ".join([common[0], 'level="7"', common[1]]) + "}", '{"level":7}'),
        ("{" + ", ".join([common[0], 'level="error"', common[1], 'span_id="b2"', 'trace_id="a1"']) + "}",
         '{"level":"ERROR","trace_id":"a1","span_id":"b2"}'),
        ("{" + ", ".join(common) + "}", "not JSON"),
    ]  # fmt: skip
