"""Writing to one connection from many tasks."""

import trio

from alloytrio.grpc import frames
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.transport import Transport


async def test_nothing_is_written_while_the_end_is_sent() -> None:
    """What is queued when the last words are being said, such as a goodbye to all clients, disturbs nobody."""
    for _ in range(30):  # trio lets the two tasks go on in any order
        ours, theirs = (trio.SocketStream(each) for each in trio.socket.socketpair())
        connection = Connection(client=False, limits=Limits(), memory=ReceiveMemory(1 << 20))
        transport = Transport(ours, connection)
        await transport.flush()
        async with theirs, ours, trio.open_nursery() as nursery:
            nursery.start_soon(transport.part)
            await trio.lowlevel.checkpoint()
            connection.goaway(frames.NO_ERROR, b"")
            await transport.flush()
            received = b""
            while data := await theirs.receive_some(10_000):
                received += data
            assert received[3] == frames.SETTINGS
            await theirs.aclose()
