"""The Engine API client against a small dockerd, and its deadlines."""

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import httpx  # noqa: ASYNC127 - the client that we build on
import pytest
import trio
import trustme
from trio.testing import MockClock

from alloytrio.docker import DockerClient, parse_host
from alloytrio.docker.transport import DockerTransport
from alloytrio.errors import DockerError
from tests.docker.fake import SECOND, FakeDocker


@asynccontextmanager
async def daemon(version: str = "1.47") -> AsyncIterator[tuple[FakeDocker, DockerClient]]:
    async with trio.open_nursery() as connections:
        docker = FakeDocker(connections, version)
        yield docker, DockerClient("unix:///unused.sock", call_timeout=10, connect=docker.connect)
        connections.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("unix:///var/run/docker.sock", ("/var/run/docker.sock", "", 0, False)),
        ("tcp://127.0.0.1:2376", ("", "127.0.0.1", 2376, False)),
        ("tcp://box", ("", "box", 2375, False)),
        ("http://box", ("", "box", 80, False)),
        ("https://box/", ("", "box", 443, True)),
        ("tcp://[::1]:5", ("", "::1", 5, False)),
    ],
)
def test_hosts(text: str, parts: tuple[str, str, int, bool]) -> None:
    """A host is read as Docker's own tools read it."""
    host = parse_host(text)
    assert (host.path, host.name, host.port, host.tls) == parts


@pytest.mark.parametrize(
    "text",
    ["", "docker.sock", "unix://relative", "ssh://box", "npipe:////./pipe/x", "tcp://", "tcp://a:b", "tcp://a/x",
     "tcp://u@a", "http://a?b=c"],
)  # fmt: skip
def test_no_hosts(text: str) -> None:
    """Anything else is refused with what would be right."""
    with pytest.raises(ValueError, match=r"Docker host|unix socket"):
        parse_host(text)


async def test_version_is_negotiated() -> None:
    """The daemon's own version is asked for once, and used in each path."""
    async with daemon("1.44") as (docker, client):
        assert await client.containers({}, ended_too=False) == []
        await client.networks()
        assert docker.paths() == ["/_ping", "/v1.44/containers/json", "/v1.44/networks"]


async def test_no_version() -> None:
    """A daemon that does not say its version gets requests without one."""
    async with daemon("") as (docker, client):
        await client.networks()
        assert docker.paths() == ["/_ping", "/networks"]


async def test_version_is_asked_for_again() -> None:
    """After the daemon was away, or does not like the version, it is asked for its version again."""
    async with daemon() as (docker, client):
        await client.networks()
        docker.refuse = True
        with pytest.raises(DockerError, match="refused"):
            await client.networks()
        docker.refuse, docker.version = False, "1.50"
        await client.networks()
        assert docker.paths()[-2:] == ["/_ping", "/v1.50/networks"]
        docker.fail["/networks"] = (400, "client version 1.50 is too new. Maximum supported API version is 1.47")
        with pytest.raises(DockerError, match="too new"):
            await client.networks()
        docker.fail.clear()
        await client.networks()
        assert docker.paths()[-2:] == ["/_ping", "/v1.50/networks"]


async def test_filters_and_ended_containers() -> None:
    """Filters go out as Docker wants them; ended containers only on request."""
    async with daemon() as (docker, client):
        first, second = docker.add("a"), docker.add("b")
        docker.stop(second)
        assert [c.id for c in await client.containers({}, ended_too=False)] == [first.id]
        assert [c.id for c in await client.containers({}, ended_too=True)] == [first.id, second.id]
        await client.containers({"label": ["x=1", "y"], "status": ["exited"]}, ended_too=False)
        query = parse_qs(docker.paths()[-1].partition("?")[2])
        assert json.loads(query["filters"][0]) == {"label": {"x=1": True, "y": True}, "status": {"exited": True}}
        assert "all" not in query


async def test_inspect() -> None:
    """One container; an unknown one is a 404 with dockerd's words."""
    async with daemon() as (docker, client):
        container = docker.add("a", tty=True)
        details = await client.inspect(container.id)
        assert (details.id, details.tty, details.running) == (container.id, True, True)
        with pytest.raises(DockerError, match="No such container") as caught:
            await client.inspect("f" * 64)
        assert caught.value.status == 404


@pytest.mark.parametrize(
    ("version", "tty", "said"), [("1.47", True, True), ("1.47", False, False), ("1.41", True, None)]
)
async def test_logs(version: str, tty: bool, said: bool | None) -> None:
    """A log comes from a time on, whole, and says whether it has frames if the daemon is new enough."""
    async with daemon(version) as (docker, client):
        container = docker.add("a", tty=tty, running=False)
        for n in range(5):
            container.write(f"line {n}", ts_ns=100 * SECOND + n)
        async with client.logs(container.id, since_ns=100 * SECOND + 3, follow=False) as log:
            assert log.tty is said
            data = b""
            while piece := await log.receive():
                data += piece
        assert [n for n in range(5) if b"line %d" % n in data] == [3, 4]
        assert docker.paths("/logs")[0].endswith("?timestamps=1&since=100.000000003&stdout=1&stderr=1")


async def test_follow() -> None:
    """A log that is followed goes on until the container ends; one stream can be left out."""
    async with daemon() as (docker, client):
        container = docker.add("a")
        async with client.logs(container.id, since_ns=0, follow=True, stderr=False) as log:
            container.write("err", ts_ns=1, stream=2)
            container.write("out", ts_ns=2)
            assert (await log.receive()).endswith(b" out\n")
            docker.stop(container)
            assert await log.receive() == b""
        assert docker.paths("/logs")[0].endswith("?timestamps=1&since=0&follow=1&stdout=1")


async def test_a_stream_that_breaks() -> None:
    """A stream that ends without its last chunk is an error, not the end of the log."""
    async with daemon() as (docker, client):
        container = docker.add("a")
        async with client.logs(container.id, since_ns=0, follow=True) as log:
            await docker.break_connections()
            with pytest.raises(DockerError, match="logs: "):
                await log.receive()


async def test_events() -> None:
    """Events come as they happen, those that are asked for, also late."""
    async with daemon() as (docker, client):
        first = docker.add("a")
        async with client.events(["start", "die"], since_ns=docker.mutable_clock_ns) as events:
            assert [(e.action, e.container_id) for e in await events.receive()] == [("start", first.id)]
            docker.mutable_clock_ns += 5
            docker.emit("exec_start: /bin/sh", first)
            docker.stop(first)
            [event] = await events.receive()
            assert (event.action, event.container_id, event.time_ns) == ("die", first.id, docker.mutable_clock_ns)


async def test_a_daemon_that_hangs(autojump_clock: MockClock) -> None:
    """Every call ends at its deadline."""
    async with daemon() as (docker, client):
        container = docker.add("a")
        await client.networks()
        docker.hang = True
        start = trio.current_time()
        with pytest.raises(DockerError, match="no answer within 10 s"):
            await client.containers({}, ended_too=True)
        with pytest.raises(DockerError, match="_ping: no answer"):
            await client.inspect(container.id)
        docker.hang = False
        await client.networks()
        docker.hang = True
        with pytest.raises(DockerError, match="no answer"):
            async with client.logs(container.id, since_ns=0, follow=True):
                pass
        assert trio.current_time() - start == 30


async def test_an_open_stream_has_no_deadline(autojump_clock: MockClock) -> None:
    """A container may be quiet for as long as it wants."""
    async with daemon() as (docker, client), trio.open_nursery() as nursery:
        container = docker.add("a")
        async with client.logs(container.id, since_ns=0, follow=True) as log:

            async def later() -> None:
                await trio.sleep(80_000)
                container.write("x", ts_ns=1)

            nursery.start_soon(later)
            assert (await log.receive()).endswith(b" x\n")


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/containers/json", (500, "boom")), ("/networks", (503, "")), ("/_ping", (403, "no access"))],
)
async def test_errors_carry_the_daemons_words(path: str, answer: tuple[int, str]) -> None:
    """What dockerd says is in the error."""
    async with daemon() as (docker, client):
        docker.fail[path] = answer
        call = client.networks if path == "/networks" else partial(client.containers, {}, ended_too=True)
        with pytest.raises(DockerError, match=answer[1] or "no message") as caught:
            await call()
        assert caught.value.status == answer[0]


async def test_only_get_is_sent() -> None:
    """Nothing that could change Docker leaves this process."""
    async with daemon() as (docker, _):
        transport = DockerTransport(docker.connect, [])
        async with httpx.AsyncClient(transport=transport) as http:
            for method in ("POST", "DELETE", "PUT", "HEAD"):
                with pytest.raises(httpx.UnsupportedProtocol, match="only GET"):
                    await http.request(method, "http://docker/containers/x/stop")
        assert docker.requests == []


async def test_a_real_socket(tmp_path: Path) -> None:
    """The client speaks over a unix socket, and says why it cannot."""
    path = tmp_path / "docker.sock"
    client = DockerClient(f"unix://{path}", call_timeout=5)
    with pytest.raises(DockerError, match="No such file"):
        await client.networks()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.bind(str(path))
        raw.listen()
        async with trio.open_nursery() as nursery:
            docker = FakeDocker(nursery)
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(raw.dup()))
            nursery.start_soon(trio.serve_listeners, docker.serve, [listener])
            assert await client.networks() == []
            nursery.cancel_scope.cancel()


async def test_tls() -> None:
    """tcp with a context and https speak TLS; a certificate that nobody vouches for is refused."""
    authority = trustme.CA()
    server_context, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server_context)
    authority.configure_trust(trusting)
    async with trio.open_nursery() as nursery:
        docker = FakeDocker(nursery)

        async def serve(stream: trio.SocketStream) -> None:
            await docker.serve(trio.SSLStream(stream, server_context, server_side=True, https_compatible=True))

        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        port = listener.socket.getsockname()[1]
        client = DockerClient(f"tcp://127.0.0.1:{port}", call_timeout=5, context=trusting, server_name="localhost")
        assert await client.networks() == []
        with pytest.raises(DockerError, match=r"TLS|certificate"):
            await DockerClient(f"https://localhost:{port}", call_timeout=5).networks()
        nursery.cancel_scope.cancel()
