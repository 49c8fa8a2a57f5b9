"""A TLS handshake that fails is told to the peer, to the log and to the metrics, and the port goes on."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from alloytrio.handshake import Failure, TlsPort, classify, tls_port
from alloytrio.listeners import Listeners
from alloytrio.telemetry import LogLine, LogSettings, Telemetry
from alloytrio.tls import TlsServerConfig

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
TOMORROW, YESTERDAY = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) - timedelta(days=1)
PATIENCE = 30.0
METRIC = "alloytrio_tls_handshake_failures_total"
CLIENT_CA, OURS = "client_ca_file", "cert_file"


def client(certificate: trustme.LeafCert | None = None, trusts: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """A client's TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusts.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


def up_to_1_2(certificate: trustme.LeafCert | None = None, ciphers: str = "") -> ssl.SSLContext:
    """A client that speaks TLS 1.2, perhaps with some suites only."""
    context = client(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def ask(number: int, context: ssl.SSLContext | None) -> tuple[bytes | str, str]:
    """What a client of the standard library gets: a greeting, or OpenSSL's name of the alert; and its own address.

    Without a context it speaks HTTP, and what it gets is what was sent.
    """
    with socket.create_connection(("127.0.0.1", number), PATIENCE) as raw:
        address = ":".join(map(str, raw.getsockname()))
        if context is None:
            raw.sendall(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n")
            return raw.recv(100), address
        try:
            with context.wrap_socket(raw, server_hostname="localhost") as secured:
                secured.sendall(b"PRI * HTTP/2.0")  # sent at once, and must not turn the alert into a reset
                return secured.recv(5), address
        except ssl.SSLError as error:
            return str(error.reason), address


@dataclass
class Port:
    """A port with TLS, on which each client gets a greeting."""

    secure: TlsPort
    number: int
    telemetry: Telemetry
    handshake_timeout: float
    served: trio.Event  # set when the first client is done with

    def counts(self) -> dict[str, float]:
        """Failures by reason, where there were any."""
        found = self.telemetry.values()["receiver"]
        return {labels["reason"]: value for name, labels, value in found if name == METRIC and value}

    def warnings(self) -> list[LogLine]:
        """What was logged, but for debugging."""
        return [line for line in self.telemetry.recent_logs.lines() if line.level != "debug"]

    async def greet(self, stream: trio.SocketStream) -> None:
        """Serve one client, as a server would."""
        secured = await self.secure.secure(stream, self.handshake_timeout)
        if secured is not None:
            await secured.send_all(b"hello")
            await secured.receive_some()
        stream.socket.close()
        self.served.set()

    async def ask(self, context: ssl.SSLContext | None) -> tuple[bytes | str, str]:
        """See the function ``ask``."""
        return await trio.to_thread.run_sync(partial(ask, self.number, context))


@asynccontextmanager
async def serving(folder: Path, *, client_ca: bool = True, handshake_timeout: float = PATIENCE) -> AsyncIterator[Port]:
    """A port that asks for a certificate of our authority, or for none."""
    issued = AUTHORITY.issue_cert("localhost")
    cert, key, authority = (str(folder / name) for name in ("server.pem", "server.key", "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    AUTHORITY.cert_pem.write_to_path(authority)
    config = TlsServerConfig(cert_file=cert, key_file=key, client_ca_file=authority if client_ca else "")
    telemetry = Telemetry(LogSettings(level="debug"))
    listeners = Listeners().open("127.0.0.1:0")
    secure = tls_port(config, telemetry.component("receiver"), "grpc", ["h2"])
    with closing(listeners[0].socket), trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            port = Port(secure, listeners[0].socket.getsockname()[1], telemetry, handshake_timeout, trio.Event())
            await nursery.start(trio.serve_listeners, port.greet, listeners)
            yield port
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("context", "alert", "reason", "cause", "file"),
    [
        (client(), "TLSV13_ALERT_CERTIFICATE_REQUIRED", Failure.NO_CERTIFICATE, "did not return", CLIENT_CA),
        (up_to_1_2(), "SSLV3_ALERT_HANDSHAKE_FAILURE", Failure.NO_CERTIFICATE, "did not return", CLIENT_CA),
        (client(STRANGER.issue_cert("c")), "TLSV1_ALERT_UNKNOWN_CA", Failure.REFUSED_CERTIFICATE,
         "unable to get local issuer certificate", CLIENT_CA),
        (client(AUTHORITY.issue_cert("c", not_after=YESTERDAY)), "SSLV3_ALERT_CERTIFICATE_EXPIRED",
         Failure.REFUSED_CERTIFICATE, "certificate has expired", CLIENT_CA),
        (client(AUTHORITY.issue_cert("c", not_before=TOMORROW, not_after=TOMORROW + timedelta(days=1))),
         "SSLV3_ALERT_BAD_CERTIFICATE", Failure.REFUSED_CERTIFICATE, "certificate is not yet valid", CLIENT_CA),
        (client(trusts=STRANGER), "CERTIFICATE_VERIFY_FAILED", Failure.OURS_REFUSED, "unknown ca", OURS),
        (up_to_1_2(AUTHORITY.issue_cert("c"), "AES128-SHA"), "SSLV3_ALERT_HANDSHAKE_FAILURE",
         Failure.NOTHING_IN_COMMON, "no shared cipher", ""),
        (None, b"", Failure.NO_TLS, "http request", ""),
    ],
    ids=["none", "none in TLS 1.2", "unknown CA", "expired", "not yet valid", "ours", "cipher", "plaintext"],
)  # fmt: skip
async def test_failures(
    tmp_path: Path, context: ssl.SSLContext | None, alert: str | bytes, reason: Failure, cause: str, file: str
) -> None:
    """The client gets an alert, one line names cause, address and file, a counter its kind; the next one is served."""
    async with serving(tmp_path) as port:
        answer, address = await port.ask(context)
        assert answer == alert
        await port.served.wait()
        (line,) = port.warnings()
        assert cause in line.fields["cause"]
        assert line.fields["peer"] == address
        assert line.fields["transport"] == "grpc"
        wanted = {CLIENT_CA: f"client_ca_file {tmp_path}/ca.pem", OURS: f"cert_file {tmp_path}/server.pem", "": None}
        assert line.fields.get("file") == wanted[file]
        assert port.counts() == {reason.value: 1}
        assert (await port.ask(client(AUTHORITY.issue_cert("client"))))[0] == b"hello"
        assert port.counts() == {reason.value: 1}


async def test_without_client_ca_nobody_is_asked(tmp_path: Path) -> None:
    """A port without client_ca_file serves clients without certificates."""
    async with serving(tmp_path, client_ca=False) as port:
        assert (await port.ask(client()))[0] == b"hello"
        assert port.counts() == {}


async def test_a_client_that_stops(tmp_path: Path) -> None:
    """A handshake that is not finished in time is counted and logged, and its connection is let go."""
    async with serving(tmp_path, handshake_timeout=0.05) as port:
        async with await trio.open_tcp_stream("127.0.0.1", port.number) as stream:
            await stream.send_all(b"\x16\x03\x01\x02")
            assert await stream.receive_some() == b""
        (line,) = port.warnings()
        assert line.fields["cause"] == "not done within 0.05 s"
        assert port.counts() == {"timeout": 1}


async def test_a_client_that_goes(tmp_path: Path) -> None:
    """Whoever only looks whether the port is open, as load balancers do, is counted and not complained of."""
    async with serving(tmp_path) as port:
        await (await trio.open_tcp_stream("127.0.0.1", port.number)).aclose()
        await port.served.wait()
        assert port.counts() == {"gone": 1}
        assert port.warnings() == []


async def test_a_flood_does_not_fill_the_log(tmp_path: Path) -> None:
    """Of two hundred equal failures ten lines are written; all are counted, and another kind still has its line."""
    async with serving(tmp_path) as port:
        for _ in range(200):
            await port.ask(client())
        await port.ask(client(STRANGER.issue_cert("client")))
        assert port.counts() == {"no_certificate": 200, "refused_certificate": 1}
        texts = [line.text for line in port.warnings()]
        assert 10 <= texts.count("a client shows no certificate") <= 20
        assert texts[-1] == "the certificate of a client is not accepted"


@pytest.mark.parametrize("error", [None, OSError("reset"), ssl.SSLEOFError(8, "EOF")])
def test_a_lost_connection(error: BaseException | None) -> None:
    """A connection that ends, however that shows, is a client that went away."""
    failure, cause = classify(error)
    assert failure is Failure.GONE
    assert cause
