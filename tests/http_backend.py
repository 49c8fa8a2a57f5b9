"""An HTTP backend that no one here wrote (the standard library's server), which answers what a test says."""

import ssl
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import snappy
import zstandard


@dataclass(frozen=True)
class Answer:
    """What a request is answered with. ``endless``: the body never ends."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False


@dataclass(frozen=True)
class Received:
    """One request, its body inflated."""

    path: str
    headers: dict[str, str]
    body: bytes
    wire_bytes: int


class HttpBackend:
    """Keeps what it gets and answers from ``answers``, then with 200. Args: ``tls``: its context, if it has one."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.answers = list(answers)
        self.changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.scheme = "http" if tls is None else "https"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its base URL, by name."""
        return f"{self.scheme}://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_until(self, condition: Callable[[], bool], patience: float = 60.0) -> None:
        """Wait until a condition on what arrived holds."""
        with self.changed:
            assert self.changed.wait_for(condition, patience), f"after {patience} s: {len(self.received)} requests"


def _handler(backend: HttpBackend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            wire = self.rfile.read(int(self.headers["content-length"]))
            body = inflated(self.headers.get("content-encoding", ""), wire)
            headers = {name.lower(): value for name, value in self.headers.items()}
            with backend.changed:
                answer = backend.answers.pop(0) if backend.answers else Answer()
                backend.received.append(Received(self.path, headers, body, len(wire)))
                backend.changed.notify_all()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if not answer.endless:
                self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            try:
                while answer.endless:
                    self.wfile.write(bytes(65536))
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def inflated(coding: str, body: bytes) -> bytes:
    """The body of a request."""
    if coding == "gzip":
        return zlib.decompress(body, 31)
    if coding in ("zlib", "deflate"):
        return zlib.decompress(body)
    if coding == "snappy":
        return bytes(snappy.decompress(body))
    if coding == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            return bytes(reader.read())
    assert coding == "", coding
    return body
