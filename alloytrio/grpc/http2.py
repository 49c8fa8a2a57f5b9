"""One HTTP/2 connection without I/O: bytes in, events out; calls in, bytes to send out. Both roles.

Theory of operation
    ``receive`` walks over the bytes it is given (``receiving.py``). A frame that breaks the protocol raises one of two
    faults: ``ConnectionFault`` ends the connection with GOAWAY, ``StreamFault`` resets one stream. Both become events.
    What is to be sent waits in ``sending.py`` until the owner takes it to write it.

    A stream is open until both sides have ended it, and is then forgotten. Streams that we reset are remembered for a
    while (their numbers only), because frames for them may still be on their way.

    Windows: a peer may send ``initial_window`` bytes on a stream; when the owner knows how long the message is, it
    says so by ``expect_body`` and the rest is granted piece by piece. The connection's window is given back as bytes
    arrive; what is held in memory is bounded by ``ReceiveMemory`` instead, so one slow stream cannot stop the others.

Source: RFC 9113. Priorities are ignored, push is refused, 1xx answers are not expected. Compiled with mypyc: no I/O, no
clock; ``now`` is in seconds of whatever clock the owner uses.
"""

from hpack import Decoder
from hpack.exceptions import HPACKError, OversizedHeaderListError

from alloytrio.grpc import frames
from alloytrio.grpc.control import ControlFrames
from alloytrio.grpc.events import Headers, HeadersReceived, Stream
from alloytrio.grpc.headers import request_fault, response_fault, trailers_fault
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.receiving import ConnectionFault, StreamFault


class Connection(ControlFrames):
    """The state of one connection.

    Args:
        client: we opened it; streams are ours and odd.
        limits: what the peer may ask of us.
        memory: where the bytes of bodies are counted, shared by connections.

    Attributes:
        streams: those that are open, by number.
        failed: the peer broke the protocol; send what is queued and close.
        settings_received: the peer has said hello.
        last_peer_stream: the highest number that the peer opened.
        peer_max_streams: how many streams the peer lets us have open.
        peer_goaway: the peer takes no new streams.
    """

    def __init__(self, *, client: bool, limits: Limits, memory: ReceiveMemory) -> None:
        super().__init__(client, limits, memory)
        self._decoder = Decoder(limits.max_header_list_size)
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._block_ends = False
        self._continuations = 0
        self._refuse_above = frames.LARGEST_STREAM_ID
        self._hello()

    def _hello(self) -> None:
        limits = self._limits
        settings = [
            (frames.SETTINGS_INITIAL_WINDOW_SIZE, limits.initial_window),
            (frames.SETTINGS_MAX_FRAME_SIZE, limits.max_frame_size),
            (frames.SETTINGS_MAX_HEADER_LIST_SIZE, limits.max_header_list_size),
        ]
        if self._client:
            settings.append((frames.SETTINGS_ENABLE_PUSH, 0))
            self._out.put(frames.PREFACE)
        else:
            settings.append((frames.SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams))
        self._out.put(frames.settings_frame(settings))
        extra = self._window_in - frames.DEFAULT_WINDOW
        if extra > 0:
            self._out.put(frames.window_update_frame(0, extra))

    # Frames from the peer

    def control_frame(self, kind: int, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        """Act on a complete frame that is not DATA."""
        if kind == frames.HEADERS:
            self._on_headers(flags, stream_id, payload, now)
        elif kind == frames.WINDOW_UPDATE:
            self.on_window_update(stream_id, payload, now)
        elif kind == frames.CONTINUATION:
            self._on_continuation(flags, stream_id, payload, now)
        elif kind == frames.RST_STREAM:
            self.on_reset(stream_id, payload, now)
        elif kind == frames.PRIORITY:
            self.on_priority(stream_id, payload, now)
        elif kind == frames.PUSH_PROMISE:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "PUSH_PROMISE, which was switched off")
        elif stream_id != 0:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a connection's frame on a stream")
        else:
            self.on_connection_frame(kind, flags, payload, now)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        if stream_id == 0:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "HEADERS without a stream")
        start, end = 0, len(payload)
        if flags & frames.FLAG_PADDED:
            if not payload:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR, "padded HEADERS without the length of the padding")
            start, end = 1, end - payload[0]
        if flags & frames.FLAG_PRIORITY:
            start += 5
        if start > end:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "padding longer than its frame")
        if start or end != len(payload):
            payload = payload[start:end]
        ends = bool(flags & frames.FLAG_END_STREAM)
        if flags & frames.FLAG_END_HEADERS:
            self._on_block(stream_id, payload, ends, now)
            return
        self._block = [payload]
        self._block_bytes = len(payload)
        self._block_stream = stream_id
        self._block_ends = ends
        self._continuations = 0

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        if not self._block_stream:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._continuations += 1
        self._block_bytes += len(payload)
        if self._continuations > self._limits.max_continuations:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        if self._block_bytes > self._limits.max_header_list_size:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "a header list is too large")
        if not payload:
            self._spend("empty_frames", now)
        self._block.append(payload)
        if flags & frames.FLAG_END_HEADERS:
            block = b"".join(self._block)
            self._block = []
            self._block_stream = 0
            self._on_block(stream_id, block, self._block_ends, now)

    def _on_block(self, stream_id: int, block: bytes, ends: bool, now: float) -> None:
        """A header block is complete. It must be decoded whatever becomes of it: the table is shared."""
        if len(block) > self._limits.max_header_list_size:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "a header list is too large")
        try:
            headers: Headers = list(self._decoder.decode(block, raw=True))
        except OversizedHeaderListError as error:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "a header list is too large") from error
        except (HPACKError, ValueError, IndexError) as error:
            raise ConnectionFault(frames.COMPRESSION_ERROR, "a header block that does not decode") from error
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._on_more_headers(stream, headers, ends)
        elif self._client or stream_id <= self.last_peer_stream:
            self._check_late(stream_id)
        else:
            self._on_request(stream_id, headers, ends, now)

    def _on_request(self, stream_id: int, headers: Headers, ends: bool, now: float) -> None:
        if not stream_id & 1:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a client's stream with an even number")
        self.last_peer_stream = stream_id
        if stream_id > self._refuse_above:
            self._remember_reset(stream_id)  # the peer knows from GOAWAY
            return
        stream = Stream(stream_id, self._limits.initial_window, self._out.initial_window, now)
        self.streams[stream_id] = stream
        if len(self.streams) > self._limits.max_concurrent_streams:
            self.reset(stream, frames.REFUSED_STREAM)
            self._spend("resets", now)
            return
        if len(headers) > self._limits.max_header_count:
            raise StreamFault(stream, frames.ENHANCE_YOUR_CALM, "too many header fields")
        fault = request_fault(headers)
        if fault:
            raise StreamFault(stream, frames.PROTOCOL_ERROR, fault)
        stream.headers = headers
        stream.remote_closed = ends
        self._events.append(HeadersReceived(stream, ends))

    def _on_more_headers(self, stream: Stream, headers: Headers, ends: bool) -> None:
        """An answer's headers (client), or the trailers of either side."""
        if stream.remote_closed:
            raise StreamFault(stream, frames.STREAM_CLOSED, "HEADERS after the end of a stream")
        if len(headers) > self._limits.max_header_count:
            raise StreamFault(stream, frames.ENHANCE_YOUR_CALM, "too many header fields")
        if not stream.headers:
            fault = response_fault(headers)
            if fault:
                raise StreamFault(stream, frames.PROTOCOL_ERROR, fault)
            if headers[0][1][:1] == b"1":
                return  # an interim answer
            stream.headers = headers
            stream.remote_closed = ends
            self._events.append(HeadersReceived(stream, ends))
            if ends and stream.local_closed:
                self._forget(stream)
            return
        fault = trailers_fault(headers) if ends else "a second header list that does not end the stream"
        if fault:
            raise StreamFault(stream, frames.PROTOCOL_ERROR, fault)
        stream.trailers = headers
        self._end_remote(stream)

    # What we send

    def has_output(self) -> bool:
        """Whether ``take_output`` would return anything."""
        return self._out.has_output()

    def urgent_output(self) -> bool:
        """Whether something is to be written that cannot wait until the next answer is."""
        return self._out.urgent or self._out.has_bodies()

    def output_backlog(self) -> bool:
        """Whether so much waits for the peer to read that nothing more should be read from it."""
        return self._out.ready_bytes > self._limits.max_buffered_output

    def take_output(self, max_bytes: int) -> bytes:
        """The next bytes to write: what is ready, then bodies until about ``max_bytes`` are reached."""
        data = self._out.take(max_bytes)
        for stream in self._out.finished():
            self._end_local(stream)
        return data

    def room_for_stream(self) -> bool:
        """Whether ``open_stream`` may be called (client)."""
        return (
            not self.failed
            and not self.peer_goaway
            and len(self.streams) < self.peer_max_streams
            and self._next_stream < frames.LARGEST_STREAM_ID
        )

    def open_stream(self, block: bytes, pieces: list[bytes], size: int, now: float) -> Stream:
        """Send a request: its header block, and a body of ``size`` > 0 bytes, which may be in several pieces."""
        stream = Stream(self._next_stream, self._limits.initial_window, self._out.initial_window, now)
        self._next_stream += 2
        self.streams[stream.id] = stream
        self._out.put_headers(stream, block, ends=False)
        if self._out.put_body(stream, pieces, size, b"", now):
            self._end_local(stream)
        return stream

    def respond(
        self, stream: Stream, block: bytes, pieces: list[bytes], size: int, trailers: bytes, now: float
    ) -> None:
        """Send an answer: header block, body of ``size`` > 0 bytes, block of the trailers. Nothing if it was reset."""
        if stream.reset or stream.local_closed or self.failed:
            return
        self._out.put_headers(stream, block, ends=False)
        if self._out.put_body(stream, pieces, size, trailers, now):
            self._end_local(stream)

    def respond_without_body(self, stream: Stream, block: bytes) -> None:
        """Send an answer of headers only; what still comes of the request is dropped. Nothing if it was reset."""
        if stream.reset or stream.local_closed or self.failed:
            return
        self._out.put_headers(stream, block, ends=True)
        self._end_local(stream)

    def expect_body(self, stream: Stream, size: int) -> None:
        """Let the peer send a body of ``size`` bytes in all on this stream; more is refused."""
        stream.body_limit = size
        if not stream.remote_closed and stream.window_in * 2 < self._limits.initial_window:
            self._grant(stream)

    def take_body(self, stream: Stream) -> list[bytes]:
        """The pieces of a body; they stay counted until the stream is done."""
        chunks = stream.chunks
        stream.chunks = []
        return chunks

    def charge(self, stream: Stream, size: int) -> bool:
        """Count bytes that a body has grown to; they are let go with the stream. False: there is no room."""
        if stream.reset:
            return True
        stream.charged += size
        self._memory.used += size
        return self._memory.used <= self._memory.limit

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life; ``payload`` is eight bytes."""
        self._out.put(frames.ping_frame(payload, ack=False))

    def announce_goaway(self) -> None:
        """Say that there will be a GOAWAY: the peer should open no more streams, but those on their way are served."""
        self._out.put(frames.goaway_frame(frames.LARGEST_STREAM_ID, frames.NO_ERROR, b""))

    def goaway(self, code: int, debug: bytes) -> None:
        """Take no more streams than those received until now."""
        self._refuse_above = self.last_peer_stream
        self._out.put(frames.goaway_frame(self.last_peer_stream, code, debug))

    def close(self) -> None:
        """The connection is gone: let go of all streams and their bytes."""
        self.failed = True
        self._let_go()
        for stream in list(self.streams.values()):
            stream.reset = True
            self._forget(stream)

    def _end_local(self, stream: Stream) -> None:
        stream.local_closed = True
        stream.sending_since = -1.0
        if stream.remote_closed:
            self._forget(stream)
        elif not self._client:
            self.reset(stream, frames.NO_ERROR)  # the rest of the request is of no use: RFC 9113 section 8.1
