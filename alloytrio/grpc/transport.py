"""Writing to one connection from many tasks, without a task for it.

Whoever has queued something calls ``flush``. The first one writes, and takes along what others queue meanwhile; the
others return at once. So answers that become ready together leave in one write, and an idle connection costs no task.
Never call ``flush`` inside a scope that may be cancelled while the connection lives on: half a frame would be written.
"""

from typing import Protocol

import trio

from alloytrio.grpc.http2 import Connection

WRITE_BYTES = 65_536  # per write: enough to amortise the call, little enough to let answers in between long bodies
LINGER = 1.0  # seconds for a peer to read our last words before the socket is closed
LINGER_BYTES = 1_048_576  # what is read and dropped meanwhile; closing with unread bytes would destroy our last words


class Transport:
    """The trio side of a connection: bytes between an HTTP/2 state and a stream.

    Args:
        stream: connected; who made it closes it.
        connection: whose output is written.

    Attributes:
        write_started_at: trio's time when the current write began; negative when nobody writes.
        broken: writing failed: the peer is gone.
        lost_by: what ended reading, if it was an error.
    """

    def __init__(self, stream: "ByteStream", connection: Connection) -> None:
        self.write_started_at = -1.0
        self.broken = False
        self.lost_by: BaseException | None = None
        self._stream = stream
        self._connection = connection
        self._writing = False
        self._parted = False  # our last words are said: what is queued later is not written
        self._room: trio.Event | None = None

    async def flush(self) -> None:
        """Write what is queued, unless somebody is at it. A peer that is gone is noted in ``broken``, not raised."""
        if self._writing or self.broken or self._parted:
            return
        self._writing = True
        try:
            while self._connection.has_output():
                data = self._connection.take_output(WRITE_BYTES)
                self.write_started_at = trio.current_time()
                await self._stream.send_all(data)
                self._make_room()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.broken = True
        finally:
            self._writing = False
            self.write_started_at = -1.0
            self._make_room()

    def _make_room(self) -> None:
        if self._room is not None and (self.broken or not self._writing or not self._connection.output_backlog()):
            self._room.set()
            self._room = None

    async def wait_for_room(self) -> None:
        """Wait while the peer does not read what is queued for it."""
        if self._writing and self._connection.output_backlog():
            await self._wait()

    async def _wait(self) -> None:
        if self._room is None:
            self._room = trio.Event()
        await self._room.wait()

    async def read(self, max_bytes: int) -> bytes:
        """Some bytes; none when the peer is gone, however it went."""
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.lost_by = error.__cause__
            return b""

    async def finish(self) -> None:
        """Write what is queued, and wait until whoever is writing is done."""
        while self._writing:
            await self._wait()
        await self.flush()

    async def part(self) -> None:
        """Say the last words, and wait a moment for the peer to read them. Nothing is written after that."""
        with trio.move_on_after(LINGER):
            await self.finish()
            if self.broken:
                return
            if isinstance(self._stream, trio.SocketStream):
                self._parted = True
                try:
                    await self._stream.send_eof()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
            dropped = 0
            while dropped < LINGER_BYTES:
                data = await self.read(WRITE_BYTES)
                if not data:
                    return
                dropped += len(data)


class ByteStream(Protocol):
    """What we need of trio's streams."""

    async def send_all(self, data: bytes, /) -> None:
        """Write all of it."""
        ...

    async def receive_some(self, max_bytes: int | None = None, /) -> bytes | bytearray:
        """Read what is there."""
        ...
