"""The server's side of gRPC on one connection, without I/O: bytes in, calls out; answers in, bytes to send out.

In: what the client sends. Out: ``Call`` objects whose request is complete, and those that were cancelled since. What
need not reach a handler is answered here: unknown methods and encodings, wrong content types, requests that are too
large (seen in their five-byte prefix, before the rest is taken in) or broken, clients that are too slow.
Times are seconds of the caller's clock. Source: grpc/doc/PROTOCOL-HTTP2.md; texts as in grpc-go: clients look for them.
"""

import math
from collections.abc import Callable, Collection

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from alloytrio.errors import DecodeError
from alloytrio.grpc import frames
from alloytrio.grpc.compression import CODECS, TooLargeError
from alloytrio.grpc.events import (
    BodyRefused,
    ConnectionFailed,
    Event,
    Headers,
    HeadersReceived,
    PingReceived,
    PrefixReceived,
    Stream,
    StreamEnded,
    StreamReset,
)
from alloytrio.grpc.headers import encode_headers
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.keepalive import PingStrikes
from alloytrio.grpc.lifetime import Lifetime
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.message import (
    OK_HEADERS,
    OK_TRAILERS,
    PREFIX_BYTES,
    failure_headers,
    is_grpc,
    message_prefix,
    parse_timeout,
    read_prefix,
    without_prefix,
)
from alloytrio.grpc.settings import ServerSettings
from alloytrio.grpc.status import StatusDetail, retry_info

OUT_OF_MEMORY = "too many requests are being received"
MIN_COMPRESSED_ANSWER = 1024  # bytes; a shorter answer is sent as it is, which every client accepts


class Call:
    """One request.

    Attributes:
        path: as ``b"/package.Service/Method"``.
        headers: the request's header list.
        encoding: name of the codec that its message may be compressed with, or ``"identity"``.
        deadline: when the client stops waiting, in seconds of the caller's clock; infinity = never.
        compressed: the message is compressed with that codec.
        cancel: set by whoever runs the call; called when the client resets it or goes away.
    """

    def __init__(self, stream: Stream, path: bytes, headers: Headers) -> None:
        self.stream = stream
        self.path = path
        self.headers = headers
        self.encoding = "identity"
        self.deadline = math.inf
        self.compressed = False
        self.expected = -1
        self.cancel: Callable[[], None] | None = None


class ServerSession:
    """One client's connection.

    Args:
        paths: the methods that are served.
        settings: see there.
        limits: of the connection, made once for all.
        memory: shared by all connections of a server.
        now: seconds.
        age_limit: seconds after which the connection is drained; infinity = never.

    Attributes:
        connection: the HTTP/2 below.
        lifetime: its end; ``lifetime.over`` says that it has come.
    """

    def __init__(
        self,
        paths: Collection[bytes],
        settings: ServerSettings,
        limits: Limits,
        memory: ReceiveMemory,
        now: float,
        age_limit: float = math.inf,
    ) -> None:
        self.connection = Connection(client=False, limits=limits, memory=memory)
        self._paths = paths
        self._settings = settings
        self._calls: dict[int, Call] = {}
        self._ready: list[Call] = []
        self._strikes = PingStrikes(settings.enforcement)
        self.lifetime = Lifetime(self.connection, settings, now, age_limit)

    def receive(self, data: bytes, now: float) -> list[Call]:
        """Take in bytes. Returns the calls that are complete now, in order."""
        self.lifetime.heard(now)
        for event in self.connection.receive(data, now):
            self._on_event(event, now)
        ready = self._ready
        if ready:
            self._ready = []
            return [call for call in ready if not call.stream.reset]
        return ready

    def _on_event(self, event: Event, now: float) -> None:
        if isinstance(event, HeadersReceived):
            self._on_request(event.stream, event.end_stream, now)
        elif isinstance(event, PrefixReceived):
            self._on_prefix(event.stream)
        elif isinstance(event, StreamEnded):
            self._on_end(event.stream)
        elif isinstance(event, BodyRefused):
            self._on_refused(event)
        elif isinstance(event, StreamReset):
            self._abandon(event.stream)
        elif isinstance(event, PingReceived):
            if not self._strikes.ping(now, streams=len(self.connection.streams)):
                self.connection.goaway(frames.ENHANCE_YOUR_CALM, b"too_many_pings")
                self.lifetime.over = "too many pings"
        elif isinstance(event, ConnectionFailed):
            self.lifetime.over = event.reason

    # A request arrives

    def _on_request(self, stream: Stream, ends: bool, now: float) -> None:
        fields = dict(stream.headers)
        call = Call(stream, fields[b":path"], stream.headers)
        self.lifetime.busy(now)
        if fields[b":method"] != b"POST":
            self._refuse(call, failure_headers(Status.INTERNAL, "the method is not POST", http_status=b"405"))
        elif not is_grpc(fields.get(b"content-type", b"")):
            self._refuse(
                call, failure_headers(Status.INTERNAL, "the content-type is not application/grpc", http_status=b"415")
            )
        elif call.path not in self._paths:
            self._refuse(call, failure_headers(Status.UNIMPLEMENTED, f"unknown method {call.path.decode('latin-1')}"))
        elif ends:
            self._refuse(call, failure_headers(Status.INTERNAL, "a request without a message"))
        elif self._accept_headers(call, fields, now):
            self._calls[stream.id] = call

    def _accept_headers(self, call: Call, fields: dict[bytes, bytes], now: float) -> bool:
        encoding = fields.get(b"grpc-encoding")
        if encoding is not None:
            call.encoding = encoding.decode("latin-1")
            if call.encoding != "identity" and call.encoding not in CODECS:
                text = f'grpc: Decompressor is not installed for grpc-encoding "{call.encoding}"'
                self._refuse(call, failure_headers(Status.UNIMPLEMENTED, text, advertise_encodings=True))
                return False
        timeout = fields.get(b"grpc-timeout")
        if timeout is not None:
            try:
                call.deadline = now + parse_timeout(timeout)
            except ValueError as error:
                self._refuse(call, failure_headers(Status.INTERNAL, str(error)))
                return False
        return True

    def _on_prefix(self, stream: Stream) -> None:
        call = self._calls.get(stream.id)
        if call is None:
            return
        flag, length = read_prefix(stream.chunks)
        limit = self._settings.max_recv_msg_size
        if flag > 1:
            self._refuse(call, failure_headers(Status.INTERNAL, "a message with an unknown flag"))
        elif flag and call.encoding == "identity":
            self._refuse(call, failure_headers(Status.INTERNAL, "a compressed message without grpc-encoding"))
        elif length > limit:
            text = f"grpc: received message larger than max ({length} vs. {limit})"
            self._refuse(call, failure_headers(Status.RESOURCE_EXHAUSTED, text))
        elif stream.received > PREFIX_BYTES + length:
            self._refuse(call, failure_headers(Status.INTERNAL, "more than one message in a unary call"))
        else:
            call.compressed = flag == 1
            call.expected = PREFIX_BYTES + length
            self.connection.expect_body(stream, call.expected)

    def _on_end(self, stream: Stream) -> None:
        call = self._calls.get(stream.id)
        if call is None:
            return
        if stream.received != call.expected:
            self._refuse(call, failure_headers(Status.INTERNAL, "a request that ends inside its message"))
        else:
            self._ready.append(call)

    def _on_refused(self, event: BodyRefused) -> None:
        call = self._calls.get(event.stream.id)
        if call is None:
            return
        if event.out_of_memory:
            details = [retry_info(self._settings.retry_delay)]
            self._refuse(call, failure_headers(Status.RESOURCE_EXHAUSTED, OUT_OF_MEMORY, details))
        else:
            self._refuse(call, failure_headers(Status.INTERNAL, "more than one message in a unary call"))

    def read_message(self, call: Call) -> bytes:
        """The message of a complete call, inflated.

        Raises:
            GRPCError: INTERNAL when it does not decode, RESOURCE_EXHAUSTED when it inflates to more than a message
                may have, or than there is memory for.
        """
        pieces = without_prefix(self.connection.take_body(call.stream))
        if not call.compressed:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        limit = self._settings.max_recv_msg_size
        try:
            message = CODECS[call.encoding].decompress(pieces, limit)
        except DecodeError as error:
            raise GRPCError(Status.INTERNAL, f"grpc: failed to decompress the received message: {error}") from error
        except TooLargeError as error:
            text = f"grpc: received message after decompression larger than max {limit}"
            raise GRPCError(Status.RESOURCE_EXHAUSTED, text) from error
        if not self.connection.charge(call.stream, len(message)):
            raise GRPCError(Status.RESOURCE_EXHAUSTED, OUT_OF_MEMORY, [retry_info(self._settings.retry_delay)])
        return message

    # Answers

    def reply(self, call: Call, message: bytes, now: float, metadata: Headers, trailers: Headers) -> None:
        """Answer with a message, compressed like the request if it is worth it; with metadata before and behind."""
        if not self._close_call(call):
            return
        headers, compressed = OK_HEADERS, False
        if len(message) >= MIN_COMPRESSED_ANSWER and call.compressed:
            message, compressed = CODECS[call.encoding].compress(message), True
            metadata = [(b"grpc-encoding", call.encoding.encode()), *metadata]
        if metadata:
            headers += encode_headers(metadata)
        end = OK_TRAILERS + encode_headers(trailers) if trailers else OK_TRAILERS
        prefix = message_prefix(len(message), compressed=compressed)
        self.connection.respond(call.stream, headers, [prefix, message], PREFIX_BYTES + len(message), end, now)
        self._answered(now)

    def fail(self, call: Call, error: GRPCError, now: float, trailers: Headers) -> None:
        """Answer with an error; of its details, those that are ``StatusDetail`` are sent."""
        if self._close_call(call):
            details = error.details if isinstance(error.details, (list, tuple)) else ()
            known = [detail for detail in details if isinstance(detail, StatusDetail)]
            block = failure_headers(error.status, error.message or "", known, trailers)
            self.connection.respond_without_body(call.stream, block)
            self._answered(now)

    def _refuse(self, call: Call, block: bytes) -> None:
        """Answer before the request is complete; what still comes of it is dropped."""
        self._calls.pop(call.stream.id, None)
        self.connection.respond_without_body(call.stream, block)
        self._strikes.answered()

    def _close_call(self, call: Call) -> bool:
        """Whether the call still wants an answer; it will have had one then."""
        return self._calls.pop(call.stream.id, None) is call

    def _answered(self, now: float) -> None:
        self._strikes.answered()
        self.lifetime.busy(now)

    def _abandon(self, stream: Stream) -> None:
        """The client does not want an answer any more."""
        call = self._calls.pop(stream.id, None)
        if call is not None and call.cancel is not None:
            call.cancel()

    # Time, and the end

    def tick(self, now: float) -> None:
        """Look at the clock: refuse requests that arrive too slowly, drop answers that nobody reads."""
        self.lifetime.tick(now)
        if not self.connection.streams:
            return
        for stream in list(self.connection.streams.values()):
            late = not stream.remote_closed and now >= stream.opened_at + self._settings.request_timeout
            if stream.sending_since >= 0 and now >= stream.sending_since + self._settings.write_timeout:
                self.connection.reset(stream, frames.CANCEL)
                self._abandon(stream)
            elif late and stream.id in self._calls:
                text = "the request did not arrive in time"
                self._refuse(self._calls[stream.id], failure_headers(Status.DEADLINE_EXCEEDED, text))
        self.lifetime.busy(now)

    def cancel_calls(self) -> None:
        """Nobody waits for answers any more: stop the handlers."""
        calls = list(self._calls.values())
        self._calls = {}
        for call in calls:
            if call.cancel is not None:
                call.cancel()

    def close(self) -> None:
        """The connection is gone."""
        self.cancel_calls()
        self.connection.close()
