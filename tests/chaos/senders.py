"""Applications: SDK-like senders of numbered spans, data points and log records, which keep what nobody took."""

import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.chaos.backends import text_of
from tests.integration.load import encoded_request

OPTIONS = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
PAUSE = 0.02  # seconds between requests, and before one is repeated
SERVICE = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"


class Application(ABC):
    """Sends one request after the other in a thread; one that is not acknowledged is sent again, as SDKs do.

    Args:
        port: of the receiver.
        items: of one request.

    Attributes:
        acknowledged: the numbers that the receiver took.
        refused: requests that it did not take, or whose answer got lost.
    """

    METHOD = ""

    def __init__(self, port: int, *, items: int = 20) -> None:
        self.acknowledged: set[int] = set()
        self.refused = 0
        self.unexpected: list[str] = []
        self._items = items
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
        self._export = self._channel.unary_unary(self.METHOD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    @abstractmethod
    def request(self, first: int, count: int) -> bytes:
        """An encoded request of the items numbered from ``first``."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        self._channel.close()

    def stop(self) -> None:
        """Send no more; a request that was never acknowledged is given up."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        first = 1
        while not self._stop.is_set():
            payload = self.request(first, self._items)
            while not self._sent(payload) and not self._stop.wait(PAUSE):
                self.refused += 1
            if not self._stop.is_set():
                self.acknowledged.update(range(first, first + self._items))
            first += self._items
            self._stop.wait(PAUSE)

    def _sent(self, payload: bytes) -> bool:
        try:
            self._export(payload, timeout=5.0)
        except grpc.RpcError as error:
            retryable = {
                grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED,
                grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
            }  # fmt: skip
            if error.code() not in retryable:
                self.unexpected.append(f"{error.code()}: {error.details()}")
            return False
        return True


class Traces(Application):
    """Spans, the number in the span id."""

    METHOD = SERVICE.format("trace", "Trace")

    def request(self, first: int, count: int) -> bytes:
        """Spans of about 100 bytes."""
        return encoded_request(first, count)


class Metrics(Application):
    """Data points of one gauge, the number as value; each has a timestamp of its own, in order."""

    METHOD = SERVICE.format("metrics", "Metrics")

    def request(self, first: int, count: int) -> bytes:
        """Points a millisecond apart."""
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "chaos"
        metric = resource.scope_metrics.add().metrics.add(name="chaos_number")
        now_ns = time.time_ns()
        for number in range(first, first + count):
            metric.gauge.data_points.add(as_double=number, time_unix_nano=now_ns + (number - first) * 1_000_000)
        return request.SerializeToString()


class Logs(Application):
    """Log records by OTLP, the number in the body."""

    METHOD = SERVICE.format("logs", "Logs")

    def request(self, first: int, count: int) -> bytes:
        """Records with a line of text each."""
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "chaos"
        records = resource.scope_logs.add().log_records
        for number in range(first, first + count):
            record = records.add(time_unix_nano=time.time_ns(), severity_number=9)
            record.body.string_value = text_of(number)
        return request.SerializeToString()
