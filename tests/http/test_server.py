"""Serving: what honest clients get, and what is refused."""

import contextlib
import http.client
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import trio
import trustme
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from alloytrio.handshake import TlsPort
from alloytrio.http.server import local_addresses
from tests.failing_accept import ACCEPT_ERRORS, fail_accepts
from tests.http.serving import (
    SETTINGS,
    echo,
    ignore_body,
    read_all,
    respond,
    serving,
)


async def test_requests_over_one_connection() -> None:
    """Bodies go both ways, and one connection serves many requests."""
    async with serving(echo) as served, httpx.AsyncClient() as client:
        for size in (0, 1, 1000):
            response = await client.post(f"http://{served.address}/", content=b"x" * size)
            assert (response.status_code, response.content) == (200, b"x" * size)
            assert "server" not in response.headers


@pytest.mark.parametrize("encrypted", [False, True])
async def test_clients_that_ask_once(encrypted: bool) -> None:
    """A connection that its client closes at once does not stay until its idle timeout, where others need its room."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    settings = replace(SETTINGS, max_connections=3, header_timeout=1000.0)
    async with serving(echo, settings=settings, tls=TlsPort(lambda: context) if encrypted else None) as served:
        await trio.to_thread.run_sync(ask_twenty_times, served.address, trust if encrypted else None)
        assert served.telemetry.recent_logs.lines() == []


def ask_twenty_times(address: str, trust: ssl.SSLContext | None) -> None:
    """Requests over a connection each, which is closed as soon as the answer is there."""
    for _ in range(20):
        made = http.client.HTTPSConnection(address, context=trust) if trust else http.client.HTTPConnection(address)
        with contextlib.closing(made) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200


async def test_body_limit_announced_and_not() -> None:
    """One byte above the limit is 413, whether Content-Length says so or the chunks do."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1001):
            await trio.lowlevel.checkpoint()
            yield b"x"

    async with serving(echo) as served, httpx.AsyncClient() as client:
        announced = await client.post(f"http://{served.address}/", content=b"x" * 1001)
        assert announced.status_code == 413
        assert announced.text == "the body is larger than 1000 bytes\n"
        chunked = await client.post(f"http://{served.address}/", content=chunks())
        assert chunked.status_code == 413


async def test_absurd_content_length() -> None:
    """A Content-Length of thousands of digits is refused without computing it."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: " + b"9" * 4000 + b"\r\n\r\n")
        assert (await read_all(stream)).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


async def test_early_answer_to_a_large_body() -> None:
    """An app that answers before the body is read: the client gets the answer, and nothing hangs on the queue."""
    async with serving(ignore_body) as served, httpx.AsyncClient() as client:
        for _ in range(3):
            response = await client.post(f"http://{served.address}/", content=b"x" * 3000)
            assert response.status_code == 404
        assert served.telemetry.recent_logs.lines() == []


async def test_bug_in_the_app() -> None:
    """An exception is logged once and answered 500; after half an answer the connection is closed instead."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/half":
            await respond(send, b"half", more=True)
        raise KeyError("bug")

    async with serving(app) as served, httpx.AsyncClient() as client:
        response = await client.get(f"http://{served.address}/")
        assert (response.status_code, response.text) == (500, "internal error; the log says more\n")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://{served.address}/half")
        lines = served.telemetry.recent_logs.lines()
        assert [line.text for line in lines] == ["request failed", "request failed"]
        assert lines[1].fields["path"] == "/half"
        assert "KeyError: 'bug'" in lines[0].fields["exception"]


async def test_app_that_does_not_answer() -> None:
    """An app that returns without an answer gives 500, whatever is left of the body."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await trio.lowlevel.checkpoint()

    async with serving(app) as served, httpx.AsyncClient() as client:
        assert (await client.post(f"http://{served.address}/", content=b"x" * 900)).status_code == 500


async def test_websockets_and_connect_are_refused() -> None:
    """What is not plain HTTP never reaches the app."""
    upgrade = (
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(upgrade)
        assert (await read_all(stream)).startswith(b"HTTP/1.1 403")


async def test_room_is_made_for_new_connections() -> None:
    """At the limit the connection idle for longest is closed, never one with a request in flight."""
    release = trio.Event()

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/wait":
            await release.wait()
        await respond(send, b"ok")

    async with serving(app, replace(SETTINGS, max_connections=3)) as served:
        busy, idle, third = [await served.connect() for _ in range(3)]
        await busy.send_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{served.address}/")).text == "ok"
        assert await read_all(idle) == b""
        release.set()
        answer = b""
        while not answer.endswith(b"ok"):
            answer += await busy.receive_some(1000)
        for stream in (busy, idle, third):
            await stream.aclose()


async def test_accept_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """No error of accept that another connection may cure ends the server."""
    async with serving(echo) as served, httpx.AsyncClient() as client:
        coming = fail_accepts(monkeypatch, *ACCEPT_ERRORS)
        assert (await client.post(f"http://{served.address}/", content=b"x")).content == b"x"
        assert coming == []


async def h2_exchange(stream: trio.SocketStream, connection: h2.connection.H2Connection) -> list[h2.events.Event]:
    """Send what h2 has to say, and give what comes back in one piece."""
    await stream.send_all(connection.data_to_send())
    return connection.receive_data(bytes(await stream.receive_some(65536)))


async def reset_for_ever(
    stream: trio.SocketStream, connection: h2.connection.H2Connection, headers: list[tuple[str, str]]
) -> None:
    """Open streams and reset them at once, until the peer closes."""
    while True:
        stream_id = connection.get_next_available_stream_id()
        connection.send_headers(stream_id, headers)
        connection.reset_stream(stream_id)
        await stream.send_all(connection.data_to_send())


async def test_http2_by_prior_knowledge_and_rapid_resets() -> None:
    """h2 clients are served for more than hypercorn's 1000 requests; a flood of resets ends their connection."""
    async with serving(echo) as served, await served.connect() as stream:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        headers = [(":method", "POST"), (":path", "/"), (":authority", "x"), (":scheme", "http")]
        answered = 0
        for _ in range(1100):
            stream_id = connection.get_next_available_stream_id()
            connection.send_headers(stream_id, headers, end_stream=True)
            ended = False
            while not ended:
                events = await h2_exchange(stream, connection)
                ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
            answered += 1
        assert answered == 1100
        with pytest.raises(trio.BrokenResourceError):
            await reset_for_ever(stream, connection, headers)


async def test_http2_and_http1_over_tls() -> None:
    """With TLS the protocol is agreed by ALPN; the context is asked for again for each connection."""
    authority = trustme.CA()
    contexts: list[ssl.SSLContext] = []

    def next_context() -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["h2", "http/1.1"])
        authority.issue_cert("127.0.0.1").configure_cert(context)
        contexts.append(context)
        return context

    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    async with serving(echo, tls=TlsPort(next_context)) as served:
        for http2, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
            async with httpx.AsyncClient(verify=client_context, http2=http2) as client:
                response = await client.post(f"https://{served.address}/", content=b"x" * 1000)
                assert (response.http_version, response.content) == (version, b"x" * 1000)
    assert len(contexts) == 2


async def test_addresses_of_listeners() -> None:
    """Addresses are written as users write them."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    assert local_addresses(listeners) == [f"127.0.0.1:{port}"]
    await listeners[0].aclose()
