"""A thousand connections at one port that begin something and never end it: every port goes on answering."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.hostile.serving import HttpService, one_span
from tests.http_backend import HttpBackend
from tests.integration.service import ALLOWANCE, Service
from tests.integration.test_production import TOKEN, Production

CONNECTIONS = 1000
MEMORY = 96 << 20  # bytes that they may cost: 96 KiB for each, of which OpenSSL has about 50
PORTS = ("http_port", "otlp_port", "admin_port")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BEGINNINGS = (
    b"",
    b"POST /v1/tra",
    b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n",
    PREFACE[:10],
    PREFACE,  # and no SETTINGS
    PREFACE + b"\x00\x00\x06\x04",  # half a frame header
)


def assert_served(
    service: Service, port: int, beginnings: tuple[bytes, ...], honest: list[Callable[[], object]]
) -> None:
    """Open connections, each with one of the beginnings: honest requests have their answers in time, memory a bound."""
    for ask in honest:
        ask()
    before = service.peak_rss()
    with ExitStack() as peers:
        for number in range(CONNECTIONS):
            peer = peers.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            peer.sendall(beginnings[number % len(beginnings)])
        for ask in honest * 3:
            began = time.monotonic()
            ask()
            assert time.monotonic() - began < ALLOWANCE
        assert service.peak_rss() - before < MEMORY


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpService]:
    """A service without TLS, with the time limits of its defaults."""
    with HttpBackend() as backend:
        service = HttpService(tmp_path_factory.mktemp("plain"), url=backend.url)
        service.config.write_text(service.config.read_text().replace('timeout = "1s"', 'timeout = "60s"'))
        with service:
            yield service


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """config/production.toml: TLS on all three ports."""
    with Production(tmp_path_factory.mktemp("secure"), backend=1) as service:
        yield service


def call(service: HttpService) -> None:
    """Export a span by gRPC over a connection of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{service.otlp_port}") as channel:
        stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        stub.Export(ExportTraceServiceRequest.FromString(one_span()), timeout=20)


@pytest.mark.parametrize("port", PORTS)
def test_plain_ports(plain: HttpService, port: str) -> None:
    """Requests begun in HTTP/1.1 and HTTP/2, or not at all, hold up no other connection at any port."""

    def is_ready() -> None:
        assert plain.get("/-/ready")[0] == 200

    assert_served(plain, int(getattr(plain, port)), BEGINNINGS, [plain.answers_within, lambda: call(plain), is_ready])


def client_hello() -> bytes:
    """The first bytes of a client that speaks TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("port", PORTS)
def test_ports_with_tls(secure: Production, port: str) -> None:
    """TLS handshakes not begun, half begun, and answered but never finished, hold up no other connection either."""
    hello = client_hello()
    protobuf = {"content_type": "application/x-protobuf", "authorization": f"Bearer {TOKEN}"}

    def post() -> None:
        assert secure.ask(secure.http_port, "POST", "/v1/traces", one_span(), **protobuf)[0] == 200

    def is_ready() -> None:
        assert secure.ask(secure.admin_port, "GET", "/-/ready")[0] == 200

    beginnings = (b"", hello[:5], hello[:100], hello)
    assert_served(secure, int(getattr(secure, port)), beginnings, [post, lambda: secure.call(TOKEN), is_ready])


def test_they_still_work(plain: HttpService, secure: Production) -> None:
    """After all that both are healthy processes that have logged no fault of their own."""
    for service in (plain, secure):
        assert service.process.poll() is None
        assert service.is_ready()
        assert "Traceback" not in service.log
        assert "request failed" not in service.log
