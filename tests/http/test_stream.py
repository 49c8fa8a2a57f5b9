"""The stream under hypercorn."""

import trio
import trio.testing

from alloytrio.http.stream import ServedStream

PIECE = 4_000_000  # bytes: more than any socket buffer takes at once


async def connected() -> tuple[trio.SocketStream, ServedStream]:
    """A client, and what serves it."""
    async with (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0] as listener:
        client = await trio.testing.open_stream_to_socket_listener(listener)
        return client, ServedStream(await listener.accept(), write_timeout=60)


async def test_writes_take_turns() -> None:
    """Two tasks that write at once, as an answer and a "100 Continue" may, both write whole and one after the other."""
    client, stream = await connected()
    received = bytearray()
    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"a" * PIECE)
        nursery.start_soon(stream.send_all, b"b" * PIECE)
        while len(received) < 2 * PIECE:
            received += await client.receive_some()
    await stream.aclose()
    assert bytes(received) in {b"a" * PIECE + b"b" * PIECE, b"b" * PIECE + b"a" * PIECE}


async def test_the_end_waits_for_its_turn() -> None:
    """An end of the stream that is said during a write comes behind it."""
    client, stream = await connected()
    received = bytearray()
    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"a" * PIECE)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(stream.send_eof)
        async for piece in client:
            received += piece
    await stream.aclose()
    assert len(received) == PIECE
