"""Makes hypercorn's HTTP/2 send buffer bounded.

``StreamBuffer.pop`` of hypercorn 0.18 wakes the waiting app whenever it *took* little from the buffer, which is always
so when the peer's flow control window is closed; so an app that streams to a peer that gives no window fills the memory
(tried: 50 s of a full core without one wait). Ours wakes it when little is *left*.

hypercorn makes its buffers by the name in its own module, so importing this module puts ours there.
Source: hypercorn/protocol/h2.py, classes ``StreamBuffer`` and ``H2Protocol``.
"""

from hypercorn.protocol import h2

HIGH_WATER_BYTES = 64 * 1024  # an app waits when more than this is unsent
LOW_WATER_BYTES = 16 * 1024  # and goes on when less is left: one frame of the usual size


class BoundedStreamBuffer(h2.StreamBuffer):
    """Bytes of one answer that wait for the peer's window."""

    async def push(self, data: bytes) -> None:
        """Add bytes; waits while too many are unsent.

        Raises:
            hypercorn.protocol.h2.BufferCompleteError: the stream has ended.
        """
        if self._complete:
            raise h2.BufferCompleteError
        self.buffer.extend(data)
        await self._is_empty.clear()
        if len(self.buffer) > HIGH_WATER_BYTES:
            await self._paused.clear()
            await self._paused.wait()

    async def pop(self, max_length: int) -> bytes:
        """Take at most ``max_length`` bytes."""
        length = min(len(self.buffer), max_length)
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        if len(self.buffer) < LOW_WATER_BYTES:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return taken


h2.StreamBuffer = BoundedStreamBuffer  # type: ignore[misc]
