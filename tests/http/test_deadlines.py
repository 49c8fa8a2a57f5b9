"""No client can hold a request, or the process, beyond its deadline."""

import ssl
from dataclasses import replace
from functools import partial

import h2.config
import h2.connection
import h2.events
import pytest
import trio
import trustme
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from trio.testing import MockClock

from alloytrio.handshake import TlsPort
from alloytrio.http import BodyTimeoutError, serve_http
from alloytrio.http.server import local_addresses
from alloytrio.telemetry import Telemetry
from tests.http.serving import (
    POST,
    SETTINGS,
    echo,
    endless,
    ignore_body,
    read_all,
    read_body,
    respond,
    send_for_ever,
    serving,
)


async def test_dripping_body_is_cut(autojump_clock: MockClock) -> None:
    """A body that drips one byte a second is answered 408 at its deadline, and the connection ends."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(POST % 900)
        started = trio.current_time()

        async def drip() -> None:
            try:
                while True:
                    await stream.send_all(b"x")
                    await trio.sleep(1)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            answer = await read_all(stream)
            nursery.cancel_scope.cancel()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"the body did not arrive within 10 s" in answer
        # The rest of the body is waited for a little (2 s), so that a client gets to read the answer.
        assert trio.current_time() - started == pytest.approx(12)


async def test_app_may_answer_a_late_body_itself(autojump_clock: MockClock) -> None:
    """The app sees the error, also when it comes out of a nursery of its own, and the default answer is 408."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http" and scope["path"] == "/group":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(read_body, receive)
        try:
            await read_body(receive)
        except BodyTimeoutError:
            await respond(send, b"mine", 400)

    async with serving(app) as served:
        for path, status in ((b"/", b"400"), (b"/group", b"408")):
            async with await served.connect() as stream:
                await stream.send_all(POST.replace(b" / ", b" " + path + b" ") % 9)
                assert (await read_all(stream)).startswith(b"HTTP/1.1 " + status)


async def test_slow_headers_are_cut(autojump_clock: MockClock) -> None:
    """A connection that sends nothing, or half a header, ends after the header timeout."""
    async with serving(echo) as served:
        for beginning in (b"", b"GET / HTTP/1.1\r\nhost:"):
            async with await served.connect() as stream:
                await stream.send_all(beginning)
                started = trio.current_time()
                await read_all(stream)
                assert trio.current_time() - started == pytest.approx(20)


async def test_early_answer_to_an_endless_body(autojump_clock: MockClock) -> None:
    """More body than is drained ends the connection, and its tasks with it."""
    async with serving(ignore_body) as served, await served.connect() as stream:
        await stream.send_all(POST % 10_000_000)
        with pytest.raises(trio.BrokenResourceError):
            await send_for_ever(stream)
        served.stop.set()
        with trio.fail_after(0.5):
            await served.ended.wait()


async def test_peer_that_stops_reading_is_dropped(autojump_clock: MockClock) -> None:
    """A write that the peer does not take in time closes the connection."""
    ended = trio.Event()

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            await endless(scope, receive, send)
        finally:
            ended.set()

    async with serving(app) as served, await served.connect() as stream:
        started = trio.current_time()
        await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await ended.wait()
        assert trio.current_time() - started == pytest.approx(5)


@pytest.mark.parametrize("path", ["stalled reader", "waiting app", "dripping body", "half a header"])
async def test_stop_ends_within_the_grace(autojump_clock: MockClock, path: str) -> None:
    """Whatever the clients do, the server has ended when the grace is over."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if path == "stalled reader":
            await endless(scope, receive, send)
        elif path == "waiting app":
            await trio.sleep_forever()
        await read_body(receive)

    settings = replace(SETTINGS, write_timeout=1000, body_timeout=1000, header_timeout=1000)
    async with serving(app, settings) as served:
        streams = [await served.connect() for _ in range(5)]
        for stream in streams:
            await stream.send_all(b"POST / HTTP/1.1\r\nhost: x\r\n" if path == "half a header" else POST % 900)
        await trio.testing.wait_all_tasks_blocked(0.05)
        started = trio.current_time()
        served.stop.set()
        await served.ended.wait()
        assert trio.current_time() - started <= (0.1 if path == "half a header" else 3.1)
        for stream in streams:
            await stream.aclose()


async def test_cancelling_the_server_ends_at_once(autojump_clock: MockClock) -> None:
    """The caller's own deadline is harder than the grace: a stalled reader does not delay it."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    settings = replace(SETTINGS, write_timeout=1000)
    started = trio.current_time()
    with trio.move_on_after(2):
        async with trio.open_nursery() as nursery:
            start = partial(serve_http, endless, listeners, settings=settings, stop=trio.Event(), grace=9)
            await nursery.start(partial(start, log=Telemetry().log))
            host, port = local_addresses(listeners)[0].rsplit(":", 1)
            stream = await trio.open_tcp_stream(host, int(port))
            await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await trio.sleep_forever()
    assert trio.current_time() - started == pytest.approx(2)
    assert listeners[0].socket.fileno() >= 0, "listeners stay open for the next server"
    await stream.aclose()
    await listeners[0].aclose()


async def test_stop_lets_a_request_finish(autojump_clock: MockClock) -> None:
    """A request in flight at the stop is answered, with the connection closed behind it."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await trio.sleep(2)
        await respond(send, b"late")

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        served.stop.set()
        assert (await read_all(stream)).endswith(b"late")


async def test_http2_peer_that_gives_no_window(autojump_clock: MockClock) -> None:
    """Over HTTP/2 an answer that the peer's flow control does not let out ends the connection at the write timeout."""
    async with serving(endless) as served, await served.connect() as stream:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        headers = [(":method", "GET"), (":path", "/"), (":authority", "x"), (":scheme", "http")]
        connection.send_headers(1, headers, end_stream=True)
        await stream.send_all(connection.data_to_send())
        started = trio.current_time()
        await read_all(stream)
        assert trio.current_time() - started == pytest.approx(5)


async def test_tls_handshake_has_a_deadline(autojump_clock: MockClock) -> None:
    """A peer that connects and says nothing is dropped; one that speaks plain text too, and both leave no error."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with serving(echo, tls=TlsPort(lambda: context)) as served:
        async with await served.connect() as silent:
            started = trio.current_time()
            assert await read_all(silent) == b""
            assert trio.current_time() - started == pytest.approx(SETTINGS.handshake_timeout)
        async with await served.connect() as plain:
            await plain.send_all(b"GET / HTTP/1.1\r\n\r\n")
            await read_all(plain)
        assert served.telemetry.recent_logs.lines() == []
