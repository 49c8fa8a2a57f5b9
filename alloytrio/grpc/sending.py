"""The sending half of an HTTP/2 connection: what is ready to be written, and what waits for the peer's windows.

Bodies are held as the pieces that their owner handed over and cut into DATA frames only when somebody is about to
write, so a peer that does not read costs no copies. Compiled with mypyc.
"""

from collections import deque

from alloytrio.grpc import frames
from alloytrio.grpc.events import Stream


class SendQueue:
    """Frames to write, in order, then DATA of the streams in turn as windows allow.

    Attributes:
        max_frame: bytes of payload that we put into a frame.
        initial_window: what the peer lets us send on a new stream.
        window: what the peer lets us send on the connection.
        data_frames: DATA frames given out until now.
        block_prefix: what must precede the next header block.
        urgent: what is ready is more than acknowledgements of PINGs, which can wait a moment for something to go with.
    """

    def __init__(self) -> None:
        self.max_frame = frames.DEFAULT_FRAME_SIZE
        self.initial_window = frames.DEFAULT_WINDOW
        self.window = frames.DEFAULT_WINDOW
        self.data_frames = 0
        self.block_prefix = b""
        self.urgent = False
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._turn: deque[Stream] = deque()
        self._done: list[Stream] = []

    @property
    def ready_bytes(self) -> int:
        """Bytes that wait for nothing but a writer."""
        return self._ready_bytes

    def has_output(self) -> bool:
        """Whether ``take`` would return anything."""
        return self._ready_bytes > 0 or self.has_bodies()

    def has_bodies(self) -> bool:
        """Whether a stream's body may be sent."""
        return self.window > 0 and len(self._turn) > 0

    def put(self, frame: bytes) -> None:
        """Queue complete frames."""
        self._ready.append(frame)
        self._ready_bytes += len(frame)
        self.urgent = True

    def put_leisurely(self, frame: bytes) -> None:
        """Queue a complete frame that may wait for others."""
        self._ready.append(frame)
        self._ready_bytes += len(frame)

    def put_headers(self, stream: Stream, block: bytes, *, ends: bool) -> None:
        """Queue a header block."""
        self.put(self._header_frames(stream, block, ends=ends))

    def _header_frames(self, stream: Stream, block: bytes, *, ends: bool) -> bytes:
        if self.block_prefix:
            block = self.block_prefix + block
            self.block_prefix = b""
        return frames.headers_frames(stream.id, block, end_stream=ends, max_frame=self.max_frame)

    def put_body(self, stream: Stream, pieces: list[bytes], size: int, trailers: bytes, now: float) -> bool:
        """Queue a message and, behind it, the header block ``trailers``; when it is empty, DATA ends the stream.

        Returns:
            Whether all of it is in the ready frames: the stream needs no further thought.
        """
        if size <= stream.window_out and size <= self.window and size <= self.max_frame and not self._turn:
            flags = 0 if trailers else frames.FLAG_END_STREAM
            tail = self._header_frames(stream, trailers, ends=True) if trailers else b""
            self.put(b"".join([frames.frame_header(size, frames.DATA, flags, stream.id), *pieces, tail]))
            stream.window_out -= size
            self.window -= size
            self.data_frames += 1
            return True
        stream.pieces = pieces
        stream.offset = 0
        stream.pending = size
        stream.tail = trailers
        stream.sending_since = now
        self.requeue(stream)
        return False

    def requeue(self, stream: Stream) -> None:
        """Give a stream its turn if it has something to send and room in its window."""
        if not stream.queued and stream.pending > 0 and stream.window_out > 0:
            stream.queued = True
            self._turn.append(stream)

    def drop(self, stream: Stream) -> None:
        """Forget what a stream still had to send."""
        stream.pieces = []
        stream.pending = 0
        if stream.queued:
            stream.queued = False
            self._turn.remove(stream)

    def take(self, max_bytes: int) -> bytes:
        """The next bytes to write: all ready frames, then DATA until ``max_bytes`` are reached."""
        parts = self._ready
        size = self._ready_bytes
        self._ready = []
        self._ready_bytes = 0
        self.urgent = False
        turn = self._turn
        while turn and size < max_bytes and self.window > 0:
            stream = turn.popleft()
            room = min(stream.window_out, self.window, self.max_frame)
            length = min(room, stream.pending)
            last = length == stream.pending
            ends = last and not stream.tail
            parts.append(
                frames.frame_header(length, frames.DATA, frames.FLAG_END_STREAM if ends else 0, stream.id),
            )
            self._cut(stream, length, parts)
            size += frames.FRAME_HEADER_BYTES + length
            stream.window_out -= length
            self.window -= length
            self.data_frames += 1
            stream.queued = False
            if last:
                if stream.tail:
                    parts.append(self._header_frames(stream, stream.tail, ends=True))
                self._done.append(stream)
            else:
                self.requeue(stream)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def finished(self) -> list[Stream]:
        """The streams whose last byte ``take`` has given out since the last call."""
        done = self._done
        if done:
            self._done = []
        return done

    def _cut(self, stream: Stream, length: int, parts: list[bytes]) -> None:
        """Move ``length`` bytes from a stream's pieces to ``parts``."""
        stream.pending -= length
        while length > 0:
            piece = stream.pieces[0]
            rest = len(piece) - stream.offset
            if rest <= length:
                parts.append(piece[stream.offset :] if stream.offset else piece)
                stream.pieces.pop(0)
                stream.offset = 0
                length -= rest
            else:
                parts.append(piece[stream.offset : stream.offset + length])
                stream.offset += length
                length = 0
