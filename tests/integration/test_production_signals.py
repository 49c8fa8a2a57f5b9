"""config/production.toml as it is, with all three backends behind TLS: what arrives, and what
a wrong certificate of theirs leads to.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
import trustme
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from tests.docker.fake import SECOND, FakeDocker
from tests.http_backend import HttpBackend
from tests.integration.service import poll
from tests.integration.test_alloy_deployment import lines, samples
from tests.integration.test_production import PASSWORD, TOKEN, Production, SecureBackend, basic

LINE = '{"level":"ERROR","trace_id":"a1","span_id":"b2"}'
MakeBad = Callable[[trustme.CA], tuple[trustme.CA, trustme.LeafCert]]
EXPORTERS = ("otelcol.exporter.otlp.tempo", "prometheus.remote_write.default", "loki.write.loki")


class Deployment(Production):
    """The whole of it. Args: ``prometheus``, ``loki``: where they are; ``docker``: the socket."""

    def __init__(self, directory: Path, *, tempo: int, prometheus: str, loki: str, docker: Path) -> None:
        self._places = {
            "https://prometheus:9090": prometheus,
            "https://loki:3100": loki,
            "/run/relay/docker.sock": str(docker),
        }
        super().__init__(directory, backend=tempo)

    def configure(self, **changed: object) -> None:
        """Write the configuration with these places."""
        super().configure(**changed)
        text = self.config.read_text()
        for old, new in self._places.items():
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text)

    def unhealthy(self) -> str:
        """What ``/-/healthy`` says."""
        return self.ask(self.admin_port, "GET", "/-/healthy", authorization=basic(PASSWORD))[1].decode()


@dataclass
class Backends:
    """Tempo, Prometheus and Loki, all with mutual TLS."""

    tempo: SecureBackend
    prometheus: HttpBackend
    loki: HttpBackend


def write_certificates(folder: Path, authority: trustme.CA, leaf: trustme.LeafCert, trusted: trustme.CA) -> Path:
    """A folder as scripts/certificates makes it. ``trusted``: who signs the peers."""
    folder.mkdir()
    leaf.private_key_pem.write_to_path(folder / "localhost.key")
    for number, part in enumerate(leaf.cert_chain_pems):
        part.write_to_path(folder / "localhost.pem", append=number > 0)
    trusted.cert_pem.write_to_path(folder / "ca.pem")
    return folder


@contextmanager
def backends(folder: Path) -> Iterator[Backends]:
    """All three, with the certificate of a folder."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with ExitStack() as stack:
        tempo = stack.enter_context(SecureBackend(folder))
        prometheus, loki = (stack.enter_context(HttpBackend(tls=context)) for _ in range(2))
        yield Backends(tempo, prometheus, loki)


@contextmanager
def deployment(directory: Path, behind: Backends) -> Iterator[Deployment]:
    """The service, running in front of them."""
    made = Deployment(
        directory, tempo=behind.tempo.port, prometheus=behind.prometheus.url, loki=behind.loki.url,
        docker=directory / "docker.sock",
    )  # fmt: skip
    with made as service:
        yield service


def send_all(service: Deployment) -> None:
    """A span by gRPC and a metric by HTTP, with the token of an application."""
    service.call(TOKEN)
    reader = InMemoryMetricReader()
    MeterProvider([reader]).get_meter("test").create_counter("orders.placed").add(3)
    data = reader.get_metrics_data()
    assert data is not None
    body = encode_metrics(data).SerializeToString()
    headers = {"content_type": "application/x-protobuf", "authorization": f"Bearer {TOKEN}"}
    assert service.ask(service.http_port, "POST", "/v1/metrics", body, **headers)[0] == 200


def push_records(service: Deployment, *bodies: str) -> None:
    """Send log records with the Python SDK by HTTPS, with the token of an application."""
    provider = LoggerProvider(Resource({"service.name": "checkout", "service.namespace": "shop"}))
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            OTLPLogExporter(
                f"https://localhost:{service.http_port}/v1/logs",
                certificate_file=str(service.certificates / "ca.pem"),
                headers={"authorization": f"Bearer {TOKEN}"},
            )
        )
    )
    logger = provider.get_logger("shop")
    for body in bodies:
        logger.emit(timestamp=time.time_ns(), severity_number=SeverityNumber.WARN, body=body, attributes={"order": 7})
    provider.shutdown()


async def with_docker(socket_path: Path, work: Callable[[], None]) -> None:
    """Run something in a thread while a Docker API with one container, which said one line, is served."""
    socket = trio.socket.socket(trio.socket.AF_UNIX)
    await socket.bind(str(socket_path))
    socket.listen(64)
    async with trio.open_nursery() as connections:
        docker = FakeDocker(connections)
        docker.mutable_clock_ns = time.time_ns() - 10 * SECOND
        shop = docker.add("shop-1", labels={"com.docker.compose.service": "shop"})
        shop.write(LINE, ts_ns=docker.mutable_clock_ns)
        connections.start_soon(trio.serve_listeners, docker.serve, [trio.SocketListener(socket)])
        await trio.to_thread.run_sync(work)
        connections.cancel_scope.cancel()


async def test_all_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span, a metric, a container's line and pushed log records, all over TLS with our certificates at every step."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)  # requests would prefer them to the SDK's certificate_file
    authority = trustme.CA()
    folder = write_certificates(tmp_path / "certificates", authority, authority.issue_cert("localhost"), authority)

    def work() -> None:
        with backends(folder) as behind, deployment(tmp_path, behind) as service:
            send_all(service)
            push_records(service, "paid", "sent")
            behind.tempo.wait_until(lambda: sum(behind.tempo.spans.values()) == 1)
            behind.prometheus.wait_until(lambda: samples(behind.prometheus).get("orders_placed_total") == 3)
            behind.loki.wait_until(lambda: len(lines(behind.loki)) == 3)
            (labels, line), *pushed = lines(behind.loki)
            assert line == LINE
            wanted = '{exporter="OTLP", job="shop/checkout", level="WARN"}'
            assert pushed == [(wanted, "paid"), (wanted, "sent")]
            assert 'container="shop-1", level="error", service="shop"' in labels
            service.terminate()
            assert TOKEN not in service.log

    await with_docker(tmp_path / "docker.sock", work)


def expired(authority: trustme.CA) -> tuple[trustme.CA, trustme.LeafCert]:
    """A certificate that was good until yesterday."""
    return authority, authority.issue_cert("localhost", not_after=datetime.now(UTC) - timedelta(days=1))


def wrong_host(authority: trustme.CA) -> tuple[trustme.CA, trustme.LeafCert]:
    """A certificate of another machine."""
    return authority, authority.issue_cert("elsewhere.example")


def wrong_authority(authority: trustme.CA) -> tuple[trustme.CA, trustme.LeafCert]:
    """A certificate that somebody else signed."""
    other = trustme.CA()
    return other, other.issue_cert("localhost")


@pytest.mark.parametrize(
    ("certificate", "cause"),
    [
        (expired, "certificate has expired"),
        (wrong_host, "not valid for 'localhost'"),
        (wrong_authority, "unable to get local issuer certificate"),
    ],
)
async def test_wrong_backends(tmp_path: Path, certificate: MakeBad, cause: str) -> None:
    """No backend with a wrong certificate gets anything; each exporter says why, and whom it trusts by which file."""
    authority = trustme.CA()
    write_certificates(tmp_path / "certificates", authority, authority.issue_cert("localhost"), authority)
    signer, leaf = certificate(authority)
    bad = write_certificates(tmp_path / "bad", signer, leaf, authority)

    def work() -> None:
        with backends(bad) as behind, deployment(tmp_path, behind) as service:
            send_all(service)

            def reasons() -> list[str]:
                return [line for line in service.unhealthy().splitlines() if line.split(":")[0] in EXPORTERS]

            def each_says_why() -> bool:
                found = reasons()
                return len(found) == 3 and all(cause in each for each in found)

            poll(each_says_why, "each exporter to name the cause")
            assert all(f"ca_file {service.certificates}/ca.pem" in each for each in reasons())
            assert not behind.tempo.spans
            assert not behind.prometheus.received
            assert not behind.loki.received

    await with_docker(tmp_path / "docker.sock", work)


async def test_our_certificate_is_refused(tmp_path: Path) -> None:
    """Backends that want certificates of another authority get nothing; each exporter names the file that it shows."""
    authority, other = trustme.CA(), trustme.CA()
    write_certificates(tmp_path / "certificates", authority, authority.issue_cert("localhost"), authority)
    theirs = write_certificates(tmp_path / "theirs", authority, authority.issue_cert("localhost"), other)

    def work() -> None:
        with backends(theirs) as behind, deployment(tmp_path, behind) as service:
            send_all(service)
            shown = f"(shown: cert_file {service.certificates}/localhost.pem)"

            def each_says_why() -> bool:
                found = [line for line in service.unhealthy().splitlines() if line.split(":")[0] in EXPORTERS]
                return len(found) == 3 and all("certificate" in each and shown in each for each in found)

            poll(each_says_why, "each exporter to name its certificate")
            assert not behind.tempo.spans
            assert not behind.prometheus.received
            assert not behind.loki.received

    await with_docker(tmp_path / "docker.sock", work)
