"""What one HTTP/2 peer may ask of us, and the counters that hold it to that.

Limits on a rate are token buckets: a burst that every honest client stays far below, and a refill per second. They
are made when first needed, so that ten thousand idle connections do not carry them.
"""


class Limits:
    """The bounds of one connection.

    Args:
        max_frame_size: bytes of a frame's payload that we announce and enforce; 16 384 to 16 777 215. DATA is taken
            in as it comes, so a large value costs no buffer.
        max_control_frame_size: bytes of any frame that has to be buffered whole (all but DATA).
        max_header_list_size: bytes of one header list, counted as in RFC 9113 section 6.5.2 (name, value and 32 per
            field); also the bound on its compressed form.
        max_header_count: fields in one header list.
        max_continuations: CONTINUATION frames behind one HEADERS frame.
        max_concurrent_streams: streams that the peer may have open; more are refused.
        initial_window: bytes that a peer may send on a stream before its message's length is known.
        connection_window: bytes that a peer may send ahead on the whole connection.
        max_buffered_output: bytes of answers and acknowledgements waiting for a peer that does not read; above it
            nothing more is read from that peer.
        resets: (burst, per second) of streams reset by the peer, refused, or reset by us for its faults.
        pings: (burst, per second) of PING frames; each DATA frame that we send allows two more, because clients measure
            the bandwidth with a ping after DATA.
        settings: (burst, per second) of SETTINGS frames.
        empty_frames: (burst, per second) of frames that carry nothing: DATA and CONTINUATION without payload, PRIORITY,
            unknown types.
        window_updates: (burst, per second) of WINDOW_UPDATE frames; each DATA frame that we send allows four more.
    """

    def __init__(
        self,
        *,
        max_frame_size: int = 16_384,
        max_control_frame_size: int = 65_536,
        max_header_list_size: int = 65_536,
        max_header_count: int = 128,
        max_continuations: int = 8,
        max_concurrent_streams: int = 100,
        initial_window: int = 1_048_576,
        connection_window: int = 4_194_304,
        max_buffered_output: int = 65_536,
        resets: tuple[int, int] = (200, 20),
        pings: tuple[int, int] = (100, 10),
        settings: tuple[int, int] = (20, 1),
        empty_frames: tuple[int, int] = (200, 20),
        window_updates: tuple[int, int] = (1000, 100),
    ) -> None:
        self.max_frame_size = max_frame_size
        self.max_control_frame_size = max_control_frame_size
        self.max_header_list_size = max_header_list_size
        self.max_header_count = max_header_count
        self.max_continuations = max_continuations
        self.max_concurrent_streams = max_concurrent_streams
        self.initial_window = initial_window
        self.connection_window = connection_window
        self.max_buffered_output = max_buffered_output
        self._rates = {
            "resets": resets,
            "pings": pings,
            "settings": settings,
            "empty_frames": empty_frames,
            "window_updates": window_updates,
        }

    def rate(self, what: str) -> tuple[int, int]:
        """(burst, per second) of one of the rates, by its argument's name."""
        return self._rates[what]


class TokenBucket:
    """Events that may happen: a burst at once, then a number per second.

    Args:
        burst: how many at most in one go.
        per_second: how fast spent tokens come back.
        now: seconds of the clock that ``spend`` will be asked with.
    """

    def __init__(self, burst: int, per_second: int, now: float) -> None:
        self._burst = float(burst)
        self._per_second = float(per_second)
        self._tokens = float(burst)
        self._at = now
        self._credited = 0

    def spend(self, now: float) -> bool:
        """Take one token; False when none is left."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True

    def credit(self, total: int, tokens: int) -> None:
        """Allow ``tokens`` more, up to the burst, for each of ``total`` things since the last call."""
        self._tokens = min(self._burst, self._tokens + (total - self._credited) * tokens)
        self._credited = total


CHUNK_OVERHEAD = 64  # bytes of a bytes object's header and its place in a list, so that tiny frames are not free


class ReceiveMemory:
    """The bytes of request bodies that all connections of a server (or one client) hold together.

    A body is counted while it comes in, and until its stream is done. Above the limit, the stream that
    brought the last bytes is refused: honest senders are told to try again, and memory stays bounded.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
