"""Listening sockets are opened once, handed over, and closed when nobody uses them."""

import errno
from pathlib import Path

import pytest
import trio
import trio.testing

from alloytrio.errors import ConfigError
from alloytrio.listeners import ACCEPT_PAUSE, Listeners, accept, accept_for_ever
from tests.failing_accept import ACCEPT_ERRORS, fail_accepts


async def test_same_socket_for_the_same_address() -> None:
    """A second open of an address gives the socket that is there, which is how a reload hands it over."""
    listeners = Listeners()
    first = listeners.open("127.0.0.1:0")
    assert listeners.open("127.0.0.1:0") is first
    assert listeners.taken() == {"127.0.0.1:0"}
    listeners.keep_only(frozenset())
    with pytest.raises(trio.ClosedResourceError):
        await first[0].accept()


async def test_taken_port_is_named() -> None:
    """A port in use is an error that names it."""
    listeners, other = Listeners(), Listeners()
    port = listeners.open("127.0.0.1:0")[0].socket.getsockname()[1]
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        other.open(f"127.0.0.1:{port}")
    async with await trio.open_tcp_stream("127.0.0.1", port):
        listeners.keep_only(frozenset())


async def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """A socket file that nobody listens on (after a crash) does not stop the start; a live one does."""
    path = str(tmp_path / "otlp.sock")
    before = Listeners()
    before.open(path, transport="unix")
    with pytest.raises(ConfigError, match="cannot listen on"):
        Listeners().open(path, transport="unix")
    before.keep_only(frozenset())
    after = Listeners()
    after.open(path, transport="unix")
    async with await trio.open_unix_socket(path):
        after.keep_only(frozenset())


async def test_all_waiting_connections_are_accepted_at_once() -> None:
    """One call takes what waits, up to its bound; each connection works."""
    listener = Listeners().open("127.0.0.1:0")[0]
    clients = [await trio.open_tcp_stream(*listener.socket.getsockname()) for _ in range(5)]
    accepted = [*await accept(listener, 3), *await accept(listener, 3)]
    assert len(accepted) == 5
    for number, (client, served) in enumerate(zip(clients, accepted, strict=True)):
        await client.send_all(bytes([number]))
        assert await served.receive_some() == bytes([number])
        await client.aclose()
        await served.aclose()
    await listener.aclose()


async def test_accept_waits_and_can_be_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    """Without a connection it waits; a cancelled wait leaves the listener in order, a closed one is an error."""
    listener = Listeners().open("127.0.0.1:0")[0]
    with trio.move_on_after(5) as scope:
        await accept(listener)
    assert scope.cancelled_caught
    client = await trio.open_tcp_stream(*listener.socket.getsockname())
    for served in await accept(listener):
        await served.aclose()
    await client.aclose()
    await listener.aclose()
    with pytest.raises(ValueError, match="file descriptor"):
        await accept(listener)


@pytest.mark.parametrize("error", ACCEPT_ERRORS, ids=[errno.errorcode[each] for each in ACCEPT_ERRORS])
async def test_accepting_goes_on(
    error: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Connections that are gone are passed over; a lack of resources is reported once and waited out."""
    coming = fail_accepts(monkeypatch, error, error, error)
    listener = Listeners().open("127.0.0.1:0")[0]
    reported: list[OSError] = []
    send, receive = trio.open_memory_channel[trio.SocketStream](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_for_ever, listener, send.send_nowait, reported.append)
        client = await trio.open_tcp_stream(*listener.socket.getsockname())
        served = await receive.receive()
        assert coming == []
        nursery.cancel_scope.cancel()
    exhausted = error in ACCEPT_ERRORS[:4]
    assert [each.errno for each in reported] == ([error] if exhausted else [])
    assert trio.current_time() == pytest.approx(3 * ACCEPT_PAUSE if exhausted else 0)
    await client.aclose()
    await served.aclose()
    await listener.aclose()


async def test_a_lack_that_comes_back_is_reported_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """After a connection was accepted the next lack of resources is news."""
    coming = fail_accepts(monkeypatch)
    listener = Listeners().open("127.0.0.1:0")[0]
    reported: list[OSError] = []
    send, receive = trio.open_memory_channel[trio.SocketStream](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_for_ever, listener, send.send_nowait, reported.append)
        for _ in range(2):
            coming += [errno.EMFILE, errno.ENFILE]
            client = await trio.open_tcp_stream(*listener.socket.getsockname())
            await (await receive.receive()).aclose()
            await client.aclose()
        nursery.cancel_scope.cancel()
    assert [each.errno for each in reported] == [errno.EMFILE, errno.EMFILE]
    await listener.aclose()


async def test_a_listener_that_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the listener itself ends the accepting."""
    fail_accepts(monkeypatch, errno.EINVAL)
    listener = Listeners().open("127.0.0.1:0")[0]
    client = await trio.open_tcp_stream(*listener.socket.getsockname())
    with pytest.raises(OSError, match="as the test says"):
        await accept_for_ever(listener, lambda stream: None, lambda error: None)
    await client.aclose()
    await listener.aclose()
