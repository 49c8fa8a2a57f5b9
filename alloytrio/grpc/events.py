"""What a received piece of bytes means, and the streams it is about.

In: made by ``http2.Connection`` only. Compiled with mypyc: plain classes.
"""

Headers = list[tuple[bytes, bytes]]


class Stream:
    """One HTTP/2 stream: a request and its answer.

    The fields are the connection's; owners read ``id``, ``headers``, ``trailers``, ``chunks`` and ``received``, set
    ``body_limit`` with ``Connection.expect_body``.

    Args:
        stream_id: as on the wire.
        window_in: bytes that the peer may send.
        window_out: bytes that we may send; negative after the peer shrank its setting.
        now: when it was opened, in seconds of the caller's clock.

    Attributes:
        chunks: the received body, one element for each piece as it came.
        received: bytes of it until now, those in ``chunks`` or not.
        charged: what it is counted with in ``ReceiveMemory``.
        body_limit: bytes of the whole body; more is refused.
        refused: its body is not taken in any more.
        remote_closed, local_closed: the peer, or we, have sent all.
        reset: ended by RST_STREAM, of whichever side.
        pieces, offset: what is still to be sent of a body; the first ``offset`` bytes of the first piece are gone.
        pending: bytes of that.
        tail: the header block that ends the stream behind its body; empty: DATA ends it.
        queued: it is in the queue of streams that may send.
        sending_since: when a body began to wait for windows; negative: none does.
    """

    def __init__(self, stream_id: int, window_in: int, window_out: int, now: float) -> None:
        self.id = stream_id
        self.opened_at = now
        self.headers: Headers = []
        self.trailers: Headers = []
        self.chunks: list[bytes] = []
        self.received = 0
        self.charged = 0
        self.body_limit = window_in
        self.refused = False
        self.window_in = window_in
        self.window_out = window_out
        self.remote_closed = False
        self.local_closed = False
        self.reset = False
        self.pieces: list[bytes] = []
        self.offset = 0
        self.pending = 0
        self.tail = b""
        self.queued = False
        self.sending_since = -1.0


class HeadersReceived:
    """A request's or an answer's first header list. ``end_stream``: nothing follows (no ``StreamEnded`` either)."""

    def __init__(self, stream: Stream, end_stream: bool) -> None:
        self.stream = stream
        self.end_stream = end_stream


class PrefixReceived:
    """At least five bytes of the body are in: a gRPC message's length is known."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


class BodyRefused:
    """The body went past ``body_limit``, or (``out_of_memory``) past what all connections may hold together.

    Its bytes are gone and what follows is dropped; the owner answers and resets the stream.
    """

    def __init__(self, stream: Stream, out_of_memory: bool) -> None:
        self.stream = stream
        self.out_of_memory = out_of_memory


class StreamEnded:
    """The peer sent all of it; ``chunks`` and ``trailers`` are complete."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


class StreamReset:
    """The stream is over before its time.

    Args:
        stream: already removed from the connection.
        code: of RFC 9113 section 7.
        remote: the peer reset it; else we did, for a fault of the peer that ``reason`` names.
    """

    def __init__(self, stream: Stream, code: int, remote: bool, reason: str) -> None:
        self.stream = stream
        self.code = code
        self.remote = remote
        self.reason = reason


class PingReceived:
    """The peer asks for a sign of life; the acknowledgement is queued already."""


class PingAcknowledged:
    """The peer answered our PING with these eight bytes."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class SettingsReceived:
    """The peer's settings changed: there may be room for more streams."""


class GoawayReceived:
    """The peer will take no new streams; those above ``last_stream_id`` it has not processed."""

    def __init__(self, last_stream_id: int, code: int, debug: bytes) -> None:
        self.last_stream_id = last_stream_id
        self.code = code
        self.debug = debug


class ConnectionFailed:
    """The peer broke the protocol or a limit. GOAWAY is queued; send it and close.

    Args:
        code: of RFC 9113 section 7, as sent.
        reason: what the peer did.
    """

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


Event = (
    HeadersReceived
    | PrefixReceived
    | BodyRefused
    | StreamEnded
    | StreamReset
    | PingReceived
    | PingAcknowledged
    | SettingsReceived
    | GoawayReceived
    | ConnectionFailed
)
