"""Probes against real sockets: what answers, what does not, and what is said of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from alloytrio.commands import probe
from alloytrio.commands.probe import Backend, Finding

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    """A port that reads once and sends these bytes; None: it stays silent."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            if answer is None:
                await trio.sleep_forever()
            else:
                await stream.send_all(answer)

    async with trio.open_nursery() as connections:
        listeners = await connections.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        connections.cancel_scope.cancel()


async def tried(port: int, *, grpc: bool = False, context: object = None) -> Finding:
    """The outcome of one probe."""
    return await probe._try(Backend("x", "127.0.0.1", port, None, grpc))


@pytest.mark.parametrize(
    ("grpc", "answer", "answered", "message"),
    [
        (True, SETTINGS, True, "answers in HTTP/2"),
        (True, b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "does not speak gRPC"),
        (True, b"", False, "closed the connection"),
        (False, b"HTTP/1.1 404 Not Found\r\n\r\n", True, "answers with status 404"),
        (False, SETTINGS, False, "does not speak HTTP"),
        (False, b"", False, "closed the connection"),
    ],
)
async def test_answers(grpc: bool, answer: bytes, answered: bool, message: str) -> None:
    """A backend answers if it speaks its protocol."""
    async with answering(answer) as port:
        assert await tried(port, grpc=grpc) == Finding("x", answered, f"127.0.0.1:{port} {message}")


@pytest.mark.parametrize(
    ("status", "answered", "message"),
    [
        ("204 No Content", True, "answers with status 204"),
        ("401 Unauthorized", True, "answers with status 401"),
        ("404 Not Found", False, "answers with status 404: nothing is there"),
    ],
)
async def test_what_must_be_there(status: str, answered: bool, message: str) -> None:
    """Where something must be at the path, 404 is a failure that says what is wrong."""
    async with answering(f"HTTP/1.1 {status}\r\n\r\n".encode()) as port:
        backend = Backend("x", "127.0.0.1", port, None, False, "/p", "nothing is there", b"\0")
        assert await probe._try(backend) == Finding("x", answered, f"127.0.0.1:{port} {message}")


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that accepts and says nothing is found by the deadline."""
    monkeypatch.setattr(probe, "DEADLINE", 0.05)
    async with answering(None) as port:
        assert await tried(port) == Finding("x", False, f"127.0.0.1:{port} did not answer within 0.05s")


async def test_nobody_listens() -> None:
    """A refused connection is named."""
    async with answering(b"") as port:
        pass
    finding = await tried(port)
    assert not finding.answered
    assert "refused" in finding.message


async def test_unix_socket(tmp_path: Path) -> None:
    """A socket that is not there is named by its path."""
    finding = await probe._try(Backend("x", str(tmp_path / "no.sock"), 0, None, False))
    assert (finding.answered, finding.message) == (False, f"{tmp_path}/no.sock: No such file or directory")


@pytest.mark.parametrize(
    ("address", "grpc", "host", "port", "path"),
    [
        ("tempo:4317", True, "tempo", 4317, "/"),
        ("http://tempo:4317", True, "tempo", 4317, "/"),
        ("dns:///tempo", True, "tempo", 4317, "/"),
        ("unix:///run/x.sock", True, "/run/x.sock", 0, "/"),
        ("http://loki:3100/loki/api/v1/push", False, "loki", 3100, "/loki/api/v1/push"),
        ("http://u:secret@loki/x", False, "loki", 80, "/x"),
        ("https://loki", False, "loki", 443, "/"),
        ("http://[::1]:9090", False, "::1", 9090, "/"),
        ("tcp://docker:2375", False, "docker", 2375, "/"),
    ],
)
def test_addresses(address: str, grpc: bool, host: str, port: int, path: str) -> None:
    """Every way to write an address leads to host and port; credentials are left out."""
    backend = probe._backend("x", address, None, grpc)
    assert (backend.host, backend.port, backend.path) == (host, port, path)
    assert (backend.context is not None) == address.startswith("https")


def test_data_directory(tmp_path: Path) -> None:
    """A directory that is there or can be made is fine; a file is not."""
    assert probe._directory(tmp_path) == Finding("storage.path", True, f"{tmp_path} can be written")
    missing = tmp_path / "a" / "b"
    assert probe._directory(missing) == Finding("storage.path", True, f"{missing} can be made in {tmp_path}")
    assert not missing.exists()
    (tmp_path / "file").touch()
    assert probe._directory(tmp_path / "file") == Finding("storage.path", False, f"{tmp_path}/file is no directory")
