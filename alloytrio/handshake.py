"""The server's side of TLS handshakes: bounded in time, and a failure told to both ends.

In: accepted connections. Out: the same with TLS over them.
Errors: none; a handshake that fails is counted by its cause, logged with the peer's address and the file that decided
it, and answered with a TLS alert. How often a line may repeat is the log's business (``telemetry/repeat.py``): the
texts are few, so that a flood of one cause does not hide another.

trio drops what OpenSSL has to say when a handshake fails. The alert is taken from the buffer that trio gave to OpenSSL.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import cast

import trio

from alloytrio.errors import ConfigError
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.tls import ContextSource, TlsServerConfig, server_context

LINGER = 1.0  # seconds for a peer to read the alert before the socket is closed
LINGER_BYTES = 65_536  # read and dropped meanwhile; closing with unread bytes would destroy the alert

_REFUSALS = ("SSLV3_ALERT_", "TLSV1_ALERT_", "TLSV13_ALERT_")  # beginnings of OpenSSL's names for alerts that came in
_OUR_CERTIFICATE = (
    "UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_REVOKED",
)
_NO_TLS = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"})
_NOTHING_IN_COMMON = frozenset({"NO_SHARED_CIPHER", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "NO_SHARED_GROUP"})
_GONE = frozenset({"UNEXPECTED_EOF_WHILE_READING"})


class Failure(Enum):
    """Why a handshake failed; the values are those of the metric's label ``reason``."""

    REFUSED_CERTIFICATE = "refused_certificate"
    NO_CERTIFICATE = "no_certificate"
    OURS_REFUSED = "ours_refused"
    NO_TLS = "no_tls"
    NOTHING_IN_COMMON = "nothing_in_common"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    GONE = "gone"


_TEXTS: Mapping[Failure, str] = MappingProxyType(
    {
        Failure.REFUSED_CERTIFICATE: "the certificate of a client is not accepted",
        Failure.NO_CERTIFICATE: "a client shows no certificate",
        Failure.OURS_REFUSED: "a client does not accept our certificate",
        Failure.NO_TLS: "a client speaks no TLS to a port with TLS",
        Failure.NOTHING_IN_COMMON: "a client has no TLS version or cipher suite in common with us",
        Failure.TIMEOUT: "a client does not finish its TLS handshake",
        Failure.BROKEN: "a TLS handshake broke off",
        Failure.GONE: "a client went away during its TLS handshake",
    }
)

_DECIDED_BY_A_FILE = frozenset({Failure.REFUSED_CERTIFICATE, Failure.NO_CERTIFICATE, Failure.OURS_REFUSED})


@dataclass(frozen=True, slots=True)
class FailedHandshake:
    """One handshake that failed.

    Args:
        failure: its kind.
        cause: OpenSSL's words.
        peer: address of the other side, ``host:port``.
    """

    failure: Failure
    cause: str
    peer: str


class TlsPort:
    """TLS of a listening port.

    Args:
        context: gives the context for the next connection.
        on_failure: told about each handshake that failed.
    """

    def __init__(
        self, context: ContextSource, on_failure: Callable[[FailedHandshake], None] = lambda failed: None
    ) -> None:
        self._context = context
        self._on_failure = on_failure

    async def secure(self, stream: trio.SocketStream, timeout: float) -> trio.SSLStream[trio.SocketStream] | None:  # noqa: ASYNC109 - one bound for the handshake; telling the peer comes on top
        """Shake hands.

        Args:
            stream: accepted; the caller closes it.
            timeout: seconds for the handshake.

        Returns:
            The stream with TLS over it; None: the handshake failed, both ends know, and the stream is of no more use.
        """
        peer = _address(stream)
        tapped = _Tapped(self._context())
        # of a context, trio's stream asks for wrap_bio only
        secured = trio.SSLStream(stream, cast(ssl.SSLContext, tapped), server_side=True, https_compatible=True)
        with trio.move_on_after(timeout):
            try:
                await secured.do_handshake()
                return secured
            except trio.ClosedResourceError:
                return None  # we did it
            except trio.BrokenResourceError as error:
                failure, cause = classify(error.__cause__)
                self._on_failure(FailedHandshake(failure, cause, peer))
                await _part(stream, tapped.alert())
                return None
        self._on_failure(FailedHandshake(Failure.TIMEOUT, f"not done within {timeout:g} s", peer))
        return None


class _Tapped:
    """A context that keeps hold of the buffer into which OpenSSL writes for one connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._outgoing: ssl.MemoryBIO | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
    ) -> ssl.SSLObject:
        """As ``ssl.SSLContext.wrap_bio``."""
        self._outgoing = outgoing
        return self._context.wrap_bio(incoming, outgoing, server_side=server_side, server_hostname=server_hostname)

    def alert(self) -> bytes:
        """What is still to be said to the peer."""
        return b"" if self._outgoing is None else self._outgoing.read()


async def _part(stream: trio.SocketStream, alert: bytes) -> None:
    """Send the alert, and give the peer a moment to read it."""
    if not alert:
        return
    with trio.move_on_after(LINGER):
        try:
            await stream.send_all(alert)
            await stream.send_eof()
            dropped = 0
            while dropped < LINGER_BYTES and (data := await stream.receive_some(LINGER_BYTES)):
                dropped += len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


def classify(error: BaseException | None) -> tuple[Failure, str]:
    """The kind of a failed handshake, and its cause in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure.REFUSED_CERTIFICATE, error.verify_message
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return Failure.GONE, "the connection was closed"
    reason = error.reason or ""
    words = reason.replace("_", " ").lower() or str(error)
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return Failure.NO_CERTIFICATE, words
    if reason.startswith(_REFUSALS):
        ours = reason.endswith(_OUR_CERTIFICATE)
        return (Failure.OURS_REFUSED if ours else Failure.BROKEN), words
    if reason in _NO_TLS:
        return Failure.NO_TLS, words
    if reason in _NOTHING_IN_COMMON:
        return Failure.NOTHING_IN_COMMON, words
    return (Failure.GONE if reason in _GONE else Failure.BROKEN), words


def _address(stream: trio.SocketStream) -> str:
    try:
        address = stream.socket.getpeername()
    except OSError:
        return "unknown"
    if not isinstance(address, tuple):
        return "a unix socket"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def tls_port(config: TlsServerConfig, telemetry: ComponentTelemetry, transport: str, alpn: Sequence[str]) -> TlsPort:
    """TLS for a port of a component, which logs and counts what goes wrong.

    Args:
        config: certificates and whom to trust.
        telemetry: of the component.
        transport: what the port speaks: a label of the metric, and part of each line.
        alpn: the protocols on offer.

    Raises:
        ConfigError: a file or text cannot be used.
    """
    log = telemetry.log.bind(transport=transport)
    counters = {
        failure: telemetry.counter(
            "alloytrio_tls_handshake_failures_total", "TLS handshakes of clients that failed, by reason.",
            transport=transport, reason=failure.value,
        )
        for failure in Failure
    }  # fmt: skip

    def report_files(error: ConfigError) -> None:
        log.error("changed certificates cannot be used, the ones before stay", error=str(error))

    def report(failed: FailedHandshake) -> None:
        counters[failed.failure].inc()
        say = log.debug if failed.failure is Failure.GONE else log.warning
        decided = config.decided_by(ours=failed.failure is Failure.OURS_REFUSED)
        where = {"file": decided} if failed.failure in _DECIDED_BY_A_FILE else {}
        say(_TEXTS[failed.failure], cause=failed.cause, peer=failed.peer, **where)

    return TlsPort(server_context(config, alpn, report_files), report)
