"""The receiving half of an HTTP/2 connection: the frame loop.

DATA is taken in as it comes, in pieces, straight from the input; every other frame is waited for until it is complete
(its size is bounded) and handed to ``control_frame``, which ``http2.Connection`` fills in. Compiled with mypyc.
"""

from struct import Struct

from alloytrio.grpc import frames
from alloytrio.grpc.events import BodyRefused, ConnectionFailed, Event, PrefixReceived, Stream, StreamEnded, StreamReset
from alloytrio.grpc.limits import CHUNK_OVERHEAD, Limits, ReceiveMemory, TokenBucket
from alloytrio.grpc.sending import SendQueue

_unpack_header = Struct(">BHBBI").unpack_from
GRPC_PREFIX_BYTES = 5  # a flag and the message's length, before each message
REMEMBERED_RESETS = 1000  # streams that we reset and whose late frames are dropped in silence: their numbers only


class ConnectionFault(Exception):
    """The peer broke a rule that ends the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamFault(Exception):
    """The peer broke a rule that ends one stream."""

    def __init__(self, stream: Stream, code: int, reason: str) -> None:
        super().__init__(reason)
        self.stream = stream
        self.code = code
        self.reason = reason


class ReceivingHalf:
    """Bytes in, events out. ``http2.Connection`` documents the arguments and the public fields."""

    def __init__(self, client: bool, limits: Limits, memory: ReceiveMemory) -> None:
        self.streams: dict[int, Stream] = {}
        self.failed = False
        self.settings_received = False
        self.last_peer_stream = 0
        self.unfinished_since = -1.0
        self._next_stream = 1
        self._client = client
        self._limits = limits
        self._memory = memory
        self._out = SendQueue()
        self._events: list[Event] = []
        self._buckets: dict[str, TokenBucket] = {}
        self._resets: dict[int, None] = {}
        self._held = b""  # the beginning of a frame
        self._preface_done = client
        # The DATA frame whose payload comes in: None = of a stream that is gone, its bytes are dropped.
        self._data_stream: Stream | None = None
        self._data_left = 0
        self._pad_left = 0
        self._data_ends = False
        self._skip_left = 0  # bytes of a frame of an unknown type
        self._block_stream = 0  # whose header block goes on in CONTINUATION frames; 0 = none
        self._window_in = max(limits.connection_window, frames.DEFAULT_WINDOW)  # bytes the peer may send, all streams
        self._consumed = 0  # of them, not yet given back by WINDOW_UPDATE

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take in bytes from the peer, cut anywhere.

        Returns:
            What happened, in order. After ``ConnectionFailed`` nothing more is taken in.
        """
        if self.failed:
            return []
        held = len(self._held)
        if held:
            data = self._held + data
        try:
            position = 0 if self._preface_done else self._preface(data)
            if self._preface_done:
                position = self._walk(data, position, now)
            self._hold(data[position:], position > held, now)
        except ConnectionFault as fault:
            self._fail(fault.code, fault.reason)
        events = self._events
        self._events = []
        return events

    def _hold(self, rest: bytes, progress: bool, now: float) -> None:
        """Keep the beginning of a frame until the rest of it comes, counted like a body."""
        self._memory.used += len(rest) - len(self._held)
        self._held = rest
        if not rest and not self._block_stream:
            self.unfinished_since = -1.0
        elif progress or self.unfinished_since < 0:
            self.unfinished_since = now
        if rest and self._memory.used > self._memory.limit:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "no memory for a frame")

    def _preface(self, data: bytes) -> int:
        known = data[: len(frames.PREFACE)]
        if not frames.PREFACE.startswith(known):
            if known[:1] == b"\x16":
                raise ConnectionFault(frames.PROTOCOL_ERROR, "a TLS client hello on a plaintext port")
            raise ConnectionFault(frames.PROTOCOL_ERROR, "not HTTP/2")
        if len(known) < len(frames.PREFACE):
            return 0
        self._preface_done = True
        return len(frames.PREFACE)

    def _walk(self, data: bytes, position: int, now: float) -> int:
        """The frame loop. Returns where the first frame begins that is not complete yet."""
        end = len(data)
        while True:
            if self._data_left or self._pad_left:
                position = self._take_data(data, position, end)
                if position == end and (self._data_left or self._pad_left):
                    return position
            elif self._skip_left:
                step = min(self._skip_left, end - position)
                self._skip_left -= step
                position += step
            if end - position < frames.FRAME_HEADER_BYTES:
                return position
            high, low, kind, flags, stream_id = _unpack_header(data, position)
            length = (high << 16) | low
            stream_id &= 0x7FFFFFFF
            self._check_frame(kind, length, stream_id)
            if kind == frames.DATA:
                if flags & frames.FLAG_PADDED and length and end - position == frames.FRAME_HEADER_BYTES:
                    return position
                position = self._begin_data(data, position + frames.FRAME_HEADER_BYTES, length, flags, stream_id, now)
            elif kind > frames.CONTINUATION:
                self._spend("empty_frames", now)
                self._skip_left = length
                position += frames.FRAME_HEADER_BYTES
            else:
                start = position + frames.FRAME_HEADER_BYTES
                if end - start < length:
                    return position
                position = start + length
                try:
                    self.control_frame(kind, flags, stream_id, data[start:position], now)
                except StreamFault as fault:
                    self._fault(fault.stream, fault.code, fault.reason, now)

    def _check_frame(self, kind: int, length: int, stream_id: int) -> None:
        if length > self._limits.max_frame_size:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "a frame is larger than announced")
        if self._block_stream and (kind != frames.CONTINUATION or stream_id != self._block_stream):
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a frame inside a header block")
        if not self.settings_received and kind != frames.SETTINGS:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if length > self._limits.max_control_frame_size and frames.DATA < kind <= frames.CONTINUATION:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "a control frame is too large")

    def _begin_data(self, data: bytes, position: int, length: int, flags: int, stream_id: int, now: float) -> int:
        """Account for a DATA frame whose header was read. Returns where its payload begins."""
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_late(stream_id)
        self._window_in -= length
        if self._window_in < 0:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        self._consumed += length
        pad = 0
        taken = 0
        if flags & frames.FLAG_PADDED:
            pad = (
                data[position] if length else 256
            )  # no byte for the padding's length: more than fits, so refused below
            taken = 1
            if pad >= length:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "padding longer than its frame")
        ends = bool(flags & frames.FLAG_END_STREAM)
        if length - pad - taken == 0 and not ends:
            self._spend("empty_frames", now)
        if stream is not None:
            if stream.remote_closed:
                self._fault(stream, frames.STREAM_CLOSED, "DATA after the end of a stream", now)
                stream = None
            elif not stream.headers:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "DATA before HEADERS")
            else:
                stream.window_in -= length
                if stream.window_in < 0:
                    self._fault(stream, frames.FLOW_CONTROL_ERROR, "more DATA than the stream's window", now)
                    stream = None
        self._data_stream = stream
        self._data_left = length - pad - taken
        self._pad_left = pad
        self._data_ends = ends
        if not self._data_left and not self._pad_left:
            self._end_data()
        return position + taken

    def _take_data(self, data: bytes, position: int, end: int) -> int:
        """Take in what is there of a DATA frame's payload. Returns where the rest of the input begins."""
        if self._data_left:
            step = min(self._data_left, end - position)
            if step == 0:
                return position
            self._data_left -= step
            stream = self._data_stream
            if stream is not None and not stream.refused and not stream.reset:
                chunk = data[position : position + step]
                stream.chunks.append(chunk)
                before = stream.received
                stream.received = before + step
                stream.charged += step + CHUNK_OVERHEAD
                self._memory.used += step + CHUNK_OVERHEAD
                if stream.received > stream.body_limit:
                    self._refuse(stream, False)
                elif self._memory.used > self._memory.limit:
                    self._refuse(stream, True)
                elif before < GRPC_PREFIX_BYTES <= stream.received:
                    self._events.append(PrefixReceived(stream))
            position += step
        if not self._data_left:
            step = min(self._pad_left, end - position)
            self._pad_left -= step
            position += step
            if not self._pad_left:
                self._end_data()
        return position

    def _end_data(self) -> None:
        """A DATA frame is complete: give windows back, end the stream if it says so."""
        stream = self._data_stream
        self._data_stream = None
        if self._consumed * 2 >= self._limits.connection_window:
            self._out.put(frames.window_update_frame(0, self._consumed))
            self._window_in += self._consumed
            self._consumed = 0
        if stream is None or stream.reset:
            return
        if self._data_ends:
            self._end_remote(stream)
        elif stream.window_in * 2 < self._limits.initial_window:
            self._grant(stream)

    def _grant(self, stream: Stream) -> None:
        step = min(self._limits.initial_window, stream.body_limit - stream.received - stream.window_in)
        if step > 0 and not stream.refused:
            stream.window_in += step
            self._out.put(frames.window_update_frame(stream.id, step))

    def _refuse(self, stream: Stream, out_of_memory: bool) -> None:
        stream.refused = True
        self.free_body(stream)
        self._events.append(BodyRefused(stream, out_of_memory))

    def _end_remote(self, stream: Stream) -> None:
        stream.remote_closed = True
        self._events.append(StreamEnded(stream))
        if stream.local_closed:
            self._forget(stream)

    def control_frame(self, kind: int, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        """Act on a complete frame that is not DATA."""
        raise NotImplementedError

    # Faults and the ends of streams

    def _check_opened(self, stream_id: int) -> None:
        """A frame for a stream that is not open: it must have been open once."""
        highest = self._next_stream - 1 if self._client else self.last_peer_stream
        if stream_id > highest or not stream_id & 1:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a frame on a stream that was never opened")

    def _check_late(self, stream_id: int) -> None:
        """DATA or HEADERS for a stream that is not open: harmless if we reset it."""
        if stream_id not in self._resets:
            self._check_opened(stream_id)
            raise ConnectionFault(frames.STREAM_CLOSED, "a frame on a closed stream")

    def _spend(self, what: str, now: float, per_data_frame: int = 0) -> None:
        """Count something that is allowed up to a rate only, and so often for each DATA frame that we sent."""
        bucket = self._buckets.get(what)
        if bucket is None:
            burst, per_second = self._limits.rate(what)
            bucket = self._buckets[what] = TokenBucket(burst, per_second, now)
        if per_data_frame:
            bucket.credit(self._out.data_frames, per_data_frame)
        if not bucket.spend(now):
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, f"too many {what.replace('_', ' ')}")

    def _fail(self, code: int, reason: str) -> None:
        self.failed = True
        self._let_go()
        self._out.put(frames.goaway_frame(self.last_peer_stream, code, reason.encode()))
        self._events.append(ConnectionFailed(code, reason))

    def _let_go(self) -> None:
        """Forget the beginning of a frame."""
        self._memory.used -= len(self._held)
        self._held = b""

    def _fault(self, stream: Stream, code: int, reason: str, now: float) -> None:
        """Reset a stream for a fault of the peer; provoking many of them is a flood like any other."""
        self.reset(stream, code)
        self._events.append(StreamReset(stream, code, False, reason))
        if not self._client:
            self._spend("resets", now)

    def reset(self, stream: Stream, code: int) -> None:
        """End a stream with RST_STREAM, whatever its state. No event follows."""
        if stream.reset:
            return
        stream.reset = True
        if self.streams.get(stream.id) is not stream:
            return
        self._out.put(frames.reset_frame(stream.id, code))
        self._remember_reset(stream.id)
        self._forget(stream)

    def _remember_reset(self, stream_id: int) -> None:
        self._resets[stream_id] = None
        if len(self._resets) > REMEMBERED_RESETS:
            del self._resets[next(iter(self._resets))]

    def free_body(self, stream: Stream) -> None:
        """Let go of a stream's received bytes before the stream is done."""
        self._memory.used -= stream.charged
        stream.charged = 0
        stream.chunks = []

    def _forget(self, stream: Stream) -> None:
        self._memory.used -= stream.charged
        stream.charged = 0
        self._out.drop(stream)
        self.streams.pop(stream.id, None)
