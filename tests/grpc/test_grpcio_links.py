"""Our server with grpcio's client: unix sockets, mutual TLS, and the end of a connection's age."""

import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trio
import trustme
from grpclib.const import Handler

from alloytrio.grpc.keepalive import ServerKeepalive
from alloytrio.grpc.server import GrpcServer
from alloytrio.grpc.service import CallContext, raw_handler
from alloytrio.grpc.settings import ServerSettings
from alloytrio.handshake import FailedHandshake, Failure, TlsPort
from alloytrio.listeners import Listeners

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # A peer in another thread may leave a socket to the collector of garbage, which reports it in whichever test runs.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
PATIENCE = 60.0


class Probe:
    """Keeps what it gets, and by which connection."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.peers: list[object] = []
        self.certificates: list[object] = []
        self.third_peer = trio.Event()
        self.release = trio.Event()

    async def keep(self, request: bytes, context: CallContext) -> bytes:
        address = context.peer.addr()
        self.messages.append(request)
        if address not in self.peers:
            self.peers.append(address)
        if len(self.peers) == 3:
            self.third_peer.set()
        self.certificates.append(context.peer.cert())
        return request

    async def wait(self, request: bytes, context: CallContext) -> bytes:
        await self.release.wait()
        return request

    def __mapping__(self) -> dict[str, Handler]:
        return {f"/probe.Probe/{method.__name__}": raw_handler(method) for method in (self.keep, self.wait)}


@asynccontextmanager
async def serving(
    address: str = "127.0.0.1:0", settings: ServerSettings | None = None, tls: TlsPort | None = None
) -> AsyncIterator[tuple[Probe, str]]:
    """A running server and what it keeps; yields also the address for grpcio."""
    is_path = address.startswith("/")
    listeners = Listeners().open(address, transport="unix" if is_path else "tcp")
    probe, stop = Probe(), trio.Event()
    server = GrpcServer(listeners, [probe], settings, tls=tls)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, stop)
            yield probe, f"unix:{address}" if is_path else f"localhost:{listeners[0].socket.getsockname()[1]}"
            stop.set()
    listeners[0].socket.close()
    assert server.memory.used == 0


def method(channel: grpc.Channel, name: str) -> Callable[..., bytes]:
    call: Callable[..., bytes] = channel.unary_unary(f"/probe.Probe/{name}")
    return call


async def test_unix_socket(tmp_path: Path) -> None:
    """grpcio's unix:PATH is served; several calls use one connection."""
    async with serving(str(tmp_path / "otlp.sock")) as (probe, address):

        def client() -> None:
            with grpc.insecure_channel(address) as channel:
                for number in range(5):
                    assert method(channel, "keep")(b"%d" % number, timeout=PATIENCE) == b"%d" % number

        await trio.to_thread.run_sync(client)
        assert probe.messages == [b"0", b"1", b"2", b"3", b"4"]


def credentials(own: trustme.LeafCert | None) -> grpc.ChannelCredentials:
    """What a client shows and trusts."""
    chain = key = None
    if own is not None:
        key, chain = own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
    return grpc.ssl_channel_credentials(AUTHORITY.cert_pem.bytes(), key, chain)


async def test_mutual_tls() -> None:
    """grpcio with a certificate of our authority is served; without, or with another, calls are UNAVAILABLE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    failed: list[FailedHandshake] = []
    async with serving(tls=TlsPort(lambda: context, failed.append)) as (probe, address):

        def ask(own: trustme.LeafCert | None) -> grpc.StatusCode:
            with grpc.secure_channel(address, credentials(own)) as channel:
                try:
                    method(channel, "keep")(b"x", timeout=PATIENCE)
                except grpc.RpcError as error:
                    code: grpc.StatusCode = error.code()
                    return code
                return grpc.StatusCode.OK

        for own, wanted in (
            (AUTHORITY.issue_cert("client"), grpc.StatusCode.OK),
            (None, grpc.StatusCode.UNAVAILABLE),
            (STRANGER.issue_cert("client"), grpc.StatusCode.UNAVAILABLE),
            (AUTHORITY.issue_cert("client"), grpc.StatusCode.OK),
        ):
            assert await trio.to_thread.run_sync(ask, own) is wanted
        assert probe.messages == [b"x", b"x"]
        assert all(probe.certificates)
        assert {each.failure for each in failed} == {Failure.NO_CERTIFICATE, Failure.REFUSED_CERTIFICATE}


async def test_an_old_connection_ends_without_an_error() -> None:
    """At max_connection_age grpcio goes on over the next connection: no call fails, nothing is lost or done twice.

    A call that is under way meanwhile is finished on the old connection within max_connection_age_grace.
    """
    settings = ServerSettings(keepalive=ServerKeepalive(max_connection_age=0.2, max_connection_age_grace=PATIENCE))
    async with serving(settings=settings) as (probe, address):
        enough = threading.Event()
        sent: list[bytes] = []

        def client() -> None:
            with grpc.insecure_channel(address) as channel:
                slow = channel.unary_unary("/probe.Probe/wait").future(b"slow", timeout=PATIENCE)
                while not enough.is_set():
                    sent.append(b"%d" % len(sent))
                    assert method(channel, "keep")(sent[-1], timeout=PATIENCE) == sent[-1]
                assert slow.result() == b"slow"

        async def watch() -> None:
            await probe.third_peer.wait()
            probe.release.set()
            enough.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.to_thread.run_sync(client)
        assert probe.messages == sent
        assert len(probe.peers) >= 3
