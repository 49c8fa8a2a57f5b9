"""A channel over time, against a server that writes frames itself: goodbyes, refusals, losses, silence, backoff.

The clock is trio's autojump clock: seconds pass as soon as nobody can go on.
"""

import pytest
import trio
from trio.testing import MockClock

from alloytrio.grpc import frames
from alloytrio.grpc.client import GrpcChannel, backoff_wait
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.settings import ClientKeepalive, ClientSettings
from alloytrio.grpc.target import Target
from tests.grpc.harness import RawPeer, answer_frames
from tests.grpc.playing import PATH, Pair, answer_next, pair, request_of
from tests.grpc.raw import SERVER_HELLO


async def test_a_call(autojump_clock: MockClock) -> None:
    """A request has gRPC's headers and one message; its answer is the call's result."""
    async with pair() as both:
        outcome = both.call(b"hello")
        peer = await both.accept()
        stream, headers, body = await request_of(peer)
        fields = dict(headers)
        assert fields[b":path"] == PATH.encode()
        assert fields[b":authority"] == both.channel.target.authority.encode()
        assert fields[b"te"] == b"trailers"
        assert b"grpc-timeout" not in fields
        assert b"grpc-encoding" not in fields
        assert body == b"\0\0\0\0\5hello"
        await peer.send(answer_frames(stream, b"world"))
        await outcome.done.wait()
        assert outcome.message == b"world"


async def test_the_callers_deadline_is_told(autojump_clock: MockClock) -> None:
    """grpc-timeout is what is left of the caller's scope; after it the stream is reset and the connection kept."""
    async with pair() as both:
        with trio.move_on_after(2) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(both.channel.unary, PATH, b"x")
                peer = await both.accept()
                _, headers, _ = await request_of(peer)
                assert dict(headers)[b"grpc-timeout"] == b"2000m"
        assert scope.cancelled_caught
        assert trio.current_time() == 2
        assert (await peer.next_of(frames.RST_STREAM)).payload == frames.CANCEL.to_bytes(4, "big")
        outcome = both.call()
        await answer_next(peer)
        await outcome.done.wait()
        assert outcome.message == b"answer"


async def test_goodbye_sends_unprocessed_calls_again(autojump_clock: MockClock) -> None:
    """After GOAWAY, calls above its stream go over a new connection; those below are finished on the old one."""
    async with pair() as both:
        outcomes = [both.call(b"%d" % number) for number in range(3)]
        first = await both.accept()
        requests = [await request_of(first) for _ in range(3)]
        await first.send(frames.goaway_frame(requests[0][0], frames.NO_ERROR, b"bye"))
        second = await both.accept()
        bodies = {await answer_next(second) for _ in range(2)}
        assert bodies == {body for _, _, body in requests[1:]}
        await first.send(answer_frames(requests[0][0], b"old"))
        for outcome in outcomes:
            await outcome.done.wait()
        assert sorted(outcome.message or b"" for outcome in outcomes) == [b"answer", b"answer", b"old"]
        assert not [each for each in await first.until_closed() if each.kind == frames.HEADERS]
        outcome = both.call()
        await answer_next(second)
        await outcome.done.wait()


async def test_goodbye_in_two_steps(autojump_clock: MockClock) -> None:
    """The first GOAWAY names no stream: nothing is sent twice, new calls go elsewhere."""
    async with pair() as both:
        old = both.call()
        first = await both.accept()
        stream, _, _ = await request_of(first)
        await first.send(frames.goaway_frame(frames.LARGEST_STREAM_ID, frames.NO_ERROR, b""))
        await trio.testing.wait_all_tasks_blocked()
        new = both.call()
        second = await both.accept()
        await answer_next(second)
        await new.done.wait()
        await first.send(frames.goaway_frame(stream, frames.NO_ERROR, b""), answer_frames(stream, b"old"))
        await old.done.wait()
        assert (old.message, new.message) == (b"old", b"answer")


async def test_refused_streams_are_sent_again(autojump_clock: MockClock) -> None:
    """REFUSED_STREAM was not processed: the call goes again, but not for ever."""
    async with pair() as both:
        outcome = both.call()
        peer = await both.accept()
        attempts = 0
        while not outcome.done.is_set():
            stream, _, _ = await request_of(peer)
            attempts += 1
            await peer.send(frames.reset_frame(stream, frames.REFUSED_STREAM))
            await trio.testing.wait_all_tasks_blocked()
        assert attempts == 5
        assert not outcome.transport_error.unknown_outcome


async def test_a_lost_connection(autojump_clock: MockClock) -> None:
    """A call that was sent has an unknown outcome when the connection is lost; the next call connects again."""
    async with pair() as both:
        outcome = both.call()
        peer = await both.accept()
        await request_of(peer)
        peer.stream.socket.close()
        await outcome.done.wait()
        assert outcome.transport_error.unknown_outcome
        assert "the server closed the connection" in str(outcome.error)
        outcome = both.call()
        await answer_next(await both.accept())
        await outcome.done.wait()
        assert outcome.message == b"answer"


async def test_a_call_that_was_not_sent_whole(autojump_clock: MockClock) -> None:
    """A request of which the server cannot have had the end was certainly not processed."""
    async with pair() as both:
        outcome = both.call(bytes(1_000_000))
        peer = await both.accept()
        await peer.next_of(frames.DATA)
        peer.stream.socket.close()
        await outcome.done.wait()
        assert not outcome.transport_error.unknown_outcome


async def test_as_many_calls_as_the_server_takes(autojump_clock: MockClock) -> None:
    """Calls beyond the server's MAX_CONCURRENT_STREAMS wait for others to end."""
    hello = frames.settings_frame([(frames.SETTINGS_MAX_CONCURRENT_STREAMS, 2)])
    async with pair() as both:
        outcomes = [both.call() for _ in range(5)]
        peer = await both.accept(hello)
        for _ in range(2):
            await request_of(peer)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await peer.next_of(frames.HEADERS)
        assert scope.cancelled_caught
        await peer.send(answer_frames(1, b"answer"), answer_frames(3, b"answer"))
        for _ in range(3):
            await answer_next(peer)
        for outcome in outcomes:
            await outcome.done.wait()
            assert outcome.message == b"answer"


async def test_backoff(autojump_clock: MockClock) -> None:
    """After a failed attempt calls fail at once until the backoff has passed, which grows to its maximum."""
    async with pair(ClientSettings(backoff_jitter=0.0, backoff_max=4.0)) as both:

        async def fail_to_connect() -> None:
            outcome = both.call()
            peer = await both.accept(hello=b"")
            peer.stream.socket.close()
            await outcome.done.wait()
            assert "before it said hello" in str(outcome.transport_error)

        for wait in (1.0, 1.6, 2.56, 4.0, 4.0):
            await fail_to_connect()
            await trio.sleep(wait - 0.1)
            outcome = both.call()
            await trio.testing.wait_all_tasks_blocked()
            assert not outcome.transport_error.unknown_outcome
            await trio.sleep(0.2)
        outcome = both.call()
        await answer_next(await both.accept())
        await outcome.done.wait()
        assert outcome.message == b"answer"
        both.peers[-1].stream.socket.close()
        await trio.testing.wait_all_tasks_blocked()
        await fail_to_connect()


def test_jitter() -> None:
    """The wait is longer or shorter by up to the jitter."""
    waits = {backoff_wait(ClientSettings(), 0) for _ in range(100)}
    assert 0.8 <= min(waits) < 1 < max(waits) <= 1.2


async def test_one_connection_attempt_for_all_waiting_calls(autojump_clock: MockClock) -> None:
    """Calls that wait for the same attempt all fail with it."""
    async with pair() as both:
        outcomes = [both.call() for _ in range(3)]
        peer = await both.accept(hello=b"")
        peer.stream.socket.close()
        for outcome in outcomes:
            await outcome.done.wait()
            assert not outcome.transport_error.unknown_outcome
        assert trio.current_time() == 0


async def test_one_connection_for_calls_that_come_while_it_is_made(autojump_clock: MockClock) -> None:
    """A call that begins during the attempt to connect shares its connection."""
    async with pair() as both:
        outcomes = [both.call()]
        peer = RawPeer(await both.listener.accept())
        both.peers.append(peer)
        outcomes.append(both.call())
        await trio.sleep(1)
        await peer.send(SERVER_HELLO)
        for _ in outcomes:
            await answer_next(peer)
        for outcome in outcomes:
            await outcome.done.wait()
            assert outcome.message == b"answer"
        with trio.move_on_after(10):
            await both.listener.accept()
            pytest.fail("a second connection")


@pytest.mark.parametrize("hello", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_server_that_does_not_speak_http2(hello: bytes, autojump_clock: MockClock) -> None:
    """A server that is silent or speaks another protocol fails the attempt, in time."""
    async with pair(ClientSettings(connect_timeout=8.0)) as both:
        outcome = both.call()
        peer = RawPeer(await both.listener.accept())
        both.peers.append(peer)
        await peer.send(hello)
        await outcome.done.wait()
        assert trio.current_time() == (0 if hello else 8)
        text = "a frame is larger than announced" if hello else "no connection within 8 s"
        assert text in str(outcome.transport_error)


async def test_keepalive(autojump_clock: MockClock) -> None:
    """A call without a sign of life is pinged after ping_wait, and lost ping_response_timeout later."""
    settings = ClientSettings(keepalive=ClientKeepalive(ping_wait=10.0, ping_response_timeout=5.0))
    async with pair(settings) as both:
        outcome = both.call()
        peer = await both.accept()
        await request_of(peer)
        ping = await peer.next_of(frames.PING)
        assert trio.current_time() == 10
        await peer.send(frames.ping_frame(ping.payload, ack=True))
        await peer.next_of(frames.PING)
        assert trio.current_time() == 20
        await outcome.done.wait()
        assert trio.current_time() == 25
        assert outcome.transport_error.unknown_outcome
        assert "no sign of life" in str(outcome.error)


@pytest.mark.parametrize("without_stream", [False, True])
async def test_keepalive_of_an_idle_connection(without_stream: bool, autojump_clock: MockClock) -> None:
    """Without calls there are no pings, unless ping_without_stream; idle time before a call does not count."""
    settings = ClientSettings(keepalive=ClientKeepalive(10.0, 5.0, ping_without_stream=without_stream))
    async with pair(settings) as both:
        outcome = both.call()
        peer = await both.accept()
        await answer_next(peer)
        await outcome.done.wait()
        with trio.move_on_after(19) as scope:
            await peer.next_of(frames.PING)
        assert scope.cancelled_caught != without_stream
        if not without_stream:
            outcome = both.call()
            await request_of(peer)
            await peer.next_of(frames.PING)
            assert trio.current_time() == 29


async def test_a_half_dead_connection_is_found_by_a_deadline(autojump_clock: MockClock) -> None:
    """Without keepalive too: a call that ends in silence has the connection probed and dropped."""
    async with pair(ClientSettings(probe_timeout=3.0)) as both:
        with trio.move_on_after(5):
            await first_call(both)
        peer = both.peers[0]
        await peer.next_of(frames.PING)
        closed = await peer.until_closed()
        assert trio.current_time() == 8
        assert [each.kind for each in closed] == []
        outcome = both.call()
        await answer_next(await both.accept())
        await outcome.done.wait()
        assert outcome.message == b"answer"


async def first_call(both: Pair) -> None:
    """A call that is taken and never answered."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(both.channel.unary, PATH, b"x")
        await request_of(await both.accept())


async def test_a_slow_server_that_lives_is_kept(autojump_clock: MockClock) -> None:
    """A server that answers the probe keeps its connection."""
    async with pair(ClientSettings(probe_timeout=3.0)) as both:
        with trio.move_on_after(5):
            await first_call(both)
        peer = both.peers[0]
        ping = await peer.next_of(frames.PING)
        await peer.send(frames.ping_frame(ping.payload, ack=True))
        await trio.sleep(60)
        outcome = both.call()
        await answer_next(peer)
        await outcome.done.wait()
        assert outcome.message == b"answer"


async def test_a_closed_channel(autojump_clock: MockClock) -> None:
    """Calls under way end when the channel does; later ones fail at once."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    channel = GrpcChannel(Target("127.0.0.1", listener.socket.getsockname()[1]))
    with pytest.raises(TransportError, match="not running"):
        await channel.unary(PATH, b"")
    errors: list[TransportError] = []

    async def call() -> None:
        with pytest.raises(TransportError) as caught:
            await channel.unary(PATH, b"x")
        errors.append(caught.value)

    async with trio.open_nursery() as calls:
        async with trio.open_nursery() as nursery:
            await nursery.start(channel.run)
            calls.start_soon(call)
            peer = RawPeer(await listener.accept())
            await peer.send(SERVER_HELLO)
            await request_of(peer)
            nursery.cancel_scope.cancel()
    assert errors[0].unknown_outcome
    with pytest.raises(TransportError, match="the channel is closed"):
        await channel.unary(PATH, b"")
    peer.stream.socket.close()
    listener.socket.close()
