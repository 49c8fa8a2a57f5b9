"""The client's side of gRPC on one connection, without I/O: calls in, bytes to send out; bytes in, outcomes out.

Every call ends in exactly one outcome: a message, ``GRPCError`` (the server answered), ``TransportError`` (it did not),
or ``unprocessed`` (the server says that it never looked at it: it may be sent again on another connection).
Times are seconds of the caller's clock. Source: grpc/doc/PROTOCOL-HTTP2.md, statuscodes.md, connection-backoff.md.
"""

import math
from collections.abc import Callable

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from alloytrio.errors import DecodeError
from alloytrio.grpc import frames
from alloytrio.grpc.compression import CODECS, TooLargeError
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.events import (
    BodyRefused,
    ConnectionFailed,
    Event,
    GoawayReceived,
    Headers,
    HeadersReceived,
    PrefixReceived,
    Stream,
    StreamEnded,
    StreamReset,
)
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.keepalive import KEEPALIVE_PAYLOAD, Heartbeat
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.message import (
    PREFIX_BYTES,
    is_grpc,
    message_prefix,
    read_prefix,
    read_status,
    status_of_http,
    without_prefix,
)
from alloytrio.grpc.settings import ClientSettings
from alloytrio.grpc.status import StatusDetail, decode_status


class ClientCall:
    """One call on one connection.

    Args:
        on_done: called once, when the outcome is there.
        now: seconds.

    Attributes:
        message: the answer's message.
        error: why there is none.
        unprocessed: the server did not look at it.
    """

    def __init__(self, on_done: Callable[[], None], now: float) -> None:
        self.message = b""
        self.error: GRPCError | TransportError | None = None
        self.unprocessed = False
        self.started_at = now
        self.expected = -1
        self.compressed = False
        self.stream: Stream | None = None
        self.on_done = on_done


class ClientSession:
    """One connection to a server.

    Args:
        name: of the server, for messages.
        settings: see there.
        memory: shared by the connections of a channel.
        now: seconds.

    Attributes:
        connection: the HTTP/2 below.
        over: why the connection should be closed; empty while it should not.
        draining: no new calls; those under way are finished.
    """

    def __init__(self, name: str, settings: ClientSettings, limits: Limits, memory: ReceiveMemory, now: float) -> None:
        self.connection = Connection(client=True, limits=limits, memory=memory)
        self.over = ""
        self.draining = False
        self._name = name
        self._settings = settings
        self._calls: dict[int, ClientCall] = {}
        keepalive = settings.keepalive
        self._heartbeat = Heartbeat(keepalive.ping_wait, keepalive.ping_response_timeout, now)

    # Calls

    @property
    def usable(self) -> bool:
        """Whether new calls may be made, now or when there is room."""
        return not self.over and not self.draining

    def has_room(self) -> bool:
        """Whether a call may be made now."""
        streams = len(self.connection.streams)
        return self.usable and streams < self._settings.max_concurrent_streams and self.connection.room_for_stream()

    def start(self, call: ClientCall, block: bytes, message: bytes, compressed: bool, now: float) -> None:
        """Send a call."""
        if not self._calls:
            self._heartbeat.rest(now)
        prefix = message_prefix(len(message), compressed=compressed)
        pieces = [prefix, message] if message else [prefix]
        call.stream = self.connection.open_stream(block, pieces, PREFIX_BYTES + len(message), now)
        self._calls[call.stream.id] = call

    def cancel(self, call: ClientCall, now: float) -> None:
        """The caller does not wait any more. If the server was silent meanwhile, ask whether it lives."""
        stream = call.stream
        if stream is None or self._calls.pop(stream.id, None) is None:
            return
        self.connection.reset(stream, frames.CANCEL)
        if self._heartbeat.heard_at <= call.started_at and self._heartbeat.probe(now, self._settings.probe_timeout):
            self.connection.ping(KEEPALIVE_PAYLOAD)
        self._end_drain()

    # Bytes from the server

    def receive(self, data: bytes, now: float) -> None:
        """Take in bytes; calls that end are told by their ``on_done``."""
        self._heartbeat.hear(now)
        for event in self.connection.receive(data, now):
            self._on_event(event)
        self._end_drain()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, HeadersReceived):
            self._on_headers(event.stream, event.end_stream)
        elif isinstance(event, PrefixReceived):
            self._on_prefix(event.stream)
        elif isinstance(event, StreamEnded):
            self._on_end(event.stream)
        elif isinstance(event, BodyRefused):
            self._give_up(event.stream, "the answer is too large")
        elif isinstance(event, StreamReset):
            self._on_reset(event)
        elif isinstance(event, GoawayReceived):
            self._on_goaway(event)
        elif isinstance(event, ConnectionFailed):
            self.lose(f"the server broke HTTP/2: {event.reason}")

    def _on_headers(self, stream: Stream, ends: bool) -> None:
        fields = dict(stream.headers)
        http_status = fields[b":status"]
        if ends and b"grpc-status" in fields:
            self._finish(
                stream, self._status_error(stream.headers) or self._transport_error("an answer without a message")
            )
        elif http_status != b"200":
            text = f"HTTP status {http_status.decode()} from {self._name}"
            self._finish(stream, GRPCError(status_of_http(http_status), text))
        elif not is_grpc(fields.get(b"content-type", b"")):
            self._give_up(stream, "the answer is not gRPC")
        elif ends:
            self._give_up(stream, "an answer without a status")

    def _on_prefix(self, stream: Stream) -> None:
        call = self._calls.get(stream.id)
        if call is None:
            return
        flag, length = read_prefix(stream.chunks)
        if length > self._settings.max_recv_msg_size:
            self._give_up(stream, f"an answer of {length} bytes is larger than {self._settings.max_recv_msg_size}")
        elif flag > 1 or stream.received > PREFIX_BYTES + length:
            self._give_up(stream, "the answer is not one gRPC message")
        else:
            call.compressed = flag == 1
            call.expected = PREFIX_BYTES + length
            self.connection.expect_body(stream, call.expected)

    def _on_end(self, stream: Stream) -> None:
        call = self._calls.get(stream.id)
        if call is None:
            return
        error = self._status_error(stream.trailers)
        if error is None and stream.received != call.expected:
            error = self._transport_error("an answer that ends inside its message")
        if error is None:
            try:
                call.message = self._read_message(call, stream)
            except (DecodeError, TooLargeError) as problem:
                error = self._transport_error(f"the answer does not decode: {problem or 'it is too large'}")
        self._finish(stream, error)

    def _read_message(self, call: ClientCall, stream: Stream) -> bytes:
        pieces = without_prefix(self.connection.take_body(stream))
        if not call.compressed:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        name = dict(stream.headers).get(b"grpc-encoding", b"identity").decode("latin-1")
        codec = CODECS.get(name)
        if codec is None:
            raise DecodeError(f"compressed with {name!r}, which we did not offer")
        return codec.decompress(pieces, self._settings.max_recv_msg_size)

    def _status_error(self, trailers: Headers) -> GRPCError | TransportError | None:
        status = read_status(trailers)
        if status is None:
            return self._transport_error("an answer without a status")
        code, message, encoded = status
        if code == 0:
            return None
        details: list[StatusDetail] = []
        if encoded:
            try:
                details = list(decode_status(encoded).details)
            except DecodeError:
                details = []
        known = Status(code) if code <= Status.UNAUTHENTICATED.value else Status.UNKNOWN
        return GRPCError(known, message, details)

    def _on_reset(self, event: StreamReset) -> None:
        call = self._calls.get(event.stream.id)
        if call is None:
            return
        if event.remote and event.code == frames.REFUSED_STREAM:
            call.unprocessed = True
            self._finish(event.stream, self._transport_error("refused by the server", unknown_outcome=False))
        elif event.remote:
            self._finish(event.stream, self._transport_error(f"reset by the server: {frames.error_name(event.code)}"))
        else:
            self._finish(event.stream, self._transport_error(f"the server broke HTTP/2: {event.reason}"))

    def _on_goaway(self, event: GoawayReceived) -> None:
        self.draining = True
        text = f"the server goes away: {frames.error_name(event.code)} {event.debug[:200].decode('ascii', 'replace')}"
        for stream_id in [number for number in self._calls if number > event.last_stream_id]:
            call = self._calls[stream_id]
            call.unprocessed = True
            if call.stream is not None:
                self._finish(call.stream, self._transport_error(text.rstrip(), unknown_outcome=False))

    # Outcomes

    def _give_up(self, stream: Stream, text: str) -> None:
        self._finish(stream, self._transport_error(text))

    def _finish(self, stream: Stream, error: GRPCError | TransportError | None) -> None:
        """Give a call its outcome, and stop what is still under way of it."""
        call = self._calls.pop(stream.id, None)
        if stream.id in self.connection.streams:
            self.connection.reset(stream, frames.CANCEL)
        if call is not None:
            call.error = error
            call.on_done()

    def _transport_error(self, text: str, *, unknown_outcome: bool = True) -> TransportError:
        return TransportError(f"{self._name}: {text}", unknown_outcome=unknown_outcome)

    def _end_drain(self) -> None:
        if self.draining and not self._calls and not self.over:
            self.over = "the server went away"

    def lose(self, reason: str) -> None:
        """The connection is gone: every call that is under way ends without an answer."""
        self.over = self.over or reason
        for call in list(self._calls.values()):
            stream = call.stream
            if stream is not None:
                processed = stream.pending == 0 or bool(stream.headers)
                self._finish(stream, self._transport_error(self.over, unknown_outcome=processed))
        self.connection.close()

    # Time

    def tick(self, now: float) -> None:
        """Look at the clock: ping if it is time, lose the connection if it is dead."""
        idle = not self._calls and not self._settings.keepalive.ping_without_stream
        if self._heartbeat.dead(now):
            self.over = "no sign of life"
        elif not idle and self._heartbeat.ping_due(now):
            self.connection.ping(KEEPALIVE_PAYLOAD)

    def next_tick(self) -> float:
        """When to call ``tick``."""
        idle = not self._calls and not self._settings.keepalive.ping_without_stream
        if idle and not self._heartbeat.waiting:
            return math.inf
        return self._heartbeat.next_at()
