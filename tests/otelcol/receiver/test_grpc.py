"""The statuses of the gRPC receiver: what a sender is told for each way in which a request is not taken."""

import math
from collections.abc import Sequence
from typing import cast

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from alloytrio.auth import TokenAuthenticator
from alloytrio.component import Signal
from alloytrio.errors import DecodeError, OversizeError, QueueFullError
from alloytrio.grpc.service import CallContext, Peer
from alloytrio.grpc.status import StatusDetail, retry_info
from alloytrio.otelcol.receiver.otlp.grpc import ExportService
from alloytrio.otelcol.receiver.otlp.intake import Intake
from alloytrio.telemetry import Telemetry
from tests.otelcol.receiver.test_http import Kept, span_request

PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def service(kept: Kept, auth: TokenAuthenticator | None = None) -> ExportService:
    """A trace service whose requests go to ``kept``."""
    intake = Intake({Signal.TRACES: [kept]}, Telemetry().component("otelcol.receiver.otlp.default"), "grpc")
    return ExportService(Signal.TRACES, intake, auth)


def call(*headers: tuple[bytes, bytes]) -> CallContext:
    """A call with these headers."""
    return CallContext(PATH, list(headers), lambda: Peer(None, None), math.inf)


async def test_taken() -> None:
    """A request is handed on as it came; the answer is an empty message."""
    kept = Kept()
    assert await service(kept).export_bytes(span_request(), call()) == b""
    assert [request.payload for request in kept.requests] == [span_request()]


@pytest.mark.parametrize(
    ("error", "body", "status", "details"),
    [
        (None, b"\xff", Status.INVALID_ARGUMENT, []),
        (DecodeError("deep"), span_request(), Status.INVALID_ARGUMENT, []),
        (QueueFullError("full", retry_after=2.5), span_request(), Status.RESOURCE_EXHAUSTED, [retry_info(2.5)]),
        (OversizeError("at most 1", retry_after=2.5), span_request(), Status.RESOURCE_EXHAUSTED, []),
    ],
    ids=["no protobuf", "cannot be converted", "full", "more than ever fits"],
)
async def test_refused(error: Exception | None, body: bytes, status: Status, details: Sequence[StatusDetail]) -> None:
    """RetryInfo, which asks for the same request again, is there if and only if that can help."""
    kept = Kept()
    kept.full = cast(QueueFullError | None, error)
    with pytest.raises(GRPCError) as caught:
        await service(kept).export_bytes(body, call())
    assert caught.value.status is status
    assert list(caught.value.details or []) == list(details)


async def test_signal_without_an_output() -> None:
    """A signal that no output takes is UNIMPLEMENTED; that is counted and logged with the key to set."""
    telemetry = Telemetry()
    component = telemetry.component("otelcol.receiver.otlp.default")
    unserved = ExportService(Signal.LOGS, Intake({Signal.TRACES: [Kept()]}, component, "grpc"), None)
    with pytest.raises(GRPCError, match="no output takes logs here") as caught:
        await unserved.export_bytes(b"", call())
    assert caught.value.status is Status.UNIMPLEMENTED
    counted = {labels["signal"]: value for name, labels, value in component.values() if "unrouted" in name}
    assert counted == {"logs": 1, "metrics": 0}
    assert telemetry.recent_logs.lines()[-1].fields["set"] == "output.logs"


async def test_credentials() -> None:
    """Without the token a call is UNAUTHENTICATED, and the request is not looked at."""
    kept = Kept()
    guarded = service(kept, TokenAuthenticator("right"))
    for headers in ([], [(b"authorization", b"Bearer wrong")]):
        with pytest.raises(GRPCError) as caught:
            await guarded.export_bytes(b"\xff", call(*headers))
        assert caught.value.status is Status.UNAUTHENTICATED
    await guarded.export_bytes(span_request(), call((b"authorization", b"Bearer right")))
    assert len(kept.requests) == 1


@pytest.mark.parametrize(
    ("signal", "name"),
    [(Signal.TRACES, "trace.v1.Trace"), (Signal.METRICS, "metrics.v1.Metrics"), (Signal.LOGS, "logs.v1.Logs")],
)
def test_paths(signal: Signal, name: str) -> None:
    """Each signal is served under the path of its service."""
    intake = Intake({}, Telemetry().component("otelcol.receiver.otlp.default"), "grpc")
    paths = ExportService(signal, intake, None).__mapping__()
    assert list(paths) == [f"/opentelemetry.proto.collector.{name}Service/Export"]
