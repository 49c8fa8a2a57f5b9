"""The gRPC client: unary calls to one address, over one connection that is made when it is needed.

In: encoded messages. Out: encoded answers. Errors: ``grpclib.exceptions.GRPCError`` when the server answered with one
(``details`` is a list of ``StatusDetail``), ``TransportError`` when there was no answer.

``run`` is the channel's life: it connects when a call wants to be made, and holds the connection's tasks (one reads,
one writes and looks at the clock). When a server says goodbye, calls go on over the next connection while the old one
finishes. After a failed attempt to connect, calls fail at once until the backoff has passed: the caller decides about
trying again. Deadlines are the caller's cancel scopes.
"""

import os
import random
import ssl
from collections.abc import Callable

import trio

from alloytrio.grpc.client_connection import ClientConnection, Stream
from alloytrio.grpc.compression import accepted_encodings
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.events import Headers
from alloytrio.grpc.headers import encode_headers
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.message import Metadata, metadata_headers
from alloytrio.grpc.settings import ClientSettings
from alloytrio.grpc.target import Target
from alloytrio.tls import TlsNames

MAX_ATTEMPTS = 5  # of one call, as long as servers say that they did not look at it
MAX_COUNTED_FAILURES = 100  # the backoff is at its maximum long before; a power must not overflow
MAX_CACHED_BLOCKS = 32  # header blocks: one per method and encoding


class GrpcChannel:
    """Unary calls to one address.

    Args:
        target: where to.
        settings: see there.
        ssl_context: for TLS, or what gives the current one for each connection; must offer ALPN ``h2``. None =
            plaintext.
        tls_names: what decides about a handshake, for the message when it fails.
        server_name: what the server's certificate must say, if not the target's host.
        authority: ``:authority`` of requests, if not the target.
        metadata: sent with every call.

    Raises:
        ValueError: metadata that HTTP/2 does not allow.
    """

    def __init__(
        self,
        target: Target,
        settings: ClientSettings | None = None,
        *,
        ssl_context: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = None,
        tls_names: TlsNames | None = None,
        server_name: str = "",
        authority: str = "",
        metadata: Metadata = (),
    ) -> None:
        self.target = target
        self.settings = settings or ClientSettings()
        self._ssl_context = ssl_context
        self._tls_names = tls_names
        self._server_name = server_name or target.host or "localhost"
        self._authority = authority or (server_name if server_name and not target.path else target.authority)
        self._metadata = metadata_headers(metadata)
        self._blocks: dict[tuple[str, str], bytes] = {}
        self._limits = Limits()
        self._memory = ReceiveMemory(self.settings.memory_limit())
        self._current: ClientConnection | None = None
        self._running = False
        self._wanted = trio.Event()
        self._changed = trio.Event()
        self._attempts = 0
        self._failures = 0
        self._retry_at = 0.0
        self._last_error = TransportError(f"{target}: the channel is not running", unknown_outcome=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect when calls want it, until cancelled."""
        self._running = True
        try:
            async with trio.open_nursery() as connections:
                task_status.started()
                while True:
                    await self._wanted.wait()
                    try:
                        connection = await self._connect()
                    except TransportError as error:
                        self._backoff(error)
                    else:
                        self._failures = 0
                        self._current = connection
                        connections.start_soon(self._hold, connection)
                    self._attempts += 1
                    self._wanted = trio.Event()  # what was wanted meanwhile is this; who still lacks one says so again
                    self._notify()
        finally:
            self._running = False
            self._current = None
            self._last_error = TransportError(f"{self.target}: the channel is closed", unknown_outcome=False)
            self._notify()

    async def unary(
        self,
        path: str,
        message: bytes,
        *,
        encoding: str | None = None,
        metadata: Metadata = (),
    ) -> bytes:
        """Make one call.

        Args:
            path: ``/package.Service/Method``.
            message: encoded, and compressed already if ``encoding`` says so.
            encoding: how the message is compressed, such as ``"gzip"``; None = it is not.
            metadata: sent besides the channel's.

        Returns:
            The encoded answer.

        Raises:
            GRPCError: the server's answer.
            TransportError: no answer; its ``unknown_outcome`` says whether the request may have been processed.
        """
        block = self._block(path, encoding or "")
        if metadata:
            block += encode_headers(metadata_headers(metadata))
        attempt = 1
        while True:
            connection = await self._connection()
            call = await connection.call(block, message, compressed=encoding is not None)
            if call.error is None:
                return call.message
            if not call.unprocessed or attempt == MAX_ATTEMPTS:
                raise call.error
            attempt += 1

    def _block(self, path: str, encoding: str) -> bytes:
        block = self._blocks.get((path, encoding))
        if block is None:
            headers: Headers = [
                (b":method", b"POST"),
                (b":scheme", b"https" if self._ssl_context else b"http"),
                (b":path", path.encode()),
                (b":authority", self._authority.encode()),
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
                (b"grpc-accept-encoding", accepted_encodings()),
                (b"user-agent", self.settings.user_agent.encode()),
            ]
            if encoding:
                headers.append((b"grpc-encoding", encoding.encode()))
            block = encode_headers(headers + self._metadata)
            if len(self._blocks) == MAX_CACHED_BLOCKS:
                self._blocks.clear()
            self._blocks[(path, encoding)] = block
        return block

    # The connection

    async def _connection(self) -> ClientConnection:
        """A connection with room for a call; connects if there is none and the backoff has passed."""
        attempts = self._attempts
        while True:
            current = self._current
            if current is not None and current.session.usable:
                if current.session.has_room():
                    return current
                await current.wait_for_change()
                continue
            if not self._running:
                raise self._error()
            if self._failures and (trio.current_time() < self._retry_at or self._attempts != attempts):
                raise self._error()
            self._wanted.set()
            await self._changed.wait()

    def _error(self) -> TransportError:
        return TransportError(str(self._last_error), unknown_outcome=False)

    async def _connect(self) -> ClientConnection:
        """One attempt: resolve, connect, TLS, HTTP/2's first frames.

        Raises:
            TransportError: it failed; the text says at what.
        """
        problem = f"no connection within {self.settings.connect_timeout:g} s"
        connection = None
        with trio.move_on_after(self.settings.connect_timeout):
            try:
                stream = await self._open_stream()
                connection = ClientConnection(str(self.target), stream, self.settings, self._limits, self._memory)
                await connection.shake_hands()
                return connection
            except (OSError, trio.BrokenResourceError) as error:
                problem = describe(error, self._tls_names if self._ssl_context else None)
            finally:
                if connection is not None and not connection.ready:
                    connection.close()
        raise TransportError(f"{self.target}: {problem}", unknown_outcome=False)

    async def _open_stream(self) -> Stream:
        if self.target.path:
            stream = await trio.open_unix_socket(self.target.path)
        else:
            stream = await trio.open_tcp_stream(self.target.host, self.target.port)
        if self._ssl_context is None:
            return stream
        context = self._ssl_context if isinstance(self._ssl_context, ssl.SSLContext) else self._ssl_context()
        secured = trio.SSLStream(stream, context, server_hostname=self._server_name, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException:
            stream.socket.close()
            raise
        if secured.selected_alpn_protocol() != "h2":
            stream.socket.close()
            raise trio.BrokenResourceError("the server does not offer HTTP/2 over TLS (ALPN h2)")
        return secured

    async def _hold(self, connection: ClientConnection) -> None:
        """A connection's life."""
        try:
            await connection.run()
        finally:
            if self._current is connection:
                self._current = None
            self._notify()

    def _backoff(self, error: TransportError) -> None:
        self._retry_at = trio.current_time() + backoff_wait(self.settings, self._failures)
        self._failures = min(self._failures + 1, MAX_COUNTED_FAILURES)
        self._last_error = error

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def backoff_wait(settings: ClientSettings, failures: int) -> float:
    """Seconds until the next attempt, after so many failed ones before the last."""
    wait = min(settings.backoff_base * settings.backoff_multiplier**failures, settings.backoff_max)
    return wait * (1 + random.uniform(-settings.backoff_jitter, settings.backoff_jitter))


def describe(error: BaseException, names: TlsNames | None) -> str:
    """What lies at the bottom of a failed attempt to connect, in words.

    Args:
        error: what was raised.
        names: what decides about TLS; None: there is none.
    """
    while True:
        if isinstance(error, ssl.SSLCertVerificationError):
            by = f" (trusted: {names.trusted})" if names else ""
            return f"the server's certificate is not accepted: {error.verify_message}{by}"
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[-1]
        elif error.__cause__ is not None:
            error = error.__cause__
        elif isinstance(error, ssl.SSLError):
            return _tls_problem(str(error.reason or error), names)
        elif isinstance(error, OSError) and error.strerror:
            words = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            return words.lower() + _perhaps_the_certificate(error, names)
        else:
            words = str(error) or ("the connection broke" if isinstance(error, trio.BrokenResourceError) else "")
            return (words or type(error).__name__) + _perhaps_the_certificate(error, names)


def _tls_problem(reason: str, names: TlsNames | None) -> str:
    alert = reason.partition("_ALERT_")[2].replace("_", " ").lower()
    if names and ("certificate" in alert or alert == "unknown ca"):
        return f"the server does not accept our certificate: {alert} (shown: {names.shown})"
    return f"TLS: {reason}"


def _perhaps_the_certificate(error: BaseException, names: TlsNames | None) -> str:
    """A hint: with TLS 1.3 a server refuses a certificate when we think that all is well, and its alert may be lost."""
    lost = isinstance(error, trio.BrokenResourceError | ConnectionResetError | BrokenPipeError)
    return f"; perhaps the server wants another client certificate (shown: {names.shown})" if lost and names else ""
