"""otelcol.receiver.otlp: takes in OpenTelemetry data that applications push, by gRPC and by HTTP.

In: OTLP requests on the listening sockets.
Out: the same bytes, to the outboxes behind each output; a request is acknowledged once they are all in the journal.
Errors: undecodable bytes and full outboxes are told to the sender; see ``grpc.py`` and ``http.py`` for the statuses.
Source: the collector's OTLP receiver as Alloy configures it, and the OTLP specification for the status codes.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import trio
from pydantic import Field, model_validator

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.otelcol.receiver.otlp.grpc import GrpcConfig, GrpcServing
from alloytrio.otelcol.receiver.otlp.http import HttpConfig, HttpServing
from alloytrio.otelcol.receiver.otlp.intake import Intake
from alloytrio.otlp import OtlpOutput
from alloytrio.telemetry import HealthState
from alloytrio.values import Kind


class OtlpReceiverConfig(ComponentConfig):
    """``[otelcol.receiver.otlp.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.receiver.otlp"
    exports: ClassVar[Mapping[str, Kind]] = {}

    grpc: GrpcConfig | None = Field(default=None, description="the gRPC server")
    http: HttpConfig | None = Field(default=None, description="the HTTP server")
    output: OtlpOutput = Field(description="where each signal goes")

    @model_validator(mode="after")
    def _has_a_server(self) -> Self:
        if self.grpc is None and self.http is None:
            raise ValueError("needs a server: add a grpc or an http table")
        return self

    def build(self, context: BuildContext) -> "OtlpReceiver":
        """The receiver, its sockets bound."""
        return OtlpReceiver(self, context)


class OtlpReceiver:
    """The servers of one receiver and what they feed."""

    def __init__(self, config: OtlpReceiverConfig, context: BuildContext) -> None:
        self._telemetry = context.telemetry
        connected = [signal for signal in Signal if config.output.of(signal)]
        routes = {signal: config.output.routes(signal, context.resolve) for signal in connected}
        self._servers: list[GrpcServing | HttpServing] = []
        if config.grpc is not None:
            self._servers.append(GrpcServing(config.grpc, Intake(routes, context.telemetry, "grpc"), context))
        if config.http is not None:
            self._servers.append(HttpServing(config.http, Intake(routes, context.telemetry, "http"), context))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop``; requests in flight are answered."""
        async with trio.open_nursery() as servers:
            for server in self._servers:
                await servers.start(server.run)
            self._telemetry.health.set(HealthState.HEALTHY, "listening")
            task_status.started()
