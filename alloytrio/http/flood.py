"""Counts the frames that an HTTP/2 peer sends beside its requests, and says when they are a flood.

hypercorn's answer to rapid resets is to close each connection after 1000 requests, which would cut honest senders of
telemetry all day. Instead we follow the frame headers in what was received (9 bytes each, RFC 9113 section 4.1) and
give each connection a budget: what costs us work and carries no data takes from it, time fills it up.

In: received bytes in any portions. Out: whether the peer is still within its budget.
Errors: none; malformed frames are h2's business. HTTP/1.1 is recognised by its first bytes and never counted.
"""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PING, _CONTINUATION = 0, 1, 2, 3, 4, 6, 9
_HEADER_BYTES = 9

# What one frame costs. A reset throws away a request that we had begun to serve (CVE-2023-44487); the others make us
# answer or do bookkeeping. An empty DATA frame that does not end its stream does nothing at all for an honest peer.
_COSTS = {_RST_STREAM: 10.0, _SETTINGS: 5.0, _PING: 1.0, _PRIORITY: 1.0, _CONTINUATION: 1.0}


class FrameBudget:
    """Follows one connection.

    Args:
        budget: cost units that the peer may spend at once; a reset costs 10, a ping 1.
        refill: units that come back per second.
        now: a monotonic time in seconds.
    """

    def __init__(self, budget: float, refill: float, now: float) -> None:
        self._budget = budget
        self._left = budget
        self._refill = refill
        self._last = now
        self._is_http2: bool | None = None
        self._head = bytearray()  # the preface, then an incomplete frame header
        self._skip = 0  # bytes of the current frame's payload still to come

    def feed(self, received: bytes, now: float) -> bool:
        """Take in bytes; False when the budget is spent, now or earlier."""
        if self._is_http2 is False:
            return True
        self._left = min(self._budget, self._left + (now - self._last) * self._refill)
        self._last = now
        if self._is_http2 is None:
            received = self._read_preface(received)
        position, end = 0, len(received)
        while position < end:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
                position += step
                continue
            step = min(_HEADER_BYTES - len(self._head), end - position)
            self._head += received[position : position + step]
            position += step
            if len(self._head) == _HEADER_BYTES:
                self._skip = int.from_bytes(self._head[:3], "big")
                self._left -= self._cost(self._head[3], self._head[4])
                self._head.clear()
        return self._left >= 0

    def _read_preface(self, received: bytes) -> bytes:
        """Decide between the protocols; what follows the preface, or nothing."""
        self._head += received
        begin = bytes(self._head[: len(PREFACE)])
        if begin != PREFACE[: len(begin)]:
            self._is_http2 = False
            self._head.clear()
            return b""
        if len(begin) < len(PREFACE):
            return b""
        self._is_http2 = True
        rest = bytes(self._head[len(PREFACE) :])
        self._head.clear()
        return rest

    def _cost(self, kind: int, flags: int) -> float:
        if kind == _DATA:
            return 1.0 if self._skip == 0 and not flags & 1 else 0.0
        return _COSTS.get(kind, 0.0)
