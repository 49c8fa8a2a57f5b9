"""Backends that fail in every way, and know which numbered item arrived: Tempo, Prometheus, Loki, an OTLP log store.

Each item of a signal has a number of its own: a span's id, a sample's value, a text in a line. What arrived is a
``Counter`` of numbers, so losses and repetitions show one by one.
"""

import contextlib
import gzip
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import grpc
import snappy
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.backend import Backend, Refusal, spans_of
from tests.integration.service import free_port
from tests.prompb import message_class

POISON = 97
"""Every item whose number this divides is refused for good while a backend is picky."""

NUMBERED = re.compile(rb"item-(\d{10});")
Decode = Callable[[bytes], Iterable[int]]


def text_of(number: int) -> str:
    """The text that carries a number."""
    return f"item-{number:010d};"


def numbers_in_text(payload: bytes) -> list[int]:
    """The numbers of lines or log records in an encoded message."""
    return [int(number) for number in NUMBERED.findall(payload)]


def numbers_of_samples(payload: bytes) -> list[int]:
    """The values of the numbered samples of a WriteRequest; those of other metrics are left out."""
    request: Any = message_class("WriteRequest").FromString(payload)
    return [
        int(sample.value)
        for series in request.timeseries
        if any(label.name == "__name__" and label.value == "chaos_number" for label in series.labels)
        for sample in series.samples
    ]


def numbers_of_spans(payload: bytes) -> list[int]:
    """The numbers of the spans of a trace request."""
    return [int.from_bytes(span.span_id, "big") for span in spans_of(ExportTraceServiceRequest.FromString(payload))]


def is_poison(numbers: Iterable[int]) -> bool:
    """Whether a picky backend refuses what holds these."""
    return any(number % POISON == 0 for number in numbers)


class Store:
    """What arrived, by number; threads may add."""

    def __init__(self) -> None:
        self.arrived: Counter[int] = Counter()
        self._lock = threading.Lock()

    def add(self, numbers: Iterable[int]) -> None:
        """Items arrived."""
        with self._lock:
            self.arrived.update(numbers)


class Tempo(Backend):
    """An OTLP/gRPC backend with the faults of `Http`, as far as gRPC has them."""

    FAULTS = ("unavailable", "throttling", "slow", "picky", "answers lost", "down")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.fault_name = ""
        self.fault = self._answer

    def be(self, fault: str) -> None:
        """Fail in a way; empty: work."""
        was, self.fault_name = self.fault_name, fault
        if fault == "down":
            self.stop()
        elif was == "down":
            self.start()

    def _answer(self, request: ExportTraceServiceRequest) -> Refusal | None:
        numbers = [int.from_bytes(span.span_id, "big") for span in spans_of(request)]
        match self.fault_name:
            case "unavailable":
                return Refusal(grpc.StatusCode.UNAVAILABLE, "no ingester in the ring")
            case "throttling":
                return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit", retry_after=0.2)
            case "picky" if is_poison(numbers):
                return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "span ids must not be poison")
            case "slow":
                time.sleep(0.3)
            case _:
                pass
        self.store.add(numbers)
        if self.fault_name == "answers lost":
            return Refusal(grpc.StatusCode.UNAVAILABLE, "stored, but who knows")
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Http"

    def do_POST(self) -> None:
        """One push."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.fault
        if fault == "reset":
            self._cut()
            return
        if fault == "garbage":
            self.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
            self.close_connection = True
            return
        if fault == "silent":
            self.server.recovered.wait(30)
            self._cut()
            return
        if fault == "slow":
            time.sleep(0.3)
        numbers = list(self.server.decode(self._plain(body)))
        status, words = self.server.judge(numbers)
        if status < 300:
            self.server.store.add(numbers)
            if fault == "answers lost":
                self._cut()
                return
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words.encode())

    def _plain(self, body: bytes) -> bytes:
        if self.headers.get("Content-Encoding") == "gzip":
            return gzip.decompress(body)
        return bytes(snappy.decompress(body))

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        # The server closes the socket after this request; SO_LINGER makes an RST of it.

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Http(ThreadingHTTPServer):
    """A backend that takes POSTs.

    Args:
        decode: the numbers in an uncompressed body.
    """

    FAULTS = ("unavailable", "throttling", "slow", "picky", "answers lost", "reset", "garbage", "silent", "down")
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, decode: Decode) -> None:
        self.port = free_port()
        self.decode = decode
        self.store = Store()
        self.fault = ""
        self.recovered = threading.Event()
        self._thread: threading.Thread | None = None
        super().__init__(("127.0.0.1", self.port), _Handler, bind_and_activate=False)
        self.connections: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.recovered.set()
        self._close()

    def be(self, fault: str) -> None:
        """Fail in a way; empty: work."""
        was, self.fault = self.fault, fault
        self.recovered.set()
        self.recovered = threading.Event()
        if fault == "down":
            self._close()
        elif was == "down":
            self._open()

    def judge(self, numbers: list[int]) -> tuple[int, str]:
        """Status and words for a push that was read."""
        match self.fault:
            case "unavailable":
                return 503, "no ingester in the ring"
            case "throttling":
                return 429, "rate limit"
            case "picky" if is_poison(numbers):
                return 400, "poison is not accepted here"
            case _:
                return 204, ""

    def _open(self) -> None:
        self.socket.close()  # the one before, which is closed already, or the one that the base class made
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server_bind()
        self.server_activate()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="backend")
        self._thread.start()

    def _close(self) -> None:
        if self._thread is not None:
            self.shutdown()
            self._thread.join(10)
            self._thread = None
            self.socket.close()
            for connection in list(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # its thread ends, and closes it

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, which is kept where it can be cut."""
        self.connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A collector that was killed breaks connections: nothing to say."""
