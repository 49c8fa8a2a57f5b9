"""A filtering proxy for the Docker socket: only GET requests whose whole path matches an expression get through."""

import contextlib
import re
import socket
import socketserver
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK = 65536
MAX_HEAD_BYTES = 65536


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, target: Path, allowed: str) -> None:
        super().__init__(str(path), _Connection)
        self.target = target
        self.allowed = re.compile(allowed)
        self.passed: list[str] = []
        self.refused: list[str] = []


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """One request for each connection; the answer ends with it."""
        assert isinstance(self.server, _Server)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < MAX_HEAD_BYTES:
            data = self.request.recv(CHUNK)
            if not data:
                return
            head += data
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        path = target.partition("?")[0]
        if method != "GET" or self.server.allowed.fullmatch(path) is None:
            self.server.refused.append(f"{method} {path}")
            self.request.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.server.passed.append(f"{method} {path}")
        with socket.socket(socket.AF_UNIX) as daemon, contextlib.suppress(OSError):
            daemon.connect(str(self.server.target))
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            daemon.sendall(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]))
            while data := daemon.recv(CHUNK):
                self.request.sendall(data)


class DockerFilter:
    """The proxy, in threads.

    Args:
        path: of the socket that it makes, open to everybody.
        target: Docker's socket.
        allowed: matches the paths that get through, without their queries.
    """

    def __init__(self, path: Path, target: Path, allowed: str) -> None:
        self._server = _Server(path, target, allowed)
        path.chmod(0o666)
        self._thread = threading.Thread(target=self._server.serve_forever, name="docker-filter")

    @property
    def passed(self) -> list[str]:
        """Requests that got through, as ``METHOD path``."""
        return self._server.passed

    @property
    def refused(self) -> list[str]:
        """Requests that did not."""
        return self._server.refused

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
