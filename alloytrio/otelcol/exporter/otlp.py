"""otelcol.exporter.otlp: sends OpenTelemetry data to an OTLP/gRPC backend, such as Tempo.

In: OpenTelemetry data of any signal.
Out: one gRPC call per batch, its message the joined requests, compressed as one.
Errors: retryable ones are retried until delivered (unless ``retry_on_failure`` says otherwise); what the backend
refuses for good is cut down to the bad items, which are set aside with the backend's words.
Source: the collector's OTLP exporter as Alloy configures it; status table of the OTLP specification.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Literal, Self

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.errors import ConfigError, ExportError, PermanentExportError, RetryableExportError
from alloytrio.grpc.client import GrpcChannel
from alloytrio.grpc.errors import TransportError
from alloytrio.grpc.settings import ClientKeepalive as GrpcKeepalive
from alloytrio.grpc.settings import ClientSettings
from alloytrio.grpc.status import retry_delay
from alloytrio.grpc.target import parse_target
from alloytrio.otlp import EXPORT_PATHS, OtlpRoute
from alloytrio.otlp_export import (
    ExportSettings,
    OtlpOutbox,
    QueueConfig,
    RetryConfig,
    authenticator,
    report_files,
    warn_of_plaintext,
)
from alloytrio.otlp_metrics import OtlpExportMetrics
from alloytrio.outbox import Batch, BatchPolicy, Outbox
from alloytrio.tls import TlsClientConfig, client_context
from alloytrio.urls import is_loopback
from alloytrio.values import AuthEdge, Duration, Headers, Kind
from alloytrio.wire.status import partial_success

_RETRYABLE = {
    Status.CANCELLED,
    Status.DEADLINE_EXCEEDED,
    Status.ABORTED,
    Status.OUT_OF_RANGE,
    Status.UNAVAILABLE,
    Status.DATA_LOSS,
}
_UNKNOWN_OUTCOME = {Status.CANCELLED, Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE}
# Refusals that have nothing to do with what is in the batch: halving it would only ask twice.
_WHOLE = {Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.UNIMPLEMENTED, Status.NOT_FOUND}


class ClientKeepalive(BaseModel):
    """Pings that find a connection which no longer answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ping_wait: Duration = Field(default=10, gt=0, description="ping after this much silence")
    ping_response_timeout: Duration = Field(default=20, gt=0, description="reconnect without an answer in this time")
    ping_without_stream: bool = Field(default=False, description="ping also while no request is open")


class OtlpClientConfig(BaseModel):
    """Where and how to connect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = Field(
        description="host:port, http://host:port, https://host:port, dns:///host:port or unix:///path"
    )
    compression: Literal["gzip", "zstd", "none", ""] = Field(default="gzip", description="of the requests")
    headers: Headers = Field(default={}, description="sent as metadata with each request")
    authority: str = Field(default="", description="the :authority of requests; empty = from endpoint")
    keepalive: ClientKeepalive | None = Field(default=None, description="no table = the connection's deadlines only")
    auth: AuthEdge | None = Field(default=None, description="credentials sent with each call; not in plaintext")
    tls: TlsClientConfig = Field(default=TlsClientConfig(), description="on unless insecure = true")

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, endpoint: str) -> str:
        try:
            parse_target(endpoint)
        except ValueError:
            raise ValueError("no address: write host:port, such as tempo:4317") from None
        return endpoint

    @model_validator(mode="after")
    def _credentials_are_not_shown(self) -> Self:
        target = parse_target(self.endpoint)
        if self.auth and self.tls.plaintext and not target.path and not is_loopback(target.host):
            raise ValueError("auth over plaintext shows the credentials to the network: use TLS")
        return self


class OtlpExporterConfig(ComponentConfig):
    """``[otelcol.exporter.otlp.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.exporter.otlp"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}

    client: OtlpClientConfig = Field(description="the backend")
    timeout: Duration = Field(default=5, ge=0, description="of one attempt; 0s = none")
    retry_on_failure: RetryConfig | None = Field(default=None, description="no table = retry until delivered")
    sending_queue: QueueConfig = Field(default=QueueConfig(), description="the outbox")

    def build(self, context: BuildContext) -> "OtlpExporter":
        """The exporter with its outbox, not yet connected."""
        return OtlpExporter(self, context)


class OtlpExporter:
    """One backend, one outbox, one connection."""

    def __init__(self, config: OtlpExporterConfig, context: BuildContext) -> None:
        client = config.client
        self._endpoint = client.endpoint
        self._stop = context.stop
        self._metrics = OtlpExportMetrics(context.telemetry, "otlp_grpc", client.endpoint)
        self._channel = open_channel(client, partial(report_files, context.telemetry))
        target = self._channel.target
        if client.tls.plaintext and not target.path:
            warn_of_plaintext(context.telemetry, target.host)
        self._auth = authenticator(client.auth, context)
        codec = client.compression if client.compression in ("gzip", "zstd") else "identity"
        settings = ExportSettings(config.sending_queue, config.retry_on_failure, codec, config.timeout)
        self._export = OtlpOutbox(settings, context, self._metrics, self._deliver)

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """One route into the outbox."""
        return self._export.routes(signal, policy)

    def backends(self) -> Mapping[str, Outbox]:
        """The outbox, for the page."""
        return {self._endpoint: self._export.outbox}

    async def run(  # noqa: ASYNC128 - the outbox tells
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Deliver what is in the outbox until stopped; what is left then stays in the journal."""
        async with trio.open_nursery() as connection:
            await connection.start(self._channel.run)
            await self._export.outbox.run(stop=self._stop, task_status=task_status)
            connection.cancel_scope.cancel()

    async def _deliver(self, batch: Batch) -> None:
        """Send one batch.

        Raises:
            RetryableExportError, PermanentExportError: see ``export_error``.
        """
        signal, _, codec = batch.encoding.partition("/")
        try:
            answer = await self._channel.unary(
                EXPORT_PATHS[Signal(signal)],
                batch.body,
                encoding=None if codec == "identity" else codec,
                metadata=() if self._auth is None else [self._auth.header()],
            )
        except TransportError as exc:
            raise RetryableExportError(str(exc), unknown_outcome=exc.unknown_outcome) from exc
        except GRPCError as exc:
            raise export_error(exc) from exc
        if len(answer) > 2:  # 0a 00 is how some say that there is nothing to say
            self._metrics.note_answer(signal, partial(partial_success, answer))


def export_error(error: GRPCError) -> ExportError:
    """What a backend's status means for the batch: again, never, or in smaller parts."""
    words = f"{error.status.name}: {error.message or 'no message'}"
    retry_after = retry_delay(error.details)
    if error.status in _RETRYABLE or (error.status is Status.RESOURCE_EXHAUSTED and retry_after is not None):
        return RetryableExportError(
            words, retry_after=retry_after or None, unknown_outcome=error.status in _UNKNOWN_OUTCOME
        )
    # RESOURCE_EXHAUSTED without RetryInfo is how gRPC servers say that a message is above their limit: halves may pass.
    return PermanentExportError(words, whole=error.status in _WHOLE)


def open_channel(client: OtlpClientConfig, on_error: Callable[[ConfigError], None]) -> GrpcChannel:
    """The connection that the user's ``client`` table describes, not yet open."""
    keepalive = GrpcKeepalive()
    if client.keepalive is not None:
        keepalive = GrpcKeepalive(**dict(client.keepalive))
    return GrpcChannel(
        parse_target(client.endpoint),
        ClientSettings(keepalive=keepalive),
        ssl_context=client_context(client.tls, on_error=on_error),
        tls_names=client.tls.names(),
        server_name=client.tls.server_name,
        authority=client.authority,
        metadata={name.lower(): value.get_secret_value() for name, value in client.headers.items()},
    )
