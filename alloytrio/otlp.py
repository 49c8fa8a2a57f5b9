"""OpenTelemetry data on its way from a receiver to the outboxes: signals, requests, outputs, routes.

A receiver resolves its outputs to routes once, when it is built. Per request it asks each route what to put where,
and is done when everything is in the journals.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from pydantic import BaseModel, ConfigDict, Field

from alloytrio.component import Signal
from alloytrio.outbox import BatchPolicy, Put
from alloytrio.values import OtlpEdge

EXPORT_PATHS: Mapping[Signal, str] = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
"""The gRPC method of each signal, as the generated services have it; those are imported by tests only, being large."""


@dataclass(frozen=True, slots=True)
class OtlpRequest:
    """One accepted request.

    Args:
        signal: which of the three messages ``payload`` is.
        payload: an encoded ``Export…ServiceRequest``, checked as far as its items.
        items: spans, data points or log records in it; at least 1.
    """

    signal: Signal
    payload: bytes
    items: int


class OtlpRoute(Protocol):
    """A way from a receiver to the outboxes behind one of its outputs."""

    def puts(self, request: OtlpRequest) -> list[Put]:
        """What to put where for this request. A route that keeps the data itself returns nothing.

        Raises:
            DecodeError: the request cannot be turned into what the outboxes hold.
        """


class OtlpConsumer(Protocol):
    """A component that takes OpenTelemetry data."""

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """The ways through this component for one signal; ``policy`` is that of the last batch processor before."""


class OtlpOutput(BaseModel):
    """Where each signal goes. An empty list: the signal is not taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    traces: list[OtlpEdge] = Field(default=[], description="components that take the traces")
    metrics: list[OtlpEdge] = Field(default=[], description="components that take the metrics")
    logs: list[OtlpEdge] = Field(default=[], description="components that take the log records")

    def of(self, signal: Signal) -> list[str]:
        """The edges of one signal."""
        return {Signal.TRACES: self.traces, Signal.METRICS: self.metrics, Signal.LOGS: self.logs}[signal]

    def routes(
        self, signal: Signal, resolve: Callable[[str], object], policy: BatchPolicy | None = None
    ) -> list[OtlpRoute]:
        """The ways of one signal through all components that take it."""
        consumers = [cast(OtlpConsumer, resolve(edge)) for edge in self.of(signal)]
        return [route for consumer in consumers for route in consumer.routes(signal, policy)]
