"""The tests' own Loki on a port: as strict as ``tests.loki.fake`` is, and able to be away."""

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time_ns
from types import TracebackType
from typing import Any, Self

import snappy

from tests.integration.service import poll
from tests.loki.fake import Answer, FakeLoki
from tests.wire.test_loki import Push

Sent = tuple[str, int, bytes]  # label string, time, line
STORED = (204, 400)  # 400: all but what it names
PATH = "/loki/api/v1/push"


class InFlight:
    """Tells entries that may be sent twice from those that must not.

    A sender that is killed may send again what was on the way then: its last request, and what was on the way at an
    earlier kill and has not come again since. Nothing else may come twice.
    """

    def __init__(self) -> None:
        self.repeated = 0
        self.wrong: list[Sent] = []
        self._seen: set[Sent] = set()
        self._allowed: set[Sent] = set()
        self._last: set[Sent] = set()

    def note(self, sent: list[Sent]) -> None:
        """A request came, and was stored."""
        self._allowed -= self._last
        self._last = set(sent)
        again = self._last & self._seen
        self.repeated += len(again)
        self.wrong += sorted(again - self._allowed)
        self._seen |= self._last

    def killed(self) -> None:
        """The sender was killed, and is not running."""
        self._allowed |= self._last
        self._last = set()


class LokiServer:
    """Takes pushes over HTTP.

    Attributes:
        loki: what is stored, and the faults to answer with.
        in_flight: what may have been sent twice.
    """

    def __init__(self) -> None:
        self.loki = FakeLoki(time_ns)
        self.in_flight = InFlight()
        self._lock = threading.Lock()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.down()

    @property
    def url(self) -> str:
        """For a configuration."""
        return f"http://127.0.0.1:{self._port}{PATH}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def down(self) -> None:
        """Refuse connections, and break those that are there."""
        if self._server is not None and self._thread is not None:
            server, self._server = self._server, None
            server.shutdown()
            self._thread.join()
            server.server_close()

    @property
    def is_up(self) -> bool:
        """Whether it answers."""
        return self._server is not None

    def take(self, headers: dict[str, str], body: bytes) -> Answer:
        """One push."""
        with self._lock:
            push = Push.FromString(snappy.decompress(body))
            answer = self.loki.answer(headers, body)
            if answer.status in STORED:
                self.in_flight.note([sent for stream in push.streams for sent in _sent(stream)])
            return answer

    def killed(self) -> None:
        """The sender was killed, and is not running."""
        with self._lock:
            self.in_flight.killed()

    def lines(self, **labels: str) -> list[str]:
        """All lines of the streams with these labels, by time."""
        with self._lock:
            return self.loki.lines(**labels)

    def count(self, **labels: str) -> int:
        """How many they are."""
        with self._lock:
            streams = self.loki.streams.values()
            return sum(len(stream.rows) for stream in streams if labels.items() <= stream.labels.items())

    def wait_for(self, count: int, patience: float = 60.0, **labels: str) -> None:
        """Poll until there are so many lines at least."""
        self.wait_until(lambda: self.count(**labels) >= count, f"{count} lines of {labels}", patience)

    def wait_until(self, condition: Callable[[], bool], what: str, patience: float = 60.0) -> None:
        """Poll until a condition holds."""
        poll(condition, f"{what}; Loki has {len(self.loki.requests)} requests, {self.count()} lines", patience)


def _sent(stream: Any) -> list[Sent]:
    labels = stream.labels.decode(errors="surrogateescape")
    return [(labels, each.timestamp.seconds * 10**9 + each.timestamp.nanos, each.line) for each in stream.entries]


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: LokiServer
    timeout = 60

    def do_POST(self) -> None:
        """One push."""
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if not self.server_of.is_up or self.path != PATH or len(body) < size:  # shorter: the sender was killed
            self.close_connection = True
            return
        answer = self.server_of.take({name.lower(): value for name, value in self.headers.items()}, body)
        content = answer.body.encode()
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""
