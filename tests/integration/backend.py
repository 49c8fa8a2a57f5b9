"""An OTLP backend that no one here wrote (grpcio's server), with faults on demand, and a sender to match."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.service import free_port

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True)
class Refusal:
    """A status other than OK that the backend answers with. ``retry_after``: seconds, sent as RetryInfo."""

    code: grpc.StatusCode
    message: str = "refused by the test"
    retry_after: float | None = None


Fault = Callable[[ExportTraceServiceRequest], Refusal | None]


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """The spans of a request, in order."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


class Backend(TraceServiceServicer):
    """A Tempo in miniature. It keeps what it accepted and can be told to misbehave.

    Args:
        keep_requests: keep whole requests, not only the ids of their spans.
    """

    def __init__(self, *, keep_requests: bool = False) -> None:
        self.port = free_port()
        self.fault: Fault | None = None
        self.requests: list[ExportTraceServiceRequest] = []
        self.sizes: list[int] = []  # spans of each accepted request
        self.spans: Counter[bytes] = Counter()  # span id → how often it arrived
        self.refused = 0
        self._keep = keep_requests
        self._changed = threading.Condition()
        self._server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port every time."""
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)])
        add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # generated
        assert self._server.add_insecure_port(f"127.0.0.1:{self.port}") == self.port
        self._server.start()

    def stop(self) -> None:
        """Close the port and every connection at once, as a crash would."""
        if self._server is not None:
            self._server.stop(None).wait(10)
            self._server = None

    def Export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        """The service's one method; called in a thread of grpcio's pool."""
        fault = self.fault
        refusal = fault(request) if fault is not None else None
        if refusal is not None:
            with self._changed:
                self.refused += 1
                self._changed.notify_all()
            refuse(context, refusal)
        ids = [span.span_id for span in spans_of(request)]
        with self._changed:
            self.spans.update(ids)
            self.sizes.append(len(ids))
            if self._keep:
                self.requests.append(request)
            self._changed.notify_all()
        return ExportTraceServiceResponse()

    def wait_until(self, condition: Callable[[], bool], patience: float = 60.0) -> None:
        """Wait until a condition on what arrived holds; it is asked again at each arrival.

        Raises:
            AssertionError: it does not hold after ``patience`` seconds.
        """
        with self._changed:
            held = self._changed.wait_for(condition, patience)
        assert held, f"after {patience} s: {len(self.spans)} spans, {self.refused} requests refused"

    def wait_for(self, ids: set[bytes], patience: float = 60.0) -> None:
        """Wait until all these spans have arrived at least once."""
        try:
            self.wait_until(lambda: ids <= self.spans.keys(), patience)
        except AssertionError as error:
            raise AssertionError(f"{len(ids - self.spans.keys())} of {len(ids)} spans are missing; {error}") from None

    @property
    def duplicates(self) -> int:
        """Arrivals of spans that had arrived before."""
        return sum(self.spans.values()) - len(self.spans)


def refuse(context: grpc.ServicerContext, refusal: Refusal) -> None:
    """End a call with a status, as grpc-go does it: RetryInfo travels in grpc-status-details-bin."""
    if refusal.retry_after is not None:
        status = Status(code=refusal.code.value[0], message=refusal.message)
        info = RetryInfo()
        info.retry_delay.FromNanoseconds(int(refusal.retry_after * 1e9))
        status.details.add().Pack(info)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(refusal.code, refusal.message)


class Unavailable:
    """A fault: every request is answered UNAVAILABLE."""

    def __call__(self, request: ExportTraceServiceRequest) -> Refusal | None:
        """UNAVAILABLE for each."""
        return Refusal(grpc.StatusCode.UNAVAILABLE, "no ingester in the ring")


class Slow:
    """A fault: every answer comes late. Args: seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    def __call__(self, request: ExportTraceServiceRequest) -> Refusal | None:
        """Wait, then accept."""
        time.sleep(self._delay)
        return None


class Throttle:
    """A fault: RESOURCE_EXHAUSTED with RetryInfo for a while.

    Args:
        times: how many requests are refused before the first is accepted.
        retry_after: seconds in RetryInfo.
    """

    def __init__(self, times: int, retry_after: float) -> None:
        self._left = times
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self.refused_at: list[float] = []

    def __call__(self, request: ExportTraceServiceRequest) -> Refusal | None:
        """Refuse the first requests."""
        with self._lock:
            if self._left <= 0:
                return None
            self._left -= 1
            self.refused_at.append(time.monotonic())
        return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "ingestion rate limit exceeded", self._retry_after)


class RejectPoison:
    """A fault: a request that holds one of these spans is INVALID_ARGUMENT. Args: their ids."""

    def __init__(self, poison: set[bytes]) -> None:
        self._poison = poison

    def __call__(self, request: ExportTraceServiceRequest) -> Refusal | None:
        """Refuse what holds poison."""
        if any(span.span_id in self._poison for span in spans_of(request)):
            return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "span ids must be valid")
        return None
