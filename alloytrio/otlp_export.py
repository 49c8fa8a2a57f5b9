"""What the exporters of OpenTelemetry data share: retry and queue settings, the outbox and the routes into it.

Source: the collector's exporter helper as Alloy configures it, with two differences. Nothing is given up after five
minutes unless the user asks for it, and the queue is the journal: bounded in bytes, on disk, alive after a restart.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alloytrio.auth import Authenticator
from alloytrio.component import BuildContext, Signal
from alloytrio.errors import ConfigError
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.otlp_metrics import OtlpExportMetrics
from alloytrio.outbox import Batch, BatchPolicy, Fragment, Outbox, OutboxSettings, Put, RetryPolicy
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.urls import is_private
from alloytrio.values import AuthEdge, Duration
from alloytrio.wire import halve, split

BLOCK_TIMEOUT = 3600.0  # seconds that a put waits with block_on_overflow; its sender gives up long before
MAX_BATCH_BYTES = 3_500_000  # below the 4 MiB that gRPC servers take by default, with room for what they add


class RetryConfig(BaseModel):
    """``retry_on_failure``. Without this table a batch is retried until it is delivered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="false: what fails once is set aside")
    initial_interval: Duration = Field(default=5, gt=0, description="first wait")
    multiplier: float = Field(default=1.5, gt=1, description="each wait is longer by this factor")
    randomization_factor: float = Field(default=0.5, ge=0, le=1, description="waits vary by this part of them")
    max_interval: Duration = Field(default=30, gt=0, description="longest wait")
    max_elapsed_time: Duration = Field(default=300, ge=0, description="then the batch is set aside; 0s = never")


class QueueBatchConfig(BaseModel):
    """``sending_queue.batch``: stands in for a batch processor before the exporter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flush_timeout: Duration = Field(default=0.2, ge=0, description="longest wait of an item")
    min_size: int = Field(default=2000, ge=0, description="items that trigger a batch")
    max_size: int = Field(default=3000, ge=0, description="items a batch never exceeds; 0 = no limit")
    sizer: Literal["items"] = Field(default="items", description="what the sizes count; bytes are always bounded")


class QueueConfig(BaseModel):
    """``sending_queue``: here the outbox, see ``[storage]`` for its default bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Literal[True] = Field(default=True, description="always: acknowledged data is in the journal")
    num_consumers: int = Field(default=10, gt=0, le=64, description="batches sent at the same time")
    queue_size: int = Field(default=0, ge=0, description="bound of the journal; 0 = the bound of [storage]")
    sizer: Literal["bytes", "requests"] = Field(default="requests", description="what queue_size counts")
    block_on_overflow: bool = Field(default=False, description="true: wait for room as long as the sender does")
    batch: QueueBatchConfig | None = Field(default=None, description="replaces the batch processor's sizes")

    @model_validator(mode="after")
    def _size_has_a_unit(self) -> Self:
        if self.queue_size and self.sizer == "requests":
            raise ValueError('queue_size counts requests by default; here it needs sizer = "bytes"')
        return self


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How an exporter's outbox is filled and emptied.

    Args:
        queue: the user's table.
        retry: the user's table; None = until delivered.
        codec: compression of what is sent, a name of ``alloytrio.outbox.codec``.
        attempt_timeout: seconds for one request; 0 = no limit.
    """

    queue: QueueConfig
    retry: RetryConfig | None
    codec: str
    attempt_timeout: float

    def outbox(self, name: str, defaults: OutboxSettings) -> OutboxSettings:
        """The same for the outbox of that name."""
        queue, retry = self.queue, self.retry
        return replace(
            defaults,
            name=name,
            max_bytes=queue.queue_size or defaults.max_bytes,
            put_timeout=BLOCK_TIMEOUT if queue.block_on_overflow else defaults.put_timeout,
            batch_max_bytes=MAX_BATCH_BYTES,
            senders=queue.num_consumers,
            attempt_timeout=self.attempt_timeout,
            retry=RetryPolicy() if retry is None else RetryPolicy(**dict(retry)),
        )


class OtlpOutbox:
    """The outbox of an exporter, under the metrics of one, with the routes into it.

    Args:
        settings: see there.
        context: of the exporter.
        metrics: of the exporter.
        deliver: sends one batch; raises ``RetryableExportError`` or ``PermanentExportError``.
    """

    def __init__(
        self,
        settings: ExportSettings,
        context: BuildContext,
        metrics: OtlpExportMetrics,
        deliver: Callable[[Batch], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._component_id = context.component_id
        self.outbox = Outbox(
            settings.outbox(context.component_id, context.outbox),
            store=context.storage.open(context.component_id),
            deliver=deliver,
            split=halve_fragment,
            telemetry=context.telemetry,
            observer=metrics,
        )
        metrics.watch(self.outbox)

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """One route into the outbox; ``sending_queue.batch`` stands over the batch processor before."""
        own = self._settings.queue.batch
        if own is not None:
            policy = BatchPolicy(self._component_id, own.flush_timeout, own.min_size, own.max_size)
        return [ExportRoute(self.outbox, signal, self._settings.codec, policy or BatchPolicy())]


def authenticator(edge: AuthEdge | None, context: BuildContext) -> Authenticator | None:
    """The component that gives the credentials for each request, if one is named."""
    return None if edge is None else cast(Authenticator, context.resolve(edge))


def report_files(telemetry: ComponentTelemetry, error: ConfigError) -> None:
    """Say that certificates were changed and those before stay in use."""
    telemetry.log.error("changed certificates cannot be used", error=str(error))


def warn_of_plaintext(telemetry: ComponentTelemetry, host: str) -> None:
    """Say once, at the start, that data leaves the private network unencrypted."""
    if not is_private(host):
        message = "data goes over plaintext to a host that is not private: use TLS"
        telemetry.log.warning(message, host=host)


class ExportRoute:
    """The way of one signal, under one batch policy, into an exporter's outbox."""

    def __init__(self, outbox: Outbox, signal: Signal, codec: str, policy: BatchPolicy) -> None:
        self._lane = outbox.lane(policy)
        self._encoding = f"{signal.value}/{codec}"
        self._signal = signal
        self._max_items = policy.send_batch_max_size

    def puts(self, request: OtlpRequest) -> list[Put]:
        """The request as it came, or cut where it is larger than a batch may be."""
        too_many = self._max_items and request.items > self._max_items
        if not too_many and len(request.payload) <= MAX_BATCH_BYTES:
            fragments = [Fragment(request.items, request.payload, self._encoding)]
        else:
            parts = split(request.signal.value, request.payload, self._max_items, MAX_BATCH_BYTES)
            fragments = [Fragment(items, payload, self._encoding) for items, payload in parts]
        return [Put(self._lane, fragments)]


def halve_fragment(encoding: str, payload: bytes) -> list[tuple[int, bytes]]:
    """A fragment cut in two, to find the items that a backend refuses; fewer than two parts: it is one item."""
    return halve(encoding.partition("/")[0], payload)
