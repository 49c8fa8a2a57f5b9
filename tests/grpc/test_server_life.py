"""Connections over time: handshakes, slow and silent clients, keepalive, age, draining, clients that vanish.

The clock is trio's autojump clock: seconds pass as soon as nobody can go on.
"""

import errno

import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock

from alloytrio.grpc import frames
from alloytrio.grpc.keepalive import EnforcementPolicy, ServerKeepalive
from alloytrio.grpc.settings import ServerSettings
from tests.failing_accept import ACCEPT_ERRORS, fail_accepts
from tests.grpc.harness import Probe, RawPeer, Running, call, headers_for, serving
from tests.grpc.raw import HELLO, Frame, data, frame, grpc_message, request

SWEEP = 1.0  # how late the server may look at the clock


async def time_until_closed(peer: RawPeer) -> float:
    """Seconds until the server closes the connection."""
    start = trio.current_time()
    await peer.until_closed()
    return trio.current_time() - start


def within(value: float, expected: float) -> bool:
    """Whether something happened when it should have, but for the server's looks at the clock."""
    return expected <= value <= expected + 2 * SWEEP


async def ping_until_answered(peer: RawPeer) -> None:
    """Know that the server has seen all that was sent."""
    await peer.send(frame(frames.PING, 0, 0, b"12345678"))
    await peer.next_of(frames.PING)


async def test_a_client_that_says_nothing(autojump_clock: MockClock) -> None:
    """A connection without HTTP/2's first frames is closed after handshake_timeout."""
    async with serving([Probe()], ServerSettings(handshake_timeout=10.0)) as running:
        peer = await running.connect(hello=b"")
        assert within(await time_until_closed(peer), 10)
        peer = await running.connect(hello=HELLO[:30])
        assert within(await time_until_closed(peer), 10)


async def test_a_client_that_speaks_http_1(autojump_clock: MockClock) -> None:
    """Another protocol is closed at once."""
    async with serving([Probe()]) as running:
        peer = await running.connect(hello=b"GET / HTTP/1.1\r\n\r\n")
        frames_sent = await peer.until_closed()
        assert frames_sent[-1].kind == frames.GOAWAY
        assert trio.current_time() < 1


async def test_a_frame_that_never_ends(autojump_clock: MockClock) -> None:
    """A client that sends half a frame, or a header block without end, is closed after frame_timeout."""
    async with serving([Probe()], ServerSettings(frame_timeout=5.0)) as running:
        for part in (frame(frames.PING, 0, 0, b"123", length=8), frame(frames.HEADERS, 0, 1, b"\x83")):
            peer = await running.connect()
            await peer.send(part)
            assert within(await time_until_closed(peer), 5)


async def test_a_request_that_drips(autojump_clock: MockClock) -> None:
    """A body that does not arrive within request_timeout is DEADLINE_EXCEEDED; the connection lives on."""
    async with serving([Probe()], ServerSettings(request_timeout=20.0)) as running:
        peer = await running.connect()
        await peer.send(request(1, headers_for("echo")), data(1, grpc_message(bytes(1000))[:5]))
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                while True:
                    await trio.sleep(1)
                    await peer.send(data(1, b"x"))

            nursery.start_soon(drip)
            answer = await peer.answer(1)
            assert within(trio.current_time(), 20)
            nursery.cancel_scope.cancel()
        assert answer.status[0] is Status.DEADLINE_EXCEEDED
        await peer.call(3, "echo", b"x")
        assert (await peer.answer(3)).message == b"x"


async def test_the_deadline_of_a_call(autojump_clock: MockClock) -> None:
    """grpc-timeout cancels the handler exactly then, and the client is told."""
    probe = Probe()
    async with serving([probe]) as running:
        peer = await running.connect()
        await peer.call(1, "wait", b"", (b"grpc-timeout", b"2500m"))
        answer = await peer.answer(1)
        assert trio.current_time() == 2.5
        assert answer.status == (Status.DEADLINE_EXCEEDED, "the deadline passed")
        assert probe.log == ["started", "cancelled"]


async def test_a_reset_cancels_the_handler(autojump_clock: MockClock) -> None:
    """RST_STREAM cancels its handler, and no other."""
    probe = Probe()
    async with serving([probe]) as running:
        peer = await running.connect()
        await peer.send(call(1, "wait", b""), call(3, "wait", b""))
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(frames.reset_frame(1, frames.CANCEL))
        await ping_until_answered(peer)
        await trio.testing.wait_all_tasks_blocked()
        assert probe.log == ["started", "started", "cancelled"]
        probe.release.set()
        assert (await peer.answer(3)).message == b"done"


async def test_a_call_that_is_reset_before_it_starts(autojump_clock: MockClock) -> None:
    """A request and its reset in one read run nothing."""
    probe = Probe()
    async with serving([probe]) as running:
        peer = await running.connect()
        await peer.send(call(1, "wait", b"") + frames.reset_frame(1, frames.CANCEL))
        await ping_until_answered(peer)
        assert probe.log == []


async def test_a_client_that_hangs_up_cancels_its_handlers(autojump_clock: MockClock) -> None:
    """When a connection is gone, its handlers are cancelled."""
    probe = Probe()
    async with serving([probe]) as running:
        peer = await running.connect()
        await peer.call(1, "wait", b"")
        await trio.testing.wait_all_tasks_blocked()
        peer.stream.socket.close()
        await trio.sleep(0.1)
        assert probe.log == ["started", "cancelled"]
        assert running.server.connections == 0


async def test_keepalive_finds_a_dead_client(autojump_clock: MockClock) -> None:
    """A silent client is pinged after ``time``, and cut off when it stays silent for ``timeout``."""
    keepalive = ServerKeepalive(time=30.0, timeout=10.0)
    async with serving([Probe()], ServerSettings(keepalive=keepalive)) as running:
        peer = await running.connect()
        ping = await peer.next_of(frames.PING)
        assert within(trio.current_time(), 30)
        await peer.send(frames.ping_frame(ping.payload, ack=True))
        await peer.next_of(frames.PING)
        assert within(trio.current_time(), 60)
        assert within(await time_until_closed(peer), 10)


async def test_an_idle_connection_is_drained(autojump_clock: MockClock) -> None:
    """max_connection_idle counts from the last call, and ends with GOAWAY NO_ERROR."""
    settings = ServerSettings(keepalive=ServerKeepalive(max_connection_idle=60.0))
    async with serving([Probe()], settings) as running:
        peer = await running.connect()
        await trio.sleep(50)
        await peer.call(1, "echo", b"x")
        assert (await peer.answer(1)).message == b"x"
        left = await peer.until_closed()
        assert 110 <= trio.current_time() <= 116
        assert [each.payload[4:8] for each in left if each.kind == frames.GOAWAY] == [bytes(4), bytes(4)]


async def test_an_old_connection_is_drained_and_cut(autojump_clock: MockClock) -> None:
    """max_connection_age ends with GOAWAY; calls under way have max_connection_age_grace."""
    keepalive = ServerKeepalive(max_connection_age=100.0, max_connection_age_grace=20.0)
    probe = Probe()
    async with serving([probe], ServerSettings(keepalive=keepalive)) as running:
        peer = await running.connect()
        await peer.call(1, "wait", b"")
        await peer.next_of(frames.GOAWAY)
        assert 90 <= trio.current_time() <= 112
        assert within(await time_until_closed(peer), 20)
        assert probe.log == ["started", "cancelled"]


async def test_draining_finishes_what_is_under_way(autojump_clock: MockClock) -> None:
    """On stop: no new connections, GOAWAY in two steps; late calls are served until the second; all are answered."""
    probe = Probe()
    async with serving([probe]) as running:
        peer = await running.connect()
        await peer.call(1, "wait", b"")
        await trio.testing.wait_all_tasks_blocked()
        running.stop.set()
        first = await peer.next_of(frames.GOAWAY)
        assert last_stream(first) == frames.LARGEST_STREAM_ID
        await peer.call(3, "echo", b"late")
        assert (await peer.answer(3)).message == b"late"
        second = await peer.next_of(frames.GOAWAY)
        assert last_stream(second) == 3
        await peer.send(call(5, "echo", b"too late"))
        await trio.sleep(30)
        assert not running.stopped.is_set()
        probe.release.set()
        assert (await peer.answer(1)).message == b"done"
        assert await peer.until_closed() == []
        with trio.fail_after(3):
            await running.stopped.wait()


def last_stream(goaway: Frame) -> int:
    return int.from_bytes(goaway.payload[:4], "big")


async def test_stopping_without_clients_takes_no_time(autojump_clock: MockClock) -> None:
    """A server that nobody is connected to stops at once."""
    async with serving([Probe()]) as running:
        running.stop.set()
        await running.stopped.wait()
        assert trio.current_time() == 0


async def test_stopping_cuts_strangers_off(autojump_clock: MockClock) -> None:
    """A connection that never said hello does not hold up the stop."""
    async with serving([Probe()]) as running:
        await running.connect(hello=b"")
        await trio.testing.wait_all_tasks_blocked()
        running.stop.set()
        with trio.fail_after(3):
            await running.stopped.wait()


async def test_too_many_pings(autojump_clock: MockClock) -> None:
    """Pings more often than min_time are forgiven twice; then GOAWAY ENHANCE_YOUR_CALM too_many_pings."""
    settings = ServerSettings(enforcement=EnforcementPolicy(min_time=10.0, permit_without_stream=True))
    async with serving([Probe()], settings) as running:
        peer = await running.connect()
        for _ in range(5):
            await ping_until_answered(peer)
            await trio.sleep(10)
        for _ in range(3):
            await ping_until_answered(peer)
        await peer.send(frame(frames.PING, 0, 0, b"12345678"))
        goaway = await peer.next_of(frames.GOAWAY)
        assert goaway.payload[4:] == frames.ENHANCE_YOUR_CALM.to_bytes(4, "big") + b"too_many_pings"
        await peer.until_closed()


async def test_pings_between_answers_are_fine(autojump_clock: MockClock) -> None:
    """A client may ping as often as it gets answers (grpc-go measures the bandwidth so)."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        for number in range(1, 1001, 2):
            await peer.call(number, "echo", b"x")
            assert (await peer.answer(number)).message == b"x"
            await ping_until_answered(peer)


async def test_pings_without_a_call(autojump_clock: MockClock) -> None:
    """By default an idle client may ping once in two hours, with two strikes."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        for _ in range(3):
            await ping_until_answered(peer)
            await trio.sleep(600)
        await peer.send(frame(frames.PING, 0, 0, b"12345678"))
        await peer.next_of(frames.GOAWAY)


async def test_a_client_that_does_not_read(autojump_clock: MockClock) -> None:
    """Answers to a client that stops reading are bounded, and the connection is cut off after write_timeout."""
    async with serving([Probe()], ServerSettings(write_timeout=15.0)) as running:
        peer = await running.connect()
        grow = frames.settings_frame([(frames.SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30)])
        await peer.send(grow, frames.window_update_frame(0, 1 << 30))
        await peer.send(*[call(number, "big", b"1000000") for number in range(1, 101, 2)])
        await trio.sleep(14)
        assert running.server.connections == 1
        await trio.sleep(1 + 2 * SWEEP)
        assert running.server.connections == 0


async def test_a_client_whose_window_stays_shut(autojump_clock: MockClock) -> None:
    """An answer that the client's windows do not let out is given up after write_timeout; others are not held up."""
    async with serving([Probe()], ServerSettings(write_timeout=15.0)) as running:
        peer = await running.connect(hello=HELLO + frames.settings_frame([(frames.SETTINGS_INITIAL_WINDOW_SIZE, 0)]))
        await peer.send(call(1, "echo", b"x"), call(3, "fail", b""))
        assert (await peer.answer(3)).status[0] is Status.UNAVAILABLE
        answer = await peer.answer(1)
        assert answer.reset == frames.CANCEL
        assert within(trio.current_time(), 15)


async def test_max_connections(autojump_clock: MockClock) -> None:
    """Connections beyond the limit are closed at once; there is room again when one ends."""
    async with serving([Probe()], ServerSettings(max_connections=2)) as running:
        peers = [await running.connect() for _ in range(2)]
        for peer in peers:
            await peer.next_of(frames.SETTINGS)
        third = await running.connect(hello=b"")
        assert await third.until_closed() == []
        peers[0].stream.socket.close()
        await trio.sleep(0.1)
        fourth = await running.connect()
        await fourth.next_of(frames.SETTINGS)


async def test_many_half_open_connections(autojump_clock: MockClock) -> None:
    """Connections that were opened and left alone delay nobody, and are closed in time."""
    async with serving([Probe()], ServerSettings(handshake_timeout=5.0)) as running:
        await open_idle(running, 300)
        peer = await running.connect()
        await peer.call(1, "echo", b"x")
        with trio.fail_after(1):
            assert (await peer.answer(1)).message == b"x"
        await trio.sleep(5 + 2 * SWEEP)
        assert running.server.connections == 1


async def open_idle(running: Running, number: int) -> None:
    for _ in range(number):
        await running.connect(hello=b"")


async def test_accept_that_fails(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """No error of accept that another connection may cure ends the server; a lack of resources is reported once."""
    async with serving([Probe()]) as running:
        coming = fail_accepts(monkeypatch, *ACCEPT_ERRORS)
        peer = await running.connect()
        await peer.call(1, "echo", b"x")
        assert (await peer.answer(1)).message == b"x"
        assert coming == []
        assert [error.errno for error in running.accept_errors] == [errno.EMFILE]
