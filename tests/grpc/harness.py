"""A running server, and clients and servers that speak frames: over loopback, under trio's autojump clock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from grpclib.const import Handler, Status
from grpclib.exceptions import GRPCError

from alloytrio.grpc import frames
from alloytrio.grpc.message import read_status
from alloytrio.grpc.server import GrpcServer
from alloytrio.grpc.service import CallContext, Servable, raw_handler
from alloytrio.grpc.settings import ServerSettings
from alloytrio.grpc.status import retry_info
from tests.grpc.raw import HELLO, REQUEST, Frame, Headers, block, data, frame, grpc_message, request


@dataclass
class Probe:
    """A service whose methods each do one thing. ``log`` says what handlers went through."""

    log: list[str] = field(default_factory=list)
    release: trio.Event = field(default_factory=trio.Event)

    async def echo(self, message: bytes, context: CallContext) -> bytes:
        return message

    async def empty(self, message: bytes, context: CallContext) -> bytes:
        return b""

    async def fail(self, message: bytes, context: CallContext) -> bytes:
        raise GRPCError(Status.UNAVAILABLE, "büsy", [retry_info(30)])

    async def crash(self, message: bytes, context: CallContext) -> bytes:
        raise RuntimeError("a bug")

    async def wait(self, message: bytes, context: CallContext) -> bytes:
        """Answer "done" once released."""
        self.log.append("started")
        try:
            await self.release.wait()
        except trio.Cancelled:
            self.log.append("cancelled")
            raise
        self.log.append("released")
        return b"done"

    async def big(self, message: bytes, context: CallContext) -> bytes:
        """As many bytes as the message says."""
        return bytes(int(message))

    def __mapping__(self) -> dict[str, Handler]:
        methods = (self.echo, self.empty, self.fail, self.crash, self.wait, self.big)
        return {f"/probe.Probe/{method.__name__}": raw_handler(method) for method in methods}


@dataclass
class Running:
    """A server that runs. ``errors``: what handlers raised; ``accept_errors``: as reported. Set ``stop`` to end it."""

    server: GrpcServer
    port: int
    stop: trio.Event
    stopped: trio.Event
    errors: list[tuple[str, BaseException]]
    accept_errors: list[OSError]
    peers: list["RawPeer"] = field(default_factory=list)

    async def connect(self, *, hello: bytes = HELLO) -> "RawPeer":
        """A client that has said hello, if it is to."""
        peer = RawPeer(await trio.open_tcp_stream("127.0.0.1", self.port))
        self.peers.append(peer)
        if hello:
            await peer.send(hello)
        return peer

    def close_peers(self) -> None:
        """Hang up all clients."""
        for peer in self.peers:
            peer.stream.socket.close()


@asynccontextmanager
async def serving(
    services: Sequence[Servable], settings: ServerSettings | None = None, *, check_memory: bool = True
) -> AsyncIterator[Running]:
    """Run a server on loopback; at the end clients leave, it is stopped, and must have given all memory back."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    errors: list[tuple[str, BaseException]] = []
    accept_errors: list[OSError] = []
    server = GrpcServer(
        listeners,
        services,
        settings,
        on_error=lambda path, error: errors.append((path, error)),
        on_accept_error=accept_errors.append,
    )
    running = Running(server, port, trio.Event(), trio.Event(), errors, accept_errors)

    async def run(task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128 - passed on
        await server.run(running.stop, task_status=task_status)
        running.stopped.set()

    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield running
            running.close_peers()
            running.stop.set()
    finally:
        running.close_peers()
        listeners[0].socket.close()
    assert server.connections == 0
    if check_memory:
        assert server.memory.used == 0


class RawPeer:
    """One end of a connection that reads and writes frames itself."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._held = b""
        self._answers: dict[int, Answer] = {}

    async def send(self, *parts: bytes) -> None:
        """Write bytes as they are."""
        await self.stream.send_all(b"".join(parts))

    async def next_frame(self) -> Frame | None:
        """The next frame; None when the other side closed the connection."""
        while len(self._held) < 9 or len(self._held) < 9 + int.from_bytes(self._held[:3], "big"):
            try:
                received = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not received:
                return None
            self._held += received
            self._held = self._held.removeprefix(frames.PREFACE)
        length = int.from_bytes(self._held[:3], "big")
        kind, flags, stream = self._held[3], self._held[4], int.from_bytes(self._held[5:9], "big")
        payload, self._held = self._held[9 : 9 + length], self._held[9 + length :]
        return Frame(kind, flags, stream, bytes(payload))

    async def next_of(self, *kinds: int) -> Frame:
        """The next frame of one of these kinds; others are skipped."""
        while True:
            each = await self.next_frame()
            assert each is not None, "the connection was closed"
            if each.kind in kinds and not (each.kind == frames.SETTINGS and each.flags & frames.FLAG_ACK):
                return each

    async def until_closed(self) -> list[Frame]:
        """All frames until the other side closes the connection."""
        found = []
        while (each := await self.next_frame()) is not None:
            found.append(each)
        return found

    async def call(self, stream: int, method: str, message: bytes, *extra: tuple[bytes, bytes]) -> None:
        """Send a whole request."""
        await self.send(call(stream, method, message, *extra))

    async def answer(self, stream: int) -> "Answer":
        """All of the answer on a stream; what comes on others is kept for them."""
        while not (found := self._answers.setdefault(stream, Answer())).complete:
            each = await self.next_of(frames.HEADERS, frames.DATA, frames.RST_STREAM)
            self._answers.setdefault(each.stream, Answer()).add(each)
        return found


@dataclass
class Answer:
    """What came on a stream. ``reset``: the code of RST_STREAM that cut it off."""

    headers: list[Headers] = field(default_factory=list)
    body: bytes = b""
    reset: int | None = None
    complete: bool = False

    def add(self, each: Frame) -> None:
        """One more frame."""
        if each.kind == frames.RST_STREAM and not self.complete:
            self.reset = int.from_bytes(each.payload, "big")
            self.complete = True
        elif each.kind == frames.HEADERS:
            self.headers.append(decode(each.payload))
        elif each.kind == frames.DATA:
            self.body += each.payload
        if each.kind != frames.RST_STREAM and each.flags & frames.FLAG_END_STREAM:
            self.complete = True

    @property
    def status(self) -> tuple[Status, str]:
        """grpc-status and grpc-message."""
        found = read_status(self.headers[-1])
        assert found is not None
        return Status(found[0]), found[1]

    @property
    def message(self) -> bytes:
        """The message of an answer that was fine."""
        assert self.status == (Status.OK, "")
        assert len(self.body) == 5 + int.from_bytes(self.body[:5], "big")
        return self.body[5:]


def decode(fields: bytes) -> Headers:
    """A header block of ours, which needs no state."""
    import hpack

    return [(bytes(name), bytes(value)) for name, value in hpack.Decoder().decode(fields, raw=True)]


def headers_for(method: str, *extra: tuple[bytes, bytes]) -> Headers:
    """The header list of a call."""
    path = (b":path", f"/probe.Probe/{method}".encode())
    return [path if name == b":path" else (name, value) for name, value in REQUEST] + list(extra)


def call(stream: int, method: str, message: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """The frames of a whole request."""
    body = grpc_message(message)
    pieces = [body[position : position + 16_384] for position in range(0, len(body), 16_384)]
    parts = [request(stream, headers_for(method, *extra))]
    parts += [data(stream, piece, ends=number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    return b"".join(parts)


def answer_frames(stream: int, message: bytes, trailers: Headers | None = None) -> bytes:
    """The frames of a server's answer."""
    fields = block([(b":status", b"200"), (b"content-type", b"application/grpc")])
    last = block([(b"grpc-status", b"0")] if trailers is None else trailers)
    return (
        frame(frames.HEADERS, frames.FLAG_END_HEADERS, stream, fields)
        + data(stream, grpc_message(message))
        + frame(frames.HEADERS, frames.FLAG_END_HEADERS | frames.FLAG_END_STREAM, stream, last)
    )
