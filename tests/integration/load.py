"""A sender of numbered spans over grpcio, which knows what was acknowledged and what was not."""

import itertools
import random
import threading
from types import TracebackType
from typing import Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.backend import EXPORT

START_NS = 1_790_000_000_000_000_000
RETRYABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


def span_id(number: int) -> bytes:
    """The id of the span with a number from 1 up."""
    return number.to_bytes(8, "big")


def encoded_request(first: int, spans: int, attribute_bytes: int = 0) -> bytes:
    """An encoded request of spans numbered from ``first``, about 100 bytes each plus ``attribute_bytes``."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = "load"
    scope = resource.scope_spans.add()
    scope.scope.name = "tests"
    for number in range(first, first + spans):
        span = scope.spans.add(
            trace_id=(number // 8 + 1).to_bytes(16, "big"),
            span_id=span_id(number),
            name=f"GET /articles/{number % 100}",
            kind=2,
            start_time_unix_nano=START_NS + number * 1000,
            end_time_unix_nano=START_NS + number * 1000 + 500,
        )
        if attribute_bytes:
            noise = random.Random(number).randbytes(attribute_bytes // 2)  # does not compress away
            span.attributes.add(key="payload").value.string_value = noise.hex()
    return request.SerializeToString()


class Sender:
    """Sends requests one after the other on one connection, never twice the same span.

    Args:
        port: where alloytrio listens.
        spans: per request.
        first: number of the first span; senders side by side take different ranges.
    """

    def __init__(self, port: int, *, spans: int = 100, first: int = 1, attribute_bytes: int = 0) -> None:
        self.acknowledged: set[bytes] = set()
        self.unanswered: set[bytes] = set()  # sent, but the answer was an error or none: may have arrived or not
        self.refusals: list[grpc.RpcError] = []
        self._numbers = itertools.count(first, spans)
        self._spans = spans
        self._attribute_bytes = attribute_bytes
        # Reconnect soon after a kill: the default backoff grows to two minutes.
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._export = self._channel.unary_unary(EXPORT)
        self._progress = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, timeout: float = 10.0) -> bool:
        """Send one request of fresh spans; says whether it was acknowledged.

        Raises:
            grpc.RpcError: with a status that a sender must not retry.
        """
        first = next(self._numbers)
        ids = {span_id(number) for number in range(first, first + self._spans)}
        try:
            self._export(encoded_request(first, self._spans, self._attribute_bytes), timeout=timeout)
        except grpc.RpcError as error:
            self.unanswered |= ids
            self.refusals.append(error)
            if error.code() not in RETRYABLE:
                raise
            return False
        with self._progress:
            self.acknowledged |= ids
            self._progress.notify_all()
        return True

    def wait_for_acknowledged(self, more: int, patience: float = 30.0) -> None:
        """Wait until this many more spans were acknowledged than are now."""
        with self._progress:
            wanted = len(self.acknowledged) + more
            assert self._progress.wait_for(lambda: len(self.acknowledged) >= wanted, patience), self.refusals[-3:]

    def __enter__(self) -> Self:
        """Begin to send in a thread."""
        self._thread = threading.Thread(target=self._run, name="sender")
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self.send(timeout=5.0):
                self._stop.wait(0.02)

    def stop(self) -> None:
        """Finish the request under way and send no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)
            self._thread = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and close the connection."""
        self.stop()
        self._channel.close()
