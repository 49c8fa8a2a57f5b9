"""The gRPC server of a receiver: its configuration, the three OTLP services, the status of each error.

In: unary calls whose request is taken as bytes; nothing is decoded into objects.
Out: an empty ``Export…ServiceResponse`` once the request is in every journal.
Errors: undecodable → INVALID_ARGUMENT; an outbox without room → RESOURCE_EXHAUSTED with RetryInfo, a request that is
larger than an outbox → the same without; wrong credentials → UNAUTHENTICATED; a signal whose output is not connected →
UNIMPLEMENTED.
"""

from typing import Literal, cast

import trio
from grpclib.const import Handler, Status
from grpclib.exceptions import GRPCError
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from alloytrio.auth import Authenticator
from alloytrio.component import BuildContext, Signal
from alloytrio.errors import DecodeError, OversizeError, QueueFullError
from alloytrio.grpc.keepalive import EnforcementPolicy, ServerKeepalive
from alloytrio.grpc.server import GrpcServer
from alloytrio.grpc.service import CallContext, raw_handler
from alloytrio.grpc.settings import ServerSettings
from alloytrio.grpc.status import retry_info
from alloytrio.handshake import tls_port
from alloytrio.otelcol.receiver.otlp.intake import Intake
from alloytrio.otlp import EXPORT_PATHS
from alloytrio.tls import TlsServerConfig
from alloytrio.values import AuthEdge, ByteSize, Duration, split_address


class ServerParameters(BaseModel):
    """How long connections live and how dead ones are found. 0s = no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_connection_idle: Duration = Field(default=0, ge=0, description="close a connection without requests")
    max_connection_age: Duration = Field(default=0, ge=0, description="ask a client to reconnect after this long")
    max_connection_age_grace: Duration = Field(default=0, ge=0, description="time for its last requests; 0s = all")
    time: Duration = Field(default=7200, gt=0, description="ping a client that was silent for this long")
    timeout: Duration = Field(default=20, gt=0, description="close when it does not answer the ping in this time")


class Enforcement(BaseModel):
    """How often clients may ping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_time: Duration = Field(default=300, ge=0, description="pings more frequent than this end the connection")
    permit_without_stream: bool = Field(default=False, description="allow pings while no request is open")


class Keepalive(BaseModel):
    """Keepalive of the gRPC server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_parameters: ServerParameters = ServerParameters()
    enforcement_policy: Enforcement = Enforcement()


class GrpcConfig(BaseModel):
    """The gRPC server; without this table it is not started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transport: Literal["tcp", "unix"] = "tcp"
    endpoint: str = Field(default="0.0.0.0:4317", description="host:port to listen on, or a path with transport unix")
    max_recv_msg_size: ByteSize = Field(default=4 << 20, gt=0, description="largest request, also after inflating")
    max_concurrent_streams: int = Field(default=0, ge=0, description="open requests per connection; 0 = 100")
    max_connections: int = Field(default=20_000, gt=0, description="open connections; more are closed at once")
    read_buffer_size: ByteSize = Field(default=512 << 10, gt=0, description="bytes read from a connection at a time")
    write_buffer_size: ByteSize = Field(default=32 << 10, ge=0, description="accepted; answers are small here")
    keepalive: Keepalive = Keepalive()
    auth: AuthEdge | None = Field(default=None, description="credentials that each call must have")
    tls: TlsServerConfig | None = Field(default=None, description="without it the port speaks plaintext")

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, endpoint: str, info: ValidationInfo) -> str:
        if info.data.get("transport") == "tcp":
            split_address(endpoint)
        return endpoint


class ExportService:
    """``Export`` of one signal's service: the request stays raw bytes."""

    def __init__(self, signal: Signal, intake: Intake, auth: Authenticator | None) -> None:
        self._signal = signal
        self._intake = intake
        self._auth = auth

    async def export_bytes(self, request: bytes, context: CallContext) -> bytes:
        """Take one request.

        Raises:
            GRPCError: with the status of the module's docstring.
        """
        if self._auth is not None and not self._auth.accepts(
            lambda name: context.header(name.encode()).decode("latin-1")
        ):
            raise GRPCError(Status.UNAUTHENTICATED, "the credentials are missing or wrong")
        if self._signal in self._intake.unconnected:
            self._intake.note_unrouted(self._signal)
            raise GRPCError(Status.UNIMPLEMENTED, f"no output takes {self._signal.value} here")
        try:
            await self._intake.accept(self._signal, request)
        except DecodeError as exc:
            raise GRPCError(Status.INVALID_ARGUMENT, str(exc)) from exc
        except OversizeError as exc:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, str(exc)) from exc  # without RetryInfo: do not try again
        except QueueFullError as exc:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, str(exc), [retry_info(exc.retry_after)]) from exc
        return b""

    def __mapping__(self) -> dict[str, Handler]:
        return {EXPORT_PATHS[self._signal]: raw_handler(self.export_bytes)}


class GrpcServing:
    """Runs the services on the receiver's listeners."""

    def __init__(self, config: GrpcConfig, intake: Intake, context: BuildContext) -> None:
        self._stop = context.stop
        self._log = context.telemetry.log
        auth = None if config.auth is None else cast(Authenticator, context.resolve(config.auth))
        self._server = GrpcServer(
            context.listeners.open(config.endpoint, transport=config.transport),
            [ExportService(signal, intake, auth) for signal in Signal],
            server_settings(config),
            tls=None if config.tls is None else tls_port(config.tls, context.telemetry, "grpc", ["h2"]),
            on_error=self._report,
            on_accept_error=self._report_accept,
        )
        context.telemetry.gauge_function(
            "alloytrio_receiver_connections", "open connections", lambda: float(self._server.connections)
        )

    async def run(  # noqa: ASYNC128 - the server tells
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until ``stop``; requests in flight are answered."""
        await self._server.run(self._stop, task_status=task_status)

    def _report(self, path: str, error: BaseException) -> None:
        self._log.error("request failed", method=path, exc_info=error)

    def _report_accept(self, error: OSError) -> None:
        self._log.warning("cannot accept connections", error=error)


def server_settings(config: GrpcConfig) -> ServerSettings:
    """The user's table as the server wants it."""
    keepalive, enforcement = config.keepalive.server_parameters, config.keepalive.enforcement_policy
    return ServerSettings(
        max_recv_msg_size=config.max_recv_msg_size,
        max_concurrent_streams=config.max_concurrent_streams or 100,
        max_connections=config.max_connections,
        read_buffer_size=config.read_buffer_size,
        keepalive=ServerKeepalive(**dict(keepalive)),
        enforcement=EnforcementPolicy(enforcement.min_time, enforcement.permit_without_stream),
    )
