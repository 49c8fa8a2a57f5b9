"""config/production.toml as it is: TLS on three ports and to the backend, tokens, a password, renewed certificates."""

import base64
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceStub,
    add_TraceServiceServicer_to_server,
)

from tests.hostile.serving import one_span
from tests.integration.backend import Backend
from tests.integration.service import Service, free_port, poll

ROOT = Path(__file__).parent.parent.parent
PRODUCTION = ROOT / "config" / "production.toml"
PASSWORD = "page-password"
TOKEN = "shop-token"


def issue(folder: Path, *names: str, days: int = 365) -> None:
    """Run scripts/certificates. ``days``: from now until they expire."""
    environment = {**os.environ, "DAYS": str(days)}
    subprocess.run([ROOT / "scripts/certificates", folder, *names], check=True, capture_output=True, env=environment)


class Production(Service):
    """The service over config/production.toml, with paths, ports and host names of a test."""

    def __init__(self, directory: Path, *, backend: int) -> None:
        self.http_port = free_port()
        self.certificates = directory / "certificates"
        self.shown: Path | None = None
        super().__init__(directory, backend=backend)

    def configure(self, **changed: object) -> None:
        """Write the configuration and what it refers to."""
        if not self.certificates.exists():
            issue(self.certificates, "localhost")
        (self.directory / "tokens").write_text(f"other\n{TOKEN}\n")
        (self.directory / "admin-password").write_text(PASSWORD + "\n")
        text = PRODUCTION.read_text()
        for old, new in {
            "/etc/alloytrio": str(self.directory),
            "alloytrio.pem": "localhost.pem",
            "alloytrio.key": "localhost.key",
            "0.0.0.0:4317": f"127.0.0.1:{self.otlp_port}",
            "0.0.0.0:4318": f"127.0.0.1:{self.http_port}",
            "0.0.0.0:12345": f"127.0.0.1:{self.admin_port}",
            "tempo:4317": f"localhost:{self._options['backend']}",
            "/var/lib/alloytrio/data": str(self.storage),
            '"5s"': '"200ms"',
            'reload_interval = "1m"': 'reload_interval = "50ms"',
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text)

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts our authority only."""
        return ssl.create_default_context(cafile=str(self.certificates / "ca.pem"))

    def with_certificate(self, folder: Path) -> ssl.SSLContext:
        """The same with the certificate of a folder."""
        context = self.trust()
        context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
        return context

    def ask(self, port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """An HTTPS request by name, with the certificate of the folder ``shown``, if any."""
        context = self.trust() if self.shown is None else self.with_certificate(self.shown)
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether ``/-/ready`` answers, which it does without a password."""
        try:
            return self.ask(self.admin_port, "GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def call(self, token: str) -> None:
        """Export one span by gRPC."""
        credentials = grpc.ssl_channel_credentials((self.certificates / "ca.pem").read_bytes())
        with grpc.secure_channel(f"localhost:{self.otlp_port}", credentials) as channel:
            request = ExportTraceServiceRequest.FromString(one_span())
            stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
            stub.Export(request, timeout=10, metadata=[("authorization", f"Bearer {token}")])

    def served_certificate(self, port: int) -> str:
        """The certificate that a port shows."""
        return ssl.get_server_certificate(("localhost", port), ca_certs=str(self.certificates / "ca.pem"))


class SecureBackend(Backend):
    """A Tempo that shows a certificate and asks for one. Args: ``folder``: with certificates."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        key, chain, authority = ((folder / name).read_bytes() for name in ("localhost.key", "localhost.pem", "ca.pem"))
        self._credentials = grpc.ssl_server_credentials([(key, chain)], authority, require_client_auth=True)

    def start(self) -> None:
        """Listen with TLS."""
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # generated
        assert self._server.add_secure_port(f"localhost:{self.port}", self._credentials) == self.port
        self._server.start()


@pytest.fixture
def production(tmp_path: Path) -> Iterator[tuple[Production, Backend]]:
    """The service in production, in front of a backend with mutual TLS."""
    issue(tmp_path / "certificates", "localhost")
    folder = tmp_path / "certificates"
    with SecureBackend(folder) as backend, Production(tmp_path, backend=backend.port) as service:
        yield service, backend


def basic(password: str) -> str:
    """The header of the page's user."""
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


def test_production(production: tuple[Production, Backend]) -> None:
    """Spans by gRPC and by HTTP with the right token arrive over mutual TLS; wrong ones are refused everywhere."""
    service, backend = production
    service.call(TOKEN)
    protobuf = {"content_type": "application/x-protobuf"}
    sent = service.ask(service.http_port, "POST", "/v1/traces", one_span(), authorization=f"Bearer {TOKEN}", **protobuf)
    assert sent[0] == 200
    backend.wait_until(lambda: sum(backend.spans.values()) == 2)
    with pytest.raises(grpc.RpcError) as refused:
        service.call("wrong")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": basic(PASSWORD)}):
        assert service.ask(service.http_port, "POST", "/v1/traces", one_span(), **protobuf, **wrong)[0] == 401
    for path in ("/metrics", "/-/healthy", "/api/v1/components", "/"):
        assert service.ask(service.admin_port, "GET", path)[0] == 401
        assert service.ask(service.admin_port, "GET", path, authorization=basic("wrong"))[0] == 401
    assert service.ask(service.admin_port, "POST", "/-/reload")[0] == 401
    status, metrics = service.ask(service.admin_port, "GET", "/metrics", authorization=basic(PASSWORD))
    assert status == 200
    assert b"otelcol_receiver_accepted_spans_total" in metrics
    assert TOKEN not in service.log
    assert PASSWORD not in service.log


def test_renewed_certificates(production: tuple[Production, Backend]) -> None:
    """A certificate that is replaced is shown on all three ports without a restart; a broken one changes nothing."""
    service, _ = production
    ports = (service.otlp_port, service.http_port, service.admin_port)
    before = service.served_certificate(service.http_port)
    assert [service.served_certificate(port) for port in ports] == [before] * 3
    issue(service.certificates, "localhost")
    after = (service.certificates / "localhost.pem").read_text().strip()
    assert after != before.strip()
    poll(lambda: all(service.served_certificate(port).strip() == after for port in ports), "the new certificate")
    (service.certificates / "localhost.pem").write_text("broken")

    def still_shown_and_reported() -> bool:
        assert [service.served_certificate(port).strip() for port in ports] == [after] * 3
        return service.log.count("cannot be used") == 3

    poll(still_shown_and_reported, "each port to report the broken file once")


def test_client_certificates(tmp_path: Path) -> None:
    """With client_ca_file each port serves who has a certificate of ours; for others log and metrics say why not.

    An expired certificate, one of another authority, and none at all; then a flood of the last kind.
    """
    service = Production(tmp_path, backend=1)
    folder, others, expired = service.certificates, tmp_path / "others", tmp_path / "expired"
    issue(others, "localhost")
    shutil.copytree(folder, expired)
    issue(expired, "localhost", days=-1)
    client_ca = f'tls = {{ client_ca_file = "{folder}/ca.pem", cert_file'
    service.config.write_text(service.config.read_text().replace("tls = { cert_file", client_ca))
    service.spawn()
    try:
        poll(lambda: "msg=ready" in service.log, "the service to be ready")
        for port in ("otlp_port", "http_port", "admin_port"):
            assert first_bytes(service.trust(), int(getattr(service, port)), port)[0] == b""
            for own, cause in (
                (others, "unable to get local issuer certificate"),
                (expired, "certificate has expired"),
            ):
                got, peer = first_bytes(service.with_certificate(own), int(getattr(service, port)), port)
                assert got == b""
                said = rf'msg="the certificate of a client is not accepted".* cause="{cause}" peer={peer} '
                assert re.search(rf"{said}file=.client_ca_file {folder}/ca.pem", service.log), service.log
            assert first_bytes(service.with_certificate(folder), int(getattr(service, port)), port)[0] != b""
        for _ in range(100):
            assert first_bytes(service.trust(), service.http_port, "http_port")[0] == b""
        assert service.log.count("a client shows no certificate") < 60
        service.shown = folder
        metrics = service.ask(service.admin_port, "GET", "/metrics", authorization=basic(PASSWORD))[1].decode()
        # fmt: off
        failed = re.findall(
            r'^alloytrio_tls_handshake_failures_total\{component_id="([a-z.]+)",.*'
            r'reason="(\w+)",transport="(\w+)"\} (\d+)', metrics, re.MULTILINE,
        )
        receiver = "otelcol.receiver.otlp.default"
        assert sorted(each for each in failed if each[3] != "0") == [
            ("admin", "no_certificate", "http", "1"), ("admin", "refused_certificate", "http", "2"),
            (receiver, "no_certificate", "grpc", "1"), (receiver, "no_certificate", "http", "101"),
            (receiver, "refused_certificate", "grpc", "2"), (receiver, "refused_certificate", "http", "2"),
        ]
        # fmt: on
    finally:
        service.kill()


def first_bytes(context: ssl.SSLContext, port: int, kind: str) -> tuple[bytes, str]:
    """What a server answers to the beginning of a conversation, nothing if it refuses by an alert; and our address."""
    is_grpc = kind == "otlp_port"
    context.set_alpn_protocols(["h2"] if is_grpc else ["http/1.1"])
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        address = ":".join(map(str, raw.getsockname()))
        try:
            with context.wrap_socket(raw, server_hostname="localhost") as secured:
                secured.sendall(hello if is_grpc else b"GET /-/ready HTTP/1.1\r\nhost: localhost\r\n\r\n")
                return secured.recv(100), address
        except ssl.SSLError as error:
            return (b"" if "ALERT" in str(error.reason) else b"no alert"), address


def test_backend_of_another_authority(tmp_path: Path) -> None:
    """A backend that we do not trust gets nothing; the page says what is wrong and which file says whom we trust."""
    issue(tmp_path / "others", "localhost")
    with SecureBackend(tmp_path / "others") as backend, Production(tmp_path, backend=backend.port) as service:
        service.call(TOKEN)

        def health() -> bytes:
            return service.ask(service.admin_port, "GET", "/-/healthy", authorization=basic(PASSWORD))[1]

        poll(lambda: b"certificate" in health(), "the exporter to be unhealthy")
        assert f"{service.certificates}/ca.pem".encode() in health()
        assert not backend.spans
